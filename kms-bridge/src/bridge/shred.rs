//! Destroying all keys of a tenant or a collection, with evidence.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    provider::{Destruction, ProviderError},
    providers::{NoSuchProvider, Providers},
    registry::{FenceNumber, KekEntry, KeyRegistry, RegistryError, ReplicaId},
    scope::{Kek, KekOwner},
};

/// How often the replicas' reports are looked at.
const POLL: Duration = Duration::from_millis(250);

/// Shreds: it fences the owner on every replica, waits until none holds a key, destroys the KEKs, and
/// proves that what they wrapped does not unwrap. Its key services may have credentials of their own,
/// so that no process of the data path can destroy a KEK.
///
/// Every step can be done again: a shredding that stopped midway is finished by starting it again.
pub struct Shredder {
    registry: Arc<dyn KeyRegistry>,
    destroyers: Providers,
    readers: Providers,
    hard_limit: Duration,
}

/// Where a shredding stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShredStep {
    /// The owner is fenced: no process gives its keys out any more once it has noticed.
    Fenced(FenceNumber),
    /// So many replicas have not reported yet that they hold no key.
    Waiting {
        /// Their number.
        replicas: usize,
    },
    /// A KEK was destroyed.
    Destroyed(Destroyed),
    /// So many data keys were tried, and none was unwrapped.
    CanariesDead(usize),
}

/// What became of one KEK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// The KEK.
    pub kek: Kek,
    /// What its key service did; `None` where it had no such KEK any more.
    pub destruction: Option<Destruction>,
}

/// What a finished shredding did, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Whose keys.
    pub owner: KekOwner,
    /// The fence.
    pub fence: FenceNumber,
    /// Replicas that reported that they hold no key.
    pub acknowledged: usize,
    /// Replicas that were silent for longer than a key lives without its key service.
    pub presumed_dead: Vec<ReplicaId>,
    /// Every KEK that the owner ever had.
    pub keks: Vec<Destroyed>,
    /// Data keys that were tried after it and did not unwrap.
    pub canaries: usize,
    /// Data keys whose wrapped bytes were overwritten in the registry.
    pub forgotten: u64,
}

impl Evidence {
    /// What this process cannot take away, one clause each: copies that others keep, and KEKs that their
    /// service keeps until its waiting time is over.
    #[must_use]
    pub fn remains(&self) -> Vec<String> {
        let mut remains = vec![
            "sealed values in stores, snapshots and backups, without a key".to_owned(),
            "wrapped data keys in backups of the registry, useless without their KEK".to_owned(),
            "KEKs in backups of the key service, if its operators keep any".to_owned(),
        ];
        for destroyed in &self.keks {
            if let Some(Destruction::Scheduled { after }) = destroyed.destruction {
                let days = after.as_secs().div_ceil(86_400);
                let (name, provider) = (&destroyed.kek.name, &destroyed.kek.provider);
                remains.push(format!("KEK {name} in {provider}, disabled; it can be brought back for {days} days"));
            }
        }
        remains
    }
}

/// Why a shredding is not finished. The owner stays fenced; it can be started again.
#[derive(Debug, thiserror::Error)]
pub enum ShredError {
    /// A collection without a KEK of its own can only be shredded with its tenant.
    #[error("the collection has no key-encryption key of its own")]
    NoOwnKek,
    /// A KEK is in a key service that is not configured here.
    #[error(transparent)]
    NoProvider(#[from] NoSuchProvider),
    /// The registry failed.
    #[error("the key registry failed")]
    Registry(#[from] RegistryError),
    /// A KEK was not destroyed.
    #[error("the key-encryption key {kek} was not destroyed")]
    NotDestroyed {
        /// Which one.
        kek: crate::names::KekName,
        /// Why.
        #[source]
        source: ProviderError,
    },
    /// A data key still unwraps, or nobody can tell: the KEK is not destroyed for good.
    #[error("a data key under the key-encryption key {kek} could still be unwrapped")]
    CanaryLives {
        /// Which one.
        kek: crate::names::KekName,
    },
}

impl Shredder {
    /// `destroyers` have the right to destroy KEKs; `readers` are the key services as the data path knows
    /// them, which must fail to unwrap afterwards. `hard_limit` is the longest time for which any replica
    /// uses a key without its key service.
    #[must_use]
    pub fn new(
        registry: Arc<dyn KeyRegistry>,
        destroyers: Providers,
        readers: Providers,
        hard_limit: Duration,
    ) -> Self {
        Self { registry, destroyers, readers, hard_limit }
    }

    /// Shreds all keys of the owner. `step` hears of each step as it is done.
    ///
    /// # Errors
    /// [`ShredError`]; nothing was done before the fence.
    pub async fn shred(
        &self,
        owner: &KekOwner,
        mut step: impl FnMut(&ShredStep) + Send,
    ) -> Result<Evidence, ShredError> {
        let keks = self.keks(owner).await?;
        if owner.collection.is_some() && keks.is_empty() {
            return Err(ShredError::NoOwnKek);
        }
        let fence = self.registry.fence(owner).await?;
        step(&ShredStep::Fenced(fence));
        let (acknowledged, presumed_dead) = self.wait_for_replicas(fence, &mut step).await?;
        let mut destroyed = Vec::new();
        // Once more: a KEK that was being made while the fence was raised is in the list now.
        for entry in self.keks(owner).await? {
            let one = self.destroy(entry.kek).await?;
            step(&ShredStep::Destroyed(one.clone()));
            destroyed.push(one);
        }
        let canaries = self.try_canaries(owner).await?;
        step(&ShredStep::CanariesDead(canaries));
        let forgotten = self.registry.forget(owner).await?;
        Ok(Evidence { owner: owner.clone(), fence, acknowledged, presumed_dead, keks: destroyed, canaries, forgotten })
    }

    async fn keks(&self, owner: &KekOwner) -> Result<Vec<KekEntry>, RegistryError> {
        Ok(self.registry.keks().await?.into_iter().filter(|entry| owner.covers(&entry.owner)).collect())
    }

    /// Waits until every replica has reported, or could not use a key any more: one that is silent for
    /// longer than the hard limit holds no key that it may use.
    async fn wait_for_replicas(
        &self,
        fence: FenceNumber,
        step: &mut (impl FnMut(&ShredStep) + Send),
    ) -> Result<(usize, Vec<ReplicaId>), ShredError> {
        let raised = Instant::now();
        let mut told = 0;
        loop {
            let replicas = self.registry.replicas().await?;
            let (clear, open): (Vec<_>, Vec<_>) = replicas.into_iter().partition(|replica| replica.seen >= fence);
            let over = raised.elapsed() >= self.hard_limit;
            let (dead, waiting): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|replica| over || replica.silent_for >= self.hard_limit);
            if waiting.is_empty() {
                return Ok((clear.len(), dead.into_iter().map(|replica| replica.id).collect()));
            }
            if waiting.len() != told {
                told = waiting.len();
                step(&ShredStep::Waiting { replicas: told });
            }
            tokio::time::sleep(POLL.min(self.hard_limit / 8)).await;
        }
    }

    async fn destroy(&self, kek: Kek) -> Result<Destroyed, ShredError> {
        let destruction = match self.destroyers.named(&kek.provider)?.destroy(&kek.name).await {
            Ok(destruction) => Some(destruction),
            Err(ProviderError::UnknownKek) => None,
            Err(source) => return Err(ShredError::NotDestroyed { kek: kek.name, source }),
        };
        Ok(Destroyed { kek, destruction })
    }

    /// Tries one data key of each KEK: each must be refused for the KEK's sake. An outage proves nothing.
    async fn try_canaries(&self, owner: &KekOwner) -> Result<usize, ShredError> {
        let canaries = self.registry.canaries(owner).await?;
        for canary in &canaries {
            let provider = self.readers.named(&canary.provider)?;
            let answer = match provider.unwrap(std::slice::from_ref(canary)).await {
                Ok(mut answers) => answers.pop().unwrap_or(Err(ProviderError::BadAnswer)),
                Err(error) => Err(error),
            };
            if !matches!(answer, Err(ProviderError::UnknownKek | ProviderError::Disabled)) {
                return Err(ShredError::CanaryLives { kek: canary.kek.clone() });
            }
        }
        Ok(canaries.len())
    }
}

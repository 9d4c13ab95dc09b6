//! What the cache does not have: from the registry and the key service, or new.

use std::{sync::Arc, time::Duration};

use super::{Inner, KeyBridge, KeyError, MemoryLock, Wanted, refuse_other_scope};
use crate::{
    dek::Dek,
    names::{Epoch, KekName, KeyId},
    provider::{DekBytes, ProviderError},
    registry::{Registration, RegistryError},
    scope::{DekScope, Kek, KekOwner, WrapContext, WrappedDek},
};
use ring::rand::SecureRandom;

/// How often a load is done again that an eviction made void. One that is overtaken more often gives its
/// key to its callers without keeping it.
const ATTEMPTS: usize = 3;

/// How long a caller waits for a key that was in use to be confirmed.
const PATIENCE: Duration = Duration::from_millis(250);

impl KeyBridge {
    /// Loads what is wanted, or joins the load that is under way. Where registry or key service cannot be
    /// reached, the key that was in use is given while its grace lasts.
    pub(super) async fn load(&self, wanted: Wanted) -> Result<Arc<Dek>, KeyError> {
        let loaded = self.0.flights.run(&wanted, self.load_alone(&wanted)).await;
        match loaded {
            Err(error) if error.is_outage() => {
                let (scope, key_id) = wanted.place();
                match self.0.cache.grace(scope, key_id, self.0.clock.now()) {
                    Some(dek) => {
                        tracing::warn!(%error, tenant = dek.scope().tenant.as_str(), "a data key is used in grace");
                        Ok(dek)
                    }
                    None => Err(error),
                }
            }
            other => other,
        }
    }

    /// Loads a key whose time is over, and waits for it a little: a key service that hangs is taken for one
    /// that is out, and the key is given while its grace lasts. The load goes on, and what it finds counts.
    pub(super) async fn confirm(&self, wanted: Wanted) -> Result<Arc<Dek>, KeyError> {
        let load = tokio::spawn({
            let (bridge, wanted) = (self.clone(), wanted.clone());
            async move { bridge.load(wanted).await }
        });
        match tokio::time::timeout(PATIENCE, load).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(stopped)) => Err(ProviderError::Unavailable(Arc::new(stopped)).into()),
            Err(late) => {
                let (scope, key_id) = wanted.place();
                let dek = self.0.cache.grace(scope, key_id, self.0.clock.now());
                dek.ok_or_else(|| ProviderError::Unavailable(Arc::new(late)).into())
            }
        }
    }

    /// Loads in a task of its own what callers go on using meanwhile.
    pub(super) fn refresh(&self, wanted: Wanted) {
        let bridge = self.clone();
        tokio::spawn(async move {
            if let Err(error) = bridge.load(wanted).await {
                tracing::warn!(%error, "a data key was not refreshed");
            }
        });
    }

    async fn load_alone(&self, wanted: &Wanted) -> Result<Arc<Dek>, KeyError> {
        let inner = &*self.0;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let (now, generation) = (inner.clock.now(), inner.cache.generation());
            let loaded = match wanted {
                Wanted::Current(scope) => self.current(scope).await,
                Wanted::Named(scope, key_id, epoch) => self.named(scope, *key_id, *epoch).await,
            };
            let dek = match loaded {
                Ok(dek) => dek,
                Err(error) => {
                    // A refusal is about the claim where the claim was foreign, else about the key.
                    if !error.is_outage() && !matches!(error, KeyError::OtherScope) {
                        let (scope, key_id) = wanted.place();
                        inner.cache.drop_refused(scope, key_id);
                    }
                    return Err(error);
                }
            };
            let kept = match wanted {
                Wanted::Current(_) => inner.cache.insert_current(&dek, now, generation),
                Wanted::Named(..) => inner.cache.insert(&dek, now, generation),
            };
            match kept {
                Some(dek) => return Ok(dek),
                // Keys were evicted meanwhile, perhaps this one: the registry is asked again.
                None => last = Some(dek),
            }
        }
        last.ok_or(KeyError::UnknownKey)
    }

    async fn current(&self, scope: &DekScope) -> Result<Arc<Dek>, KeyError> {
        match self.0.registry.current(scope).await? {
            Some(record) => self.unwrap(scope, record).await,
            None => self.0.new_dek(scope, Epoch::FIRST, self).await,
        }
    }

    async fn named(&self, scope: &DekScope, key_id: KeyId, epoch: Epoch) -> Result<Arc<Dek>, KeyError> {
        let record = self.0.registry.find(key_id).await?.ok_or(KeyError::UnknownKey)?;
        if record.key_id != key_id {
            return Err(RegistryError::Corrupt("another key than the one asked for").into());
        }
        // A foreign value costs a look-up here, never a call to the key service.
        refuse_other_scope(scope, epoch, &record.scope, record.epoch)?;
        self.unwrap(scope, record).await
    }

    pub(super) async fn unwrap(&self, scope: &DekScope, record: WrappedDek) -> Result<Arc<Dek>, KeyError> {
        if record.scope != *scope {
            return Err(RegistryError::Corrupt("a key of another scope than asked for").into());
        }
        let bytes = self.0.batches(&record.provider)?.unwrap(record.clone()).await?;
        let dek = self.0.ready(&record, &bytes)?;
        self.rewrap_if_old(record);
        Ok(dek)
    }
}

impl Inner {
    fn ready(&self, record: &WrappedDek, bytes: &DekBytes) -> Result<Arc<Dek>, KeyError> {
        let dek = Dek::new(record, bytes);
        match self.cache.config().memory {
            MemoryLock::Required if !dek.is_locked() => Err(KeyError::NotLocked),
            MemoryLock::Required | MemoryLock::Preferred => Ok(Arc::new(dek)),
        }
    }

    /// Makes the DEK of a scope and epoch, or takes the one of whoever was faster.
    pub(super) async fn new_dek(
        &self,
        scope: &DekScope,
        epoch: Epoch,
        bridge: &KeyBridge,
    ) -> Result<Arc<Dek>, KeyError> {
        let kek = self.kek(&self.owner(scope)).await?;
        let bytes = DekBytes::filled(|key| self.rng.fill(key).map_err(|_| KeyError::NoRandomness))?;
        let provider = self.providers.named(&kek.provider)?;
        let record = WrappedDek {
            key_id: KeyId::random(&self.rng).map_err(|_| KeyError::NoRandomness)?,
            scope: scope.clone(),
            epoch,
            wrapped: provider.wrap(&kek.name, &bytes, &WrapContext::new(scope, epoch)).await?,
            kek: kek.name,
            provider: kek.provider,
        };
        // INVARIANT: durable before the first use, so that nothing is sealed that cannot be opened.
        match self.registry.register(record.clone()).await? {
            Registration::Stored => self.ready(&record, &bytes),
            Registration::Lost(winner) => bridge.unwrap(scope, winner).await,
        }
    }

    /// The owner's KEK, made if the owner never had one.
    pub(super) async fn kek(&self, owner: &KekOwner) -> Result<Kek, KeyError> {
        if let Some(kek) = self.registry.kek(owner).await? {
            return Ok(kek);
        }
        let fresh = self.make_kek(owner).await?;
        // A crash here leaves a KEK that no registry names and nothing was wrapped with.
        let winner = self.registry.register_kek(owner, &fresh).await?;
        self.drop_loser(&fresh, &winner).await;
        Ok(winner)
    }

    pub(super) async fn make_kek(&self, owner: &KekOwner) -> Result<Kek, KeyError> {
        let provider = self.providers.of_tenant(&owner.tenant).clone();
        let name = KekName::random(&self.rng).map_err(|_| KeyError::NoRandomness)?;
        self.providers.named(&provider)?.create_kek(&name).await?;
        Ok(Kek { name, provider })
    }

    pub(super) async fn drop_loser(&self, fresh: &Kek, winner: &Kek) {
        if winner.name != fresh.name
            && let Ok(provider) = self.providers.named(&fresh.provider)
        {
            // The loser's KEK never wrapped anything; if it cannot be removed, it is only litter.
            let _ = provider.destroy(&fresh.name).await;
        }
    }
}

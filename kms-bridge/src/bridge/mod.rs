//! From a scope or a header to a data key.

mod batch;
mod cache;
mod clock;
mod error;
mod fence;
mod flight;
mod load;
mod rotate;
mod shred;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use ring::rand::SystemRandom;

use crate::{
    dek::Dek,
    names::{Epoch, KeyId, ProviderName},
    providers::{NoSuchProvider, Providers},
    registry::KeyRegistry,
    scope::{DekScope, KekOwner},
    value::Header,
};
use batch::Batches;
use cache::{Cache, Found};
use flight::Flights;

pub use cache::{CacheConfig, MemoryLock};
pub use clock::Clock;
pub use error::KeyError;
pub use fence::FenceWatch;
pub use rotate::{KekRotation, Rewrapped, RotateError};
pub use shred::{Destroyed, Evidence, ShredError, ShredStep, Shredder};

/// Gives data keys: from its cache, else from the registry and the key service, else, for sealing
/// in a scope that has none yet, a new one. Cheap to clone; all clones share one cache.
///
/// A new KEK exists in the key service before a registry names it, and a new DEK is registered
/// durably before anyone gets it: a crash between two steps leaves an unused key, never a value
/// that no key opens. Concurrent misses of one key are one load, and loads of several keys are one call
/// to their key service. Failed loads are not remembered, but for the grace of [`CacheConfig`].
#[derive(Clone)]
pub struct KeyBridge(Arc<Inner>);

struct Inner {
    providers: Providers,
    batches: HashMap<ProviderName, Arc<Batches>>,
    registry: Arc<dyn KeyRegistry>,
    keks: KekPer,
    cache: Cache,
    flights: Flights<Wanted, Result<Arc<Dek>, KeyError>>,
    newest: rotate::NewestVersions,
    clock: Clock,
    rng: SystemRandom,
}

/// Which KEKs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KekPer {
    /// One for each tenant: shredding takes the whole tenant.
    Tenant,
    /// One more for each collection, so that it can be shredded alone.
    Collection,
}

/// What a load is for. Callers that claim different scopes for one key id do not share a load: the
/// refusal of one must not reach the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Current(DekScope),
    Named(DekScope, KeyId, Epoch),
}

impl Wanted {
    /// What the cache knows the key by.
    const fn place(&self) -> (Option<&DekScope>, Option<KeyId>) {
        match self {
            Self::Current(scope) => (Some(scope), None),
            Self::Named(_, key_id, _) => (None, Some(*key_id)),
        }
    }
}

impl KeyBridge {
    /// A bridge with an empty cache, on the clock [`Clock::since_boot`].
    #[must_use]
    pub fn new(providers: Providers, registry: Arc<dyn KeyRegistry>, keks: KekPer, config: CacheConfig) -> Self {
        Self::with_clock(providers, registry, keks, config, Clock::since_boot())
    }

    /// [`KeyBridge::new`] on another clock.
    #[must_use]
    pub fn with_clock(
        providers: Providers,
        registry: Arc<dyn KeyRegistry>,
        keks: KekPer,
        config: CacheConfig,
        clock: Clock,
    ) -> Self {
        let batches = providers.iter().map(|(name, provider)| (name.clone(), Batches::new(Arc::clone(provider))));
        Self(Arc::new(Inner {
            batches: batches.collect(),
            providers,
            registry,
            keks,
            cache: Cache::new(config),
            flights: Flights::new(),
            newest: rotate::NewestVersions::default(),
            clock,
            rng: SystemRandom::new(),
        }))
    }

    /// The data key to seal with in this scope. The first call for a tenant makes its KEK, and the
    /// first for a scope its first DEK. Runs on a tokio runtime.
    ///
    /// # Errors
    /// [`KeyError`]; nothing was sealed and nothing needs to be undone.
    pub async fn sealing(&self, scope: &DekScope) -> Result<Arc<Dek>, KeyError> {
        match self.0.cache.current(scope, self.0.clock.now()) {
            Found::Fresh(dek) => Ok(dek),
            Found::Refresh(dek) => {
                self.refresh(Wanted::Current(scope.clone()));
                Ok(dek)
            }
            Found::Stale(_) => self.confirm(Wanted::Current(scope.clone())).await,
            Found::Missing => self.load(Wanted::Current(scope.clone())).await,
        }
    }

    /// The data key that the header names, for a value of this scope. Runs on a tokio runtime.
    ///
    /// # Errors
    /// [`KeyError::OtherScope`] when the key is not of this scope, whoever asks; [`KeyError::UnknownKey`]
    /// when there is none; else as registry and key service fail.
    pub async fn opening(&self, scope: &DekScope, header: &Header) -> Result<Arc<Dek>, KeyError> {
        let found = self.0.cache.by_id(header.key_id(), self.0.clock.now());
        let dek = match found {
            Found::Fresh(dek) => dek,
            Found::Refresh(dek) => {
                self.refresh(Wanted::Named(dek.scope().clone(), dek.key_id(), dek.epoch()));
                dek
            }
            Found::Stale(dek) => {
                let wanted = Wanted::Named(dek.scope().clone(), dek.key_id(), dek.epoch());
                self.confirm(wanted).await?
            }
            Found::Missing => self.load(Wanted::Named(scope.clone(), header.key_id(), header.epoch())).await?,
        };
        refuse_other_scope(scope, header.epoch(), dek.scope(), dek.epoch())?;
        Ok(dek)
    }

    /// Drops the keys whose time is over. Loads do so too; a timer that calls this keeps an idle
    /// process from holding keys for longer than their time.
    pub fn purge_expired(&self) {
        self.0.cache.purge(self.0.clock.now());
    }

    /// How many data keys are in memory.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.0.cache.len()
    }

    /// How many data keys are used beyond their time because registry or key service cannot be reached.
    #[must_use]
    pub fn in_grace(&self) -> usize {
        self.0.cache.in_grace(self.0.clock.now())
    }

    /// How long a key may be used at most after the key service last agreed to it.
    #[must_use]
    pub fn hard_limit(&self) -> std::time::Duration {
        self.0.cache.config().hard()
    }

    /// The key services.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.0.providers
    }
}

impl Inner {
    fn batches(&self, name: &ProviderName) -> Result<&Arc<Batches>, KeyError> {
        self.batches.get(name).ok_or_else(|| KeyError::NoProvider(NoSuchProvider(name.clone())))
    }

    /// Whose KEK wraps the keys of a scope.
    fn owner(&self, scope: &DekScope) -> KekOwner {
        let collection = match self.keks {
            KekPer::Tenant => None,
            KekPer::Collection => scope.collection.clone(),
        };
        KekOwner { tenant: scope.tenant.clone(), collection }
    }
}

impl std::fmt::Debug for KeyBridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyBridge").field("resident", &self.resident()).finish_non_exhaustive()
    }
}

fn refuse_other_scope(scope: &DekScope, epoch: Epoch, of_key: &DekScope, key_epoch: Epoch) -> Result<(), KeyError> {
    if scope == of_key && epoch == key_epoch { Ok(()) } else { Err(KeyError::OtherScope) }
}

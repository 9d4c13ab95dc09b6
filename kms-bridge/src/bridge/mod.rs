//! From a scope or a header to a data key.

mod cache;
mod clock;
mod flight;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use vocab::{Plain, TenantId};

use crate::{
    dek::Dek,
    names::{Epoch, KekName, KeyId},
    provider::{DekBytes, KekProvider, ProviderError},
    registry::{KeyRegistry, Registration, RegistryError},
    scope::{DekScope, WrapContext, WrappedDek},
    value::Header,
};
use cache::{Cache, Generation};
use flight::Flights;

pub use cache::CacheConfig;
pub use clock::Clock;

/// Why there is no data key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// No data key has the id that the header names: the value is foreign or damaged.
    #[error("no data key has this id")]
    UnknownKey,
    /// The header names a data key of another tenant, purpose, collection or epoch.
    #[error("the data key belongs to another tenant, purpose, collection or epoch")]
    OtherScope,
    /// The tenant's KEK is registered, and the key service does not have it: lost or destroyed.
    /// It is not made again.
    #[error("the key-encryption key of the tenant is lost or destroyed")]
    KekLost,
    /// The tenant was shredded.
    #[error("the tenant was shredded")]
    Shredded,
    /// The key service failed.
    #[error("the key service failed")]
    Provider(#[source] ProviderError),
    /// The registry failed.
    #[error("the key registry failed")]
    Registry(#[source] RegistryError),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
}

impl From<ProviderError> for KeyError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::UnknownKek => Self::KekLost,
            other => Self::Provider(other),
        }
    }
}

impl From<RegistryError> for KeyError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Shredded => Self::Shredded,
            other => Self::Registry(other),
        }
    }
}

/// Gives data keys: from its cache, else from the registry and the key service, else, for sealing
/// in a scope that has none yet, a new one.
///
/// A new KEK exists in the key service before a registry names it, and a new DEK is registered
/// durably before anyone gets it: a crash between two steps leaves an unused key, never a value
/// that no key opens. Concurrent misses of one key are one load. Failed loads are not remembered.
pub struct KeyBridge {
    provider: Arc<dyn KekProvider>,
    registry: Arc<dyn KeyRegistry>,
    cache: Mutex<Cache>,
    flights: Flights<Wanted, Result<Arc<Dek>, KeyError>>,
    clock: Clock,
    rng: SystemRandom,
}

/// What a load is for. Callers that claim different scopes for one key id do not share a load: the
/// refusal of one must not reach the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Current(DekScope),
    Named(DekScope, KeyId, Epoch),
}

impl KeyBridge {
    /// A bridge with an empty cache, on the clock [`Clock::since_boot`].
    #[must_use]
    pub fn new(provider: Arc<dyn KekProvider>, registry: Arc<dyn KeyRegistry>, config: CacheConfig) -> Self {
        Self::with_clock(provider, registry, config, Clock::since_boot())
    }

    /// [`KeyBridge::new`] on another clock.
    #[must_use]
    pub fn with_clock(
        provider: Arc<dyn KekProvider>,
        registry: Arc<dyn KeyRegistry>,
        config: CacheConfig,
        clock: Clock,
    ) -> Self {
        Self {
            provider,
            registry,
            cache: Mutex::new(Cache::new(config)),
            flights: Flights::new(),
            clock,
            rng: SystemRandom::new(),
        }
    }

    /// The data key to seal with in this scope. The first call for a tenant makes its KEK, and the
    /// first for a scope its first DEK.
    ///
    /// # Errors
    /// [`KeyError`]; nothing was sealed and nothing needs to be undone.
    pub async fn sealing(&self, scope: &DekScope) -> Result<Arc<Dek>, KeyError> {
        if let Some(dek) = self.cache().current(scope, self.clock.now()) {
            return Ok(dek);
        }
        let wanted = Wanted::Current(scope.clone());
        self.flights.run(&wanted, self.load_current(scope)).await
    }

    /// The data key that the header names, for a value of this scope.
    ///
    /// # Errors
    /// [`KeyError::OtherScope`] when the key is not of this scope, whoever asks; [`KeyError::UnknownKey`]
    /// when there is none; else as registry and key service fail.
    pub async fn opening(&self, scope: &DekScope, header: &Header) -> Result<Arc<Dek>, KeyError> {
        let cached = self.cache().by_id(header.key_id(), self.clock.now());
        let dek = match cached {
            Some(dek) => dek,
            None => {
                let wanted = Wanted::Named(scope.clone(), header.key_id(), header.epoch());
                self.flights.run(&wanted, self.load_by_id(scope, header)).await?
            }
        };
        refuse_other_scope(scope, header, dek.scope(), dek.epoch())?;
        Ok(dek)
    }

    /// Drops all keys of a tenant from memory, at once. Keys that are still in use by calls under way
    /// go when those calls end; loads under way do not put keys back.
    pub fn evict_tenant(&self, tenant: &TenantId) {
        self.cache().evict_tenant(tenant);
    }

    /// Drops the keys whose time is over. Loads do so too; a timer that calls this keeps an idle
    /// process from holding keys for longer than their time.
    pub fn purge_expired(&self) {
        let now = self.clock.now();
        self.cache().purge(now);
    }

    /// How many data keys are in memory.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.cache().len()
    }

    async fn load_current(&self, scope: &DekScope) -> Result<Arc<Dek>, KeyError> {
        let (now, generation) = self.start();
        if let Some(dek) = self.cache().current(scope, now) {
            return Ok(dek); // Another load ended between the miss and this flight.
        }
        let dek = match self.registry.current(scope).await? {
            Some(record) => self.unwrap(scope, record).await?,
            None => self.first_dek(scope).await?,
        };
        self.cache().insert_current(&dek, now, generation);
        Ok(dek)
    }

    async fn load_by_id(&self, scope: &DekScope, header: &Header) -> Result<Arc<Dek>, KeyError> {
        let (now, generation) = self.start();
        let key_id = header.key_id();
        if let Some(dek) = self.cache().by_id(key_id, now) {
            return Ok(dek);
        }
        let record = self.registry.find(key_id).await?.ok_or(KeyError::UnknownKey)?;
        if record.key_id != key_id {
            return Err(RegistryError::Corrupt("another key than the one asked for").into());
        }
        // A foreign value costs a look-up here, never a call to the key service.
        refuse_other_scope(scope, header, &record.scope, record.epoch)?;
        let dek = self.unwrap(scope, record).await?;
        self.cache().insert(&dek, now, generation);
        Ok(dek)
    }

    /// Makes the first DEK of a scope, or takes the one of whoever was faster.
    async fn first_dek(&self, scope: &DekScope) -> Result<Arc<Dek>, KeyError> {
        let kek = self.kek(&scope.tenant).await?;
        let mut bytes = Plain::new([0; 32]);
        self.rng.fill(bytes.expose_mut()).map_err(|_| KeyError::NoRandomness)?;
        let bytes = DekBytes::new(bytes);
        let epoch = Epoch::FIRST;
        let record = WrappedDek {
            key_id: KeyId::random(&self.rng).map_err(|_| KeyError::NoRandomness)?,
            scope: scope.clone(),
            epoch,
            wrapped: self.provider.wrap(&kek, &bytes, &WrapContext::new(scope, epoch)).await?,
            kek,
        };
        // INVARIANT: durable before the first use, so that nothing is sealed that cannot be opened.
        match self.registry.register(record.clone()).await? {
            Registration::Stored => Ok(Arc::new(Dek::new(&record, &bytes))),
            Registration::Lost(winner) => self.unwrap(scope, winner).await,
        }
    }

    /// The tenant's KEK, made if the tenant never had one.
    async fn kek(&self, tenant: &TenantId) -> Result<KekName, KeyError> {
        if let Some(kek) = self.registry.tenant_kek(tenant).await? {
            return Ok(kek);
        }
        let fresh = KekName::random(&self.rng).map_err(|_| KeyError::NoRandomness)?;
        self.provider.create_kek(&fresh).await?;
        // A crash here leaves a KEK that no registry names and nothing was wrapped with.
        let winner = self.registry.register_kek(tenant, &fresh).await?;
        if winner != fresh {
            // The loser's KEK never wrapped anything; if it cannot be removed, it is only litter.
            let _ = self.provider.destroy(&fresh).await;
        }
        Ok(winner)
    }

    async fn unwrap(&self, scope: &DekScope, record: WrappedDek) -> Result<Arc<Dek>, KeyError> {
        if record.scope != *scope {
            return Err(RegistryError::Corrupt("a key of another scope than asked for").into());
        }
        let mut answers = self.provider.unwrap(std::slice::from_ref(&record)).await?;
        match (answers.pop(), answers.is_empty()) {
            (Some(bytes), true) => Ok(Arc::new(Dek::new(&record, &bytes?))),
            _ => Err(ProviderError::BadAnswer.into()),
        }
    }

    fn start(&self) -> (std::time::Duration, Generation) {
        (self.clock.now(), self.cache().generation())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeyBridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyBridge").field("resident", &self.resident()).finish_non_exhaustive()
    }
}

fn refuse_other_scope(scope: &DekScope, header: &Header, of_key: &DekScope, epoch: Epoch) -> Result<(), KeyError> {
    if scope == of_key && header.epoch() == epoch { Ok(()) } else { Err(KeyError::OtherScope) }
}

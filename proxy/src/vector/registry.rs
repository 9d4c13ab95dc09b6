//! The map from a tenant's collections to the store's, and what was frozen when each was made.

use async_trait::async_trait;
use embedding_cipher::{Beta, Dimensions, Metric};
use policy_engine::Mode;
use ring::rand::SecureRandom;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use vocab::{CollectionName, PrincipalId, TenantId, UpstreamName};

/// Which collection is meant: a name means nothing without its tenant and upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionKey {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The store that it is in.
    pub upstream: UpstreamName,
    /// Its name as the app says it.
    pub name: CollectionName,
}

/// The name under which the store knows a collection: `c-` and 128 random bits in hex. It tells nothing
/// and never comes twice, so that a collection made again has other keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhysicalName(CollectionName);

impl PhysicalName {
    /// Draws a new name; `None` when the system gives no randomness.
    #[must_use]
    pub fn random(rng: &dyn SecureRandom) -> Option<Self> {
        let mut bytes = [0_u8; 16];
        rng.fill(&mut bytes).ok()?;
        Self::new(&format!("c-{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Checks a stored name: `c-` and 32 lower-case hex digits.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("c-")?;
        let hex = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { CollectionName::new(text).ok().map(Self) } else { None }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name as the collection of keys and seals.
    #[must_use]
    pub const fn as_collection(&self) -> &CollectionName {
        &self.0
    }
}

/// The distance that the app asked for. The store compares ciphertexts by cosine whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Distance {
    /// Cosine similarity; vectors are kept with norm 1.
    Cosine,
    /// Inner product; vectors must have norm 1.
    Dot,
    /// Euclidean distance; vectors must have norm 1.
    Euclid,
}

impl Distance {
    /// The metric of exact scores.
    #[must_use]
    pub const fn metric(self) -> Metric {
        match self {
            Self::Cosine => Metric::Cosine,
            Self::Dot => Metric::Dot,
            Self::Euclid => Metric::Euclid,
        }
    }
}

/// Where a collection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectionState {
    /// Entered here; the store may or may not have it.
    Creating,
    /// In use.
    Ready,
    /// To be removed; the store may or may not have it.
    Deleting,
}

/// One entry of the map. All but the state is frozen when it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionEntry {
    /// Which collection it is.
    pub key: CollectionKey,
    /// Its name in the store.
    pub physical: PhysicalName,
    /// Where it is in its life.
    pub state: CollectionState,
    /// Numbers in a vector.
    pub dimensions: Dimensions,
    /// The app's distance.
    pub distance: Distance,
    /// How its vectors are protected.
    pub mode: Mode,
    /// The noise of mode `preserving`.
    pub beta: Beta,
    /// Payload fields that have a blind index.
    pub filterable: BTreeSet<String>,
    /// Who made it.
    pub created_by: PrincipalId,
}

/// What entering a collection did.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// The entry is new and `creating`.
    Created(CollectionEntry),
    /// The name is taken by this entry, whatever its state.
    Taken(CollectionEntry),
}

/// A step in the life of a collection. Taking it twice is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// From `creating` to `ready`.
    Ready,
    /// From `creating` or `ready` to `deleting`.
    Deleting,
}

/// Why the map did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CollectionsError {
    /// The tenant was shredded: it gets no collections any more.
    #[error("the tenant was shredded")]
    Shredded,
    /// The map could not be read or written; the same call may succeed later.
    #[error("the collection map is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

/// The durable map of collections. Several processes may share it; what an operation returned is durable.
#[async_trait]
pub trait Collections: Send + Sync + 'static {
    /// The entry of a collection, whatever its state.
    async fn find(&self, key: &CollectionKey) -> Result<Option<CollectionEntry>, CollectionsError>;

    /// Enters a collection in state `creating`, unless the name is taken: the first writer wins.
    async fn create(&self, entry: &CollectionEntry) -> Result<Creation, CollectionsError>;

    /// Moves the collection of this key and physical name to its next state. `None` when there is no such
    /// collection in a state from which the step leads on.
    async fn advance(
        &self,
        key: &CollectionKey,
        physical: &PhysicalName,
        step: Advance,
    ) -> Result<Option<CollectionEntry>, CollectionsError>;

    /// Removes a collection in state `deleting`. Removing one that is gone is no error.
    async fn remove(&self, key: &CollectionKey, physical: &PhysicalName) -> Result<(), CollectionsError>;

    /// The collections of a tenant at an upstream, by name, whatever their state.
    async fn list(&self, tenant: &TenantId, upstream: &UpstreamName) -> Result<Vec<CollectionEntry>, CollectionsError>;
}

/// A map in memory, for tests and examples; it is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryCollections(Mutex<BTreeMap<CollectionKey, CollectionEntry>>);

impl MemoryCollections {
    fn map(&self) -> MutexGuard<'_, BTreeMap<CollectionKey, CollectionEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Collections for MemoryCollections {
    async fn find(&self, key: &CollectionKey) -> Result<Option<CollectionEntry>, CollectionsError> {
        Ok(self.map().get(key).cloned())
    }

    async fn create(&self, entry: &CollectionEntry) -> Result<Creation, CollectionsError> {
        let mut map = self.map();
        if let Some(taken) = map.get(&entry.key) {
            return Ok(Creation::Taken(taken.clone()));
        }
        let entry = CollectionEntry { state: CollectionState::Creating, ..entry.clone() };
        map.insert(entry.key.clone(), entry.clone());
        Ok(Creation::Created(entry))
    }

    async fn advance(
        &self,
        key: &CollectionKey,
        physical: &PhysicalName,
        step: Advance,
    ) -> Result<Option<CollectionEntry>, CollectionsError> {
        use CollectionState::{Creating, Deleting, Ready};
        let mut map = self.map();
        let Some(entry) = map.get_mut(key).filter(|entry| entry.physical == *physical) else { return Ok(None) };
        entry.state = match (step, entry.state) {
            (Advance::Ready, Creating | Ready) => Ready,
            (Advance::Deleting, _) => Deleting,
            (Advance::Ready, Deleting) => return Ok(None),
        };
        Ok(Some(entry.clone()))
    }

    async fn remove(&self, key: &CollectionKey, physical: &PhysicalName) -> Result<(), CollectionsError> {
        let mut map = self.map();
        if map.get(key).is_some_and(|e| e.physical == *physical && e.state == CollectionState::Deleting) {
            map.remove(key);
        }
        Ok(())
    }

    async fn list(&self, tenant: &TenantId, upstream: &UpstreamName) -> Result<Vec<CollectionEntry>, CollectionsError> {
        Ok(self.map().values().filter(|e| e.key.tenant == *tenant && e.key.upstream == *upstream).cloned().collect())
    }
}

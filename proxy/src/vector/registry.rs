//! The map from a tenant's collections to the store's, and what was frozen when each was made.

use embedding_cipher::{Beta, Dimensions, Metric};
use policy_engine::Mode;
use ring::rand::SecureRandom;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
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

/// A future that a trait object can give.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, CollectionsError>> + Send + 'a>>;

/// The durable map of collections. Several processes may share it; what an operation returned is durable.
pub trait Collections: Send + Sync + 'static {
    /// The entry of a collection, whatever its state.
    fn find<'a>(&'a self, key: &'a CollectionKey) -> Answering<'a, Option<CollectionEntry>>;

    /// Enters a collection in state `creating`, unless the name is taken: the first writer wins.
    fn create<'a>(&'a self, entry: &'a CollectionEntry) -> Answering<'a, Creation>;

    /// Moves the collection of this key and physical name to its next state. `None` when there is no such
    /// collection in a state from which the step leads on.
    fn advance<'a>(
        &'a self,
        key: &'a CollectionKey,
        physical: &'a PhysicalName,
        step: Advance,
    ) -> Answering<'a, Option<CollectionEntry>>;

    /// Removes a collection in state `deleting`. Removing one that is gone is no error.
    fn remove<'a>(&'a self, key: &'a CollectionKey, physical: &'a PhysicalName) -> Answering<'a, ()>;

    /// The collections of a tenant at an upstream, by name, whatever their state.
    fn list<'a>(&'a self, tenant: &'a TenantId, upstream: &'a UpstreamName) -> Answering<'a, Vec<CollectionEntry>>;
}

/// A map in memory, for tests and examples; it is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryCollections(Mutex<BTreeMap<CollectionKey, CollectionEntry>>);

impl MemoryCollections {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<CollectionKey, CollectionEntry>) -> T) -> Result<T, CollectionsError> {
        Ok(act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Collections for MemoryCollections {
    fn find<'a>(&'a self, key: &'a CollectionKey) -> Answering<'a, Option<CollectionEntry>> {
        let found = self.with(|map| map.get(key).cloned());
        Box::pin(async { found })
    }

    fn create<'a>(&'a self, entry: &'a CollectionEntry) -> Answering<'a, Creation> {
        let made = self.with(|map| match map.get(&entry.key) {
            Some(taken) => Creation::Taken(taken.clone()),
            None => {
                let entry = CollectionEntry { state: CollectionState::Creating, ..entry.clone() };
                map.insert(entry.key.clone(), entry.clone());
                Creation::Created(entry)
            }
        });
        Box::pin(async { made })
    }

    fn advance<'a>(
        &'a self,
        key: &'a CollectionKey,
        physical: &'a PhysicalName,
        step: Advance,
    ) -> Answering<'a, Option<CollectionEntry>> {
        use CollectionState::{Creating, Deleting, Ready};
        let moved = self.with(|map| {
            let entry = map.get_mut(key).filter(|entry| entry.physical == *physical)?;
            let to = match (step, entry.state) {
                (Advance::Ready, Creating | Ready) => Ready,
                (Advance::Deleting, _) => Deleting,
                (Advance::Ready, Deleting) => return None,
            };
            entry.state = to;
            Some(entry.clone())
        });
        Box::pin(async { moved })
    }

    fn remove<'a>(&'a self, key: &'a CollectionKey, physical: &'a PhysicalName) -> Answering<'a, ()> {
        let removed = self.with(|map| {
            let gone = map.get(key).is_some_and(|e| e.physical == *physical && e.state == CollectionState::Deleting);
            if gone {
                map.remove(key);
            }
        });
        Box::pin(async { removed })
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, upstream: &'a UpstreamName) -> Answering<'a, Vec<CollectionEntry>> {
        let listed = self.with(|map| {
            map.values().filter(|e| e.key.tenant == *tenant && e.key.upstream == *upstream).cloned().collect()
        });
        Box::pin(async { listed })
    }
}

//! The state store behind the traits of the proxy: the in-process way from a sidecar to its state.

use control_plane::{self as stored, PresentedKey, Store};
use kms_bridge::KeyRegistry;
use proxy::{
    identity::{KeyStatus, UnixSeconds, VirtualKey, VirtualKeys, VirtualKeysUnavailable},
    vector::{
        Advance, CollectionEntry, CollectionKey, CollectionState, Collections, CollectionsError, Creation, Distance,
        PhysicalName,
    },
};
use std::{error::Error, sync::Arc, time::Duration};
use vocab::{TenantId, UpstreamName};

/// The store, shared by all that use it.
#[derive(Clone)]
pub(crate) struct SharedStore(Arc<Store>);

impl SharedStore {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(store))
    }

    /// Looks for revocations by other processes, for as long as this one lives.
    pub(crate) fn follow_revocations(&self, every: Duration) -> impl Future<Output = ()> + Send + use<> {
        let store = Store::clone(&self.0);
        store.follow_revocations(every)
    }

    /// The store itself.
    pub(crate) fn inner(&self) -> &Store {
        &self.0
    }

    /// The registry of wrapped keys.
    pub(crate) fn registry(&self) -> Arc<dyn KeyRegistry> {
        Arc::clone(&self.0) as Arc<dyn KeyRegistry>
    }
}

/// Virtual keys, for the authenticator.
pub(crate) struct StoredKeys(SharedStore);

impl StoredKeys {
    pub(crate) const fn new(store: SharedStore) -> Self {
        Self(store)
    }
}

#[async_trait::async_trait]
impl VirtualKeys for StoredKeys {
    fn recognises(&self, credential: &str) -> bool {
        PresentedKey::parse(credential).is_some()
    }

    fn generation(&self) -> u64 {
        self.0.0.revocation_generation()
    }

    async fn lookup(&self, credential: &str) -> Result<Option<VirtualKey>, VirtualKeysUnavailable> {
        let Some(presented) = PresentedKey::parse(credential) else { return Ok(None) };
        let found = self.0.0.find_key(&presented).await.map_err(|e| VirtualKeysUnavailable(Arc::new(e)))?;
        Ok(found.map(|key| VirtualKey {
            id: key.id.as_str().into(),
            tenant: key.tenant,
            principal: key.principal,
            groups: key.groups,
            expires_at: key.expires_at.map(UnixSeconds::new),
            status: if key.revoked_at.is_some() { KeyStatus::Revoked } else { KeyStatus::Active },
        }))
    }
}

/// The map of collections, for the vector plane.
pub(crate) struct StoredCollections(SharedStore);

impl StoredCollections {
    pub(crate) const fn new(store: SharedStore) -> Self {
        Self(store)
    }
}

/// A row that holds what the proxy does not know.
#[derive(Debug, thiserror::Error)]
#[error("the stored {0} of a collection is not one that this program knows")]
struct Unreadable(&'static str);

fn unavailable(error: impl Error + Send + Sync + 'static) -> CollectionsError {
    CollectionsError::Unavailable(Arc::new(error))
}

fn fault(error: stored::StoreError) -> CollectionsError {
    match error {
        stored::StoreError::Shredded => CollectionsError::Shredded,
        other => unavailable(other),
    }
}

fn stored_key(key: &CollectionKey) -> stored::CollectionKey {
    stored::CollectionKey { tenant: key.tenant.clone(), upstream: key.upstream.clone(), name: key.name.clone() }
}

fn stored_name(name: &PhysicalName) -> Result<stored::PhysicalName, CollectionsError> {
    stored::PhysicalName::new(name.as_str()).map_err(unavailable)
}

fn stored_spec(entry: &CollectionEntry) -> stored::CollectionSpec {
    stored::CollectionSpec {
        dimensions: entry.dimensions.count(),
        distance: match entry.distance {
            Distance::Cosine => stored::Distance::Cosine,
            Distance::Dot => stored::Distance::Dot,
            Distance::Euclid => stored::Distance::Euclid,
        },
        mode: match entry.mode {
            policy_engine::Mode::Preserving => stored::Mode::Preserving,
            policy_engine::Mode::Sealed => stored::Mode::Sealed,
            policy_engine::Mode::Plain => stored::Mode::Plain,
        },
        beta: Some(f64::from(entry.beta.value())),
        filterable: entry.filterable.clone(),
        created_by: entry.created_by.clone(),
    }
}

fn entry(row: stored::CollectionRow) -> Result<CollectionEntry, CollectionsError> {
    let spec = row.spec;
    // Rounding is exact here: what is stored is an f32 widened by `stored_spec`.
    #[expect(clippy::cast_possible_truncation, reason = "the value was an f32 when it was stored")]
    let beta = spec.beta.map_or(2.0, |beta| beta as f32);
    Ok(CollectionEntry {
        key: CollectionKey { tenant: row.key.tenant, upstream: row.key.upstream, name: row.key.name },
        physical: PhysicalName::new(row.physical.as_str()).ok_or_else(|| unavailable(Unreadable("name")))?,
        state: match row.state {
            stored::CollectionState::Creating => CollectionState::Creating,
            stored::CollectionState::Ready => CollectionState::Ready,
            stored::CollectionState::Deleting => CollectionState::Deleting,
        },
        dimensions: embedding_cipher::Dimensions::new(u64::from(spec.dimensions)).map_err(unavailable)?,
        distance: match spec.distance {
            stored::Distance::Cosine => Distance::Cosine,
            stored::Distance::Dot => Distance::Dot,
            stored::Distance::Euclid => Distance::Euclid,
        },
        mode: match spec.mode {
            stored::Mode::Preserving => policy_engine::Mode::Preserving,
            stored::Mode::Sealed => policy_engine::Mode::Sealed,
            stored::Mode::Plain => policy_engine::Mode::Plain,
        },
        beta: embedding_cipher::Beta::new(beta).map_err(unavailable)?,
        filterable: spec.filterable,
        created_by: spec.created_by,
    })
}

#[async_trait::async_trait]
impl Collections for StoredCollections {
    async fn find(&self, key: &CollectionKey) -> Result<Option<CollectionEntry>, CollectionsError> {
        self.0.0.find_collection(&stored_key(key)).await.map_err(fault)?.map(entry).transpose()
    }

    async fn create(&self, new: &CollectionEntry) -> Result<Creation, CollectionsError> {
        let physical = stored_name(&new.physical)?;
        let made = self.0.0.create_collection(&stored_key(&new.key), &physical, &stored_spec(new)).await;
        match made.map_err(fault)? {
            stored::Creation::Created(row) => entry(row).map(Creation::Created),
            stored::Creation::Taken(row) => entry(row).map(Creation::Taken),
        }
    }

    async fn advance(
        &self,
        key: &CollectionKey,
        physical: &PhysicalName,
        step: Advance,
    ) -> Result<Option<CollectionEntry>, CollectionsError> {
        let step = match step {
            Advance::Ready => stored::Advance::Ready,
            Advance::Deleting => stored::Advance::Deleting,
        };
        let moved = self.0.0.advance_collection(&stored_key(key), &stored_name(physical)?, step).await;
        moved.map_err(fault)?.map(entry).transpose()
    }

    async fn remove(&self, key: &CollectionKey, physical: &PhysicalName) -> Result<(), CollectionsError> {
        self.0.0.remove_collection(&stored_key(key), &stored_name(physical)?).await.map_err(fault)
    }

    async fn list(&self, tenant: &TenantId, upstream: &UpstreamName) -> Result<Vec<CollectionEntry>, CollectionsError> {
        let rows = self.0.0.collections(tenant, upstream).await.map_err(fault)?;
        rows.into_iter().map(entry).collect()
    }
}

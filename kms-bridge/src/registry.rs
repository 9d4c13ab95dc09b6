//! What a store of wrapped keys must do.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use vocab::TenantId;

use crate::{
    names::{KekName, KeyId},
    scope::{DekScope, Kek, KekOwner, WrappedDek},
};

/// What became of a data key offered to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It is stored, durably, and is the key of its scope and epoch.
    Stored,
    /// Another key already holds that scope and epoch; here it is. The offered one must be dropped.
    Lost(WrappedDek),
}

/// What became of a new wrapping of a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrapping {
    /// It is stored, durably, in the place of the old one.
    Stored,
    /// The stored wrapping is not the old one any more: another process was faster.
    Overtaken,
}

/// Why a registry did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The tenant or the collection was shredded: no key of it is given or taken any more.
    #[error("the tenant was shredded")]
    Shredded,
    /// The registry could not be read or written; the same call may succeed later.
    #[error("the key registry is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The registry holds something that is not a key record, or answers about another key.
    #[error("the key registry holds a damaged record: {0}")]
    Corrupt(&'static str),
}

/// A KEK that a registry knows, whether or not its owner was shredded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KekEntry {
    /// Whose it is.
    pub owner: KekOwner,
    /// The KEK.
    pub kek: Kek,
    /// Whether new data keys are wrapped with it.
    pub state: KekState,
    /// How many data keys it wraps.
    pub deks: u64,
}

/// Whether new data keys are wrapped with a KEK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KekState {
    /// They are.
    Active,
    /// A later KEK of the same owner took its place; what it wrapped is still unwrapped with it.
    Retired,
}

/// The number of a fence, from 1 in the order in which they were raised; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FenceNumber(pub u64);

/// An owner whose keys must not be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Its number.
    pub number: FenceNumber,
    /// Whose keys.
    pub owner: KekOwner,
}

/// One process that uses keys of the registry, by an id drawn when it started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub KeyId);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a replica last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Which one.
    pub id: ReplicaId,
    /// It holds no key of any owner that was fenced up to this number.
    pub seen: FenceNumber,
    /// How long ago it reported.
    pub silent_for: Duration,
}

/// The durable store of which KEK an owner has and of all wrapped data keys.
///
/// Several processes may share one registry. Both `register` and both `replace` operations are a
/// compare-and-swap: the first writer wins, every later one is told who won. What an operation
/// returned is durable. From the moment of [`KeyRegistry::fence`] on, every operation that concerns
/// keys of the fenced owner fails with [`RegistryError::Shredded`], those for shredding excepted.
#[async_trait]
pub trait KeyRegistry: Send + Sync + 'static {
    /// The owner's active KEK, if it has one.
    ///
    /// # Errors
    /// [`RegistryError`] when the owner is shredded or the registry fails.
    async fn kek(&self, owner: &KekOwner) -> Result<Option<Kek>, RegistryError>;

    /// Gives the owner this KEK unless it has one; returns the one it has now.
    ///
    /// # Errors
    /// [`RegistryError`] when the owner is shredded or the registry fails;
    /// [`RegistryError::Corrupt`] when the name was used before.
    async fn register_kek(&self, owner: &KekOwner, kek: &Kek) -> Result<Kek, RegistryError>;

    /// Retires the owner's KEK `old` and makes `new` the active one, if `old` is active; returns the
    /// one that is active now.
    ///
    /// # Errors
    /// As [`KeyRegistry::register_kek`].
    async fn replace_kek(&self, owner: &KekOwner, old: &KekName, new: &Kek) -> Result<Kek, RegistryError>;

    /// The data key of the scope's highest epoch, if it has any.
    ///
    /// # Errors
    /// [`RegistryError`] when the owner is shredded or the registry fails.
    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError>;

    /// The data key of that id, if there is one.
    ///
    /// # Errors
    /// [`RegistryError`] when its owner is shredded or the registry fails.
    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError>;

    /// Stores a data key unless its scope and epoch already have one.
    ///
    /// # Errors
    /// [`RegistryError`] when its owner is shredded or the registry fails;
    /// [`RegistryError::Corrupt`] when the key id is already in use.
    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError>;

    /// Stores the wrapping, KEK and provider of `new` for the data key `old`, if its wrapping is still
    /// that of `old`.
    ///
    /// # Errors
    /// [`RegistryError`] when its owner is shredded or the registry fails.
    async fn replace_wrapping(&self, old: &WrappedDek, new: &WrappedDek) -> Result<Rewrapping, RegistryError>;

    /// At most `limit` data keys in the order of their ids, from the one after `after` on; of one
    /// tenant or of all, without those of fenced owners.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn page(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<WrappedDek>, RegistryError>;

    /// Every KEK, also of fenced owners.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn keks(&self) -> Result<Vec<KekEntry>, RegistryError>;

    /// Fences an owner, for ever and durably, and gives the number of the fence; the same number when
    /// it was fenced before.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn fence(&self, owner: &KekOwner) -> Result<FenceNumber, RegistryError>;

    /// The fences after a number, in order.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn fences(&self, after: FenceNumber) -> Result<Vec<Fence>, RegistryError>;

    /// Notes that a replica is alive and holds no key of an owner fenced up to `seen`.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn report(&self, replica: &ReplicaId, seen: FenceNumber) -> Result<(), RegistryError>;

    /// Every replica that ever reported and was not forgotten.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn replicas(&self) -> Result<Vec<Replica>, RegistryError>;

    /// For shredding: one wrapped data key under each KEK that the owner covers, fenced or not.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails.
    async fn canaries(&self, owner: &KekOwner) -> Result<Vec<WrappedDek>, RegistryError>;

    /// For shredding: overwrites the wrapped bytes of every data key that a fenced owner covers, and
    /// gives their number. The ids stay.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry fails, and [`RegistryError::Corrupt`] when there is no fence.
    async fn forget(&self, owner: &KekOwner) -> Result<u64, RegistryError>;
}

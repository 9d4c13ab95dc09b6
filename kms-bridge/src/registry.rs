//! What a store of wrapped keys must do.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use vocab::TenantId;

use crate::{
    names::{KekName, KeyId},
    scope::{DekScope, WrappedDek},
};

/// What became of a data key offered to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It is stored, durably, and is the key of its scope and epoch.
    Stored,
    /// Another key already holds that scope and epoch; here it is. The offered one must be dropped.
    Lost(WrappedDek),
}

/// Why a registry did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The tenant was shredded: no key of it is given or taken any more.
    #[error("the tenant was shredded")]
    Shredded,
    /// The registry could not be read or written; the same call may succeed later.
    #[error("the key registry is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The registry holds something that is not a key record, or answers about another key.
    #[error("the key registry holds a damaged record: {0}")]
    Corrupt(&'static str),
}

/// The durable store of which KEK a tenant has and of all wrapped data keys.
///
/// Several processes may share one registry. Both `register` operations are a compare-and-swap:
/// the first writer wins, every later one is told who won. What an operation returned is durable.
/// Every operation that concerns a shredded tenant fails with [`RegistryError::Shredded`].
#[async_trait]
pub trait KeyRegistry: Send + Sync + 'static {
    /// The name of the tenant's KEK, if it has one.
    ///
    /// # Errors
    /// [`RegistryError`] when the tenant is shredded or the registry fails.
    async fn tenant_kek(&self, tenant: &TenantId) -> Result<Option<KekName>, RegistryError>;

    /// Gives the tenant this KEK unless it has one; returns the one it has now.
    ///
    /// # Errors
    /// [`RegistryError`] when the tenant is shredded or the registry fails.
    async fn register_kek(&self, tenant: &TenantId, kek: &KekName) -> Result<KekName, RegistryError>;

    /// The data key of the scope's highest epoch, if it has any.
    ///
    /// # Errors
    /// [`RegistryError`] when the tenant is shredded or the registry fails.
    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError>;

    /// The data key of that id, if there is one.
    ///
    /// # Errors
    /// [`RegistryError`] when its tenant is shredded or the registry fails.
    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError>;

    /// Stores a data key unless its scope and epoch already have one.
    ///
    /// # Errors
    /// [`RegistryError`] when its tenant is shredded or the registry fails;
    /// [`RegistryError::Corrupt`] when the key id is already in use.
    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError>;
}

//! What a key service must do.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use vocab::Plain;

use crate::{
    names::KekName,
    scope::{WrapContext, WrappedDek},
};

/// The 32 bytes of a data key, in the clear.
pub struct DekBytes(Plain<[u8; 32]>);

impl DekBytes {
    /// Takes the bytes of a key.
    #[must_use]
    pub const fn new(bytes: Plain<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Reads the bytes. Only a provider that wraps them has a reason to.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl core::fmt::Debug for DekBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DekBytes")
    }
}

/// Why a key service did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// There is no KEK of that name: never made, lost, or destroyed.
    #[error("the key service has no such key-encryption key")]
    UnknownKek,
    /// A KEK of that name exists already.
    #[error("the key service already has a key-encryption key of that name")]
    KekExists,
    /// The service knows us and does not allow it.
    #[error("the key service refused the operation")]
    Denied(#[source] Arc<dyn Error + Send + Sync>),
    /// The service could not be reached or failed in itself; the same call may succeed later.
    #[error("the key service is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The wrapped key, or the stored KEK, is damaged or of another KEK.
    #[error("the wrapped key or its key-encryption key is damaged")]
    Corrupt,
    /// The wrapped key was made for another tenant, purpose, collection or epoch.
    #[error("the wrapped key belongs to another context")]
    ContextMismatch,
    /// The answer of the service breaks the contract of this trait.
    #[error("the key service gave an answer of the wrong shape")]
    BadAnswer,
}

/// A key service that holds KEKs: a local keyring, a transit engine, a cloud KMS, a token.
///
/// KEKs stay inside. Every operation is one call to the service, and `unwrap` takes a batch, as
/// services do. An operation on a missing KEK fails with [`ProviderError::UnknownKek`] and never
/// makes one: a lost KEK must be noticed, not papered over.
#[async_trait]
pub trait KekProvider: Send + Sync + 'static {
    /// Makes a KEK under a fresh name, durable when the call returns.
    ///
    /// # Errors
    /// [`ProviderError::KekExists`] when the name is taken, else as the service fails.
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError>;

    /// Wraps a data key under a KEK, bound to the context.
    ///
    /// # Errors
    /// [`ProviderError::UnknownKek`] when the KEK is not there, else as the service fails.
    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError>;

    /// Unwraps data keys; the answer has one result for each, in the same order.
    ///
    /// A single key fails on its own with [`ProviderError::UnknownKek`],
    /// [`ProviderError::Corrupt`] or [`ProviderError::ContextMismatch`] (or `Corrupt` for the
    /// latter, where the service cannot tell them apart).
    ///
    /// # Errors
    /// When the service failed for the whole batch.
    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError>;

    /// Destroys a KEK for good, durable when the call returns: what it wrapped can never be
    /// unwrapped again from this service. Backups of the service are its operators' affair.
    ///
    /// # Errors
    /// [`ProviderError::UnknownKek`] when it is not there, else as the service fails.
    async fn destroy(&self, kek: &KekName) -> Result<(), ProviderError>;
}

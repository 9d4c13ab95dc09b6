//! What a key service must do.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use vocab::Plain;

use crate::{
    names::KekName,
    scope::{WrapContext, WrappedDek},
};

/// The 32 bytes of a data key, in the clear. They stay in one place of the heap, however often the value is
/// moved, and are overwritten there when it is dropped.
pub struct DekBytes(Box<Plain<[u8; 32]>>);

impl DekBytes {
    /// Has `fill` write the key where it stays.
    ///
    /// # Errors
    /// Whatever `fill` gives.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Self(Box::new(Plain::new([0; 32])));
        fill(bytes.0.expose_mut())?;
        Ok(bytes)
    }

    /// Copies the bytes of a key; `None` when they are not 32. The caller overwrites its own.
    #[must_use]
    pub fn copied(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.as_array::<32>()?;
        Self::filled(|key| {
            key.copy_from_slice(bytes);
            Ok::<_, core::convert::Infallible>(())
        })
        .ok()
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
    /// The KEK is there and switched off: disabled, or waiting for its deletion.
    #[error("the key-encryption key is disabled")]
    Disabled,
    /// The service knows us and does not allow it, or does not know us, also after a fresh login.
    #[error("the key service refused the operation")]
    Denied(#[source] Arc<dyn Error + Send + Sync>),
    /// The service could not be reached or failed in itself; the same call may succeed later.
    #[error("the key service is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The service asks for fewer calls; the same call may succeed later, not before `after` where it
    /// says so.
    #[error("the key service asks for fewer calls")]
    Throttled {
        /// How long to wait, where the service says so.
        after: Option<Duration>,
    },
    /// The service has no such operation.
    #[error("the key service cannot do this")]
    Unsupported,
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

impl ProviderError {
    /// Whether the service, and not the key, is at fault: what was opened before may be used for its
    /// grace, and the same call may succeed later.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Throttled { .. } | Self::BadAnswer)
    }
}

/// A version of a KEK, counted from 1, in a service that keeps several under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekVersion(pub u32);

/// Which versions of a KEK there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KekVersions {
    /// The one that wraps now.
    pub newest: KekVersion,
    /// The oldest one that still unwraps.
    pub oldest_usable: KekVersion,
}

impl KekVersions {
    /// Those of a service that keeps one version under each name, or does not tell them apart.
    pub const ONLY: Self = Self { newest: KekVersion(1), oldest_usable: KekVersion(1) };
}

/// What destroying a KEK came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destruction {
    /// The KEK is gone.
    Done,
    /// The KEK is disabled, and the service destroys it after its waiting time. Until then its
    /// operators can bring it back.
    Scheduled {
        /// The waiting time.
        after: Duration,
    },
}

/// One thing that a provider found out about its service, for `aios keys doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what to do about it, without secrets.
    pub text: String,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It works, and weakens a promise.
    Warning,
    /// It does not work.
    Broken,
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
    /// unwrapped again from this service, or not after the waiting time that the answer names and
    /// not before somebody cancels it. Backups of the service are its operators' affair.
    ///
    /// # Errors
    /// [`ProviderError::UnknownKek`] when it is not there, else as the service fails.
    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError>;

    /// Which versions of a KEK there are. An operator may add one at the service itself. A service
    /// that keeps one version under each name has [`KekVersions::ONLY`], and need not be asked.
    ///
    /// # Errors
    /// [`ProviderError::UnknownKek`] when it is not there, else as the service fails.
    async fn versions(&self, _kek: &KekName) -> Result<KekVersions, ProviderError> {
        Ok(KekVersions::ONLY)
    }

    /// The version of its KEK that made a wrapped key; `None` where the bytes do not tell. Pure.
    fn version_of(&self, _wrapped: &[u8]) -> Option<KekVersion> {
        None
    }

    /// Adds a version to a KEK, durable when the call returns; earlier versions still unwrap.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] where a name has one version: the bridge rotates to a KEK of a
    /// new name then. Else as the service fails.
    async fn rotate(&self, _kek: &KekName) -> Result<(), ProviderError> {
        Err(ProviderError::Unsupported)
    }

    /// Wraps data keys again under the newest version of their own KEK, bound to the same contexts;
    /// the answer has one result for each, in the same order. The data keys do not leave the service.
    ///
    /// # Errors
    /// As [`KekProvider::unwrap`]; [`ProviderError::Unsupported`] where a name has one version.
    async fn rewrap(&self, _deks: &[WrappedDek]) -> Result<Vec<Result<Vec<u8>, ProviderError>>, ProviderError> {
        Err(ProviderError::Unsupported)
    }

    /// Looks at the service as an operator would: reachable, unsealed, our rights, settings that
    /// weaken a promise. It changes nothing there.
    async fn examine(&self) -> Vec<Finding>;
}

//! Why there is no data key.

use crate::{provider::ProviderError, providers::NoSuchProvider, registry::RegistryError};

/// Why there is no data key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// No data key has the id that the header names: the value is foreign or damaged.
    #[error("no data key has this id")]
    UnknownKey,
    /// The header names a data key of another tenant, purpose, collection or epoch.
    #[error("the data key belongs to another tenant, purpose, collection or epoch")]
    OtherScope,
    /// The owner's KEK is registered, and the key service does not have it: lost or destroyed.
    /// It is not made again.
    #[error("the key-encryption key of the tenant is lost or destroyed")]
    KekLost,
    /// The tenant or the collection was shredded.
    #[error("the tenant was shredded")]
    Shredded,
    /// The key service failed.
    #[error("the key service failed")]
    Provider(#[source] ProviderError),
    /// The registry failed.
    #[error("the key registry failed")]
    Registry(#[source] RegistryError),
    /// The registry names a key service that this process was not configured with.
    #[error("the key service of this key is not configured")]
    NoProvider(#[source] NoSuchProvider),
    /// The system does not lock more memory, and keys in unlocked memory are refused.
    #[error("the system does not lock memory for another key")]
    NotLocked,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
}

impl KeyError {
    /// Whether registry or key service cannot be reached or are overloaded: the same call may succeed
    /// later, and says nothing about the key.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Provider(error) => error.is_outage(),
            Self::Registry(RegistryError::Unavailable(_)) => true,
            _ => false,
        }
    }
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

impl From<NoSuchProvider> for KeyError {
    fn from(error: NoSuchProvider) -> Self {
        Self::NoProvider(error)
    }
}

//! Keys and sealing.
//!
//! Every tenant has a key-encryption key (KEK) in a key service. Data keys (DEKs), one for each
//! tenant, purpose, collection and epoch, are made here, wrapped by the KEK and registered durably
//! before their first use. Every sealed value has a key of its own, derived from its DEK and a
//! random salt; the value carries a commitment to that key, checked before anything is decrypted.
//!
//! The way of a value, from the caller's side:
//!
//! 1. [`KeyBridge::sealing`] gives the current [`Dek`] of a [`DekScope`];
//! 2. [`seal`] binds a plaintext to its [`SealContext`] and gives a [`Sealed`] value;
//! 3. for a value that comes back, [`Header::parse`] tells which DEK sealed it,
//!    [`KeyBridge::opening`] finds that DEK, and [`open`] checks and decrypts.
//!
//! The sealing half is pure: randomness is an argument, and there is no clock and no I/O. The
//! [`KeyBridge`] reaches a [`KekProvider`] (here: [`LocalKeyring`]) and a [`KeyRegistry`] through
//! traits. The byte formats are specified in `docs/formats-value.md`; `golden/` pins them.

mod aws;
mod bridge;
mod dek;
#[cfg(test)]
mod golden;
mod guard;
mod kdf;
mod keyring;
mod locked;
mod memory_registry;
mod names;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod provider;
mod providers;
mod registry;
mod scope;
mod value;
mod vault;
mod wrapping;

pub use aws::{
    AssumedRole, AwsConfig, AwsCredentials, AwsEndpoint, AwsKeys, AwsKms, AwsRegion, AwsSetupError, BadAwsEnvironment,
    BadAwsKeys, BadAwsText, ContainerUrl, DeletionWait, ExternalId, RoleArn, SessionName,
};
pub use bridge::{
    CacheConfig, Clock, Destroyed, Evidence, FenceWatch, KekPer, KekRotation, KeyBridge, KeyError, MemoryLock,
    Rewrapped, RotateError, ShredError, ShredStep, Shredder,
};
pub use dek::Dek;
pub use guard::{GuardConfig, GuardHealth, Guarded};
pub use keyring::{KeyringError, LocalKeyring, Unlock};
pub use memory_registry::MemoryRegistry;
pub use names::{BadKekName, BadProviderName, BadPurpose, Epoch, KekName, KeyId, ProviderName, Purpose};
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11, Pkcs11Config, Pkcs11SetupError};
pub use provider::{DekBytes, Destruction, Finding, KekProvider, KekVersion, KekVersions, ProviderError, Severity};
pub use providers::{NoSuchProvider, Providers};
pub use registry::{
    Fence, FenceNumber, KekEntry, KekState, KeyRegistry, Registration, RegistryError, Replica, ReplicaId, Rewrapping,
};
pub use scope::{DekScope, Kek, KekOwner, WrapContext, WrappedDek};
pub use value::{
    FormatError, HEADER_LEN, Header, OVERHEAD, OpenError, SealContext, SealError, Sealed, Value, open, seal,
};
pub use vault::{
    BadPart, BadVaultConfig, BadVaultRef, ClientIdentity, Credential, KvError, KvTimes, Mount, Namespace, RoleName,
    Timeouts, Trust, VaultAccess, VaultAddress, VaultAuth, VaultConfig, VaultFault, VaultKv, VaultRef, VaultTransit,
};

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

mod bridge;
mod dek;
#[cfg(test)]
mod golden;
mod kdf;
mod keyring;
mod memory_registry;
mod names;
mod provider;
mod registry;
mod scope;
mod value;
mod vault;

pub use bridge::{CacheConfig, Clock, KeyBridge, KeyError};
pub use dek::Dek;
pub use keyring::{KeyringError, LocalKeyring, Unlock};
pub use memory_registry::MemoryRegistry;
pub use names::{BadKekName, BadPurpose, Epoch, KekName, KeyId, Purpose};
pub use provider::{DekBytes, Destruction, Finding, KekProvider, KekVersion, KekVersions, ProviderError, Severity};
pub use registry::{KeyRegistry, Registration, RegistryError};
pub use scope::{DekScope, WrapContext, WrappedDek};
pub use value::{
    FormatError, HEADER_LEN, Header, OVERHEAD, OpenError, SealContext, SealError, Sealed, Value, open, seal,
};
pub use vault::{
    BadPart, BadVaultConfig, BadVaultRef, ClientIdentity, Credential, KvError, KvTimes, Mount, Namespace, RoleName,
    Timeouts, Trust, VaultAccess, VaultAddress, VaultAuth, VaultConfig, VaultFault, VaultKv, VaultRef, VaultTransit,
};

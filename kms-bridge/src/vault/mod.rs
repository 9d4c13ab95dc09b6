//! HashiCorp Vault and OpenBao: KEKs in the transit engine, secrets in its other engines.
//!
//! One [`VaultAccess`] holds the connection, the way to log in, and the token with its renewal.
//! [`VaultTransit`] and [`VaultKv`] share it. Tested on OpenBao; Vault API-compatible.

mod access;
mod auth;
mod batch;
mod config;
mod examine;
mod fault;
mod kv;
mod life;
mod parts;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod transit;
mod transport;
mod vault_ref;

pub use access::VaultAccess;
pub use auth::{Credential, VaultAuth};
pub use config::{BadVaultConfig, ClientIdentity, Timeouts, Trust, VaultConfig};
pub use fault::VaultFault;
pub use kv::{KvError, KvTimes, VaultKv};
pub use parts::{BadPart, Mount, Namespace, RoleName, VaultAddress};
pub use transit::VaultTransit;
pub use vault_ref::{BadVaultRef, VaultRef};

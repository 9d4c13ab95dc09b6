//! The `[keys]` and `[keyring]` sections: where keys are, and how long they stay in memory.

use super::{
    SecretRef,
    key_services::{KeyServiceConfig, key_services},
    parsed::Taker,
    raw,
};
use kms_bridge::{CacheConfig, KekPer, MemoryLock, ProviderName};
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

/// Where keys are, and how long they stay in memory.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    /// How the local keyring is unlocked; `None` where there is none.
    pub keyring: Option<KeyringUnlock>,
    /// Key services beside it.
    pub services: Vec<KeyServiceConfig>,
    /// The one that makes KEKs.
    pub service: ProviderName,
    /// Which KEKs there are.
    pub kek_per: KekPer,
    /// The bounds of data keys in memory.
    pub cache: CacheConfig,
}

/// How the keyring's root key is had.
#[derive(Debug, Clone)]
pub enum KeyringUnlock {
    /// A file of key bytes, mode 0600.
    KeyFile(PathBuf),
    /// A passphrase, stretched by Argon2id.
    Passphrase(SecretRef),
}

pub(super) fn keys(
    take: &mut Taker<'_>,
    raw: &raw::RawKeys,
    keyring: &raw::RawKeyring,
    services: Vec<raw::RawKeyService>,
) -> Option<KeysConfig> {
    let service = match &raw.service {
        Some(name) => take.parsed("keys.service", Some(name), ProviderName::new),
        None => Some(ProviderName::local()),
    };
    let services = key_services(take, services);
    let is_local = service.as_ref().is_none_or(|service| *service == ProviderName::local());
    if let Some(service) = &service
        && !is_local
        && !services.iter().any(|known| known.name == *service)
    {
        take.fault("keys.service", "is the name of no key_service");
    }
    let given = keyring.key_file.is_some() || keyring.passphrase.is_some();
    let keyring = if given || is_local { unlock(take, keyring).map(Some) } else { Some(None) };
    let kek_per = match raw.kek_per.as_deref() {
        None | Some("tenant") => Some(KekPer::Tenant),
        Some("collection") => Some(KekPer::Collection),
        Some(_) => {
            take.fault("keys.kek_per", "must be \"tenant\" or \"collection\"");
            None
        }
    };
    let memory = match raw.memory_lock.as_deref() {
        None | Some("preferred") => Some(MemoryLock::Preferred),
        Some("required") => Some(MemoryLock::Required),
        Some(_) => {
            take.fault("keys.memory_lock", "must be \"preferred\" or \"required\"");
            None
        }
    };
    let standard = CacheConfig::default();
    let bytes = mebibytes(take, "keys.cache_mib", raw.cache_mib, standard.bytes);
    let tenant_bytes = mebibytes(take, "keys.tenant_cache_mib", raw.tenant_cache_mib, standard.tenant_bytes);
    if raw.uses == Some(0) {
        take.fault("keys.uses", "must be at least 1");
    }
    let cache = CacheConfig {
        bytes,
        tenant_bytes: tenant_bytes.min(bytes),
        ttl: take.seconds("keys.cache_ttl_s", raw.cache_ttl_s, standard.ttl),
        // No grace at all is a choice.
        grace: raw.grace_s.map_or(standard.grace, Duration::from_secs),
        uses: raw.uses.and_then(NonZeroU64::new).unwrap_or(standard.uses),
        memory: memory?,
    };
    Some(KeysConfig { keyring: keyring?, services, service: service?, kek_per: kek_per?, cache })
}

fn mebibytes(take: &mut Taker<'_>, key: &str, value: Option<usize>, standard: NonZeroUsize) -> NonZeroUsize {
    let bytes = value.map(|mib| mib.saturating_mul(1 << 20));
    if bytes == Some(0) {
        take.fault(key, "must be at least 1");
    }
    bytes.and_then(NonZeroUsize::new).unwrap_or(standard)
}

fn unlock(take: &mut Taker<'_>, raw: &raw::RawKeyring) -> Option<KeyringUnlock> {
    match (&raw.key_file, &raw.passphrase) {
        (Some(path), None) => Some(KeyringUnlock::KeyFile(PathBuf::from(path))),
        (None, Some(text)) => {
            take.parsed("keyring.passphrase", Some(text), SecretRef::parse).map(KeyringUnlock::Passphrase)
        }
        (None, None) => {
            take.fault("keyring", "needs key_file = PATH or passphrase = \"env:NAME\"");
            None
        }
        (Some(_), Some(_)) => {
            take.fault("keyring", "takes key_file or passphrase, not both");
            None
        }
    }
}

//! The key services of a configuration, and the bridge over them.

use crate::{
    assemble::{AssembleError, DataDir, of},
    state::SharedStore,
};
use kms_bridge::{KeyBridge, LocalKeyring, ProviderName, Providers, Unlock};
use proxy::config::{Config, KeyringUnlock};
use std::sync::Arc;

/// Opens every key service.
pub(crate) fn providers(config: &Config, data: &DataDir) -> Result<Providers, AssembleError> {
    let unlock = match &config.keys.keyring {
        KeyringUnlock::KeyFile(path) => Unlock::KeyFile(path.clone()),
        KeyringUnlock::Passphrase(reference) => {
            Unlock::Passphrase(reference.resolve().map_err(of("the keyring's passphrase"))?)
        }
    };
    let keyring = LocalKeyring::open(&data.keyring(), &unlock).map_err(of("the keyring"))?;
    Ok(Providers::single(ProviderName::local(), Arc::new(keyring)))
}

/// The bridge of a sidecar or of an operator's command.
pub(crate) fn bridge(config: &Config, data: &DataDir, store: &SharedStore) -> Result<KeyBridge, AssembleError> {
    let providers = providers(config, data)?;
    Ok(KeyBridge::new(providers, store.registry(), config.keys.kek_per, config.keys.cache))
}

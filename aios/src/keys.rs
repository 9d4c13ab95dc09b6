//! The key services of a configuration, and the bridge over them.

use crate::{
    assemble::{AssembleError, DataDir, of},
    state::SharedStore,
};
use kms_bridge::{
    AssumedRole, AwsConfig, AwsCredentials, AwsKms, ClientIdentity, Clock, Credential, GuardConfig, Guarded,
    KekProvider, KeyBridge, LocalKeyring, Pkcs11, Pkcs11Config, ProviderName, Providers, SessionName, Timeouts, Trust,
    Unlock, VaultAccess, VaultAuth, VaultConfig, VaultTransit,
};
use proxy::config::{
    AwsService, Config, KeyServiceKind, KeyringUnlock, Pkcs11Service, SecretRef, VaultLogin, VaultService,
};
use std::{path::Path, sync::Arc, time::Duration};
use vocab::Plain;

/// How long a Vault may take: callers wait behind it.
const VAULT_TIMES: Timeouts = Timeouts { connect: Duration::from_secs(1), operation: Duration::from_secs(3) };

/// Opens every key service. None is asked anything yet: one that is out does not keep a sidecar from its start.
pub(crate) fn providers(config: &Config, data: &DataDir) -> Result<Providers, AssembleError> {
    let mut all: Vec<(ProviderName, Arc<dyn KekProvider>)> = Vec::new();
    if let Some(unlock) = &config.keys.keyring {
        let unlock = match unlock {
            KeyringUnlock::KeyFile(path) => Unlock::KeyFile(path.clone()),
            KeyringUnlock::Passphrase(reference) => {
                Unlock::Passphrase(reference.resolve().map_err(of("the keyring's passphrase"))?)
            }
        };
        let keyring = LocalKeyring::open(&data.keyring(), &unlock).map_err(of("the keyring"))?;
        all.push((ProviderName::local(), Arc::new(keyring)));
    }
    for service in &config.keys.services {
        let (provider, deadline): (Arc<dyn KekProvider>, _) = match &service.kind {
            // A large batch is several calls, each within the client's own time.
            KeyServiceKind::Vault(vault) => (Arc::new(self::vault(vault)?), VAULT_TIMES.operation * 2),
            KeyServiceKind::Aws(aws) => (Arc::new(self::aws(aws)?), Duration::from_secs(6)),
            KeyServiceKind::Pkcs11(pkcs11) => (Arc::new(self::pkcs11(pkcs11)?), Duration::from_secs(6)),
        };
        let guard = GuardConfig { deadline, ..GuardConfig::default() };
        all.push((service.name.clone(), Arc::new(Guarded::new(provider, guard))));
    }
    let default = all.iter().find(|(name, _)| *name == config.keys.service).cloned();
    let (name, provider) =
        default.ok_or_else(|| of("the key services")(kms_bridge::NoSuchProvider(config.keys.service.clone())))?;
    let mut providers = all
        .into_iter()
        .fold(Providers::single(name, provider), |providers, (name, provider)| providers.with(name, provider));
    for service in &config.keys.services {
        for tenant in &service.tenants {
            let with = providers.with_tenant(tenant.clone(), service.name.clone());
            providers = with.map_err(of("the key services"))?;
        }
    }
    Ok(providers)
}

/// The bridge of a sidecar or of an operator's command.
pub(crate) fn bridge(config: &Config, data: &DataDir, store: &SharedStore) -> Result<KeyBridge, AssembleError> {
    let providers = providers(config, data)?;
    Ok(KeyBridge::new(providers, store.registry(), config.keys.kek_per, config.keys.cache))
}

fn vault(service: &VaultService) -> Result<VaultTransit, AssembleError> {
    const PART: &str = "the Vault key service";
    let file = |path: &Path| std::fs::read(path).map_err(of(PART));
    let config = VaultConfig {
        address: service.address.clone(),
        namespace: service.namespace.clone(),
        trust: match &service.ca_file {
            None => Trust::Public,
            Some(path) => Trust::Private(file(path)?),
        },
        identity: match &service.certificate {
            None => None,
            Some((chain, key)) => Some(ClientIdentity { chain: file(chain)?, key: Plain::new(file(key)?) }),
        },
        timeouts: VAULT_TIMES,
        auth: match &service.login {
            VaultLogin::Token(token) => VaultAuth::Token(credential(token)?),
            VaultLogin::AppRole { mount, role_id, secret_id } => {
                VaultAuth::AppRole { mount: mount.clone(), role: credential(role_id)?, secret: credential(secret_id)? }
            }
            VaultLogin::Kubernetes { mount, role, token_file } => {
                VaultAuth::Kubernetes { mount: mount.clone(), role: role.clone(), token: token_file.clone() }
            }
            VaultLogin::Jwt { mount, role, token } => {
                VaultAuth::Jwt { mount: mount.clone(), role: role.clone(), token: credential(token)? }
            }
            VaultLogin::Certificate { mount, role } => {
                VaultAuth::Certificate { mount: mount.clone(), role: role.clone() }
            }
        },
    };
    let access = VaultAccess::new(config, Clock::since_boot()).map_err(of(PART))?;
    tokio::spawn(Arc::clone(&access).keep_alive());
    Ok(VaultTransit::new(access, service.mount.clone()))
}

/// A file is followed, since whoever renews it does so in place; anything else is read once.
fn credential(reference: &SecretRef) -> Result<Credential, AssembleError> {
    match reference {
        SecretRef::File(path) => Ok(Credential::File(path.clone())),
        other => other.resolve().map(Credential::Value).map_err(of("a credential of the Vault key service")),
    }
}

fn aws(service: &AwsService) -> Result<AwsKms, AssembleError> {
    const PART: &str = "the AWS key service";
    let credentials = AwsCredentials::from_environment(&|name| std::env::var(name).ok()).map_err(of(PART))?;
    let mut config = AwsConfig::new(service.region.clone(), credentials);
    config.assume = service.assume.clone().map(|(role, external_id)| AssumedRole {
        role,
        external_id,
        session: SessionName::default(),
    });
    config.kms_endpoint.clone_from(&service.endpoint);
    config.ca_file.clone_from(&service.ca_file);
    config.deletion_wait = service.deletion_wait;
    AwsKms::new(config).map_err(of(PART))
}

fn pkcs11(service: &Pkcs11Service) -> Result<Pkcs11, AssembleError> {
    const PART: &str = "the PKCS#11 key service";
    let pin = service.pin.resolve().map_err(of(PART))?;
    Pkcs11::open(&Pkcs11Config::new(service.module.clone(), service.token.clone(), pin)).map_err(of(PART))
}

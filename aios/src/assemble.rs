//! Opens every part that a configuration names and puts a sidecar together.

use crate::{
    events, keys,
    policies::{self, History, Loader},
    state::{SharedStore, StoredCollections, StoredKeys},
};
use audit_log::{Ledger, LedgerConfig, SigningKey};
use control_plane::Store;
use kms_bridge::KeyBridge;
use proxy::{
    Parts, Running,
    config::{Config, Durability},
    identity::{Authenticator, Settings, TenantPin, UnixSeconds},
};
use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Where the parts of a data directory are.
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the directory, for its owner only.
    pub(crate) fn create(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("control.db")
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        self.0.join("keyring")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger").join("host")
    }

    pub(crate) fn ledger_signing_key(&self) -> PathBuf {
        self.0.join("ledger").join("signing.key")
    }

    pub(crate) fn ledger_keys(&self) -> PathBuf {
        self.0.join("ledger").join("keys")
    }

    pub(crate) fn issuer_key(&self) -> PathBuf {
        self.0.join("issuer.key")
    }
}

/// A part that could not be opened, in words for the operator.
#[derive(Debug)]
pub(crate) struct AssembleError {
    part: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be opened", self.part)
    }
}

impl Error for AssembleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

pub(crate) fn of<E: Error + Send + Sync + 'static>(part: &'static str) -> impl FnOnce(E) -> AssembleError {
    move |source| AssembleError { part, source: Box::new(source) }
}

/// Opens everything and starts to serve.
///
/// # Errors
/// [`AssembleError`] names the part; nothing is served then.
pub(crate) async fn start(config: &Config) -> Result<Running, AssembleError> {
    let data = DataDir::new(&config.data);
    data.create().map_err(of("the data directory"))?;
    let (loader, history) = (Loader::of(config), History::of(data.root()));
    let (policies, version) = loader.policies(&config.policy, &history, None).map_err(of("the policy"))?;
    let digest = policies.current().digest().to_string();
    let store = SharedStore::new(Store::open(&data.state()).await.map_err(of("the state store"))?);
    let keys = keys::bridge(config, &data, &store)?;
    let pin = config.listen.tenant.clone().map_or(TenantPin::Any, TenantPin::Only);
    let virtual_keys = Arc::new(StoredKeys::new(store.clone()));
    let authenticator = Authenticator::new(config.issuers.clone(), Some(virtual_keys), pin, Settings::default())
        .map_err(of("the issuers"))?;
    let ledger = ledger(config, &data)?;
    events::started(&ledger, config, &digest, version).await.map_err(of("the ledger"))?;
    for (issuer, error) in authenticator.warm(UnixSeconds::now()).await {
        tracing::warn!(%issuer, code = error.aios_code(), "the issuer's keys cannot be had yet");
    }
    let collections = Arc::new(StoredCollections::new(store.clone()));
    let parts = Parts { authenticator, policies, keys, collections, ledger };
    let running = proxy::start(config, parts).await.map_err(of("the sidecar"))?;
    keep_house(&store, &running);
    tokio::spawn(policies::watch(Arc::clone(running.sidecar()), config.policy.clone(), loader, history));
    Ok(running)
}

/// How often a sidecar looks for what other processes did.
const LOOK: Duration = Duration::from_secs(1);

/// Notices what other processes revoke and fence, drops keys whose time is over from an idle process, and
/// takes what operators did into the ledger.
fn keep_house(store: &SharedStore, running: &Running) {
    tokio::spawn(store.follow_revocations(LOOK));
    let sidecar = Arc::clone(running.sidecar());
    let keys = KeyBridge::clone(sidecar.keys());
    tokio::spawn(keys.clone().follow_fences(LOOK));
    let store = store.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            keys.purge_expired();
            if let Err(error) = events::take_operator_events(store.inner(), sidecar.ledger()).await {
                tracing::warn!(%error, "what operators did is not in the ledger yet");
            }
        }
    });
}

pub(crate) fn ledger(config: &Config, data: &DataDir) -> Result<Ledger, AssembleError> {
    std::fs::create_dir_all(data.ledger()).map_err(of("the ledger"))?;
    let key =
        SigningKey::load_or_generate(&data.ledger_signing_key(), "aios.local/host").map_err(of("the ledger's key"))?;
    audit_log::publish_verifier_key(&data.ledger_keys(), &key).map_err(of("the ledger's verifier keys"))?;
    let durability = match config.ledger.durability {
        Durability::Fsync => audit_log::Durability::Fsync,
        Durability::Os => {
            tracing::warn!("durability = \"os\": records survive a killed process, not a power cut");
            audit_log::Durability::Os
        }
    };
    let settings = LedgerConfig {
        durability,
        checkpoint_interval: config.ledger.checkpoint_interval,
        deadline: config.ledger.deadline,
        ..LedgerConfig::default()
    };
    let ledger = Ledger::open(&data.ledger(), key, settings).map_err(of("the ledger"))?;
    let recovery = ledger.recovery();
    if recovery.replayed > 0 || recovery.torn_bytes > 0 {
        tracing::warn!(replayed = recovery.replayed, torn_bytes = recovery.torn_bytes, "the ledger was recovered");
    }
    Ok(ledger)
}

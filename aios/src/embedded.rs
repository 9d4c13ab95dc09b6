//! Everything in one process: the embedded vector store, the demo model, a local issuer, and a sidecar
//! in front of them, configured by a file like any other.

use crate::{
    assemble::{self, AssembleError, DataDir},
    demo_model::{self, Seen},
    output,
};
use embedded_store::{Access, EmbeddedStore};
use proxy::{
    Drained, Running,
    config::{Config, ConfigErrors},
    identity::{Grant, LOCAL_AUDIENCE, LOCAL_ISSUER, LocalIssuer, UnixSeconds},
};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    error::Error,
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vocab::{GroupName, Plain, PrincipalId, TenantId};

/// The policy pack that a first try starts with; it is copied to the data directory and read there.
const STARTER: &[(&str, &str)] = &[
    ("acme.toml", include_str!("../../policies/starter/acme.toml")),
    ("globex.toml", include_str!("../../policies/starter/globex.toml")),
];

/// What to run.
pub(crate) struct Plan {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) ops: SocketAddr,
    /// A model API in place of the demo model.
    pub(crate) openai: Option<ModelApi>,
    /// An embeddings API in place of the demo model's.
    pub(crate) embeddings: Option<ModelApi>,
}

/// A real model API.
#[derive(Clone)]
pub(crate) struct ModelApi {
    pub(crate) url: String,
    /// A reference, `env:NAME` or `file:PATH`.
    pub(crate) credential: Option<String>,
}

/// Why the embedded instance cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error("the data directory cannot be prepared")]
    Data(#[source] std::io::Error),
    #[error("the embedded store cannot be opened")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    #[error("the local issuer cannot be opened")]
    Issuer(#[source] Box<dyn Error + Send + Sync>),
    #[error("the configuration in aios.toml, with its overrides, is not valid")]
    Config(#[source] ConfigErrors),
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    #[error("the system gave no randomness")]
    NoRandomness,
}

/// A running embedded instance.
pub(crate) struct Instance {
    running: Running,
    issuer: LocalIssuer,
    store: Arc<EmbeddedStore>,
    seen: Seen,
    services: TaskTracker,
    stop: CancellationToken,
}

impl Instance {
    /// Starts the services, writes `aios.toml` and the starter policies, and starts the sidecar.
    pub(crate) async fn start(plan: &Plan) -> Result<Self, UpError> {
        let data = DataDir::new(&plan.data);
        data.create().map_err(UpError::Data)?;
        let issuer = LocalIssuer::open(&data.issuer_key()).map_err(|e| UpError::Issuer(Box::new(e)))?;
        let secrets = data.root().join("secrets");
        std::fs::create_dir_all(&secrets).map_err(UpError::Data)?;
        let (store_secret, model_secret) = (random_secret()?, random_secret()?);
        private_file(&secrets.join("vectors"), store_secret.expose()).map_err(UpError::Data)?;
        private_file(&secrets.join("demo-model"), model_secret.expose()).map_err(UpError::Data)?;
        private_file(&data.root().join("issuer.jwks"), &issuer.jwks()).map_err(UpError::Data)?;
        starter_policies(&data.root().join("policies")).map_err(UpError::Data)?;

        let (services, stop) = (TaskTracker::new(), CancellationToken::new());
        let vectors = data.root().join("vectors");
        let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&vectors))
            .await
            .map_err(|e| UpError::Store(Box::new(e)))?
            .map_err(|e| UpError::Store(Box::new(e)))?;
        let store = Arc::new(store);
        let access = Access::key(store_secret.expose()).map_err(|_| UpError::NoRandomness)?;
        let store_at = serve(&services, &stop, embedded_store::router(Arc::clone(&store), access)).await?;
        let seen = Seen::default();
        let model_at = serve(&services, &stop, demo_model::router(model_secret.expose(), seen.clone())).await?;

        let text = configuration(plan, &data, store_at, model_at);
        private_file(&data.root().join("aios.toml"), &text).map_err(UpError::Data)?;
        let overrides = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let config = Config::parse(&text, overrides).map_err(UpError::Config)?;
        let running = assemble::start(&config).await?;
        Ok(Self { running, issuer, store, seen, services, stop })
    }

    pub(crate) const fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Mints a token for a principal of the group `apps`.
    pub(crate) fn token(&self, tenant: &TenantId, principal: &PrincipalId, group: &GroupName) -> Plain<String> {
        let grant = Grant {
            tenant: tenant.clone(),
            principal: principal.clone(),
            groups: vec![group.clone()],
            lifetime: Grant::DEFAULT_LIFETIME,
        };
        self.issuer.mint(&grant, UnixSeconds::now())
    }

    /// Drains the sidecar, then stops the services behind it.
    pub(crate) async fn stop(self) -> Drained {
        let drained = self.running.drain().await;
        self.stop.cancel();
        self.services.close();
        self.services.wait().await;
        let store = self.store;
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(Ok(())) => drained,
            Ok(Err(error)) => {
                tracing::error!(error = output::chain(&error), "the embedded store did not close cleanly");
                Drained::Incomplete
            }
            Err(_) => Drained::Incomplete,
        }
    }
}

/// Serves routes on a free port of the loopback interface.
async fn serve(services: &TaskTracker, stop: &CancellationToken, routes: axum::Router) -> Result<SocketAddr, UpError> {
    use axum::serve::ListenerExt as _;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(UpError::Data)?;
    let address = listener.local_addr().map_err(UpError::Data)?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stop = stop.clone();
    services.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::error!(%error, "an embedded service ended");
        }
    });
    Ok(address)
}

fn random_secret() -> Result<Plain<String>, UpError> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| UpError::NoRandomness)?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Plain::new(text))
}

/// Writes a file that only its owner can read, in place of an older one.
fn private_file(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Copies the starter policies where there are none yet; edited ones stay.
fn starter_policies(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    STARTER.iter().try_for_each(|(name, text)| std::fs::write(dir.join(name), text))
}

/// The configuration of the sidecar, as a file that `aios proxy` would read too.
fn configuration(plan: &Plan, data: &DataDir, store_at: SocketAddr, model_at: SocketAddr) -> String {
    use toml::Value;
    let root = data.root();
    let path = |name: &str| Value::String(root.join(name).display().to_string());
    let text = |t: &str| Value::String(t.to_owned());
    let table = |pairs: Vec<(&str, Value)>| {
        Value::Table(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<toml::Table>())
    };
    let secret = |name: &str| Value::String(format!("file:{}", root.join("secrets").join(name).display()));
    let model = |name: &str, api: Option<&ModelApi>| {
        let mut pairs = vec![("name", text(name)), ("kind", text("openai"))];
        match api {
            None => pairs.extend([
                ("url", Value::String(format!("http://{model_at}/v1"))),
                ("credential", secret("demo-model")),
                ("trust", text("private")),
                ("region", text("local")),
            ]),
            Some(api) => {
                pairs.push(("url", text(&api.url)));
                pairs.push(("trust", text("hosted")));
                pairs.extend(api.credential.as_ref().map(|c| ("credential", text(c))));
            }
        }
        table(pairs)
    };
    let vectors = table(vec![
        ("name", text("vectors")),
        ("kind", text("qdrant")),
        ("url", Value::String(format!("http://{store_at}"))),
        ("credential", secret("vectors")),
        ("trust", text("private")),
        ("region", text("local")),
    ]);
    let issuer = table(vec![
        ("issuer", text(LOCAL_ISSUER)),
        ("audience", text(LOCAL_AUDIENCE)),
        ("algorithms", Value::Array(vec![text("EdDSA")])),
        ("jwks_file", path("issuer.jwks")),
    ]);
    let upstreams = vec![model("models", plan.openai.as_ref()), model("embeddings", plan.embeddings.as_ref()), vectors];
    let whole = table(vec![
        ("data", Value::String(root.display().to_string())),
        ("listen", table(vec![("address", Value::String(plan.listen.to_string()))])),
        ("ops", table(vec![("address", Value::String(plan.ops.to_string()))])),
        ("policy", table(vec![("directory", path("policies"))])),
        ("keyring", table(vec![("key_file", path("root.key"))])),
        ("issuer", Value::Array(vec![issuer])),
        ("upstream", Value::Array(upstreams)),
    ]);
    let text = toml::to_string(&whole).unwrap_or_default();
    format!("# Written by `aios up` at each start; ports and secrets of the embedded services change.\n{text}")
}

//! A running sidecar: what all calls share, its listeners, and the drain.

use crate::{
    answer::AnswerBody,
    config::{Config, Limits},
    failure::{Blame, Failure},
    identity::Authenticator,
    listener::{Connections, ListenError, Listener},
    metrics::Metrics,
    ops, pipeline, record,
    spend::{self, SpendBook},
    upstream::{SetupError, Upstream},
    vector::{Collections, VectorPlane},
};
use arc_swap::{ArcSwap, Guard};
use audit_log::{EventRecord, Ledger, LedgerError, Word};
use content_guard::Scanner;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use kms_bridge::KeyBridge;
use policy_engine::{Policies, bundle::PolicyVersion};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vocab::UpstreamName;

/// What a sidecar is made of, beside its configuration: each part opened by the caller.
pub struct Parts {
    /// Who may call.
    pub authenticator: Authenticator,
    /// What they may do.
    pub policies: Policies,
    /// The keys of tenants.
    pub keys: KeyBridge,
    /// Which collections there are, and how each is protected.
    pub collections: Arc<dyn Collections>,
    /// Where every call is recorded.
    pub ledger: Ledger,
}

/// Why a sidecar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An upstream cannot be set up.
    #[error("upstream {name} cannot be set up")]
    Upstream {
        /// Which one.
        name: UpstreamName,
        /// The cause.
        source: SetupError,
    },
    /// A listener cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The policy demands what this build cannot do.
    #[error("the policy cannot be kept: {0}")]
    Policy(String),
}

/// The shared state of a running sidecar.
pub struct Sidecar {
    limits: Arc<Limits>,
    upstreams: HashMap<UpstreamName, Arc<Upstream>>,
    authenticator: Authenticator,
    policies: ArcSwap<Policies>,
    keys: KeyBridge,
    vectors: Arc<VectorPlane>,
    ledger: Ledger,
    scanner: Scanner,
    metrics: Metrics,
    spend: Arc<SpendBook>,
    calls: TaskTracker,
}

/// Through which listener a request came.
#[derive(Clone)]
pub(crate) enum Door {
    /// The main listener: the first path segment names the upstream.
    Main,
    /// The listener of one upstream.
    Upstream(Arc<Upstream>),
}

/// A sidecar with its listeners.
pub struct Running {
    sidecar: Arc<Sidecar>,
    connections: Connections,
    accepting: TaskTracker,
    drain_timeout: Duration,
    data: SocketAddr,
    ops: SocketAddr,
    dedicated: Vec<(UpstreamName, SocketAddr)>,
}

impl Sidecar {
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        let name = UpstreamName::new(name).ok()?;
        self.upstreams.get(&name).map(Arc::clone)
    }

    pub(crate) const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The policies that decide now.
    pub fn policies(&self) -> Guard<Arc<Policies>> {
        self.policies.load()
    }

    /// Puts other policies in place of those that decide, in one step: each call is decided by the old ones or
    /// by the new ones, never by both. The change is in the ledger before it takes effect.
    ///
    /// # Errors
    /// [`LedgerError`]: it could not be recorded, and the old policies stay.
    pub async fn adopt(&self, policies: Policies, version: Option<PolicyVersion>) -> Result<(), LedgerError> {
        let mut details = BTreeMap::from([
            (Word::literal("from"), Word::lossy(self.policies().current().digest().as_str())),
            (Word::literal("policy"), Word::lossy(policies.current().digest().as_str())),
        ]);
        if let Some(candidate) = policies.candidate() {
            details.insert(Word::literal("candidate"), Word::lossy(candidate.set.digest().as_str()));
        }
        if let Some(version) = version {
            details.insert(Word::literal("version"), Word::lossy(&version.to_string()));
        }
        self.note("policy.adopted", details).await?;
        self.policies.store(Arc::new(policies));
        Ok(())
    }

    /// Records something that is no call.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not recorded.
    pub async fn note(&self, event: &'static str, details: BTreeMap<Word, Word>) -> Result<(), LedgerError> {
        let event =
            EventRecord { time: record::now(), event: Word::literal(event), tenant: None, principal: None, details };
        self.ledger.event(event).await.map(|_| ())
    }

    /// The keys of tenants.
    #[must_use]
    pub const fn keys(&self) -> &KeyBridge {
        &self.keys
    }

    pub(crate) const fn vectors(&self) -> &Arc<VectorPlane> {
        &self.vectors
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) const fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    pub(crate) fn spend(&self) -> &SpendBook {
        &self.spend
    }

    /// The metrics of this sidecar.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether a call would be recorded.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn readiness(&self) -> Result<(), &'static str> {
        if matches!(self.ledger.health().writable, audit_log::Writable::Yes) {
            Ok(())
        } else {
            Err("the ledger cannot write")
        }
    }

    /// Takes one request as a task of its own: a client that hangs up does not cancel its record.
    async fn handle(self: Arc<Self>, door: Door, request: Request<Incoming>) -> Response<AnswerBody> {
        let (reply, answer) = oneshot::channel();
        let dialect = match &door {
            Door::Main => pipeline::UNROUTED,
            Door::Upstream(upstream) => upstream.dialect(),
        };
        self.metrics.in_flight.inc();
        let sidecar = Arc::clone(&self);
        self.calls.spawn(async move {
            pipeline::run(Arc::clone(&sidecar), door, request, reply).await;
            sidecar.metrics.in_flight.dec();
        });
        answer.await.unwrap_or_else(|_| {
            let failure = Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                Blame::Internal,
                "the call ended without an answer",
            );
            dialect.answer(&failure, None).map(AnswerBody::from)
        })
    }
}

/// Binds every listener, then serves.
///
/// # Errors
/// [`StartError`]; nothing is served then.
pub async fn start(config: &Config, parts: Parts) -> Result<Running, StartError> {
    let limits = Arc::new(config.limits.clone());
    let mut upstreams = HashMap::new();
    for upstream in &config.upstreams {
        let ready = Upstream::new(upstream, &limits)
            .map_err(|source| StartError::Upstream { name: upstream.name.clone(), source })?;
        upstreams.insert(upstream.name.clone(), Arc::new(ready));
    }
    let main = Listener::bind(config.listen.address, config.listen.tls.as_ref()).await?;
    let ops_listener = tokio::net::TcpListener::bind(config.ops)
        .await
        .map_err(|source| ListenError::Bind { address: config.ops, source })?;
    let mut dedicated = Vec::new();
    for upstream in &config.upstreams {
        if let (Some(address), Some(ready)) = (upstream.listen, upstreams.get(&upstream.name)) {
            dedicated.push((Arc::clone(ready), Listener::bind(address, config.listen.tls.as_ref()).await?));
        }
    }
    let sidecar = Arc::new(Sidecar {
        limits: Arc::clone(&limits),
        upstreams,
        authenticator: parts.authenticator,
        policies: ArcSwap::from_pointee(parts.policies),
        vectors: Arc::new(VectorPlane::new(parts.keys.clone(), parts.collections)),
        keys: parts.keys,
        ledger: parts.ledger,
        scanner: Scanner::standard(),
        metrics: Metrics::default(),
        spend: Arc::default(),
        calls: TaskTracker::new(),
    });
    serve(config, sidecar, main, ops_listener, dedicated)
}

fn serve(
    config: &Config,
    sidecar: Arc<Sidecar>,
    main: Listener,
    ops_listener: tokio::net::TcpListener,
    dedicated: Vec<(Arc<Upstream>, Listener)>,
) -> Result<Running, StartError> {
    let local = |address, bound: std::io::Result<SocketAddr>| {
        bound.map_err(|source| StartError::Listen(ListenError::Bind { address, source }))
    };
    let connections = Connections {
        limits: Arc::clone(&sidecar.limits),
        slots: Arc::new(Semaphore::new(config.limits.max_connections)),
        tasks: TaskTracker::new(),
        draining: CancellationToken::new(),
    };
    let accepting = TaskTracker::new();
    let data = local(config.listen.address, main.address())?;
    let ops = local(config.ops, ops_listener.local_addr())?;
    let mut named = Vec::new();
    let mut doors = vec![(Door::Main, main)];
    for (upstream, listener) in dedicated {
        named.push((upstream.name().clone(), local(config.listen.address, listener.address())?));
        doors.push((Door::Upstream(upstream), listener));
    }
    for (door, listener) in doors {
        let sidecar = Arc::clone(&sidecar);
        let handle = move |request| Arc::clone(&sidecar).handle(door.clone(), request);
        accepting.spawn(listener.serve(connections.clone(), handle));
    }
    let routes = ops::router(Arc::clone(&sidecar));
    let draining = connections.draining.clone();
    tokio::spawn(spend::keep_short(Arc::clone(&sidecar.spend)));
    accepting.spawn(async move {
        let served = axum::serve(ops_listener, routes).with_graceful_shutdown(draining.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the operations listener ended");
        }
    });
    Ok(Running {
        sidecar,
        connections,
        accepting,
        drain_timeout: config.limits.drain_timeout,
        data,
        ops,
        dedicated: named,
    })
}

impl Running {
    /// The address of the main listener.
    #[must_use]
    pub const fn data_address(&self) -> SocketAddr {
        self.data
    }

    /// The address of the operations listener.
    #[must_use]
    pub const fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// The listeners of single upstreams.
    #[must_use]
    pub fn dedicated(&self) -> &[(UpstreamName, SocketAddr)] {
        &self.dedicated
    }

    /// The shared state.
    #[must_use]
    pub const fn sidecar(&self) -> &Arc<Sidecar> {
        &self.sidecar
    }

    /// Stops accepting, lets calls finish within the configured time, then signs and closes the
    /// ledger. Returns whether every call finished.
    pub async fn drain(self) -> Drained {
        self.connections.draining.cancel();
        self.connections.tasks.close();
        self.sidecar.calls.close();
        self.accepting.close();
        let finish = async {
            self.accepting.wait().await;
            self.connections.tasks.wait().await;
            self.sidecar.calls.wait().await;
        };
        let all = tokio::time::timeout(self.drain_timeout, finish).await.is_ok();
        if let Err(error) = self.sidecar.ledger.close().await {
            tracing::error!(%error, "the ledger did not close cleanly");
            return Drained::Incomplete;
        }
        if all { Drained::Whole } else { Drained::Incomplete }
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call finished and the ledger is signed.
    Whole,
    /// Calls were still under way, or the ledger did not close.
    Incomplete,
}

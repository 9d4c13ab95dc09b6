//! The typed configuration, made from the raw one in a single pass that reports every fault.

use super::{
    ConfigDefect, SecretRef,
    keys::{KeysConfig, keys},
    policy::{PolicyConfig, policy},
    raw,
};
use crate::identity::IssuerConfig;
use policy_engine::{Region, Trust};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};
use vocab::{TenantId, UpstreamName};

/// A whole, valid configuration of a sidecar.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of state, keys, ledger and embedded store.
    pub data: PathBuf,
    /// The data listener.
    pub listen: Listen,
    /// The listener for health and metrics; never the data port.
    pub ops: SocketAddr,
    /// Where policies come from.
    pub policy: PolicyConfig,
    /// Where keys are, and how long they stay in memory.
    pub keys: KeysConfig,
    /// The ledger's durability and deadlines.
    pub ledger: LedgerSettings,
    /// Bounds on size, time and number.
    pub limits: Limits,
    /// Who may vouch for callers.
    pub issuers: Vec<IssuerConfig>,
    /// Where calls may go.
    pub upstreams: Vec<UpstreamConfig>,
}

/// The main data listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS, where both files are given.
    pub tls: Option<ListenTls>,
    /// Only credentials of this tenant are accepted.
    pub tenant: Option<TenantId>,
}

/// Files of the server certificate.
#[derive(Debug, Clone)]
pub struct ListenTls {
    /// PEM certificate chain.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// What an acknowledged ledger record has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk.
    Fsync,
    /// In the kernel: survives a killed process, not a power cut.
    Os,
}

/// Settings of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// See [`Durability`].
    pub durability: Durability,
    /// How often a checkpoint is signed.
    pub checkpoint_interval: Duration,
    /// How long a call waits for its record before it is refused.
    pub deadline: Duration,
}

/// Bounds of one sidecar.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the request line and headers.
    pub max_header_bytes: usize,
    /// Bytes of a request body.
    pub max_body_bytes: usize,
    /// Bytes of an answer that is not streamed.
    pub max_answer_bytes: usize,
    /// Client connections at once.
    pub max_connections: usize,
    /// From connection (or previous answer) to complete headers.
    pub header_timeout: Duration,
    /// From headers to complete body.
    pub body_timeout: Duration,
    /// To connect to an upstream, TLS included.
    pub connect_timeout: Duration,
    /// From request sent to answer headers, and to the end of an answer that is not streamed.
    pub answer_timeout: Duration,
    /// Between two chunks of a stream.
    pub stream_idle_timeout: Duration,
    /// From SIGTERM to closing connections that still work.
    pub drain_timeout: Duration,
}

/// The API that an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// An OpenAI-compatible model API.
    OpenAi,
    /// Qdrant's REST API.
    Qdrant,
}

/// A base address: scheme, authority and path prefix, without user info, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// Scheme and authority.
    pub origin: http::Uri,
    /// Path prefix without a trailing slash; may be empty.
    pub prefix: String,
}

/// One place where calls may go.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name: the path prefix on the main listener and the name in policies.
    pub name: UpstreamName,
    /// The API it speaks.
    pub kind: UpstreamKind,
    /// Where it is.
    pub url: UpstreamUrl,
    /// A listener of its own, for clients that take host and port only.
    pub listen: Option<SocketAddr>,
    /// A fact for policies.
    pub region: Option<Region>,
    /// A fact for policies.
    pub trust: Option<Trust>,
    /// The credential to inject; apps never hold it.
    pub credential: Option<SecretRef>,
    /// PEM roots for a private certificate authority, instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Collects faults while values are taken out of the raw shapes.
pub(super) struct Taker<'a> {
    pub(super) defects: &'a mut Vec<ConfigDefect>,
}

impl Taker<'_> {
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        // A key that was already reported (wrong type) is absent now: do not report it twice.
        if !self.defects.iter().any(|d| d.key == key) {
            self.defects.push(ConfigDefect::new(key, message));
        }
    }

    fn needed<T>(&mut self, key: &str, value: Option<T>, example: &str) -> Option<T> {
        if value.is_none() {
            self.fault(key, format!("is needed, for example {example}"));
        }
        value
    }

    pub(super) fn parsed<T, E: core::fmt::Display>(
        &mut self,
        key: &str,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(value) => Some(value),
            Err(e) => {
                self.fault(key, e.to_string());
                None
            }
        }
    }

    fn millis(&mut self, key: &str, value: Option<u64>, default: u64) -> Duration {
        if value == Some(0) {
            self.fault(key, "must be at least 1");
        }
        Duration::from_millis(value.unwrap_or(default))
    }

    pub(super) fn seconds(&mut self, key: &str, value: Option<u64>, default: Duration) -> Duration {
        if value == Some(0) {
            self.fault(key, "must be at least 1");
        }
        value.map_or(default, Duration::from_secs)
    }

    fn size(&mut self, key: &str, value: Option<usize>, default: usize, least: usize) -> usize {
        if value.is_some_and(|v| v < least) {
            self.fault(key, format!("must be at least {least}"));
        }
        value.unwrap_or(default)
    }
}

pub(super) fn parse(raw: raw::Raw, defects: &mut Vec<ConfigDefect>) -> Option<Config> {
    let mut take = Taker { defects };
    let data = take.needed("data", raw.data, "data = \"/var/lib/aios\"").map(PathBuf::from);
    let listen = listen(&mut take, raw.listen);
    let ops = address(&mut take, "ops.address", raw.ops.address.as_ref(), "\"127.0.0.1:9464\"");
    let policy = policy(&mut take, raw.policy);
    let keys = keys(&mut take, &raw.keys, &raw.keyring, raw.key_service);
    let ledger = ledger(&mut take, &raw.ledger);
    let limits = limits(&mut take, &raw.limits);
    let upstreams = upstreams(&mut take, raw.upstream);
    let issuers = raw
        .issuer
        .into_iter()
        .enumerate()
        .filter_map(|(i, issuer)| IssuerConfig::parse(issuer, &format!("issuer[{i}]"), take.defects))
        .collect();
    if let (Some(listen), Some(ops)) = (&listen, ops)
        && listen.address == ops
        && ops.port() != 0
    {
        take.fault("ops.address", "must differ from listen.address: metrics are never served on the data port");
    }
    Some(Config {
        data: data?,
        listen: listen?,
        ops: ops?,
        policy: policy?,
        keys: keys?,
        ledger: ledger?,
        limits,
        issuers,
        upstreams,
    })
}

fn address(take: &mut Taker<'_>, key: &str, text: Option<&String>, example: &str) -> Option<SocketAddr> {
    take.needed(key, text, example);
    take.parsed(key, text, |t| t.parse::<SocketAddr>().map_err(|_| format!("must be IP:PORT, for example {example}")))
}

fn listen(take: &mut Taker<'_>, raw: raw::RawListen) -> Option<Listen> {
    let tls = match (raw.certificate, raw.key) {
        (Some(certificate), Some(key)) => {
            Some(ListenTls { certificate: PathBuf::from(certificate), key: PathBuf::from(key) })
        }
        (None, None) => None,
        (Some(_), None) => {
            take.fault("listen.key", "is needed beside listen.certificate");
            None
        }
        (None, Some(_)) => {
            take.fault("listen.certificate", "is needed beside listen.key");
            None
        }
    };
    let tenant = take.parsed("listen.tenant", raw.tenant.as_ref(), TenantId::new);
    let address = address(take, "listen.address", raw.address.as_ref(), "\"127.0.0.1:8080\"")?;
    Some(Listen { address, tls, tenant })
}

fn ledger(take: &mut Taker<'_>, raw: &raw::RawLedger) -> Option<LedgerSettings> {
    let durability = match raw.durability.as_deref() {
        None | Some("fsync") => Durability::Fsync,
        Some("os") => Durability::Os,
        Some(_) => {
            take.fault("ledger.durability", "must be \"fsync\" (on disk) or \"os\" (in the kernel only)");
            return None;
        }
    };
    Some(LedgerSettings {
        durability,
        checkpoint_interval: take.millis("ledger.checkpoint_interval_ms", raw.checkpoint_interval_ms, 1_000),
        deadline: take.millis("ledger.deadline_ms", raw.deadline_ms, 5_000),
    })
}

fn limits(take: &mut Taker<'_>, raw: &raw::RawLimits) -> Limits {
    Limits {
        max_header_bytes: take.size("limits.max_header_bytes", raw.max_header_bytes, 32 << 10, 8 << 10),
        max_body_bytes: take.size("limits.max_body_bytes", raw.max_body_bytes, 32 << 20, 1),
        max_answer_bytes: take.size("limits.max_answer_bytes", raw.max_answer_bytes, 64 << 20, 1),
        max_connections: take.size("limits.max_connections", raw.max_connections, 4_096, 1),
        header_timeout: take.millis("limits.header_timeout_ms", raw.header_timeout_ms, 30_000),
        body_timeout: take.millis("limits.body_timeout_ms", raw.body_timeout_ms, 60_000),
        connect_timeout: take.millis("limits.connect_timeout_ms", raw.connect_timeout_ms, 5_000),
        answer_timeout: take.millis("limits.answer_timeout_ms", raw.answer_timeout_ms, 600_000),
        stream_idle_timeout: take.millis("limits.stream_idle_timeout_ms", raw.stream_idle_timeout_ms, 120_000),
        drain_timeout: take.millis("limits.drain_timeout_ms", raw.drain_timeout_ms, 30_000),
    }
}

fn upstreams(take: &mut Taker<'_>, raw: Vec<raw::RawUpstream>) -> Vec<UpstreamConfig> {
    if raw.is_empty() {
        take.fault("upstream", "at least one [[upstream]] is needed");
    }
    let mut names = BTreeSet::new();
    let mut parsed = Vec::new();
    for (index, item) in raw.into_iter().enumerate() {
        if let Some(upstream) = upstream(take, &format!("upstream[{index}]"), &item) {
            if !names.insert(upstream.name.clone()) {
                take.fault(&format!("upstream[{index}].name"), "is used by an earlier upstream");
            }
            parsed.push(upstream);
        }
    }
    parsed
}

fn upstream(take: &mut Taker<'_>, key: &str, raw: &raw::RawUpstream) -> Option<UpstreamConfig> {
    let at = |field: &str| format!("{key}.{field}");
    take.needed(&at("name"), raw.name.as_ref(), "name = \"contracts-db\"");
    take.needed(&at("kind"), raw.kind.as_ref(), "kind = \"qdrant\"");
    take.needed(&at("url"), raw.url.as_ref(), "url = \"http://qdrant:6333\"");
    let name = take.parsed(&at("name"), raw.name.as_ref(), UpstreamName::new);
    let kind = take.parsed(&at("kind"), raw.kind.as_ref(), |text| match text {
        "openai" => Ok(UpstreamKind::OpenAi),
        "qdrant" => Ok(UpstreamKind::Qdrant),
        _ => Err("must be \"openai\" or \"qdrant\""),
    });
    let url = take.parsed(&at("url"), raw.url.as_ref(), UpstreamUrl::parse);
    let listen = take.parsed(&at("listen"), raw.listen.as_ref(), |t| {
        t.parse::<SocketAddr>().map_err(|_| "must be IP:PORT, for example \"127.0.0.1:6333\"")
    });
    let region = take.parsed(&at("region"), raw.region.as_ref(), Region::new);
    let trust = take.parsed(&at("trust"), raw.trust.as_ref(), Trust::new);
    let credential = take.parsed(&at("credential"), raw.credential.as_ref(), SecretRef::parse);
    let ca_file = raw.ca_file.as_ref().map(PathBuf::from);
    Some(UpstreamConfig { name: name?, kind: kind?, url: url?, listen, region, trust, credential, ca_file })
}

impl UpstreamUrl {
    /// Parses `http://host[:port][/prefix]` or the same with `https`.
    ///
    /// # Errors
    /// A sentence that says which part is missing or not allowed.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: http::Uri = text.parse().map_err(|_| "is not a URL")?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("must be absolute, for example http://qdrant:6333");
        };
        if !matches!(scheme, "http" | "https") {
            return Err("must be http or https");
        }
        if authority.as_str().contains('@') {
            return Err("must hold no user or password: use credential = \"env:NAME\"");
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("must hold no query or fragment");
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        if prefix.contains("//") || prefix.contains('%') || prefix.split('/').any(|s| matches!(s, "." | "..")) {
            return Err("has a path that is not canonical");
        }
        let origin = http::Uri::builder()
            .scheme(scheme)
            .authority(authority.as_str())
            .path_and_query("/")
            .build()
            .map_err(|_| "is not a URL")?;
        Ok(Self { origin, prefix })
    }
}

//! The serde shapes of the file. Every key is optional here, so that all faults are found in one
//! pass; `parsed` says which are needed.

use crate::identity::RawIssuer;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) data: Option<String>,
    pub(super) listen: RawListen,
    pub(super) ops: RawOps,
    pub(super) policy: RawPolicy,
    pub(super) keyring: RawKeyring,
    pub(super) keys: RawKeys,
    pub(super) ledger: RawLedger,
    pub(super) limits: RawLimits,
    pub(super) issuer: Vec<RawIssuer>,
    pub(super) upstream: Vec<RawUpstream>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawListen {
    pub(super) address: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOps {
    pub(super) address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    pub(super) directory: Option<String>,
    pub(super) bundle: Option<String>,
    pub(super) keys: Option<String>,
    pub(super) engine: Option<String>,
    pub(super) reload_ms: Option<u64>,
    pub(super) candidate: Option<RawCandidate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCandidate {
    pub(super) directory: Option<String>,
    pub(super) bundle: Option<String>,
    pub(super) keys: Option<String>,
    pub(super) rollout: Option<String>,
    pub(super) tenants: Vec<String>,
    pub(super) percent: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeyring {
    pub(super) key_file: Option<String>,
    pub(super) passphrase: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeys {
    pub(super) kek_per: Option<String>,
    pub(super) cache_ttl_s: Option<u64>,
    pub(super) grace_s: Option<u64>,
    pub(super) cache_mib: Option<usize>,
    pub(super) tenant_cache_mib: Option<usize>,
    pub(super) uses: Option<u64>,
    pub(super) memory_lock: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    pub(super) durability: Option<String>,
    pub(super) checkpoint_interval_ms: Option<u64>,
    pub(super) deadline_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) max_header_bytes: Option<usize>,
    pub(super) max_body_bytes: Option<usize>,
    pub(super) max_answer_bytes: Option<usize>,
    pub(super) max_connections: Option<usize>,
    pub(super) header_timeout_ms: Option<u64>,
    pub(super) body_timeout_ms: Option<u64>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) answer_timeout_ms: Option<u64>,
    pub(super) stream_idle_timeout_ms: Option<u64>,
    pub(super) drain_timeout_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUpstream {
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) url: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) region: Option<String>,
    pub(super) trust: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) ca_file: Option<String>,
}

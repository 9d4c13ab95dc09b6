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
    pub(super) key_service: Vec<RawKeyService>,
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
    pub(super) service: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeyService {
    pub(super) name: Option<String>,
    pub(super) tenants: Vec<String>,
    pub(super) deletion_days: Option<u8>,
    pub(super) kind: Option<String>,
    pub(super) address: Option<String>,
    pub(super) mount: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) auth: Option<String>,
    pub(super) auth_mount: Option<String>,
    pub(super) token: Option<String>,
    pub(super) token_file: Option<String>,
    pub(super) role: Option<String>,
    pub(super) role_id: Option<String>,
    pub(super) secret_id: Option<String>,
    pub(super) region: Option<String>,
    pub(super) assume_role: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) module: Option<String>,
    pub(super) token_label: Option<String>,
    pub(super) pin: Option<String>,
}

impl RawKeyService {
    /// The keys that are still there.
    pub(super) fn left(&self) -> Vec<&'static str> {
        let texts = [
            ("address", &self.address),
            ("mount", &self.mount),
            ("namespace", &self.namespace),
            ("ca_file", &self.ca_file),
            ("certificate", &self.certificate),
            ("key", &self.key),
            ("auth", &self.auth),
            ("auth_mount", &self.auth_mount),
            ("token", &self.token),
            ("token_file", &self.token_file),
            ("role", &self.role),
            ("role_id", &self.role_id),
            ("secret_id", &self.secret_id),
            ("region", &self.region),
            ("assume_role", &self.assume_role),
            ("external_id", &self.external_id),
            ("module", &self.module),
            ("token_label", &self.token_label),
            ("pin", &self.pin),
        ];
        let mut left: Vec<_> = texts.into_iter().filter(|(_, text)| text.is_some()).map(|(name, _)| name).collect();
        if self.deletion_days.is_some() {
            left.push("deletion_days");
        }
        left
    }
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

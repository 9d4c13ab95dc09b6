//! Events that the binary itself records.

use audit_log::{EventRecord, Ledger, LedgerError, UnixMillis, Word};
use policy_engine::bundle::PolicyVersion;
use proxy::config::{Config, Durability};
use std::{collections::BTreeMap, time::SystemTime};

/// Records that a sidecar starts: under which policy, and what an acknowledged record survives.
pub(crate) async fn started(
    ledger: &Ledger,
    config: &Config,
    policy: &str,
    version: Option<PolicyVersion>,
) -> Result<(), LedgerError> {
    let durability = match config.ledger.durability {
        Durability::Fsync => "fsync",
        Durability::Os => "os",
    };
    let mut details = BTreeMap::from([
        (Word::literal("durability"), Word::literal(durability)),
        (Word::literal("policy"), Word::lossy(policy)),
        (Word::literal("version"), Word::literal(env!("CARGO_PKG_VERSION"))),
    ]);
    if let Some(version) = version {
        details.insert(Word::literal("policy_version"), Word::lossy(&version.to_string()));
    }
    let time = UnixMillis::try_from(SystemTime::now()).unwrap_or(UnixMillis::new(0.into()));
    let event = EventRecord { time, event: Word::literal("sidecar.started"), tenant: None, principal: None, details };
    ledger.event(event).await.map(|_| ())
}

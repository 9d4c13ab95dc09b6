//! Events that the binary itself records.

use audit_log::{EventRecord, Ledger, LedgerError, UnixMillis, Word};
use control_plane::{ClaimedEvent, Store, StoreError};
use policy_engine::bundle::PolicyVersion;
use proxy::config::{Config, Durability};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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

/// Why what operators did is not in the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorEventError {
    #[error("the state store failed")]
    Store(#[from] StoreError),
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
}

/// Writes what operators did into this ledger, as far as no other process does.
pub(crate) async fn take_operator_events(store: &Store, ledger: &Ledger) -> Result<(), OperatorEventError> {
    while let Some(ClaimedEvent { id, made_at, event }) = store.claim_event().await? {
        let word = |text: &str| Word::lossy(text);
        let mut details: BTreeMap<_, _> = event.details.iter().map(|(key, value)| (word(key), word(value))).collect();
        details.insert(Word::literal("operator"), word(&event.principal));
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(made_at)).unwrap_or_else(SystemTime::now);
        let record = EventRecord {
            time: UnixMillis::try_from(time).unwrap_or(UnixMillis::new(0.into())),
            event: word(&event.event),
            tenant: event.tenant,
            principal: None,
            details,
        };
        ledger.event(record).await?;
        store.event_recorded(id).await?;
    }
    Ok(())
}

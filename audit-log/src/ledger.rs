//! The ledger as callers see it: typed records in, proofs of durability out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tokio::sync::oneshot;
use vocab::{RecordId, TenantId};

use crate::keys::SigningKey;
use crate::log::{Class, LedgerConfig, LedgerError, LedgerHealth, Log, OpenError, Recovery, Shared};
use crate::record::{
    CallStatus, EventRecord, IntentRecord, LeafError, OutcomeRecord, RefusalRecord, UnixMillis, encode_event,
    encode_intent, encode_outcome, encode_refusal,
};

/// An open ledger. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Ledger {
    log: Arc<Log>,
}

/// Proof that the intent of a call is durable in the ledger. Whoever forwards a call needs one.
///
/// Only [`Ledger::intent`] makes it, and it can be neither copied nor built otherwise. It ends in
/// [`Ledger::outcome`]; dropped before that, the ledger records the outcome `abandoned` by itself.
#[must_use = "an intent that is dropped is recorded as abandoned"]
pub struct Intent {
    record: RecordId,
    tenant: TenantId,
    index: u64,
    shared: Arc<Shared>,
    ended: bool,
}

/// Proof that both records of a call, or a single record, are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    index: u64,
}

impl Receipt {
    /// The index of the record in the log, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }
}

impl Ledger {
    /// Opens or creates the ledger in `dir`, whose checkpoints `key` signs. It blocks while it
    /// recovers: what an earlier run acknowledged is brought into the signed tree first.
    ///
    /// # Errors
    /// [`OpenError`]: the directory is in use, was tampered with, has lost files, or cannot be
    /// written. Nothing is repaired by guessing.
    pub fn open(dir: &Path, key: SigningKey, config: LedgerConfig) -> Result<Self, OpenError> {
        Ok(Self { log: Arc::new(Log::open(dir, key, config)?) })
    }

    #[cfg(test)]
    pub(crate) fn over(log: Log) -> Self {
        Self { log: Arc::new(log) }
    }

    /// What opening found and did.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.log.recovery
    }

    /// Records that a call is about to be forwarded. The call may be forwarded once this returns.
    ///
    /// Cancel-safe: if the caller goes away, or the deadline passes, and the record is written
    /// nevertheless, it gets the outcome `abandoned`.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing may be forwarded.
    pub async fn intent(&self, intent: IntentRecord) -> Result<Intent, LedgerError> {
        let leaf = encode_intent(&intent).map_err(leaf_error)?;
        let IntentRecord { record, tenant, .. } = intent;
        let shared = Arc::clone(&self.log.shared);
        self.submit(leaf, Class::Start, move |index| {
            shared.open_intents.fetch_add(1, Ordering::Relaxed);
            Intent { record, tenant, index, shared, ended: false }
        })
        .await
    }

    /// Records what came of a call. Its last byte may be handed over once this returns.
    ///
    /// # Errors
    /// [`LedgerError`]: the answer must not be completed.
    pub async fn outcome(&self, mut intent: Intent, outcome: OutcomeRecord) -> Result<Receipt, LedgerError> {
        let leaf = encode_outcome(&intent.record, &intent.tenant, &outcome).map_err(leaf_error)?;
        intent.end();
        self.submit(leaf, Class::End, |index| Receipt { index }).await
    }

    /// Records that a call was refused before anything left.
    ///
    /// # Errors
    /// [`LedgerError`]: the refusal is not recorded; the call stays refused.
    pub async fn refusal(&self, refusal: RefusalRecord) -> Result<Receipt, LedgerError> {
        let leaf = encode_refusal(&refusal).map_err(leaf_error)?;
        self.submit(leaf, Class::Start, |index| Receipt { index }).await
    }

    /// Records something that is no call.
    ///
    /// # Errors
    /// [`LedgerError`]: it is not recorded, so it should not happen.
    pub async fn event(&self, event: EventRecord) -> Result<Receipt, LedgerError> {
        let leaf = encode_event(&event).map_err(leaf_error)?;
        self.submit(leaf, Class::Start, |index| Receipt { index }).await
    }

    /// Takes no more records, writes those that wait, signs a last checkpoint and gives the
    /// directory free.
    ///
    /// # Errors
    /// [`LedgerError::Failed`] when the ledger had failed or fails now.
    pub async fn close(&self) -> Result<(), LedgerError> {
        let log = Arc::clone(&self.log);
        let closed = tokio::task::spawn_blocking(move || log.close()).await;
        closed.unwrap_or(Err(LedgerError::Closed))
    }

    /// How the ledger is.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        self.log.shared.health()
    }

    /// Queues a leaf and waits until it is durable. The proof is made by whoever writes it, so that one
    /// that nobody waits for any more is dropped there.
    async fn submit<P: Send + 'static>(
        &self,
        leaf: Vec<u8>,
        class: Class,
        proof: impl FnOnce(u64) -> P + Send + 'static,
    ) -> Result<P, LedgerError> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |index: Result<u64, LedgerError>| {
            // An error here means that nobody waits: the proof is dropped.
            drop(tell.send(index.map(proof)));
        });
        self.log.append(leaf, class, done)?;
        let deadline = self.log.shared.config.deadline;
        match tokio::time::timeout(deadline, told).await {
            Err(_) => Err(LedgerError::Deadline(deadline)),
            Ok(told) => told.unwrap_or(Err(LedgerError::Closed)),
        }
    }
}

impl core::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledger").field("dir", &self.log.shared.dir).finish_non_exhaustive()
    }
}

impl Intent {
    /// The id of the call's records.
    #[must_use]
    pub const fn record_id(&self) -> &RecordId {
        &self.record
    }

    /// The tenant of the call.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The index of the intent in the log, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Marks that an outcome is on its way. True the first time.
    fn end(&mut self) -> bool {
        let first = !core::mem::replace(&mut self.ended, true);
        if first {
            self.shared.open_intents.fetch_sub(1, Ordering::Relaxed);
        }
        first
    }
}

impl core::fmt::Debug for Intent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Intent").field("record", &self.record).field("index", &self.index).finish_non_exhaustive()
    }
}

impl Drop for Intent {
    /// Best effort: when the ledger is closed or full, the intent stays without an outcome, and the
    /// verifier lists it.
    fn drop(&mut self) {
        if !self.end() {
            return;
        }
        self.shared.abandoned_intents.fetch_add(1, Ordering::Relaxed);
        let Ok(time) = UnixMillis::try_from(SystemTime::now()) else {
            return;
        };
        if let Ok(leaf) = encode_outcome(&self.record, &self.tenant, &OutcomeRecord::abandoned(time)) {
            let _ = self.shared.append(leaf, Class::End, Box::new(|_| {}));
        }
    }
}

impl OutcomeRecord {
    /// An outcome that tells no more than how a call ended: the other fields are empty.
    #[must_use]
    pub fn bare(time: UnixMillis, status: CallStatus) -> Self {
        Self {
            time,
            status,
            http_status: None,
            error: None,
            obligations: std::collections::BTreeSet::new(),
            coverage: std::collections::BTreeMap::new(),
            labels: std::collections::BTreeMap::new(),
            response: None,
            response_bytes: crate::record::Count::default(),
            tokens: None,
            cost_microusd: None,
            latency: crate::record::Latency::default(),
        }
    }

    fn abandoned(time: UnixMillis) -> Self {
        Self::bare(time, CallStatus::Abandoned)
    }
}

fn leaf_error(error: LeafError) -> LedgerError {
    LedgerError::Leaf(Arc::new(error))
}

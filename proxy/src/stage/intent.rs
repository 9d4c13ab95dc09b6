//! Record the intent: durable before a byte leaves.

use super::seal::{Outgoing, SealedCall, since};
use crate::{
    failure::{Blame, Failure},
    record::Trace,
    sidecar::Sidecar,
    upstream::Upstream,
};
use audit_log::{Commitment, Intent, Side};
use http::StatusCode;
use policy_engine::Record;
use std::sync::Arc;

/// A sealed call whose intent is durable. It owns the proof; only [`record`] makes one.
pub struct Recorded {
    upstream: Arc<Upstream>,
    outgoing: Outgoing,
    intent: Intent,
    commits: Record,
}

impl Recorded {
    pub(crate) fn into_parts(self) -> (Arc<Upstream>, Outgoing, Intent, Record) {
        (self.upstream, self.outgoing, self.intent, self.commits)
    }
}

/// Writes the first record and waits until it is durable.
///
/// # Errors
/// The ledger cannot write: the call is refused, and nothing has left.
pub async fn record(sidecar: &Sidecar, sealed: SealedCall, trace: &mut Trace) -> Result<Recorded, Failure> {
    let began = trace.elapsed();
    let commits = sealed.recorded_as();
    let bytes: &[u8] = match sealed.outgoing() {
        Outgoing::Model { body, .. } => body.content(),
        Outgoing::Models(_) => &[],
        Outgoing::Vector(prepared) => prepared.first_body(),
    };
    let commitment = trace.salt(commits).map(|salt| Commitment::to(salt, Side::Request, bytes));
    let Some(record) = trace.intent(commitment, bytes.len()) else {
        return Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Blame::Internal,
            "a stage was left out",
        ));
    };
    let intent = sidecar.ledger().intent(record).await.map_err(|error| {
        tracing::error!(%error, "an intent could not be recorded");
        Failure::from(&error)
    })?;
    trace.latency.intent = since(began, trace);
    let (upstream, outgoing) = sealed.into_parts();
    Ok(Recorded { upstream, outgoing, intent, commits })
}

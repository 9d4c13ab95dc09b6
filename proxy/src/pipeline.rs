//! The one function that orders the stages of a call.
//!
//! accept ▸ authenticate ▸ parse ▸ decide ▸ seal ▸ record intent ▸ forward ▸ open ▸ record outcome
//!
//! Each stage takes the value before it by move, so that a later value cannot exist without the
//! earlier ones: `decide` gives a `Permit`, without which `seal` has no call; `seal` gives a
//! `SealedCall`, without which nothing is recorded; `intent` gives a `Recorded`, which owns the
//! ledger's `Intent` and without which `forward` sends nothing.

use crate::{
    answer::AnswerBody,
    failure::Dialect,
    record::{Trace, refuse},
    sidecar::{Door, Sidecar},
    stage::{accept, authenticate, decide, forward, intent, open, outcome, parse, seal},
};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the answer of a call goes. Answering does not end the call: its record is written whether or
/// not the client still listens.
pub(crate) type Reply = oneshot::Sender<Response<AnswerBody>>;

/// Carries one request through all stages. It runs as its own task.
pub(crate) async fn run(sidecar: Arc<Sidecar>, door: Door, request: Request<Incoming>, reply: Reply) {
    let mut trace = Trace::begin();
    let accepted = match accept::accept(&sidecar, &door, request) {
        Ok(accepted) => accepted,
        Err((dialect, failure)) => return refuse(&sidecar, trace, dialect, failure, reply).await,
    };
    let dialect = accepted.upstream.dialect();
    trace.upstream(&accepted.upstream);
    let recorded = match before_forwarding(&sidecar, accepted, &mut trace).await {
        Ok(recorded) => recorded,
        Err(failure) => return refuse(&sidecar, trace, dialect, failure, reply).await,
    };
    let forwarded = forward::forward(recorded, &mut trace).await;
    let opened = open::open(&sidecar, forwarded, &mut trace);
    outcome::record_and_reply(&sidecar, opened, trace, dialect, reply).await;
}

/// The stages in which a refusal means that nothing has left.
async fn before_forwarding(
    sidecar: &Arc<Sidecar>,
    accepted: accept::Accepted,
    trace: &mut Trace,
) -> Result<intent::Recorded, crate::failure::Failure> {
    let authenticated = authenticate::authenticate(sidecar, accepted).await?;
    trace.caller(sidecar, &authenticated.caller).await?;
    let call = parse::parse(sidecar, authenticated).await?;
    trace.call(&call);
    let permit = decide::decide(sidecar, call, trace)?;
    let sealed = seal::seal(sidecar, permit, trace).await?;
    intent::record(sidecar, sealed, trace).await
}

/// The dialect in which a request that reached no upstream is answered.
pub(crate) const UNROUTED: Dialect = Dialect::Plain;

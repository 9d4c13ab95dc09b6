//! Record the outcome: durable before the last byte returns.

use super::{
    open::{Events, Opened, tokens},
    seal::since,
};
use crate::{
    answer::{AnswerBody, Cut},
    failure::{Blame, Dialect, Failure},
    pipeline::Reply,
    record::{Ending, RECORD_HEADER, Trace, failed},
    sidecar::Sidecar,
    spend::Made,
    upstream::UpstreamError,
};
use audit_log::{CallStatus, Intent, Word};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::mpsc;

/// How many chunks of a stream may wait for the client; beyond it the upstream waits.
const STREAM_BUFFER: usize = 32;

/// How long a stream is read on after its final event.
const LINGER: Duration = Duration::from_millis(100);

/// Records how the call ended and answers. Where that cannot be recorded, the answer is an error.
pub(crate) async fn record_and_reply(sidecar: &Sidecar, opened: Opened, trace: Trace, dialect: Dialect, reply: Reply) {
    match opened {
        Opened::Whole { intent, mut answer, ending } => {
            name_record(&trace, answer.headers_mut());
            let tokens = ending.tokens;
            let outcome = match record(sidecar, intent, &trace, &ending).await {
                Ok(()) => {
                    let _ = reply.send(answer.map(AnswerBody::from));
                    ending.failure.map_or("ok", |f| f.code)
                }
                Err(failure) => {
                    let _ = reply.send(failed(&trace, dialect, &failure, false));
                    failure.code
                }
            };
            trace.end(sidecar, outcome, Made::Yes(tokens));
        }
        Opened::Failed { intent, failure, ending } => {
            let recorded = record(sidecar, intent, &trace, &ending).await;
            let failure = recorded.as_ref().err().cloned().unwrap_or(failure);
            let _ = reply.send(failed(&trace, dialect, &failure, recorded.is_ok()));
            trace.end(sidecar, failure.code, Made::Yes(None));
        }
        Opened::Stream { intent, mut head, events } => {
            name_record(&trace, head.headers_mut());
            let (chunks, body) = mpsc::channel(STREAM_BUFFER);
            let answer: Response<AnswerBody> = head.map(|()| AnswerBody::Stream(body));
            let listening = reply.send(answer).is_ok();
            stream(sidecar, intent, *events, trace, listening.then_some(chunks)).await;
        }
    }
}

fn name_record(trace: &Trace, headers: &mut http::HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(trace.record().as_str()) {
        headers.insert(RECORD_HEADER, value);
    }
}

async fn record(sidecar: &Sidecar, intent: Intent, trace: &Trace, ending: &Ending) -> Result<(), Failure> {
    match sidecar.ledger().outcome(intent, trace.outcome(ending)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "an outcome could not be recorded");
            Err(Failure::from(&error))
        }
    }
}

type Client = mpsc::Sender<Result<Bytes, Cut>>;

/// Passes events on as they come. The final event waits for the outcome to be durable.
async fn stream(sidecar: &Sidecar, intent: Intent, mut events: Events, mut trace: Trace, mut client: Option<Client>) {
    let idle = sidecar.limits().stream_idle_timeout;
    let began = trace.elapsed();
    let mut received = 0_usize;
    let mut held: Vec<Bytes> = Vec::new();
    let mut end = End::Whole;
    while client.is_some() {
        // After the final event only the end of the body is awaited, so that the connection can be used again.
        let done = events.restorer.is_done();
        let wait = if done { idle.min(LINGER) } else { idle };
        let piece = match next(&mut events, wait).await {
            Next::Piece(piece) => piece,
            Next::Cut if !done => {
                end = End::Cut;
                break;
            }
            Next::End | Next::Cut => break,
        };
        received = received.saturating_add(piece.len());
        if let Some(committing) = &mut events.committing {
            committing.update(&piece);
        }
        let Ok(restored) = events.restorer.push(&piece) else {
            end = End::Unreadable;
            break;
        };
        if events.restorer.is_done() {
            held.push(restored);
        } else if !restored.is_empty()
            && let Some(sender) = &client
            && sender.send(Ok(restored)).await.is_err()
        {
            client = None;
        }
    }
    if client.is_none() {
        end = End::ClientGone;
    }
    match events.restorer.finish() {
        Ok(rest) => held.push(rest),
        Err(_) if end == End::Whole => end = End::Unreadable,
        Err(_) => {}
    }
    trace.latency.upstream = since(began, &trace);
    let ending = Ending {
        status: end.status(),
        http_status: StatusCode::OK.as_u16(),
        failure: end.failure(),
        obligations: BTreeSet::from([Word::literal("restore")]),
        response: events.committing.take().map(audit_log::Committing::finish),
        response_bytes: received,
        tokens: events.restorer.usage().and_then(tokens),
    };
    let recorded = record(sidecar, intent, &trace, &ending).await;
    if let Some(client) = client {
        for piece in held.into_iter().filter(|piece| !piece.is_empty()) {
            if recorded.is_ok() {
                let _ = client.send(Ok(piece)).await;
            }
        }
        if recorded.is_err() || matches!(end, End::Cut | End::Unreadable) {
            let _ = client.send(Err(Cut)).await;
        }
    }
    let outcome = recorded.map_or_else(|failure| failure.code, |()| end.code());
    trace.end(sidecar, outcome, Made::Yes(ending.tokens));
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    ClientGone,
    Unreadable,
}

impl End {
    fn failure(self) -> Option<Failure> {
        match self {
            Self::Whole | Self::ClientGone => None,
            Self::Cut => Some(Failure::from(&UpstreamError::BrokeOff)),
            Self::Unreadable => Some(Failure::new(
                StatusCode::BAD_GATEWAY,
                "upstream_answer_malformed",
                Blame::Upstream,
                "the upstream's stream is not what its API promises",
            )),
        }
    }

    const fn status(self) -> CallStatus {
        match self {
            Self::Whole => CallStatus::Completed,
            Self::Cut | Self::Unreadable => CallStatus::Failed,
            Self::ClientGone => CallStatus::ClientGone,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Whole => "ok",
            Self::Cut => "upstream_broke_off",
            Self::ClientGone => "client_gone",
            Self::Unreadable => "upstream_answer_malformed",
        }
    }
}

enum Next {
    Piece(Bytes),
    End,
    Cut,
}

/// The next data of the upstream's body.
async fn next(events: &mut Events, idle: Duration) -> Next {
    loop {
        match tokio::time::timeout(idle, events.body.frame()).await {
            Err(_) | Ok(Some(Err(_))) => return Next::Cut,
            Ok(None) => return Next::End,
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    return Next::Piece(piece);
                }
            }
        }
    }
}

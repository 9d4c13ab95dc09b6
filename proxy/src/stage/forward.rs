//! Forward: the only stage that sends. It takes the recorded intent by move.

use super::{
    intent::Recorded,
    seal::{Outgoing, since},
};
use crate::{
    call::Call,
    failure::Failure,
    record::Trace,
    upstream::{Bound, Upstream, UpstreamError},
    vector::{ClientAnswer, Exchange, ExchangeError, SealedRequest, UpstreamAnswer},
    wire::openai::{Delivery, Endpoint},
};
use async_trait::async_trait;
use audit_log::Intent;
use bytes::Bytes;
use content_guard::PseudonymMap;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use policy_engine::Record;

/// What came back, with the intent that is still to be answered by an outcome.
pub struct Forwarded {
    pub(crate) intent: Intent,
    pub(crate) commits: Record,
    pub(crate) came: Result<Came, Failure>,
}

/// What an upstream answered.
pub(crate) enum Came {
    /// The whole answer of a model API, in pseudonyms.
    Model { status: StatusCode, headers: HeaderMap, body: Bytes, map: PseudonymMap },
    /// The head of a stream of a model API; its events follow.
    Stream { headers: HeaderMap, body: Incoming, map: PseudonymMap },
    /// Every model of the upstream.
    Models { call: Box<Call>, status: StatusCode, headers: HeaderMap, body: Bytes },
    /// The answer of a vector store, opened.
    Vector(ClientAnswer),
}

/// Sends the call and reads what comes back; of a stream, its head.
pub async fn forward(recorded: Recorded, trace: &mut Trace) -> Forwarded {
    let began = trace.elapsed();
    let (upstream, outgoing, intent, commits) = recorded.into_parts();
    let came = match outgoing {
        Outgoing::Model { endpoint, delivery, body, map } => {
            model(&upstream, endpoint, delivery, body.into_content(), map).await
        }
        Outgoing::Models(call) => models(&upstream, call).await,
        Outgoing::Vector(prepared) => {
            let exchange = Pooled { upstream: &upstream, _intent: &intent };
            prepared.carry_out(&exchange).await.map(Came::Vector).map_err(|e| Failure::from(&e))
        }
    };
    trace.latency.upstream = since(began, trace);
    Forwarded { intent, commits, came }
}

async fn model(
    upstream: &Upstream,
    endpoint: Endpoint,
    delivery: Delivery,
    body: Bytes,
    map: PseudonymMap,
) -> Result<Came, Failure> {
    let accept = match delivery {
        Delivery::Whole => "application/json",
        Delivery::Stream => "text/event-stream",
    };
    let bound = Bound { method: Method::POST, path: endpoint.path().to_owned(), body, accept };
    let (head, body) = upstream.send(bound).await.map_err(|e| Failure::from(&e))?.into_parts();
    if delivery == Delivery::Stream && head.status.is_success() {
        return Ok(Came::Stream { headers: head.headers, body, map });
    }
    let body = upstream.read(body).await.map_err(|e| Failure::from(&e))?;
    Ok(Came::Model { status: head.status, headers: head.headers, body, map })
}

async fn models(upstream: &Upstream, call: Box<Call>) -> Result<Came, Failure> {
    let bound =
        Bound { method: Method::GET, path: "/models".to_owned(), body: Bytes::new(), accept: "application/json" };
    let (status, headers, body) = upstream.exchange(bound).await.map_err(|e| Failure::from(&e))?;
    Ok(Came::Models { call, status, headers, body })
}

/// Exchanges with one upstream under one durable intent.
struct Pooled<'a> {
    upstream: &'a Upstream,
    _intent: &'a Intent,
}

#[async_trait]
impl Exchange for Pooled<'_> {
    async fn send(&self, request: SealedRequest) -> Result<UpstreamAnswer, ExchangeError> {
        let (method, path, body) = request.into_parts();
        let bound = Bound { method, path, body, accept: "application/json" };
        match self.upstream.exchange(bound).await {
            Ok((status, _, body)) => Ok(UpstreamAnswer { status, body }),
            Err(error) => Err(match error {
                UpstreamError::Unreachable => ExchangeError::Unreachable,
                UpstreamError::TimedOut => ExchangeError::TimedOut,
                UpstreamError::BrokeOff => ExchangeError::BrokeOff,
                UpstreamError::TooLarge => ExchangeError::TooLarge,
                UpstreamError::Unwritable => ExchangeError::Unwritable,
            }),
        }
    }
}

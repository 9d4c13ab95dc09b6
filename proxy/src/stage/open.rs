//! Open: restore what returns, and keep what an upstream must not tell the client.

use super::forward::{Came, Forwarded};
use crate::{
    call::Call,
    failure::{Blame, Failure},
    record::{Ending, Trace},
    sidecar::Sidecar,
    wire::openai::{self, SseRestorer, Usage},
};
use audit_log::{CallStatus, Commitment, Committing, Count, Intent, Side, Tokens, Word};
use bytes::Bytes;
use content_guard::{PseudonymMap, Restorer};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use policy_engine::{Query, Resource};
use std::collections::BTreeSet;
use vocab::ModelName;

/// An answer that is ready for the client, once its outcome is durable.
pub(crate) enum Opened {
    /// A whole answer.
    Whole { intent: Intent, answer: Response<Bytes>, ending: Ending },
    /// A stream that is restored as it comes.
    Stream { intent: Intent, head: Response<()>, events: Box<Events> },
    /// No answer of the upstream reaches the client.
    Failed { intent: Intent, failure: Failure, ending: Ending },
}

/// The events of a stream, still to come.
pub(crate) struct Events {
    pub(crate) body: Incoming,
    pub(crate) restorer: SseRestorer,
    pub(crate) committing: Option<Committing>,
}

/// Headers of a model API that its SDKs use and that hold nothing of ours.
const PASSED: [&str; 9] = [
    "retry-after",
    "retry-after-ms",
    "openai-processing-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

/// Restores pseudonyms, opens records, and turns errors into the client's dialect.
pub(crate) fn open(sidecar: &Sidecar, forwarded: Forwarded, trace: &mut Trace) -> Opened {
    let Forwarded { intent, commits, came } = forwarded;
    let salt = trace.salt(commits);
    let commit = |bytes: &[u8]| salt.map(|salt| Commitment::to(salt, Side::Response, bytes));
    match came {
        Err(failure) => failed(intent, failure, None, 0),
        Ok(Came::Stream { headers, body, map }) => {
            let committing = salt.map(|salt| Committing::new(salt, Side::Response));
            let mut head = Response::new(());
            pass(&headers, head.headers_mut());
            head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            head.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            let restorer = SseRestorer::new(map);
            Opened::Stream { intent, head, events: Box::new(Events { body, restorer, committing }) }
        }
        Ok(Came::Vector(answer)) => {
            sidecar.metrics().points.inc_by(answer.points);
            sidecar.metrics().store_exchanges.inc_by(answer.exchanges);
            let ending = ending(answer.status, commit(&answer.received), answer.received_bytes, None);
            let mut response = json(answer.body);
            *response.status_mut() = answer.status;
            Opened::Whole { intent, answer: response, ending }
        }
        Ok(Came::Models { call, status, headers, body }) => {
            let commitment = commit(&body);
            let bytes = body.len();
            match models(sidecar, &call, status, &body) {
                Ok(body) => whole(intent, &headers, status, body, ending(status, commitment, bytes, None)),
                Err(failure) => failed(intent, failure, commitment, bytes),
            }
        }
        Ok(Came::Model { status, headers, body, map }) => {
            let commitment = commit(&body);
            let bytes = body.len();
            match model(status, &headers, body, map) {
                Ok((body, tokens)) => whole(intent, &headers, status, body, ending(status, commitment, bytes, tokens)),
                Err(failure) => failed(intent, failure, commitment, bytes),
            }
        }
    }
}

fn failed(intent: Intent, failure: Failure, response: Option<Commitment>, response_bytes: usize) -> Opened {
    let ending = Ending {
        status: CallStatus::Failed,
        http_status: failure.status.as_u16(),
        failure: Some(failure.clone()),
        obligations: BTreeSet::new(),
        response,
        response_bytes,
        tokens: None,
    };
    Opened::Failed { intent, failure, ending }
}

fn whole(intent: Intent, headers: &HeaderMap, status: StatusCode, body: Bytes, ending: Ending) -> Opened {
    let mut answer = json(body);
    *answer.status_mut() = status;
    pass(headers, answer.headers_mut());
    Opened::Whole { intent, answer, ending }
}

fn json(body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn ending(status: StatusCode, response: Option<Commitment>, bytes: usize, tokens: Option<Tokens>) -> Ending {
    Ending {
        status: if status.is_success() { CallStatus::Completed } else { CallStatus::Failed },
        http_status: status.as_u16(),
        failure: None,
        obligations: BTreeSet::from([Word::literal("restore")]),
        response,
        response_bytes: bytes,
        tokens,
    }
}

fn pass(from: &HeaderMap, to: &mut HeaderMap) {
    for name in PASSED {
        if let Some(value) = from.get(name) {
            to.insert(HeaderName::from_static(name), value.clone());
        }
    }
}

/// Usage as records have it; `None` where a number is beyond what a record can hold.
pub(crate) fn tokens(usage: Usage) -> Option<Tokens> {
    let input = Count::try_from(usage.prompt_tokens).ok()?;
    let output = Count::try_from(usage.completion_tokens).ok()?;
    Some(Tokens { input, output })
}

fn model(
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
    map: PseudonymMap,
) -> Result<(Bytes, Option<Tokens>), Failure> {
    if !status.is_success() {
        return Err(upstream_error(status, headers, &body, map));
    }
    let answer = openai::restore(map, body).map_err(|e| Failure::from(&e))?;
    Ok((answer.body, answer.usage.and_then(tokens)))
}

/// An upstream's error, told without what it may hold of ours: a model API's 401 and 403 speak of the
/// sidecar's credential, and its messages may quote it.
fn upstream_error(status: StatusCode, headers: &HeaderMap, body: &Bytes, map: PseudonymMap) -> Failure {
    let bad_gateway = StatusCode::BAD_GATEWAY;
    match status.as_u16() {
        401 | 403 => Failure::new(
            bad_gateway,
            "upstream_credential_refused",
            Blame::Upstream,
            "the upstream refused the sidecar's credential",
        ),
        400..=499 => {
            let told = Restorer::new(map).restore(&told(body), content_guard::Syntax::Text).into_owned();
            let mut failure = Failure::new(
                status,
                "upstream_refused",
                Blame::Upstream,
                format!("the upstream refused the call: {told}"),
            );
            failure.retry_after = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            failure
        }
        500..=599 => Failure::new(status, "upstream_failed", Blame::Upstream, "the upstream failed"),
        _ => Failure::new(
            bad_gateway,
            "upstream_unexpected_status",
            Blame::Upstream,
            "the upstream answered neither success nor error",
        ),
    }
}

/// The message of an upstream's error object, cut to a length that fits an error.
fn told(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message =
        value.pointer("/error/message").or_else(|| value.pointer("/message")).and_then(serde_json::Value::as_str);
    message.unwrap_or("it did not say why").chars().take(500).collect()
}

/// The models that the caller may use, of all that the upstream has.
fn models(sidecar: &Sidecar, call: &Call, status: StatusCode, body: &Bytes) -> Result<Bytes, Failure> {
    if !status.is_success() {
        return Err(upstream_error(status, &HeaderMap::new(), &Bytes::new(), PseudonymMap::new()));
    }
    let policies = sidecar.policies();
    openai::filter_models(body.clone(), |id| {
        let Ok(model) = ModelName::new(id) else { return false };
        let resource = Resource::Model { upstream: call.upstream.name().clone(), model };
        [policy_engine::Action::ModelChat, policy_engine::Action::ModelEmbed].into_iter().any(|action| {
            let query = Query {
                tenant: call.caller.tenant(),
                principal: call.caller.principal(),
                groups: call.caller.groups(),
                claims: call.caller.claims(),
                action,
                resource: &resource,
                facts: &call.facts,
            };
            policies.decide_query(&query).verdict().is_ok()
        })
    })
    .map_err(|e| Failure::from(&e))
}

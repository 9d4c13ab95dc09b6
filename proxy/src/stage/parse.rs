//! Parse: the body becomes one typed call, scanned. What is not recognised is denied.

use super::{accept::too_large, authenticate::Authenticated};
use crate::{
    call::{Call, Typed},
    config::UpstreamKind,
    failure::{Blame, Failure},
    sidecar::Sidecar,
    target::Target,
    wire::{openai, qdrant},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use policy_engine::{Action, Facts, Label, Resource};
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

/// Reads the body and recognises the call.
///
/// # Errors
/// A [`Failure`] that blames the client and repeats nothing of the body.
pub(crate) async fn parse(sidecar: &Sidecar, request: Authenticated) -> Result<Call, Failure> {
    let Authenticated { caller, upstream, target, body } = request;
    let body = read(sidecar, body).await?;
    let mut facts = Facts {
        upstream_region: upstream.region().cloned(),
        upstream_trust: upstream.trust().cloned(),
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        ..Facts::default()
    };
    let name = upstream.name().clone();
    let (action, resource, typed) = match upstream.kind() {
        UpstreamKind::OpenAi => match endpoint(&target)? {
            None => (Action::ModelList, Resource::Models { upstream: name }, Typed::Models),
            Some((endpoint, action)) => {
                let call = openai::parse(sidecar.scanner(), endpoint, body).map_err(|e| Failure::from(&e))?;
                facts.labels = labels(&call)?;
                facts.token_estimate = call.token_estimate();
                (action, Resource::Model { upstream: name, model: call.model().clone() }, Typed::Model(Box::new(call)))
            }
        },
        UpstreamKind::Qdrant => {
            let segments: Vec<&str> = target.segments().collect();
            let call =
                qdrant::parse(target.method(), &segments, target.query(), &body).map_err(|e| Failure::from(&e))?;
            facts.k = call.k();
            let resource = call.resource(&name);
            (call.action(), resource, Typed::Vector(Box::new(call)))
        }
    };
    Ok(Call { caller, upstream, action, resource, facts, request: typed })
}

/// Reads the whole body within the configured size and time.
async fn read(sidecar: &Sidecar, body: Incoming) -> Result<Bytes, Failure> {
    let limits = sidecar.limits();
    let limited = Limited::new(body, limits.max_body_bytes).collect();
    match tokio::time::timeout(limits.body_timeout, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(limits.max_body_bytes)),
        Ok(Err(_)) => {
            Err(Failure::new(StatusCode::BAD_REQUEST, "body_broke_off", Blame::Client, "the body did not arrive whole"))
        }
        Err(_) => Err(Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            Blame::Client,
            "the body did not arrive in time",
        )),
    }
}

/// The endpoint of a model API; `None` is the list of models.
fn endpoint(target: &Target) -> Result<Option<(openai::Endpoint, Action)>, Failure> {
    let segments: Vec<&str> = target.segments().collect();
    let (wanted, found) = match segments.as_slice() {
        ["v1", "chat", "completions"] => (Method::POST, Some((openai::Endpoint::Chat, Action::ModelChat))),
        ["v1", "embeddings"] => (Method::POST, Some((openai::Endpoint::Embeddings, Action::ModelEmbed))),
        ["v1", "models"] => (Method::GET, None),
        _ => {
            return Err(Failure::new(
                StatusCode::NOT_FOUND,
                "unknown_endpoint",
                Blame::Client,
                "this endpoint is not governed here, so it is denied",
            ));
        }
    };
    if *target.method() != wanted {
        let message = format!("this endpoint takes {wanted}");
        return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", Blame::Client, message));
    }
    if target.query().is_some() {
        let message = "this endpoint takes no query parameters";
        return Err(Failure::new(StatusCode::BAD_REQUEST, "unknown_parameter", Blame::Client, message));
    }
    Ok(found)
}

/// What the scan found, in the words of policies.
fn labels(call: &openai::ModelCall) -> Result<BTreeSet<Label>, Failure> {
    call.counts().iter().map(|(label, _)| Label::new(label.as_str())).collect::<Result<_, _>>().map_err(|_| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unknown_label",
            Blame::Internal,
            "a detector's label is no policy label",
        )
    })
}

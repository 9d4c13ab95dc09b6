//! Accept: one canonical target, one upstream, headers that no two readers read differently.

use crate::{
    failure::{Blame, Dialect, Failure},
    sidecar::{Door, Sidecar},
    target::Target,
    upstream::Upstream,
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use std::sync::Arc;

/// A request whose target and framing are unambiguous.
pub(crate) struct Accepted {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

/// Routes by the first path segment, or by the listener.
///
/// # Errors
/// A [`Failure`] in the dialect that is known by then.
pub(crate) fn accept(
    sidecar: &Sidecar,
    door: &Door,
    request: Request<Incoming>,
) -> Result<Accepted, (Dialect, Failure)> {
    let (head, body) = request.into_parts();
    let early = match door {
        Door::Main => Dialect::Plain,
        Door::Upstream(upstream) => upstream.dialect(),
    };
    let target = Target::parse(head.method, &head.uri)
        .map_err(|e| (early, fault(StatusCode::BAD_REQUEST, "bad_target", e.to_string())))?;
    let (upstream, target) = match door {
        Door::Upstream(upstream) => (Arc::clone(upstream), target),
        Door::Main => {
            target.split_first().and_then(|(name, rest)| Some((sidecar.upstream(&name)?, rest))).ok_or_else(|| {
                (early, fault(StatusCode::NOT_FOUND, "unknown_upstream", "the path names no upstream of this sidecar"))
            })?
        }
    };
    framing(sidecar, target.method(), &head.headers).map_err(|failure| (upstream.dialect(), failure))?;
    Ok(Accepted { upstream, target, headers: head.headers, body })
}

fn fault(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
    Failure::new(status, code, Blame::Client, message)
}

/// Refuses what could be framed or decoded in two ways.
fn framing(sidecar: &Sidecar, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(header::UPGRADE) {
        return Err(fault(StatusCode::BAD_REQUEST, "upgrade_refused", "protocol upgrades are not supported"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(fault(
            StatusCode::BAD_REQUEST,
            "ambiguous_framing",
            "both content-length and transfer-encoding are set",
        ));
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|v| v.as_bytes() != b"identity") {
        return Err(fault(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "encoded_body",
            "request bodies must not be compressed: they are scanned",
        ));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|bytes| bytes > sidecar.limits().max_body_bytes) {
        return Err(too_large(sidecar.limits().max_body_bytes));
    }
    let has_body = length.is_some_and(|bytes| bytes > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    if has_body && method != Method::GET && !is_json(headers) {
        return Err(fault(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body must be sent once as content-type application/json",
        ));
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    only.to_str().is_ok_and(|text| {
        let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
        let charset = parameters.trim().to_ascii_lowercase();
        kind.trim().eq_ignore_ascii_case("application/json") && (charset.is_empty() || charset == "charset=utf-8")
    })
}

/// The failure of a body over the limit.
pub(crate) fn too_large(limit: usize) -> Failure {
    fault(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("the body is larger than {limit} bytes"))
}

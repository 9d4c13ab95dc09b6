//! Authenticate: the tenant, from a verified credential and nothing else.

use super::accept::Accepted;
use crate::{
    failure::Failure,
    identity::{Caller, UnixSeconds},
    sidecar::Sidecar,
    target::Target,
    upstream::Upstream,
};
use hyper::body::Incoming;
use std::sync::Arc;

/// A request of a known caller. Its headers are gone: nothing after this stage reads them.
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) target: Target,
    pub(crate) body: Incoming,
}

/// Verifies the one credential of the request.
///
/// # Errors
/// A [`Failure`] without any part of the credential.
pub(crate) async fn authenticate(sidecar: &Sidecar, accepted: Accepted) -> Result<Authenticated, Failure> {
    let Accepted { upstream, target, headers, body } = accepted;
    match sidecar.authenticator().authenticate(&headers, UnixSeconds::now()).await {
        Ok(caller) => Ok(Authenticated { caller, upstream, target, body }),
        Err(error) => {
            sidecar.metrics().unauthenticated.inc();
            tracing::info!(upstream = %upstream.name(), code = error.aios_code(), "caller not authenticated");
            Err(Failure::from(&error))
        }
    }
}

//! The operations listener: `/healthz`, `/readyz` and `/metrics`, never on the data port.

use crate::sidecar::Sidecar;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

/// The routes of the operations listener.
pub(crate) fn router(sidecar: Arc<Sidecar>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(sidecar)
}

/// Ready means: a call would be recorded. The upstreams' health is not part of it, and neither is
/// the key service: a sidecar that restarts because of them would only make an outage worse.
async fn ready(State(sidecar): State<Arc<Sidecar>>) -> Response {
    match sidecar.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(sidecar): State<Arc<Sidecar>>) -> Response {
    sidecar.metrics().ledger(&sidecar.ledger().health());
    sidecar.metrics().keys(sidecar.keys());
    match sidecar.metrics().text() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

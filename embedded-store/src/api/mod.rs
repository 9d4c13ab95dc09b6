//! The HTTP service: routes, access, Qdrant's envelope.

mod access;
mod body;
mod collections;
mod input;
mod output;
mod points;
mod query;
mod update;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, RawPathParamsRejection};
use axum::extract::{DefaultBodyLimit, RawPathParams, RawQuery, Request, State};
use axum::http::{Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::fault::Fault;
use crate::store::EmbeddedStore;
pub use access::{Access, NoRandomness};
use body::{Call, Reply};

/// Engine calls that run at once; more wait their turn. Each holds one thread of the runtime's blocking pool.
const CALLS_AT_ONCE: usize = 32;

/// The largest request body that is read, in bytes. Default: 64 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// A limit in bytes.
    #[must_use]
    pub const fn bytes(limit: usize) -> Self {
        Self(limit)
    }
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self(64 << 20)
    }
}

#[derive(Clone)]
struct App {
    store: Arc<EmbeddedStore>,
    slots: Arc<Semaphore>,
    access: Access,
    limit: BodyLimit,
}

/// Qdrant's REST API over the store, with the default body limit. Serve it on a Tokio runtime: engine calls run on
/// its blocking pool, bounded, and go on to their end when a client hangs up.
pub fn router(store: Arc<EmbeddedStore>, access: Access) -> Router {
    router_limited(store, access, BodyLimit::default())
}

/// [`router`] with another body limit.
pub fn router_limited(store: Arc<EmbeddedStore>, access: Access, limit: BodyLimit) -> Router {
    let app = App { store, slots: Arc::new(Semaphore::new(CALLS_AT_ONCE)), access, limit };
    let guarded = Router::new()
        .route("/", get(root))
        .route("/collections", get(|app: State<App>| async move { app.0.run(collections::list).await }))
        .merge(collection_routes())
        .merge(point_routes())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(limit.0))
        .layer(middleware::from_fn_with_state(app.clone(), admit));
    let health = || get(|| async { "ok" });
    Router::new()
        .route("/healthz", health())
        .route("/readyz", health())
        .route("/livez", health())
        .merge(guarded)
        .with_state(app)
}

fn collection_routes() -> Router<App> {
    Router::new()
        .route(
            "/collections/{name}",
            get(on(collections::info)).put(on(collections::create)).delete(on(collections::delete)),
        )
        .route("/collections/{name}/exists", get(on(collections::exists)))
        .route("/collections/{name}/index", put(on(update::create_index)))
        .route("/collections/{name}/index/{field}", delete(on(update::delete_index)))
}

fn point_routes() -> Router<App> {
    let points = |path: &str| format!("/collections/{{name}}/points{path}");
    let route = |router: Router<App>, path: &str, methods: MethodRouter<App>| router.route(&points(path), methods);
    let router = Router::new();
    let router = route(router, "", put(on(update::upsert)).post(on(points::retrieve)));
    let router = route(router, "/{id}", get(on(points::one)));
    let router = route(router, "/scroll", post(on(points::scroll)));
    let router = route(router, "/count", post(on(points::count)));
    let router = route(router, "/query", post(on(query::query)));
    let router = route(router, "/query/batch", post(on(query::query_batch)));
    let router = route(router, "/search", post(on(query::search)));
    let router = route(router, "/search/batch", post(on(query::search_batch)));
    let router = route(router, "/delete", post(on(update::delete)));
    let router = route(router, "/payload", post(on(update::set_payload)).put(on(update::overwrite_payload)));
    let router = route(router, "/payload/delete", post(on(update::delete_payload)));
    let router = route(router, "/payload/clear", post(on(update::clear_payload)));
    let router = route(router, "/vectors", put(on(update::update_vectors)));
    let router = route(router, "/vectors/delete", post(on(update::delete_vectors)));
    route(router, "/batch", post(on(update::batch)))
}

/// A synchronous answer to one call; it runs on the blocking pool.
type Endpoint = fn(&EmbeddedStore, &Call) -> Result<Reply, Fault>;
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;
type Parameters = Result<RawPathParams, RawPathParamsRejection>;

fn on(
    endpoint: Endpoint,
) -> impl Fn(State<App>, Parameters, RawQuery, Result<Bytes, BytesRejection>) -> Answering + Clone {
    move |State(app), parameters, RawQuery(query), body| {
        Box::pin(async move {
            let call = body.map_err(|rejected| unread(&rejected, app.limit)).and_then(|body| {
                let parameters =
                    parameters.map_err(|_| Fault::Malformed { place: "path", problem: "not UTF-8".into() })?;
                Call::new(&parameters, query.as_deref(), body)
            });
            match call {
                Ok(call) => app.run(move |store| endpoint(store, &call)).await,
                Err(fault) => fault.into_response(),
            }
        })
    }
}

impl App {
    /// Runs blocking work on the pool and wraps its result.
    async fn run(self, work: impl FnOnce(&EmbeddedStore) -> Result<Reply, Fault> + Send + 'static) -> Response {
        let started = Instant::now();
        let Ok(slot) = self.slots.acquire_owned().await else {
            return Fault::Closed.into_response();
        };
        let store = self.store;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&store);
            drop(slot);
            result
        });
        match done.await {
            Ok(Ok(reply)) => enveloped(&reply, started),
            Ok(Err(fault)) => fault.into_response(),
            Err(_) => Fault::Closed.into_response(),
        }
    }
}

fn enveloped(reply: &Reply, started: Instant) -> Response {
    let mut body = Vec::with_capacity(reply.json().len() + 64);
    body.extend_from_slice(br#"{"result":"#);
    body.extend_from_slice(reply.json());
    let tail = format!(r#","status":"ok","time":{:.9}}}"#, started.elapsed().as_secs_f64());
    body.extend_from_slice(tail.as_bytes());
    ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && !matches!(self, Self::NotOffered(_)) {
            tracing::error!(error = %self, "a call to the vector store failed");
        }
        let body = json!({"status": {"error": self.to_string()}, "time": 0.0});
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.access.admits(request.headers()) { next.run(request).await } else { Fault::Unauthorised.into_response() }
}

async fn root() -> Response {
    let body = json!({
        "title": "AIOS embedded vector store, speaking Qdrant's REST API",
        "version": "1.19.0",
        "commit": null,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Paths and methods without a handler: Qdrant's own are told apart from those that nobody has.
async fn unknown(uri: Uri) -> Response {
    let mut segments = uri.path().trim_matches('/').split('/');
    let known = match (segments.next(), segments.next(), segments.next()) {
        (Some("collections"), Some(_), _) => true,
        (Some(first), _, _) => matches!(
            first,
            "aliases"
                | "snapshots"
                | "telemetry"
                | "metrics"
                | "cluster"
                | "locks"
                | "issues"
                | "service"
                | "collections"
        ),
        _ => false,
    };
    let fault = if known { Fault::NotOffered("this call of Qdrant's API") } else { Fault::NoPath };
    fault.into_response()
}

fn unread(rejected: &BytesRejection, limit: BodyLimit) -> Fault {
    if rejected.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return Fault::TooLarge(limit.0);
    }
    Fault::Malformed { place: "body", problem: "it could not be read to its end".into() }
}

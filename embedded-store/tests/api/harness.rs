//! A store in a directory of its own, and calls to it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use embedded_store::{Access, EmbeddedStore, router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) struct Harness {
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) router: Router,
    pub(crate) dir: TempDir,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, router) = open(dir.path());
        Self { store, router, dir }
    }

    /// With a collection `docs` of 4-dimensional vectors under `distance`.
    pub(crate) async fn with_docs(distance: &str) -> Self {
        let harness = Self::new();
        harness.ok("PUT", "/collections/docs", json!({"vectors": {"size": 4, "distance": distance}})).await;
        harness
    }

    /// The result of a call that must succeed.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        assert_eq!(answer["status"], "ok");
        assert!(answer["time"].is_f64());
        answer["result"].clone()
    }

    /// The error text of a call that must fail with that status.
    pub(crate) async fn refused(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let (got, answer) = self.call(method, path, body).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
        answer["status"]["error"].as_str().expect("an error text").to_owned()
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        call(&self.router, Request::builder().method(method).uri(path).body(body).unwrap()).await
    }

    pub(crate) async fn upsert(&self, points: Value) {
        let result = self.ok("PUT", "/collections/docs/points?wait=true", json!({"points": points})).await;
        assert_eq!(result["status"], "completed");
    }

    pub(crate) async fn count(&self, filter: Value) -> u64 {
        let result = self.ok("POST", "/collections/docs/points/count", json!({"filter": filter, "exact": true})).await;
        result["count"].as_u64().unwrap()
    }

    /// The payload of one point, or `None` if there is no such point.
    pub(crate) async fn payload(&self, id: u64) -> Option<Value> {
        let found = self.ok("POST", "/collections/docs/points", json!({"ids": [id], "with_payload": true})).await;
        found.get(0).map(|point| point["payload"].clone())
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, router, dir } = self;
        store.close().unwrap();
        drop((store, router));
        let (store, router) = open(dir.path());
        Self { store, router, dir }
    }

    /// A store opened on what a killed process would leave: the files as they are, nothing flushed.
    pub(crate) fn crash_image(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        let (store, router) = open(dir.path());
        Self { store, router, dir }
    }
}

pub(crate) fn open(dir: &Path) -> (Arc<EmbeddedStore>, Router) {
    let store = Arc::new(EmbeddedStore::open(dir).unwrap());
    (Arc::clone(&store), router(store, Access::open()))
}

pub(crate) async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let answer = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
    (status, answer)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The same numbers in every run: a linear congruential sequence in -1..1.
pub(crate) fn vectors(count: usize, dimensions: usize) -> Vec<Vec<f32>> {
    let mut state = 42_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(state >> 48).unwrap()) / 32_768.0 - 1.0
    };
    (0..count).map(|_| (0..dimensions).map(|_| next()).collect()).collect()
}

pub(crate) fn ids(points: &Value) -> Vec<u64> {
    points.as_array().unwrap().iter().map(|point| point["id"].as_u64().unwrap()).collect()
}

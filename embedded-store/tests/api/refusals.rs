//! What is refused, and that a refusal changes nothing and repeats no value.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use embedded_store::{Access, BodyLimit, EmbeddedStore, router, router_limited};
use serde_json::{Value, json};

use crate::harness::{Harness, call};

#[tokio::test]
async fn names_cannot_leave_the_directory() {
    let harness = Harness::new();
    let body = json!({"vectors": {"size": 2, "distance": "Dot"}});
    for name in ["..", "%2e%2e", "..%2f..%2fetc", "a%2Fb", "a%5Cb", "a%00b", "a%0Ab", "c:d", &"x".repeat(256)] {
        let (status, answer) = harness.call("PUT", &format!("/collections/{name}"), body.clone()).await;
        assert!(status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED, "{name}: {status} {answer}");
    }
    harness.refused(400, "PUT", "/collections/%FF", body.clone()).await;
    let odd = ["...", "%20", "Docs", "docs", "%C3%BCn%C3%AF", "LOCK", "00000000", &"x".repeat(255)];
    for name in odd {
        harness.ok("PUT", &format!("/collections/{name}"), body.clone()).await;
    }
    let harness = harness.reopened();
    for name in odd {
        assert_eq!(
            harness.ok("GET", &format!("/collections/{name}/exists"), Value::Null).await["exists"],
            true,
            "{name}"
        );
    }
    let outside = std::fs::read_dir(harness.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(outside.len(), 2, "{outside:?}");
    for entry in std::fs::read_dir(harness.dir.path().join("collections")).unwrap() {
        assert!(entry.unwrap().file_name().to_str().unwrap().parse::<u64>().is_ok());
    }
}

#[tokio::test]
async fn bad_points_are_refused_whole() {
    let harness = Harness::with_docs("Cosine").await;
    harness.upsert(json!([{"id": 1, "vector": [1, 2, 3, 4], "payload": {"a": 1}}])).await;
    let path = "/collections/docs/points?wait=true";
    let good = json!({"id": 2, "vector": [1, 0, 0, 0]});
    for (bad, status) in [
        (json!({"id": 1, "vector": [1, 2]}), 400),
        (json!({"id": 1, "vector": [1, 2, 3, 1e39]}), 400),
        (json!({"id": 1, "vector": {"absent": [1, 2, 3, 4]}}), 400),
        (json!({"id": 1, "vector": [[1, 2, 3, 4]]}), 400),
        (json!({"id": 1, "vector": {"indices": [1], "values": [0.5]}}), 400),
        (json!({"id": 1, "vector": {"text": "hello", "model": "some/model"}}), 400),
        (json!({"id": -1, "vector": [1, 2, 3, 4]}), 400),
        (json!({"id": "not a uuid", "vector": [1, 2, 3, 4]}), 400),
        (json!({"id": 1, "vector": [1, 2, 3, 4], "payload": [1]}), 400),
        (json!({"id": 1, "vector": [1, 2, 3, 4], "extra": 1}), 400),
        (json!({"id": 1}), 400),
    ] {
        harness.refused(status, "PUT", path, json!({"points": [good, bad]})).await;
    }
    harness.refused(400, "PUT", path, json!({"points": []})).await;
    harness.refused(400, "PUT", path, json!({})).await;
    harness.refused(400, "PUT", path, json!({"batch": {"ids": [1, 2], "vectors": [[1, 2, 3, 4]]}})).await;
    harness.refused(501, "PUT", path, json!({"points": [good], "shard_key": "a"})).await;
    harness.refused(501, "PUT", path, json!({"points": [good], "update_filter": {"must": []}})).await;
    let dimension = harness.refused(400, "POST", "/collections/docs/points/query", json!({"query": [1, 2]})).await;
    assert_eq!(dimension, "Wrong input: Vector dimension error: expected dim: 4, got 2");
    assert_eq!(harness.count(Value::Null).await, 1);
    assert_eq!(harness.payload(1).await.unwrap(), json!({"a": 1}));
}

#[tokio::test]
async fn what_is_not_offered_says_so() {
    let harness = Harness::with_docs("Cosine").await;
    let query = "/collections/docs/points/query";
    for body in [
        json!({"query": {"recommend": {"positive": [1]}}}),
        json!({"query": {"fusion": "rrf"}, "prefetch": [{"query": [1, 2, 3, 4]}]}),
        json!({"query": {"text": "hello", "model": "some/model"}}),
        json!({"query": {"nearest": [1, 2, 3, 4], "mmr": {"diversity": 0.5}}}),
        json!({"query": {"indices": [1], "values": [1.0]}}),
        json!({"query": [1, 2, 3, 4], "lookup_from": {"collection": "docs"}}),
        json!({"query": [1, 2, 3, 4], "shard_key": ["a"]}),
    ] {
        harness.refused(501, "POST", query, body).await;
    }
    harness
        .ok("POST", query, json!({"query": [1, 2, 3, 4], "prefetch": [], "lookup_from": null, "shard_key": null}))
        .await;
    for (method, path) in [
        ("POST", "/collections/docs/points/recommend"),
        ("POST", "/collections/docs/facet"),
        ("POST", "/collections/docs/snapshots"),
        ("PATCH", "/collections/docs"),
        ("POST", "/collections/aliases"),
        ("GET", "/telemetry"),
    ] {
        harness.refused(501, method, path, json!({})).await;
    }
    harness.refused(404, "GET", "/somewhere", Value::Null).await;
    harness.refused(422, "POST", query, json!({"query": [1, 2, 3, 4], "limit": 0})).await;
    harness.refused(422, "POST", query, json!({"query": [1, 2, 3, 4], "params": {"hnsw_ef": 1_000_000_000_u64}})).await;
    let absurd = json!({"query": [1, 2, 3, 4], "limit": u64::MAX, "offset": u64::MAX});
    assert_eq!(harness.ok("POST", query, absurd).await, json!({"points": []}));
    harness.refused(400, "POST", query, json!({"query": [1, 2, 3, 4], "limt": 3})).await;
    harness.refused(400, "POST", query, json!({"query": [1, 2, 3, 4], "filter": {"musst": []}})).await;
}

#[tokio::test]
async fn errors_repeat_no_values() {
    let harness = Harness::with_docs("Cosine").await;
    for body in [
        r#"{"points":[{"id":1,"vector":"hunter2"}]}"#,
        r#"{"points":[{"id":"hunter2","vector":[1,2,3,4]}]}"#,
        r#"{"points":"hunter2"}"#,
        r#"{"points":[{"id":1,"vector":[1,2,3,4],"payload":"hunter2"}]}"#,
        r#"{"points":[{"id":1,"vector":{"text":"hunter2"}}]}"#,
        "hunter2",
    ] {
        let request = Request::put("/collections/docs/points").body(Body::from(body)).unwrap();
        let (status, answer) = call(&harness.router, request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
}

#[tokio::test]
async fn only_the_key_opens_the_door() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(dir.path()).unwrap());
    let access = Access::key("correct horse").unwrap();
    assert!(!format!("{access:?}").contains("horse"));
    let router = router(store, access);
    let status = async |path: &str, keys: &[&str]| {
        let mut request = Request::get(path);
        for key in keys {
            request = request.header("api-key", *key);
        }
        call(&router, request.body(Body::empty()).unwrap()).await.0
    };
    assert_eq!(status("/collections", &["correct horse"]).await, StatusCode::OK);
    for keys in [
        &[][..],
        &[""],
        &["correct"],
        &["correct horse "],
        &["correct horse", "correct horse"],
        &["x", "correct horse"],
    ] {
        for path in ["/collections", "/", "/nowhere", "/collections/docs"] {
            assert_eq!(status(path, keys).await, StatusCode::UNAUTHORIZED, "{path} {keys:?}");
        }
    }
    assert_eq!(status("/healthz", &[]).await, StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(dir.path()).unwrap());
    let router = router_limited(store, Access::open(), BodyLimit::bytes(1_000));
    let request = Request::put("/collections/docs").body(Body::from("x".repeat(1_001))).unwrap();
    let (status, answer) = call(&router, request).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["status"]["error"], "Payload too large: the limit is 1000 bytes");
}

//! Payload and vector operations, batches, concurrency, indexing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Harness, ids, vectors};

#[tokio::test]
async fn payloads_are_set_overwritten_deleted_and_cleared_by_ids_and_by_filter() {
    let harness = Harness::with_docs("Dot").await;
    let points = (0..6).map(|id| json!({"id": id, "vector": [1, 0, 0, 0], "payload": {"g": id % 2, "m": {"a": 1}}}));
    harness.upsert(points.collect()).await;
    let odd = json!({"must": [{"key": "g", "match": {"value": 1}}]});
    let path = "/collections/docs/points/payload";
    let wait = |rest: &str| format!("{path}{rest}?wait=true");

    harness.ok("POST", &wait(""), json!({"payload": {"s": 1}, "points": [0, 2]})).await;
    harness.ok("POST", &wait(""), json!({"payload": {"b": 2}, "points": [0], "key": "m"})).await;
    assert_eq!(harness.payload(0).await.unwrap(), json!({"g": 0, "m": {"a": 1, "b": 2}, "s": 1}));
    harness.ok("POST", &wait(""), json!({"payload": {"f": true}, "filter": odd})).await;
    assert_eq!(harness.payload(5).await.unwrap(), json!({"g": 1, "m": {"a": 1}, "f": true}));
    assert_eq!(harness.payload(4).await.unwrap(), json!({"g": 0, "m": {"a": 1}}));
    harness.ok("PUT", &wait(""), json!({"payload": {"only": 1}, "points": [4]})).await;
    assert_eq!(harness.payload(4).await.unwrap(), json!({"only": 1}));
    harness.ok("POST", &wait("/delete"), json!({"keys": ["m.a", "f"], "filter": odd})).await;
    assert_eq!(harness.payload(3).await.unwrap(), json!({"g": 1, "m": {}}));
    harness.ok("POST", &wait("/clear"), json!({"points": [2]})).await;
    assert_eq!(harness.payload(2).await.unwrap(), json!({}));
    harness.ok("POST", &wait("/clear"), json!({"filter": odd})).await;
    assert_eq!(harness.payload(1).await.unwrap(), json!({}));

    // A write that names a missing point changes none.
    let missing = harness.refused(404, "POST", &wait(""), json!({"payload": {"z": 1}, "points": [0, 99]})).await;
    assert!(missing.contains("99"));
    assert!(harness.payload(0).await.unwrap().get("z").is_none());
    harness.refused(400, "POST", &wait(""), json!({"payload": {"z": 1}})).await;
    harness.refused(400, "POST", &wait(""), json!({"payload": {"z": 1}, "points": [0], "filter": odd})).await;
}

#[tokio::test]
async fn points_are_replaced_and_deleted_and_vectors_updated() {
    let harness = Harness::with_docs("Dot").await;
    let uuid = "6f1c2a52-91a5-4f7e-8d0b-0a3b6f3c1a11";
    harness
        .upsert(json!([{"id": 1, "vector": [1, 0, 0, 0]}, {"id": uuid, "vector": [0, 1, 0, 0], "payload": {"k": 1}}]))
        .await;
    harness.upsert(json!([{"id": 1, "vector": [0, 0, 5, 0], "payload": {"new": true}}])).await;
    let one = harness.ok("GET", "/collections/docs/points/1", Value::Null).await;
    assert_eq!(one, json!({"id": 1, "payload": {"new": true}, "vector": [0.0, 0.0, 5.0, 0.0]}));
    let body = json!({"points": [{"id": uuid, "vector": [0, 0, 0, 7]}]});
    harness.ok("PUT", "/collections/docs/points/vectors?wait=true", body).await;
    let other = harness.ok("GET", &format!("/collections/docs/points/{uuid}"), Value::Null).await;
    assert_eq!(other, json!({"id": uuid, "payload": {"k": 1}, "vector": [0.0, 0.0, 0.0, 7.0]}));
    harness.ok("POST", "/collections/docs/points/delete?wait=true", json!({"points": [1, 555]})).await;
    assert_eq!(harness.count(Value::Null).await, 1);
    let body = json!({"filter": {"must": [{"key": "k", "match": {"value": 1}}]}});
    harness.ok("POST", "/collections/docs/points/delete?wait=true", body).await;
    assert_eq!(harness.count(Value::Null).await, 0);
    let lazily = json!({"points": [{"id": 9, "vector": [1, 1, 1, 1]}]});
    let result = harness.ok("PUT", "/collections/docs/points", lazily).await;
    assert_eq!(result["status"], "acknowledged");
    assert_eq!(harness.count(Value::Null).await, 1, "applied all the same");
}

#[tokio::test]
async fn a_batch_runs_in_order() {
    let harness = Harness::with_docs("Dot").await;
    let body = json!({"operations": [
        {"upsert": {"points": [{"id": 1, "vector": [1, 0, 0, 0]}, {"id": 2, "vector": [1, 0, 0, 0]}]}},
        {"set_payload": {"payload": {"a": 1, "b": 2}, "points": [1]}},
        {"delete_payload": {"keys": ["a"], "points": [1]}},
        {"update_vectors": {"points": [{"id": 1, "vector": [3, 0, 0, 0]}]}},
        {"delete": {"points": [2]}},
    ]});
    let done = harness.ok("POST", "/collections/docs/points/batch?wait=true", body).await;
    assert_eq!(done.as_array().unwrap().len(), 5);
    let one = harness.ok("GET", "/collections/docs/points/1", Value::Null).await;
    assert_eq!(one, json!({"id": 1, "payload": {"b": 2}, "vector": [3.0, 0.0, 0.0, 0.0]}));
    assert_eq!(harness.count(Value::Null).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_at_once_lose_nothing() {
    let harness = std::sync::Arc::new(Harness::with_docs("Dot").await);
    let writers = (0..8_u64).map(|writer| {
        let harness = std::sync::Arc::clone(&harness);
        tokio::spawn(async move {
            for step in 0..25 {
                let id = writer * 1_000 + step;
                harness.upsert(json!([{"id": id, "vector": [id, 1, 0, 0], "payload": {"w": writer}}])).await;
                let body = json!({"query": [1, 0, 0, 0], "limit": 5});
                harness.ok("POST", "/collections/docs/points/query", body).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(harness.count(Value::Null).await, 200);
    assert_eq!(harness.count(json!({"must": [{"key": "w", "match": {"value": 3}}]})).await, 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_collection_is_indexed_in_the_background_and_keeps_every_change() {
    let harness = Harness::new();
    let body = json!({"vectors": {"size": 32, "distance": "Cosine"}, "optimizers_config": {"indexing_threshold": 200}});
    harness.ok("PUT", "/collections/docs", body).await;
    let all = vectors(6_000, 32);
    let write = async |range: std::ops::Range<usize>| {
        let points = range.clone().map(|id| json!({"id": id, "vector": all[id], "payload": {"n": id}}));
        harness.upsert(points.collect()).await;
    };
    for start in (0..6_000).step_by(1_000) {
        write(start..start + 1_000).await;
    }
    // While the index is built: deletions, replacements and payload changes by filter.
    harness
        .ok("POST", "/collections/docs/points/delete?wait=true", json!({"points": (0..100).collect::<Vec<_>>()}))
        .await;
    write(200..300).await;
    let some = json!({"must": [{"key": "n", "range": {"gte": 400, "lt": 500}}]});
    harness
        .ok("POST", "/collections/docs/points/payload?wait=true", json!({"payload": {"m": 1}, "filter": some}))
        .await;

    let deadline = Instant::now() + Duration::from_secs(120);
    let info = loop {
        let info = harness.ok("GET", "/collections/docs", Value::Null).await;
        if info["status"] == "green" && info["indexed_vectors_count"].as_u64().unwrap() > 4_000 {
            break info;
        }
        assert!(Instant::now() < deadline, "never indexed: {info}");
        tokio::task::yield_now().await;
    };
    assert!(info["segments_count"].as_u64().unwrap() >= 1);
    let marked = json!({"must": [{"key": "m", "match": {"value": 1}}]});
    for harness in [harness.crash_image(), harness.reopened()] {
        assert_eq!(harness.count(Value::Null).await, 5_900);
        assert_eq!(harness.count(marked.clone()).await, 100);
        let mut hits = 0;
        for query in vectors(6_050, 32).split_off(6_000) {
            let found = async |exact: bool| {
                let body = json!({"query": query, "limit": 10, "params": {"exact": exact, "hnsw_ef": 128}});
                ids(&harness.ok("POST", "/collections/docs/points/query", body).await["points"])
            };
            let truth = found(true).await;
            assert!(truth.iter().all(|id| *id >= 100), "a deleted point came back");
            hits += found(false).await.iter().filter(|id| truth.contains(id)).count();
        }
        assert!(hits >= 475, "recall {hits} of 500");
    }
}

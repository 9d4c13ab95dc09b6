//! What survives a restart and a killed process.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use embedded_store::{EmbeddedStore, OpenError};
use serde_json::{Value, json};

use crate::harness::{Harness, copy, ids, open};

/// Writes of every kind, and then the state that they lead to.
async fn fill(harness: &Harness) {
    let text = "sealed".repeat(10_000);
    let points = (0..50).map(|id| json!({"id": id, "vector": [id, 1, 0, 0], "payload": {"n": id, "blob": text}}));
    harness.upsert(points.collect()).await;
    let index = json!({"field_name": "n", "field_schema": "integer"});
    harness.ok("PUT", "/collections/docs/index?wait=true", index).await;
    harness.ok("POST", "/collections/docs/points/delete?wait=true", json!({"points": [0, 1]})).await;
    let high = json!({"must": [{"key": "n", "range": {"gte": 40}}]});
    harness
        .ok("POST", "/collections/docs/points/payload?wait=true", json!({"payload": {"high": true}, "filter": high}))
        .await;
    // After this the filter above matches other points than it did.
    harness
        .ok("POST", "/collections/docs/points/payload?wait=true", json!({"payload": {"n": 99}, "points": [5]}))
        .await;
    harness
        .ok("PUT", "/collections/docs/points/payload?wait=true", json!({"payload": {"n": 6, "only": 1}, "points": [6]}))
        .await;
    let low = json!({"filter": {"must": [{"key": "n", "range": {"lt": 4}}]}});
    harness.ok("POST", "/collections/docs/points/delete?wait=true", low).await;
    harness.upsert(json!([{"id": 2, "vector": [7, 7, 7, 7], "payload": {"n": 2, "again": true}}])).await;
    let lazily = json!({"points": [{"id": 1000, "vector": [1, 1, 1, 1], "payload": {"lazy": true}}]});
    harness.ok("PUT", "/collections/docs/points", lazily).await;
    harness
        .ok("PUT", "/collections/docs/points/vectors?wait=true", json!({"points": [{"id": 7, "vector": [0, 0, 0, 9]}]}))
        .await;
}

async fn assert_filled(harness: &Harness) {
    assert_eq!(harness.count(Value::Null).await, 48);
    let high = json!({"must": [{"key": "high", "match": {"value": true}}]});
    assert_eq!(harness.count(high).await, 10, "5 got its high number after the write by filter");
    assert_eq!(harness.payload(5).await.unwrap()["n"], 99);
    assert_eq!(harness.payload(6).await.unwrap(), json!({"n": 6, "only": 1}));
    assert_eq!(harness.payload(2).await.unwrap(), json!({"n": 2, "again": true}));
    assert_eq!(harness.payload(3).await, None);
    assert_eq!(harness.payload(1000).await.unwrap(), json!({"lazy": true}));
    assert_eq!(harness.payload(45).await.unwrap()["blob"].as_str().unwrap().len(), 60_000);
    let seven = harness.ok("GET", "/collections/docs/points/7", Value::Null).await;
    assert_eq!(seven["vector"], json!([0.0, 0.0, 0.0, 9.0]));
    let schema = &harness.ok("GET", "/collections/docs", Value::Null).await["payload_schema"];
    assert_eq!(schema["n"]["data_type"], "integer");
    let ordered = json!({"limit": 2, "order_by": {"key": "n", "direction": "desc"}});
    let ordered = harness.ok("POST", "/collections/docs/points/scroll", ordered).await;
    assert_eq!(ids(&ordered["points"]), [5, 49]);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let harness = Harness::with_docs("Dot").await;
    fill(&harness).await;
    assert_filled(&harness).await;
    let harness = harness.reopened();
    assert_filled(&harness).await;
    assert_filled(&harness.reopened()).await;
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_kill() {
    let harness = Harness::with_docs("Dot").await;
    fill(&harness).await;
    let image = harness.crash_image();
    assert_filled(&image).await;
    // Killed again, right after the replay, and between further writes.
    assert_filled(&image.crash_image()).await;
    image.upsert(json!([{"id": 2, "vector": [0, 0, 0, 1], "payload": {"n": 2, "third": true}}])).await;
    let image = image.crash_image();
    assert_eq!(image.payload(2).await.unwrap(), json!({"n": 2, "third": true}));
    assert_eq!(image.count(Value::Null).await, 48);
}

#[tokio::test]
async fn a_kill_between_flushed_state_and_emptied_log_replays_harmlessly() {
    let harness = Harness::with_docs("Dot").await;
    fill(&harness).await;
    let log = redo_log(&harness);
    let recorded = std::fs::read(&log).unwrap();
    assert!(!recorded.is_empty());
    harness.store.flush().unwrap();
    assert_eq!(std::fs::read(&log).unwrap().len(), 0);
    // The engine has everything; the log says it again.
    std::fs::write(&log, &recorded).unwrap();
    assert_filled(&harness.crash_image()).await;
}

#[tokio::test]
async fn a_torn_record_is_dropped_and_the_rest_kept() {
    let harness = Harness::with_docs("Dot").await;
    fill(&harness).await;
    let mut log = OpenOptions::new().append(true).open(redo_log(&harness)).unwrap();
    log.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, b'{', b'"']).unwrap();
    assert_filled(&harness.crash_image()).await;
}

#[tokio::test]
async fn points_left_in_two_segments_by_a_killed_optimisation_become_one() {
    let harness = Harness::with_docs("Dot").await;
    fill(&harness).await;
    harness.store.close().unwrap();
    let Harness { store, router, dir } = harness;
    drop((store, router));
    let collection = dir.path().join("collections/00000000");
    let segments = collection.join("shard/segments");
    let segment = std::fs::read_dir(&segments).unwrap().next().unwrap().unwrap().path();
    let copied = segments.join("0b0e0a4c-5f0e-4f4b-9d3a-6f1d5c9a7e21");
    std::fs::create_dir(&copied).unwrap();
    copy(&segment, &copied);

    // Without the mark nobody looks for duplicates, which shows that there are some.
    let (store, router) = open(dir.path());
    let unmarked = Harness { store, router, dir };
    assert_eq!(unmarked.count(Value::Null).await, 96);
    unmarked.store.close().unwrap();
    let Harness { store, router, dir } = unmarked;
    drop((store, router));

    std::fs::write(collection.join("optimizing"), []).unwrap();
    let (store, router) = open(dir.path());
    let harness = Harness { store, router, dir };
    assert_filled(&harness).await;
    assert_filled(&harness.crash_image()).await;
    assert_filled(&harness.reopened()).await;
}

#[tokio::test]
async fn half_made_and_half_deleted_collections_are_gone() {
    let harness = Harness::with_docs("Dot").await;
    let kept = harness.dir.path().join("collections/00000000");
    harness.ok("PUT", "/collections/other", json!({"vectors": {"size": 2, "distance": "Dot"}})).await;
    let half = harness.dir.path().join("collections/00000001");
    std::fs::remove_file(half.join("manifest.json")).unwrap();
    std::fs::create_dir(harness.dir.path().join("collections/00000007")).unwrap();
    let harness = harness.reopened();
    let listed = harness.ok("GET", "/collections", Value::Null).await;
    assert_eq!(listed, json!({"collections": [{"name": "docs"}]}));
    assert!(kept.exists() && !half.exists());
    harness.ok("PUT", "/collections/other", json!({"vectors": {"size": 2, "distance": "Dot"}})).await;
}

#[tokio::test]
async fn one_process_at_a_time_and_damage_is_named() {
    let harness = Harness::with_docs("Dot").await;
    assert!(matches!(EmbeddedStore::open(harness.dir.path()), Err(OpenError::InUse(_))));
    harness.store.close().unwrap();
    harness.refused(503, "GET", "/collections/docs", Value::Null).await;
    harness.refused(503, "PUT", "/collections/new", json!({"vectors": {"size": 2, "distance": "Dot"}})).await;
    let Harness { store, router, dir } = harness;
    drop((store, router));
    std::fs::write(dir.path().join("collections/00000000/manifest.json"), b"{").unwrap();
    let error = EmbeddedStore::open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { path, .. } if path.ends_with("00000000")), "{error}");
}

fn redo_log(harness: &Harness) -> PathBuf {
    harness.dir.path().join("collections/00000000/redo.log")
}

//! Changes of payload.

use super::World;
use serde_json::{Value, json};
use std::sync::Arc;

async fn world() -> World {
    let world = World::with_docs("Cosine").await;
    let points: Vec<Value> = (0..150)
        .map(|id| json!({"id": id, "vector": [1, id, 0, 0], "payload": {"lang": if id % 2 == 0 { "en" } else { "de" }, "n": id}}))
        .collect();
    world.ok("PUT", "/collections/docs/points", json!({ "points": points })).await;
    world
}

async fn payload(world: &World, id: u64) -> Value {
    world.ok("POST", "/collections/docs/points", json!({"ids": [id]})).await[0]["payload"].clone()
}

async fn count(world: &World, lang: &str) -> u64 {
    let filter = json!({"filter": {"must": [{"key": "lang", "match": {"value": lang}}]}});
    world.ok("POST", "/collections/docs/points/count", filter).await["count"].as_u64().unwrap()
}

#[tokio::test]
async fn set_merges_and_tokens_follow() {
    let world = world().await;
    let body = json!({"points": [2, 999], "payload": {"lang": "fr", "n": null, "new": [1, {"a": true}]}});
    world.ok("POST", "/collections/docs/points/payload", body).await;
    assert_eq!(payload(&world, 2).await, json!({"lang": "fr", "new": [1, {"a": true}]}));
    assert_eq!((count(&world, "fr").await, count(&world, "en").await), (1, 74));
    assert_eq!(world.ok("POST", "/collections/docs/points/count", json!({})).await["count"], 150, "no point was made");
}

#[tokio::test]
async fn overwrite_delete_keys_and_clear() {
    let world = world().await;
    world.ok("PUT", "/collections/docs/points/payload", json!({"points": [1], "payload": {"only": 1}})).await;
    assert_eq!(payload(&world, 1).await, json!({"only": 1}));
    world.ok("POST", "/collections/docs/points/payload/delete", json!({"points": [3], "keys": ["lang"]})).await;
    assert_eq!(payload(&world, 3).await, json!({"n": 3}));
    world.ok("POST", "/collections/docs/points/payload/clear", json!({"points": [5]})).await;
    assert_eq!(payload(&world, 5).await, json!({}));
    assert_eq!(count(&world, "de").await, 72);
}

#[tokio::test]
async fn a_filter_selects_over_all_pages_and_batches() {
    let world = world().await;
    let filter = json!({"must": [{"key": "lang", "match": {"value": "de"}}]});
    world.ok("POST", "/collections/docs/points/payload", json!({"filter": filter, "payload": {"lang": "en"}})).await;
    assert_eq!((count(&world, "de").await, count(&world, "en").await), (0, 150));
}

#[tokio::test]
async fn changes_of_one_record_at_the_same_time_are_all_kept() {
    let world = Arc::new(world().await);
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let key = format!("k{i}");
                world.ok("POST", "/collections/docs/points/payload", json!({"points": [7], "payload": {key: i}})).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(payload(&world, 7).await.as_object().unwrap().len(), 22);
}

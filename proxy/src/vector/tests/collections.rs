//! Life of collections and indexes.

use super::{TERMS, World, owner};
use crate::vector::{CollectionState, PhysicalName};
use http::StatusCode;
use serde_json::{Value, json};

fn create(size: u64) -> Value {
    json!({"vectors": {"size": size, "distance": "Cosine", "on_disk": true}, "hnsw_config": {"m": 8}, "on_disk_payload": true})
}

#[tokio::test]
async fn a_collection_lives_and_goes() {
    let world = World::new();
    assert_eq!(world.ok("GET", "/collections/docs/exists", Value::Null).await, json!({"exists": false}));
    assert_eq!(world.code("GET", "/collections/docs", Value::Null).await, "collection_not_found");
    assert_eq!(world.ok("PUT", "/collections/docs?timeout=5", create(4)).await, json!(true));
    assert_eq!(world.code("PUT", "/collections/docs", create(4)).await, "collection_exists");
    assert_eq!(world.ok("GET", "/collections/docs/exists", Value::Null).await, json!({"exists": true}));
    assert_eq!(world.ok("GET", "/collections", Value::Null).await, json!({"collections": [{"name": "docs"}]}));
    let info = world.ok("GET", "/collections/docs", Value::Null).await;
    assert_eq!(info["config"]["params"]["vectors"], json!({"size": 4, "distance": "Cosine"}));
    assert_eq!(info["config"]["hnsw_config"]["m"], 16);
    assert!(!info.to_string().contains("c-"), "the store's name does not show: {info}");
    let (line, body) = world.store.state().received.iter().find(|(l, _)| l.starts_with("PUT")).cloned().unwrap();
    assert!(line.contains("/collections/c-") && line.ends_with("?timeout=5"), "{line}");
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({"vectors": {"size": 4, "distance": "Cosine", "on_disk": true}, "hnsw_config": {"m": 8}, "on_disk_payload": true});
    assert_eq!(sent, expected);
    assert_eq!(world.ok("DELETE", "/collections/docs", Value::Null).await, json!(true));
    assert_eq!(world.ok("DELETE", "/collections/docs", Value::Null).await, json!(false));
    assert!(world.store.state().collections.is_empty());
}

#[tokio::test]
async fn a_collection_made_again_has_another_name_and_other_keys() {
    let world = World::with_docs("Cosine").await;
    let name = |world: &World| world.store.state().collections.keys().next().cloned().unwrap();
    world.ok("PUT", "/collections/docs/points", json!({"points": [{"id": 1, "vector": [1, 0, 0, 0]}]})).await;
    let first = (name(&world), world.store.state().collections.values().next().unwrap().clone());
    world.ok("DELETE", "/collections/docs", Value::Null).await;
    world.ok("PUT", "/collections/docs", create(4)).await;
    let second = name(&world);
    assert_ne!(first.0, second);
    // An operator puts the old points under the new name.
    world.store.state().collections.insert(second, first.1);
    assert_eq!(world.code("POST", "/collections/docs/points", json!({"ids": [1]})).await, "sealed_record_unopenable");
}

#[tokio::test]
async fn an_unfinished_create_is_taken_up_by_the_next() {
    let world = World::new();
    world.store.state().failing = Some(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.code("PUT", "/collections/docs", create(4)).await, "upstream_refused");
    assert_eq!(world.ok("GET", "/collections", Value::Null).await, json!({"collections": []}));
    world.store.state().failing = None;
    assert_eq!(world.code("POST", "/collections/docs/points/count", json!({})).await, "collection_not_found");
    assert_eq!(world.code("PUT", "/collections/docs", create(5)).await, "collection_in_transition");
    let list = |w: &World| w.plane.collections.clone();
    let owner = owner("acme");
    let entry = list(&world).list(&owner.tenant, &owner.upstream).await.unwrap().pop().unwrap();
    assert_eq!(entry.state, CollectionState::Creating);
    // The store had made it before it failed to say so.
    world.store.state().collections.insert(entry.physical.as_str().to_owned(), std::collections::BTreeMap::new());
    world.ok("PUT", "/collections/docs", create(4)).await;
    let after = list(&world).list(&owner.tenant, &owner.upstream).await.unwrap().pop().unwrap();
    assert_eq!((after.state, &after.physical), (CollectionState::Ready, &entry.physical));
}

#[tokio::test]
async fn a_create_that_the_store_refuses_leaves_nothing() {
    let world = World::new();
    world.store.state().failing = Some(StatusCode::BAD_REQUEST);
    assert_eq!(world.code("PUT", "/collections/docs", create(4)).await, "upstream_refused");
    world.store.state().failing = None;
    world.ok("PUT", "/collections/docs", create(5)).await;
}

#[tokio::test]
async fn an_unfinished_delete_hides_the_collection_and_can_be_repeated() {
    let world = World::with_docs("Cosine").await;
    world.store.state().failing = Some(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.code("DELETE", "/collections/docs", Value::Null).await, "upstream_refused");
    world.store.state().failing = None;
    assert_eq!(world.ok("GET", "/collections/docs/exists", Value::Null).await, json!({"exists": false}));
    assert_eq!(world.code("PUT", "/collections/docs", create(4)).await, "collection_in_transition");
    assert_eq!(world.ok("DELETE", "/collections/docs", Value::Null).await, json!(true));
    world.ok("PUT", "/collections/docs", create(4)).await;
}

#[tokio::test]
async fn modes_that_are_not_there_yet_are_named() {
    let world = World::new();
    for (terms, code, status) in [
        (r#"encrypt = "sealed""#, "mode_not_available", 501),
        (r#"encrypt = "plain""#, "mode_not_available", 501),
        (r#"record = "digest""#, "policy_no_encryption_mode", 403),
    ] {
        let failure =
            world.call_as(&owner("acme"), terms, ("PUT", "/collections/docs"), &create(4)).await.err().unwrap();
        assert_eq!((failure.code, failure.status.as_u16()), (code, status), "{terms}");
    }
    assert!(world.store.state().received.is_empty());
}

#[tokio::test]
async fn indexes_are_over_tokens_of_filterable_fields() {
    let world = World::with_docs("Cosine").await;
    let index = |field: &str, schema: Value| json!({"field_name": field, "field_schema": schema});
    world.ok("PUT", "/collections/docs/index?wait=true", index("lang", json!("keyword"))).await;
    world.ok("PUT", "/collections/docs/index", index("meta.tags", json!({"type": "keyword", "is_tenant": true}))).await;
    world.ok("DELETE", "/collections/docs/index/lang", Value::Null).await;
    assert_eq!(
        world.code("PUT", "/collections/docs/index", index("text", json!("keyword"))).await,
        "field_not_filterable"
    );
    assert_eq!(world.code("PUT", "/collections/docs/index", index("year", json!("float"))).await, "unsupported");
    assert_eq!(
        world.code("PUT", "/collections/docs/index", index("year", json!({"type": "text"}))).await,
        "unsupported"
    );
    for (line, body) in &world.store.state().received {
        assert!(!format!("{line}{}", String::from_utf8_lossy(body)).contains("lang"), "{line}");
    }
}

#[tokio::test]
async fn the_version_of_the_store_is_passed_on() {
    let world = World::new();
    let answer = world.call_as(&owner("acme"), TERMS, ("GET", "/"), &Value::Null).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["version"], "1.2.3");
}

#[test]
fn physical_names_are_of_one_form() {
    let drawn = PhysicalName::random(&ring::rand::SystemRandom::new()).unwrap();
    assert_eq!(PhysicalName::new(drawn.as_str()), Some(drawn));
    for text in ["", "c-", "docs", "c-../../x", "c-0123456789ABCDEF0123456789abcdef"] {
        assert_eq!(PhysicalName::new(text), None, "{text}");
    }
}

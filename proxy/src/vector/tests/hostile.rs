//! Other tenants, and a store that lies.

use super::{TERMS, World, owner};
use crate::vector::PointId;
use serde_json::{Value, json};

async fn two_tenants() -> World {
    let world = World::new();
    for tenant in ["acme", "globex"] {
        let owner = owner(tenant);
        let create = json!({"vectors": {"size": 4, "distance": "Cosine"}});
        world.call_as(&owner, TERMS, ("PUT", "/collections/docs"), &create).await.unwrap();
        let points = json!({"points": [{"id": 1, "vector": [1, 0, 0, 0], "payload": {"lang": "en", "who": tenant}},
                                       {"id": 2, "vector": [0, 1, 0, 0], "payload": {"lang": "en", "who": tenant}}]});
        world.call_as(&owner, TERMS, ("PUT", "/collections/docs/points"), &points).await.unwrap();
    }
    world
}

#[tokio::test]
async fn tenants_share_names_and_ids_and_nothing_else() {
    let world = two_tenants().await;
    let names: Vec<String> = world.store.state().collections.keys().cloned().collect();
    assert_eq!(names.len(), 2);
    let kept = |i: usize| world.store.state().collections[&names[i]][&PointId::Number(1)].clone();
    let (a, b) = (kept(0), kept(1));
    assert_ne!(a.vector, b.vector, "the same vector has another ciphertext for each tenant");
    assert!(a.payload.keys().filter(|k| b.payload.contains_key(*k)).all(|k| k == "_aios"), "tokens are unrelated");
    // A physical name is no collection of anybody.
    assert_eq!(world.code("GET", &format!("/collections/{}", names[0]), Value::Null).await, "collection_not_found");
    let other = owner("initech");
    let list = world.call_as(&other, TERMS, ("GET", "/collections"), &Value::Null).await.unwrap();
    assert!(!String::from_utf8_lossy(&list.body).contains("docs"));
}

#[tokio::test]
async fn records_that_were_moved_or_changed_do_not_open() {
    let world = two_tenants().await;
    let names: Vec<String> = world.store.state().collections.keys().cloned().collect();
    let read = || world.call("POST", "/collections/docs/points", json!({"ids": [1, 2]}));
    let search = || world.call("POST", "/collections/docs/points/query", json!({"query": [1, 0, 0, 0]}));
    let untouched = world.store.state().collections.clone();
    let swapped = |from: &str, to: &str, id: (u64, u64)| {
        let record = untouched[from][&PointId::Number(id.0)].payload["_aios"].clone();
        let mut all = untouched.clone();
        let point = all.get_mut(to).unwrap().get_mut(&PointId::Number(id.1)).unwrap();
        point.payload.insert("_aios".to_owned(), record);
        all
    };
    assert!(read().await.is_ok() && search().await.is_ok());
    let mut damaged = vec![
        swapped(&names[0], &names[1], (1, 1)),
        swapped(&names[1], &names[0], (1, 1)),
        swapped(&names[0], &names[0], (1, 2)),
        swapped(&names[1], &names[1], (2, 1)),
    ];
    for value in [json!(""), json!("!!"), json!("AAAA"), json!(null)] {
        let mut all = untouched.clone();
        for points in all.values_mut() {
            points.get_mut(&PointId::Number(1)).unwrap().payload.insert("_aios".to_owned(), value.clone());
        }
        damaged.push(all);
    }
    let mut refused = 0;
    for all in damaged {
        world.store.state().collections = all;
        for outcome in [read().await, search().await] {
            match outcome {
                // The swap was in the other tenant's collection.
                Ok(answer) => assert!(!answer.to_string().contains("globex"), "{answer}"),
                Err(failure) => {
                    refused += 1;
                    assert_eq!(failure.code, "sealed_record_unopenable");
                    assert_eq!(failure.status.as_u16(), 502);
                }
            }
        }
    }
    assert_eq!(refused, 12, "two of the four swaps and four damages, read and searched");
}

#[tokio::test]
async fn a_shredded_tenant_gets_nothing_from_a_new_sidecar() {
    let world = two_tenants().await;
    let acme = kms_bridge::KekOwner::tenant(owner("acme").tenant);
    kms_bridge::KeyRegistry::fence(&*world.registry, &acme).await.unwrap();
    world.plane.keys.evict(&acme);
    assert_eq!(world.code("POST", "/collections/docs/points", json!({"ids": [1]})).await, "tenant_shredded");
    let globex = owner("globex");
    let read = world.call_as(&globex, TERMS, ("POST", "/collections/docs/points"), &json!({"ids": [1]})).await;
    assert!(read.is_ok());
}

#[tokio::test]
async fn reserved_payload_keys_are_refused_everywhere() {
    let world = World::with_docs("Cosine").await;
    let payload = json!({"_aios_t_00": ["x"]});
    let upsert = json!({"points": [{"id": 1, "vector": [1, 0, 0, 0], "payload": payload}]});
    assert_eq!(world.code("PUT", "/collections/docs/points", upsert).await, "payload_key_reserved");
    for method in ["POST", "PUT"] {
        let body = json!({"points": [1], "payload": {"_aios": "x"}});
        assert_eq!(world.code(method, "/collections/docs/points/payload", body).await, "payload_key_reserved");
    }
}

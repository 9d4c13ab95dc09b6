//! Upsert, search, retrieve, scroll, count, delete.

use super::{TERMS, World, owner};
use serde_json::{Value, json};

async fn three() -> World {
    let world = World::with_docs("Cosine").await;
    let points = json!({"points": [
        {"id": 1, "vector": [2.0, 0.0, 0.0, 0.0], "payload": {"lang": "en", "text": "CANARY-one", "n": 1.0}},
        {"id": 2, "vector": [1.0, 1.0, 0.0, 0.0], "payload": {"lang": "de", "text": "CANARY-two"}},
        {"id": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "vector": [0.0, 0.0, 0.0, 1.0]},
    ]});
    let written = world.ok("PUT", "/collections/docs/points?wait=true&ordering=strong", points).await;
    assert_eq!(written, json!({"operation_id": 3, "status": "completed"}));
    world
}

#[tokio::test]
async fn scores_are_exact_and_in_order() {
    let world = three().await;
    let found = world
        .ok(
            "POST",
            "/collections/docs/points/query",
            json!({"query": [1.0, 0.0, 0.0, 0.0], "limit": 2, "with_payload": true, "with_vector": true}),
        )
        .await;
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert_eq!(points[0]["id"], 1);
    assert!((points[0]["score"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert!((points[1]["score"].as_f64().unwrap() - 0.5_f64.sqrt()).abs() < 1e-6);
    assert_eq!(points[0]["payload"], json!({"lang": "en", "text": "CANARY-one", "n": 1.0}));
    assert_eq!(points[0]["vector"], json!([1.0, 0.0, 0.0, 0.0]), "a Cosine collection gives unit vectors");
}

#[tokio::test]
async fn all_four_forms_of_search_answer_in_their_own_shape() {
    let world = three().await;
    let base = "/collections/docs/points";
    let query = json!({"query": {"nearest": [1.0, 0.0, 0.0, 0.0]}, "limit": 1});
    let old = json!({"vector": [1.0, 0.0, 0.0, 0.0], "limit": 1});
    let one = |v: &Value| v[0]["id"] == 1 && v.as_array().unwrap().len() == 1;
    let found = world.ok("POST", &format!("{base}/query"), query.clone()).await;
    assert!(one(&found["points"]), "{found}");
    let found = world.ok("POST", &format!("{base}/query/batch"), json!({"searches": [query, {"query": 2}]})).await;
    assert!(one(&found[0]["points"]), "{found}");
    assert!(found[1]["points"].as_array().unwrap().iter().all(|p| p["id"] != 2), "a record is not its own hit");
    assert!(one(&world.ok("POST", &format!("{base}/search"), old.clone()).await));
    assert!(one(&world.ok("POST", &format!("{base}/search/batch"), json!({"searches": [old]})).await[0]));
}

#[tokio::test]
async fn offset_threshold_and_filters_count_on_exact_scores() {
    let world = three().await;
    let search = |extra: Value| {
        let mut body = json!({"vector": [1.0, 0.0, 0.0, 0.0]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let world = &world;
        async move {
            let found = world.ok("POST", "/collections/docs/points/search", body).await;
            found.as_array().unwrap().iter().map(|p| p["id"].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(search(json!({"offset": 1, "limit": 1})).await, [json!(2)]);
    assert_eq!(search(json!({"score_threshold": 0.9})).await, [json!(1)]);
    let german = json!({"must": {"key": "lang", "match": {"value": "de"}}});
    assert_eq!(search(json!({"filter": german})).await, [json!(2)]);
    assert_eq!(
        world.code("POST", "/collections/docs/points/search", json!({"vector": [1, 0, 0, 0], "limit": 1001})).await,
        "search_too_large"
    );
}

#[tokio::test]
async fn points_come_back_by_id_in_pages_and_counted() {
    let world = three().await;
    let base = "/collections/docs/points";
    let found = world.ok("POST", base, json!({"ids": [2, 99], "with_payload": ["text"]})).await;
    assert_eq!(found, json!([{"id": 2, "payload": {"text": "CANARY-two"}}]));
    let found = world.ok("GET", &format!("{base}/6ba7b8109dad11d180b400c04fd430c8"), Value::Null).await;
    assert_eq!(found["id"], "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_eq!(found["vector"], json!([0.0, 0.0, 0.0, 1.0]));
    assert_eq!(world.code("GET", &format!("{base}/99"), Value::Null).await, "point_not_found");
    let page =
        world.ok("POST", &format!("{base}/scroll"), json!({"limit": 1, "with_payload": {"exclude": ["text"]}})).await;
    assert_eq!(page, json!({"points": [{"id": 1, "payload": {"lang": "en", "n": 1.0}}], "next_page_offset": 2}));
    let page = world.ok("POST", &format!("{base}/scroll"), json!({"offset": 2, "with_payload": false})).await;
    assert_eq!(page["points"].as_array().unwrap().len(), 2);
    let count =
        world.ok("POST", &format!("{base}/count"), json!({"filter": {"must": [{"is_empty": {"key": "lang"}}]}})).await;
    assert_eq!(count, json!({"count": 1}));
    world.ok("POST", &format!("{base}/delete"), json!({"filter": {"must_not": [{"has_id": [1]}]}})).await;
    assert_eq!(world.ok("POST", &format!("{base}/count"), json!({})).await, json!({"count": 1}));
    world.ok("POST", &format!("{base}/delete"), json!({"points": [1]})).await;
    assert_eq!(world.ok("POST", &format!("{base}/count"), json!({"exact": true})).await, json!({"count": 0}));
}

#[tokio::test]
async fn columns_are_read_as_points() {
    let world = World::with_docs("Cosine").await;
    let batch =
        json!({"batch": {"ids": [1, 2], "vectors": [[1, 0, 0, 0], [0, 1, 0, 0]], "payloads": [null, {"lang": "en"}]}});
    world.ok("PUT", "/collections/docs/points", batch).await;
    let found = world.ok("POST", "/collections/docs/points", json!({"ids": [1, 2]})).await;
    assert_eq!(found, json!([{"id": 1, "payload": {}}, {"id": 2, "payload": {"lang": "en"}}]));
    let uneven = json!({"batch": {"ids": [1], "vectors": []}});
    assert_eq!(world.code("PUT", "/collections/docs/points", uneven).await, "field_malformed");
}

#[tokio::test]
async fn the_store_sees_no_text_value_name_or_vector() {
    let world = three().await;
    let filter = json!({"must": [{"key": "lang", "match": {"any": ["en", "CANARY-lang"]}}]});
    world
        .ok(
            "POST",
            "/collections/docs/points/query",
            json!({"query": [0.31415926, 0.2718281, 0.1, 0.2], "filter": filter}),
        )
        .await;
    world
        .ok("POST", "/collections/docs/points/payload", json!({"points": [1], "payload": {"secret": "CANARY-three"}}))
        .await;
    for (line, body) in &world.store.state().received {
        let text = format!("{line} {}", String::from_utf8_lossy(body));
        for canary in ["CANARY", "docs", "acme", "lang", "secret", "0.31415", "0.27182", "\"de\"", "\"en\""] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
}

#[tokio::test]
async fn the_same_upsert_and_query_give_the_same_ciphertext_and_other_seals() {
    let world = three().await;
    let point = json!({"points": [{"id": 5, "vector": [1, 2, 3, 4], "payload": {"lang": "en"}}]});
    let kept = |world: &World| {
        world.store.state().collections.values().next().unwrap()[&super::super::PointId::Number(5)].clone()
    };
    world.ok("PUT", "/collections/docs/points", point.clone()).await;
    let first = kept(&world);
    world.ok("PUT", "/collections/docs/points", point).await;
    let second = kept(&world);
    assert_eq!(first.vector, second.vector);
    assert_ne!(first.payload["_aios"], second.payload["_aios"]);
    world.ok("POST", "/collections/docs/points/payload", json!({"points": [5], "payload": {"year": 7}})).await;
    assert_eq!(first.vector, kept(&world).vector, "a change of payload keeps the vector's ciphertext");
}

#[tokio::test]
async fn vectors_that_cannot_be_used_are_told_apart() {
    let world = World::with_docs("Cosine").await;
    let upsert = |vector: &str| {
        let body = format!(r#"{{"points":[{{"id":1,"vector":{vector}}}]}}"#);
        serde_json::from_str::<Value>(&body).unwrap()
    };
    for (vector, code) in [
        ("[1,2,3]", "vector_wrong_dimensions"),
        ("[0,0,0,0]", "vector_zero"),
        ("[1e39,0,0,0]", "field_malformed"),
        ("[[1,0,0,0]]", "unsupported"),
        (r#"{"a":[1,0,0,0]}"#, "unsupported"),
        (r#"{"text":"x","model":"m"}"#, "unsupported"),
        ("null", "field_missing"),
        ("\"a\"", "field_malformed"),
    ] {
        assert_eq!(world.code("PUT", "/collections/docs/points", upsert(vector)).await, code, "{vector}");
    }
    assert_eq!(
        world.code("POST", "/collections/docs/points/query", json!({"query": [1.0]})).await,
        "vector_wrong_dimensions"
    );
    let second = json!({"points": [{"id": 1, "vector": [1, 0, 0, 0]}, {"id": 2, "vector": [0, 0, 0, 0]}]});
    let failure = world.call("PUT", "/collections/docs/points", second).await.unwrap_err();
    assert!(failure.message.contains("vector 1"), "{}", failure.message);
    assert!(world.store.state().collections.values().all(std::collections::BTreeMap::is_empty), "all or nothing");
}

#[tokio::test]
async fn dot_and_euclid_take_unit_vectors_and_give_their_own_scores() {
    for (distance, scores) in [("Dot", [1.0, 0.0]), ("Euclid", [0.0, 2.0_f64.sqrt()])] {
        let world = World::with_docs(distance).await;
        let points = json!({"points": [{"id": 1, "vector": [1, 0, 0, 0]}, {"id": 2, "vector": [0, 1, 0, 0]}]});
        world.ok("PUT", "/collections/docs/points", points).await;
        let found = world.ok("POST", "/collections/docs/points/search", json!({"vector": [1, 0, 0, 0]})).await;
        for (hit, score) in found.as_array().unwrap().iter().zip(scores) {
            assert!((hit["score"].as_f64().unwrap() - score).abs() < 1e-6, "{distance}: {found}");
        }
        let long = json!({"points": [{"id": 1, "vector": [2, 0, 0, 0]}]});
        assert_eq!(world.code("PUT", "/collections/docs/points", long).await, "vector_not_unit");
    }
}

#[tokio::test]
async fn writes_are_refused_when_the_policy_has_drifted() {
    let world = three().await;
    let point = json!({"points": [{"id": 1, "vector": [1, 0, 0, 0]}]});
    for (terms, code) in [
        (r#"encrypt = "preserving", filterable = ["lang"]"#, "collection_policy_drift"),
        (r#"encrypt = "sealed""#, "collection_policy_drift"),
        (r#"record = "digest""#, "policy_no_encryption_mode"),
        (
            r#"encrypt = { mode = "preserving", beta = 3.0 }, filterable = ["lang", "year", "meta.tags", "ok"]"#,
            "collection_policy_drift",
        ),
    ] {
        let failure =
            world.call_as(&owner("acme"), terms, ("PUT", "/collections/docs/points"), &point).await.err().unwrap();
        assert_eq!(failure.code, code, "{terms}");
    }
    assert!(world.call_as(&owner("acme"), TERMS, ("PUT", "/collections/docs/points"), &point).await.is_ok());
}

//! Collections, searches, scroll, count.

use serde_json::{Value, json};

use crate::harness::{Harness, ids, vectors};

#[tokio::test]
async fn a_collection_lives_from_creation_to_deletion() {
    let harness = Harness::new();
    assert_eq!(harness.ok("GET", "/collections", Value::Null).await, json!({"collections": []}));
    let body = json!({
        "vectors": {"size": 4, "distance": "Cosine", "on_disk": true}, "hnsw_config": {"m": 8},
        "optimizers_config": {"indexing_threshold": 7}, "shard_number": 1, "metadata": {"owner": "me"},
    });
    assert_eq!(harness.ok("PUT", "/collections/docs", body.clone()).await, true);
    let taken = harness.refused(409, "PUT", "/collections/docs", body).await;
    assert_eq!(taken, "Wrong input: Collection `docs` already exists!");
    let info = harness.ok("GET", "/collections/docs", Value::Null).await;
    assert_eq!(info["points_count"], 0);
    assert_eq!(info["config"]["params"]["vectors"], json!({"size": 4, "distance": "Cosine", "on_disk": true}));
    assert_eq!(info["config"]["hnsw_config"]["m"], 8);
    assert_eq!(info["config"]["optimizer_config"]["indexing_threshold"], 7);
    assert_eq!(info["config"]["metadata"]["owner"], "me");
    assert_eq!(harness.ok("GET", "/collections/docs/exists", Value::Null).await, json!({"exists": true}));
    assert_eq!(harness.ok("DELETE", "/collections/docs", Value::Null).await, true);
    assert_eq!(harness.ok("DELETE", "/collections/docs", Value::Null).await, false);
    assert_eq!(harness.ok("GET", "/collections/docs/exists", Value::Null).await, json!({"exists": false}));
    let gone = harness.refused(404, "GET", "/collections/docs", Value::Null).await;
    assert_eq!(gone, "Not found: Collection `docs` doesn't exist!");
    assert_eq!(std::fs::read_dir(harness.dir.path().join("collections")).unwrap().count(), 0);
    let root = harness.call("GET", "/", Value::Null).await.1;
    assert!(root["version"].as_str().unwrap().starts_with("1.19"));
}

fn score(distance: &str, a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    match distance {
        "Dot" => dot(a, b),
        "Cosine" => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        "Euclid" => a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt(),
        "Manhattan" => a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum(),
        _ => panic!("no such distance"),
    }
}

#[tokio::test]
async fn every_distance_finds_exactly_what_a_scan_finds() {
    for distance in ["Cosine", "Dot", "Euclid", "Manhattan"] {
        let harness = Harness::with_docs(distance).await;
        let stored = vectors(300, 4);
        let points: Vec<_> = stored.iter().enumerate().map(|(id, v)| json!({"id": id, "vector": v})).collect();
        harness.upsert(points.into()).await;
        let wanted = &vectors(301, 4)[300];
        let mut truth: Vec<_> =
            stored.iter().enumerate().map(|(id, v)| (id as u64, score(distance, wanted, v))).collect();
        let sign = if matches!(distance, "Euclid" | "Manhattan") { 1.0 } else { -1.0 };
        truth.sort_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));

        let body = json!({"query": wanted, "limit": 10, "offset": 5});
        let found = harness.ok("POST", "/collections/docs/points/query", body).await["points"].clone();
        assert_eq!(ids(&found), truth[5..15].iter().map(|t| t.0).collect::<Vec<_>>(), "{distance}");
        for (point, (_, score)) in found.as_array().unwrap().iter().zip(&truth[5..15]) {
            assert!((point["score"].as_f64().unwrap() - f64::from(*score)).abs() < 1e-5, "{distance}: {point} {score}");
            assert!(point.get("payload").is_none() && point.get("vector").is_none());
        }
        let threshold = f32::midpoint(truth[6].1, truth[7].1);
        let body = json!({"vector": wanted, "limit": 100, "score_threshold": threshold});
        let found = harness.ok("POST", "/collections/docs/points/search", body).await;
        assert_eq!(found.as_array().unwrap().len(), 7, "{distance}");
    }
}

#[tokio::test]
async fn queries_take_ids_named_vectors_and_batches() {
    let harness = Harness::new();
    let body = json!({"vectors": {"a": {"size": 2, "distance": "Dot"}, "b": {"size": 3, "distance": "Cosine"}}});
    harness.ok("PUT", "/collections/docs", body).await;
    let batch = json!({"batch": {"ids": [1, 2, 3], "payloads": [{"n": 1}, null, {"n": 3}],
        "vectors": {"a": [[1, 0], [2, 0], [3, 0]], "b": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}}});
    harness.ok("PUT", "/collections/docs/points?wait=true", batch).await;
    let query = |body: Value| harness.ok("POST", "/collections/docs/points/query", body);
    let near =
        query(json!({"query": 2, "using": "a", "with_vector": ["b"], "with_payload": true})).await["points"].clone();
    assert_eq!(ids(&near), [3, 1], "the point itself is left out");
    assert_eq!(
        near[0],
        json!({"id": 3, "version": 0, "score": 6.0, "payload": {"n": 3}, "vector": {"b": [0.0, 0.0, 1.0]}})
    );
    assert_eq!(ids(&query(json!({"query": {"nearest": [0.0, 1.0, 0.1]}, "using": "b"})).await["points"]), [2, 3, 1]);
    assert_eq!(ids(&query(json!({"limit": 2})).await["points"]), [1, 2]);
    let both = json!({"searches": [{"query": [1.0, 0.0], "using": "a", "limit": 1}, {"query": 1, "using": "b"}]});
    let both = harness.ok("POST", "/collections/docs/points/query/batch", both).await;
    assert_eq!((ids(&both[0]["points"]), both[1]["points"].as_array().unwrap().len()), (vec![3], 2));
    let both = json!({"searches": [{"vector": {"name": "a", "vector": [-1.0, 0.0]}, "limit": 1}]});
    assert_eq!(ids(&harness.ok("POST", "/collections/docs/points/search/batch", both).await[0]), [1]);
    let missing =
        harness.refused(404, "POST", "/collections/docs/points/query", json!({"query": 77, "using": "a"})).await;
    assert!(missing.contains("77"));
}

#[tokio::test]
async fn filters_select_in_every_call() {
    let harness = Harness::with_docs("Dot").await;
    let point = |id: u64| {
        let payload =
            json!({"n": id, "even": id.is_multiple_of(2), "tags": [format!("t{}", id % 3)], "deep": {"x": id}});
        json!({"id": id, "vector": [id, 0, 0, 0], "payload": payload})
    };
    harness.upsert((0..60).map(point).collect()).await;
    let filters = [
        (
            json!({"must": [{"key": "even", "match": {"value": true}}, {"key": "n", "range": {"lt": 10}}]}),
            vec![0, 2, 4, 6, 8],
        ),
        (json!({"should": [{"key": "deep.x", "range": {"gte": 58}}, {"has_id": [3]}]}), vec![3, 58, 59]),
        (
            json!({"must": [{"key": "tags[]", "match": {"any": ["t1"]}}], "must_not": [{"key": "n", "range": {"gt": 6}}]}),
            vec![1, 4],
        ),
        (json!({"must": [{"is_empty": {"key": "absent"}}, {"has_id": [7]}]}), vec![7]),
        (json!({"must": [{"key": "n", "match": {"value": 1000}}]}), vec![]),
    ];
    for indexed in [false, true] {
        for (filter, wanted) in &filters {
            assert_eq!(harness.count(filter.clone()).await, wanted.len() as u64, "{filter}");
            let body = json!({"filter": filter, "limit": 100});
            let scrolled = harness.ok("POST", "/collections/docs/points/scroll", body).await;
            assert_eq!(&ids(&scrolled["points"]), wanted, "{filter} indexed: {indexed}");
            let body = json!({"query": [1, 0, 0, 0], "filter": filter, "limit": 100});
            let mut found = ids(&harness.ok("POST", "/collections/docs/points/query", body).await["points"]);
            found.sort_unstable();
            assert_eq!(&found, wanted, "{filter} indexed: {indexed}");
        }
        for (field, schema) in
            [("n", json!("integer")), ("even", json!("bool")), ("tags[]", json!({"type": "keyword"}))]
        {
            let body = json!({"field_name": field, "field_schema": schema});
            harness.ok("PUT", "/collections/docs/index?wait=true", body).await;
        }
    }
    let ordered = json!({"limit": 3, "order_by": {"key": "n", "direction": "desc"}});
    assert_eq!(ids(&harness.ok("POST", "/collections/docs/points/scroll", ordered).await["points"]), [59, 58, 57]);
}

#[tokio::test]
async fn scrolling_visits_every_point_once_and_projects_payloads() {
    let harness = Harness::with_docs("Dot").await;
    let points = (0..95).map(|id| json!({"id": id, "vector": [1, 2, 3, 4], "payload": {"keep": id, "drop": "x"}}));
    harness.upsert(points.collect()).await;
    let (mut seen, mut offset) = (Vec::new(), Value::Null);
    loop {
        let body = json!({"limit": 10, "offset": offset, "with_payload": {"exclude": ["drop"]}, "with_vector": true});
        let page = harness.ok("POST", "/collections/docs/points/scroll", body).await;
        for point in page["points"].as_array().unwrap() {
            assert_eq!(point["payload"], json!({"keep": point["id"]}));
            assert_eq!(point["vector"], json!([1.0, 2.0, 3.0, 4.0]));
        }
        seen.extend(ids(&page["points"]));
        offset = page["next_page_offset"].clone();
        if offset.is_null() {
            break;
        }
    }
    assert_eq!(seen, (0..95).collect::<Vec<_>>());
    let all = json!({"limit": u64::MAX, "with_payload": ["keep"]});
    assert_eq!(ids(&harness.ok("POST", "/collections/docs/points/scroll", all).await["points"]).len(), 95);
    let one = harness.ok("GET", "/collections/docs/points/3", Value::Null).await;
    assert_eq!(one, json!({"id": 3, "payload": {"keep": 3, "drop": "x"}, "vector": [1.0, 2.0, 3.0, 4.0]}));
}

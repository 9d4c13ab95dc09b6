//! The codec: what is read, what is refused by name, and that nothing panics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::error::WireError;
use super::parse;
use crate::vector::{Operation, VectorCall};
use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(method: &str, target: &str, body: &str) -> Result<VectorCall, WireError> {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    parse(&Method::from_bytes(method.as_bytes()).unwrap(), &segments, query, &Bytes::copy_from_slice(body.as_bytes()))
}

fn code(method: &str, target: &str, body: &Value) -> &'static str {
    match read(method, target, &body.to_string()) {
        Ok(_) => panic!("{method} {target} {body} was read"),
        Err(error) => error.aios_code(),
    }
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let c = "/collections/docs";
    let query = json!({"query": [1.0]});
    let with = |key: &str, value: Value| {
        let mut body = query.clone();
        body[key] = value;
        body
    };
    for (method, tail, body, named) in [
        ("POST", "/points/recommend", json!({}), "recommend"),
        ("POST", "/points/discover/batch", json!({}), "discover"),
        ("POST", "/points/query/groups", json!({}), "grouping"),
        ("POST", "/points/search/matrix/pairs", json!({}), "matrices"),
        ("POST", "/points/batch", json!({}), "batch"),
        ("PUT", "/points/vectors", json!({}), "vectors"),
        ("POST", "/facet", json!({}), "facets"),
        ("PUT", "/snapshots/recover", json!({}), "snapshots"),
        ("GET", "/cluster", Value::Null, "cluster"),
        ("POST", "/points/query", with("prefetch", json!([{}])), "prefetch"),
        ("POST", "/points/query", with("using", json!("a")), "using"),
        ("POST", "/points/query", with("lookup_from", json!({"collection": "other"})), "lookup_from"),
        ("POST", "/points/query", with("shard_key", json!("k")), "shard_key"),
        ("POST", "/points/query", with("params", json!({"quantization": {}})), "quantization"),
        ("POST", "/points/query", json!({"query": {"recommend": {}}}), "recommend"),
        ("POST", "/points/query", json!({"query": {"fusion": "rrf"}}), "fusion"),
        ("POST", "/points/query", json!({"query": {"formula": {}}}), "formula"),
        ("POST", "/points/query", json!({"query": {"sample": "random"}}), "sample"),
        ("POST", "/points/query", json!({"query": {"order_by": "a"}}), "order_by"),
        ("POST", "/points/query", json!({"query": {"nearest": [1.0], "mmr": {}}}), "mmr"),
        ("POST", "/points/query", json!({"query": {"nearest": {"text": "x", "model": "m"}}}), "nearest"),
        ("POST", "/points/query", json!({"query": {"indices": [1], "values": [1.0]}}), "query"),
        ("POST", "/points/query", with("with_vector", json!(["a"])), "by name"),
        ("POST", "/points/scroll", json!({"order_by": "a"}), "order_by"),
        ("POST", "/points/count", json!({"filter": {"must": [{"nested": {"key": "a", "filter": {}}}]}}), "nested"),
        ("POST", "/points/count", json!({"filter": {"must": [{"has_vector": "a"}]}}), "has_vector"),
        ("POST", "/points/count", json!({"filter": {"must": [{"key": "year", "range": {"gt": 1}}]}}), "field year"),
        ("POST", "/points/count", json!({"filter": {"must": [{"key": "t", "match": {"text": "x"}}]}}), "field t"),
        ("POST", "/points/count", json!({"filter": {"must": [{"key": "l", "geo_radius": {}}]}}), "field l"),
        ("POST", "/points/payload", json!({"points": [1], "payload": {}, "key": "a"}), "key"),
        ("PUT", "", json!({"vectors": {"size": 4, "distance": "Manhattan"}}), "Manhattan"),
        ("PUT", "", json!({"vectors": {"a": {"size": 4, "distance": "Dot"}}}), "named"),
        ("PUT", "", json!({"vectors": {"size": 4, "distance": "Dot"}, "sparse_vectors": {"s": {}}}), "sparse_vectors"),
        ("PUT", "", json!({"vectors": {"size": 4, "distance": "Dot"}, "init_from": {"collection": "x"}}), "init_from"),
        (
            "PUT",
            "",
            json!({"vectors": {"size": 4, "distance": "Dot"}, "quantization_config": {"scalar": {}}}),
            "quantization",
        ),
        ("PUT", "", json!({"vectors": {"size": 4, "distance": "Dot"}, "metadata": {"a": 1}}), "metadata"),
        ("PUT", "", json!({"vectors": {"size": 4, "distance": "Dot", "multivector_config": {}}}), "multivector"),
    ] {
        let target = format!("{c}{tail}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let error = read(method, &target, &body).err().unwrap();
        assert_eq!(error.aios_code(), "unsupported", "{method} {tail} {body}: {error}");
        assert!(error.to_string().contains(named), "{named} in: {error}");
    }
    for target in ["/aliases", "/snapshots", "/telemetry", "/cluster", "/metrics", "/locks"] {
        assert_eq!(read("GET", target, "").err().unwrap().aios_code(), "unsupported", "{target}");
    }
}

#[test]
fn unknown_things_are_refused() {
    let c = "/collections/docs";
    for (method, tail, body, expected) in [
        ("POST", "/points/query", json!({"query": [1.0], "Limit": 3}), "unknown_field"),
        ("POST", "/points/query", json!({"query": [1.0], "limit": 3, "extra": null}), "unknown_field"),
        ("PUT", "/points", json!({"points": [{"id": 1, "vector": [1.0], "Payload": {}}]}), "unknown_field"),
        ("POST", "/points/count", json!({"filter": {"Must": []}}), "unknown_field"),
        ("POST", "/points/count", json!({"filter": {"must": [{"has_id": [1], "key2": 1}]}}), "unknown_field"),
        (
            "POST",
            "/points/count",
            json!({"filter": {"must": [{"key": "a", "match": {"value": 1, "any": [1]}}]}}),
            "unknown_field",
        ),
        (
            "POST",
            "/points/count",
            json!({"filter": {"must": [{"key": "a", "match": {"any": [1, "x"]}}]}}),
            "field_malformed",
        ),
        (
            "POST",
            "/points/count",
            json!({"filter": {"must": [{"key": "a", "match": {"value": 1.5}}]}}),
            "field_malformed",
        ),
        ("POST", "/points/count", json!({"filter": []}), "field_malformed"),
        ("POST", "/points", json!({"ids": [-1]}), "field_malformed"),
        ("POST", "/points", json!({"ids": [1.0]}), "field_malformed"),
        ("POST", "/points", json!({"ids": ["x"]}), "field_malformed"),
        ("POST", "/points", json!({}), "field_missing"),
        ("POST", "/points/delete", json!({}), "field_missing"),
        ("POST", "/points/delete", json!({"points": [1], "filter": {}}), "field_missing"),
        ("POST", "/points/query", json!({"query": null}), "field_missing"),
        ("POST", "/points/query", json!({"query": [1.0], "limit": 0}), "field_malformed"),
        ("POST", "/points/query", json!({"query": [1.0], "limit": 4_294_967_296_u64}), "field_malformed"),
        ("POST", "/points/unheard", json!({}), "unknown_path"),
        ("PATCH", "", json!({}), "method_not_allowed"),
        ("PATCH", "/points", json!({}), "method_not_allowed"),
        ("POST", "/points/count?wait=true", json!({}), "unknown_parameter"),
        ("POST", "/points/count?timeout=1&timeout=2", json!({}), "repeated_parameter"),
        ("PUT", "/points?wait=maybe", json!({}), "field_malformed"),
        ("DELETE", "", json!({}), "unexpected_body"),
    ] {
        assert_eq!(code(method, &format!("{c}{tail}"), &body), expected, "{method} {tail} {body}");
    }
    assert_eq!(read("GET", "/collections/a%2fb", "").err().unwrap().aios_code(), "field_malformed");
    assert_eq!(read("GET", "/elsewhere", "").err().unwrap().aios_code(), "unknown_path");
}

#[test]
fn two_readers_cannot_disagree() {
    for body in [
        r#"{"points":[1],"points":[2]}"#,
        r#"{"filter":{"must":[],"must":[{"has_id":[1]}]}}"#,
        r#"{"points":[1],"po\u0069nts":[2]}"#,
    ] {
        assert_eq!(
            read("POST", "/collections/d/points/delete", body).err().unwrap().aios_code(),
            "duplicate_key",
            "{body}"
        );
    }
    let nested = r#"{"points":[{"id":1,"vector":[1],"payload":{"a":{"b":1,"b":2}}}]}"#;
    assert_eq!(read("PUT", "/collections/d/points", nested).err().unwrap().aios_code(), "duplicate_key");
    for body in ["", "{", "[]]", "{\"query\":[NaN]}", "{\"query\":[1e]}", "nul"] {
        assert_eq!(
            read("POST", "/collections/d/points/query", body).err().unwrap().aios_code(),
            "malformed_json",
            "{body}"
        );
    }
    let utf8 = Bytes::from_static(b"{\"query\":\"\xff\"}");
    let error = parse(&Method::POST, &["collections", "d", "points", "query"], None, &utf8).err().unwrap();
    assert_eq!(error.aios_code(), "malformed_json");
    for payload in [r#"{"a":1e999}"#, r#"{"a":[{"b":-1e400}]}"#] {
        let body = format!(r#"{{"points":[{{"id":1,"vector":[1],"payload":{payload}}}]}}"#);
        assert_eq!(read("PUT", "/collections/d/points", &body).err().unwrap().aios_code(), "field_malformed");
    }
}

#[test]
fn errors_repeat_no_value() {
    let bodies = [
        json!({"query": "SECRET"}),
        json!({"query": [1.0], "limit": "SECRET"}),
        json!({"query": [1.0], "SECRET value": 1}),
        json!({"query": [1.0], "filter": {"must": [{"key": "SECRET value", "range": {}}]}}),
        json!({"query": {"text": "SECRET", "model": "SECRET"}}),
    ];
    for body in bodies {
        let error = read("POST", "/collections/d/points/query", &body.to_string()).err().unwrap();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
    let error = read("GET", "/collections/d/points/SECRET", "").err().unwrap();
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[test]
fn payloads_are_kept_as_written() {
    let payload = r#"{"b":1.50,"a":{"é":[1,2, 3]},"B":"\u00e9"}"#;
    let body = format!(r#"{{"points":[{{"id":1,"vector":[1,-0.5e1],"payload":{payload}}}]}}"#);
    let Operation::Upsert(points) = read("PUT", "/collections/d/points", &body).unwrap().operation else { panic!() };
    assert_eq!(points[0].payload.json(), payload.as_bytes());
    assert_eq!(points[0].vector.expose().as_slice(), [1.0, -5.0]);
}

fn json_tree() -> impl Strategy<Value = Value> {
    let words = vec![
        "query",
        "vector",
        "filter",
        "must",
        "should",
        "must_not",
        "min_should",
        "conditions",
        "min_count",
        "key",
        "match",
        "value",
        "any",
        "except",
        "has_id",
        "is_empty",
        "is_null",
        "limit",
        "offset",
        "points",
        "id",
        "payload",
        "batch",
        "ids",
        "vectors",
        "payloads",
        "with_payload",
        "with_vector",
        "include",
        "nearest",
        "params",
        "searches",
        "size",
        "distance",
        "Cosine",
        "field_name",
        "field_schema",
        "keys",
        "x",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|x| json!(x)),
        proptest::sample::select(words.clone()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::btree_map(proptest::sample::select(words.clone()), inner, 0..6)
                .prop_map(|m| m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

const PATHS: [(&str, &str); 15] = [
    ("PUT", "/collections/d"),
    ("PUT", "/collections/d/index"),
    ("PUT", "/collections/d/points"),
    ("POST", "/collections/d/points"),
    ("POST", "/collections/d/points/scroll"),
    ("POST", "/collections/d/points/count"),
    ("POST", "/collections/d/points/delete"),
    ("POST", "/collections/d/points/payload"),
    ("PUT", "/collections/d/points/payload"),
    ("POST", "/collections/d/points/payload/delete"),
    ("POST", "/collections/d/points/payload/clear"),
    ("POST", "/collections/d/points/query"),
    ("POST", "/collections/d/points/query/batch"),
    ("POST", "/collections/d/points/search"),
    ("POST", "/collections/d/points/search/batch"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_body_makes_the_codec_panic(tree in json_tree(), path in proptest::sample::select(PATHS.to_vec())) {
        let _ = read(path.0, path.1, &tree.to_string());
    }

    #[test]
    fn no_bytes_make_the_codec_panic(body in proptest::collection::vec(any::<u8>(), 0..80), at in 0..PATHS.len()) {
        let (method, path) = PATHS[at];
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let _ = parse(&Method::from_bytes(method.as_bytes()).unwrap(), &segments, None, &Bytes::from(body));
    }

    #[test]
    fn no_path_makes_the_codec_panic(segments in proptest::collection::vec("[a-z.]{0,8}", 0..6), query in ".*") {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
            let _ = parse(&method, &segments, Some(&query), &Bytes::new());
        }
    }
}

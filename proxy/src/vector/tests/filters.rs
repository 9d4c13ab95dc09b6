//! A sealed filter over tokens selects exactly what the client's filter selects over payloads.

use super::store::matches;
use crate::{
    vector::{
        Operation, PhysicalName, PointId, SealedRequest, StoreCall, VectorError,
        filter::{seal_filter, tokens_of},
        sealed::{Fetch, SealedFilter},
    },
    wire::qdrant::{self, store::token_key},
};
use bytes::Bytes;
use embedding_cipher::BlindIndex;
use http::Method;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use vocab::Plain;

const FIELDS: [&str; 3] = ["a", "b.c", "d"];

fn filterable() -> BTreeSet<String> {
    FIELDS.iter().map(|f| (*f).to_owned()).collect()
}

fn index() -> BlindIndex {
    BlindIndex::new(&Plain::new([5; 32])).unwrap()
}

/// The filter as the store receives it.
fn sealed_json(filter: &Value) -> Result<Value, VectorError> {
    let body = Bytes::from(json!({ "filter": filter }).to_string());
    let call = qdrant::parse(&Method::POST, &["collections", "x", "points", "count"], None, &body).unwrap();
    let Operation::Count { filter: Some(filter), .. } = call.operation else { panic!("no filter was read") };
    let sealed: SealedFilter = seal_filter(&filter, &index(), &filterable())?;
    let call = StoreCall::Scroll { filter: Some(sealed), offset: None, limit: 1, fetch: Fetch::Ids };
    let name = PhysicalName::new("c-00000000000000000000000000000000").unwrap();
    let request = SealedRequest::write(Some(&name), &call, crate::vector::Passage::default());
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    Ok(body["filter"].clone())
}

fn sealed_payload(payload: &Map<String, Value>) -> Map<String, Value> {
    tokens_of(payload, &index(), &filterable())
        .into_iter()
        .map(|(field, tokens)| (token_key(field), tokens.iter().map(ToString::to_string).collect()))
        .collect()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("x")),
        Just(json!("y")),
        Just(json!("1")),
        Just(json!("")),
        Just(json!(1)),
        Just(json!(-2)),
        Just(json!(true)),
        Just(json!(false)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let single = || {
        prop_oneof![
            4 => scalar(), 1 => Just(Value::Null), 1 => Just(json!(1.0)), 1 => Just(json!(18_446_744_073_709_551_615_u64)),
            1 => Just(json!({"x": 1})), 1 => Just(json!(["x"])), 1 => Just(json!([])),
        ]
    };
    prop_oneof![3 => single(), 2 => proptest::collection::vec(single(), 0..3).prop_map(Value::Array)]
}

fn payload() -> impl Strategy<Value = Map<String, Value>> {
    (proptest::option::of(value()), proptest::option::of(value()), proptest::option::of(value()), any::<bool>())
        .prop_map(|(a, c, d, wrapped)| {
            let mut map = Map::new();
            a.map(|v| map.insert("a".to_owned(), v));
            d.map(|v| map.insert("d".to_owned(), v));
            // Either an object, through which the path goes, or a list of objects, through which it does not.
            if let Some(c) = c {
                let b = json!({ "c": c });
                map.insert("b".to_owned(), if wrapped { json!([b]) } else { b });
            }
            map
        })
}

fn filter() -> impl Strategy<Value = Value> {
    let field = || proptest::sample::select(FIELDS.to_vec());
    let alike = || {
        prop_oneof![
            proptest::collection::vec(proptest::sample::select(vec!["x", "y", "1"]), 0..3).prop_map(|v| json!(v)),
            proptest::collection::vec(-2_i64..3, 0..3).prop_map(|v| json!(v)),
        ]
    };
    let leaf = prop_oneof![
        (field(), scalar()).prop_map(|(f, v)| json!({"key": f, "match": {"value": v}})),
        (field(), alike()).prop_map(|(f, v)| json!({"key": f, "match": {"any": v}})),
        (field(), alike()).prop_map(|(f, v)| json!({"key": f, "match": {"except": v}})),
        field().prop_map(|f| json!({"is_empty": {"key": f}})),
        field().prop_map(|f| json!({"is_null": {"key": f}})),
        proptest::collection::vec(0_u64..3, 0..3).prop_map(|ids| json!({"has_id": ids})),
    ];
    let clauses = |inner: BoxedStrategy<Value>| {
        let list = move || proptest::option::of(proptest::collection::vec(inner.clone(), 0..3));
        (list(), list(), list(), list(), 0_u32..3).prop_map(|(must, should, must_not, min, count)| {
            let mut map = Map::new();
            must.map(|v| map.insert("must".to_owned(), json!(v)));
            should.map(|v| map.insert("should".to_owned(), json!(v)));
            must_not.map(|v| map.insert("must_not".to_owned(), json!(v)));
            min.map(|v| map.insert("min_should".to_owned(), json!({"conditions": v, "min_count": count})));
            Value::Object(map)
        })
    };
    leaf.prop_recursive(3, 24, 3, move |inner| clauses(inner.boxed())).prop_map(|v| {
        if v.get("key").or(v.get("has_id")).or(v.get("is_empty")).or(v.get("is_null")).is_some() {
            json!({ "must": v })
        } else {
            v
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn sealed_filters_mean_the_same(filter in filter(), payload in payload(), id in 0_u64..3) {
        let id = PointId::Number(id);
        let sealed = sealed_json(&filter).unwrap();
        prop_assert_eq!(
            matches(&filter, &id, &payload),
            matches(&sealed, &id, &sealed_payload(&payload)),
            "filter {} payload {:?} sealed {}", filter, payload, sealed
        );
    }
}

#[test]
fn except_on_a_missing_or_null_field_selects_nothing() {
    let filter = sealed_json(&json!({"must": [{"key": "a", "match": {"except": ["x"]}}]})).unwrap();
    let selects = |payload: Value| matches(&filter, &PointId::Number(1), &sealed_payload(payload.as_object().unwrap()));
    assert!(!selects(json!({})) && !selects(json!({"a": null})) && !selects(json!({"a": []})));
    assert!(!selects(json!({"a": [null]})) && !selects(json!({"a": "x"})));
    assert!(selects(json!({"a": "y"})) && selects(json!({"a": ["x", "y"]})) && selects(json!({"a": 1.5})));
}

#[test]
fn other_fields_are_refused_by_name_wherever_they_are() {
    for filter in [
        json!({"must": [{"key": "text", "match": {"value": "x"}}]}),
        json!({"should": [{"must_not": [{"is_empty": {"key": "text"}}]}]}),
        json!({"min_should": {"conditions": [{"is_null": {"key": "text"}}], "min_count": 1}}),
    ] {
        let error = sealed_json(&filter).unwrap_err();
        assert_eq!(error.aios_code(), "field_not_filterable");
        assert!(error.to_string().contains("`text`"), "{error}");
    }
    let error = sealed_json(&json!({"must": [{"is_null": {"key": "sk-SECRET value"}}]})).unwrap_err();
    assert!(!error.to_string().contains("SECRET"));
}

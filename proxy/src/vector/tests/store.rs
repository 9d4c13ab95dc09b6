//! A stand-in for a Qdrant server: it holds what it is sent in memory and answers the requests that the
//! sidecar makes. Filters are evaluated as Qdrant does; search compares by cosine over all points.

use crate::vector::{Exchange, ExchangeError, PointId, SealedRequest, UpstreamAnswer};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// A point as the store holds it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) vector: Vec<f32>,
    pub(super) payload: Map<String, Value>,
}

/// Collections by physical name, and everything that was ever received.
#[derive(Default)]
pub(super) struct State {
    pub(super) collections: BTreeMap<String, BTreeMap<PointId, Kept>>,
    pub(super) received: Vec<(String, Vec<u8>)>,
    /// The next answers are this status.
    pub(super) failing: Option<StatusCode>,
}

#[derive(Default)]
pub(super) struct Store(Mutex<State>);

impl Store {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Exchange for Store {
    async fn send(&self, request: SealedRequest) -> Result<UpstreamAnswer, ExchangeError> {
        let line = format!("{} {}", request.method(), request.path());
        let mut state = self.state();
        state.received.push((line.clone(), request.body().to_vec()));
        if let Some(status) = state.failing {
            return Ok(UpstreamAnswer { status, body: Bytes::from_static(b"{\"status\":{\"error\":\"no\"}}") });
        }
        let body: Value =
            if request.body().is_empty() { Value::Null } else { serde_json::from_slice(request.body()).unwrap() };
        let path = request.path().split('?').next().unwrap().to_owned();
        let (status, result) = serve(&mut state, request.method().as_str(), &path, &body);
        let body = json!({ "result": result, "status": "ok", "time": 0.0 });
        let body = if path == "/" { json!({"title": "qdrant", "version": "1.2.3"}) } else { body };
        Ok(UpstreamAnswer { status, body: Bytes::from(body.to_string()) })
    }
}

fn serve(state: &mut State, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let ["collections", name, rest @ ..] = segments.as_slice() else { return (StatusCode::OK, Value::Null) };
    let done = json!({ "operation_id": 3, "status": "completed" });
    match (method, rest) {
        ("PUT", []) => {
            if state.collections.contains_key(*name) {
                return (StatusCode::CONFLICT, Value::Null);
            }
            assert_eq!(body["vectors"]["distance"], "Cosine");
            state.collections.insert((*name).to_owned(), BTreeMap::new());
            return (StatusCode::OK, json!(true));
        }
        ("DELETE", []) => return (StatusCode::OK, json!(state.collections.remove(*name).is_some())),
        _ => {}
    }
    let Some(points) = state.collections.get_mut(*name) else { return (StatusCode::NOT_FOUND, Value::Null) };
    let id = |value: &Value| serde_json::from_value::<PointId>(value.clone()).unwrap();
    let selected = |points: &BTreeMap<PointId, Kept>, body: &Value| -> Vec<PointId> {
        match body.get("points") {
            Some(ids) => ids.as_array().unwrap().iter().map(id).collect(),
            None => points.iter().filter(|(i, p)| matches(&body["filter"], i, &p.payload)).map(|(i, _)| *i).collect(),
        }
    };
    let result = match (method, rest) {
        ("PUT", ["points"]) => {
            for point in body["points"].as_array().unwrap() {
                let vector = point["vector"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
                let payload = point["payload"].as_object().unwrap().clone();
                points.insert(id(&point["id"]), Kept { vector, payload });
            }
            done
        }
        ("POST", ["points", "delete"]) => {
            for id in selected(points, body) {
                points.remove(&id);
            }
            done
        }
        ("PUT" | "DELETE", ["index", ..]) => done,
        ("POST", ["points"]) => {
            let found = body["ids"].as_array().unwrap().iter().map(id).filter_map(|i| Some((i, points.get(&i)?)));
            found.map(|(i, p)| json!({ "id": i, "payload": p.payload })).collect()
        }
        ("POST", ["points", "scroll"]) => {
            let from = body.get("offset").map(id);
            let limit = usize::try_from(body["limit"].as_u64().unwrap()).unwrap();
            let mut found: Vec<_> = points
                .iter()
                .filter(|(i, _)| from.is_none_or(|from| **i >= from))
                .filter(|(i, p)| body.get("filter").is_none_or(|f| matches(f, i, &p.payload)))
                .collect();
            let next = found.get(limit).map(|(i, _)| **i);
            found.truncate(limit);
            let points: Vec<Value> = found.iter().map(|(i, p)| json!({ "id": i, "payload": p.payload })).collect();
            json!({ "points": points, "next_page_offset": next })
        }
        ("POST", ["points", "count"]) => {
            let count =
                points.iter().filter(|(i, p)| body.get("filter").is_none_or(|f| matches(f, i, &p.payload))).count();
            json!({ "count": count })
        }
        ("POST", ["points", "query", "batch"]) => {
            body["searches"].as_array().unwrap().iter().map(|search| nearest(points, search)).collect()
        }
        ("GET", []) => json!({
            "status": "green", "optimizer_status": "ok", "segments_count": 1, "points_count": points.len(),
            "secret": name, "payload_schema": {},
            "config": { "params": { "vectors": { "size": 1, "distance": "Cosine" }, "shard_number": 1 },
                        "hnsw_config": { "m": 16 }, "optimizer_config": {}, "metadata": { "x": name } },
        }),
        other => panic!("the sidecar sent {other:?}"),
    };
    (StatusCode::OK, result)
}

fn nearest(points: &BTreeMap<PointId, Kept>, search: &Value) -> Value {
    let query: Vec<f32> = search["query"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let mut found: Vec<_> = points
        .iter()
        .filter(|(i, p)| search.get("filter").is_none_or(|f| matches(f, i, &p.payload)))
        .map(|(i, p)| (query.iter().zip(&p.vector).map(|(a, b)| a * b).sum::<f32>(), i, p))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(usize::try_from(search["limit"].as_u64().unwrap()).unwrap());
    let hit =
        |(score, i, p): &(f32, &PointId, &Kept)| json!({ "id": i, "version": 7, "score": score, "payload": p.payload });
    json!({ "points": found.iter().map(hit).collect::<Vec<_>>() })
}

/// Whether a point matches a filter, as Qdrant's own condition checker has it. The filter is in wire form, so
/// that the same evaluator serves the client's filter over plain payloads and the sealed one over tokens.
pub(super) fn matches(filter: &Value, id: &PointId, payload: &Map<String, Value>) -> bool {
    let list = |name: &str| -> Option<Vec<Value>> {
        filter.get(name).filter(|v| !v.is_null()).map(|v| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]))
    };
    let holds = |condition: &Value| condition_holds(condition, id, payload);
    list("must").is_none_or(|all| all.iter().all(holds))
        && list("should").is_none_or(|any| any.iter().any(holds))
        && list("must_not").is_none_or(|none| !none.iter().any(holds))
        && filter.get("min_should").is_none_or(|min| {
            let count = min["conditions"].as_array().unwrap().iter().filter(|c| holds(c)).count();
            u64::try_from(count).unwrap() >= min["min_count"].as_u64().unwrap()
        })
}

fn condition_holds(condition: &Value, id: &PointId, payload: &Map<String, Value>) -> bool {
    if let Some(ids) = condition.get("has_id") {
        return ids.as_array().unwrap().contains(&json!(id));
    }
    if let Some(key) = condition.pointer("/is_empty/key") {
        return match lookup(payload, key.as_str().unwrap()) {
            None | Some(Value::Null) => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
    }
    if let Some(key) = condition.pointer("/is_null/key") {
        return lookup(payload, key.as_str().unwrap()) == Some(&Value::Null);
    }
    let Some(key) = condition.get("key") else { return matches(condition, id, payload) };
    let test = &condition["match"];
    match lookup(payload, key.as_str().unwrap()) {
        None => false,
        Some(Value::Array(items)) => items.iter().any(|item| value_holds(test, item)),
        Some(value) => value_holds(test, value),
    }
}

fn value_holds(test: &Value, stored: &Value) -> bool {
    let same = |wanted: &Value| match (stored, wanted) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a.as_i64().is_some_and(|a| Some(a) == b.as_i64()),
        _ => false,
    };
    if let Some(value) = test.get("value") {
        same(value)
    } else if let Some(any) = test.get("any") {
        any.as_array().unwrap().iter().any(same)
    } else {
        !stored.is_null() && !test["except"].as_array().unwrap().iter().any(same)
    }
}

fn lookup<'v>(payload: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut parts = path.split('.');
    let first = payload.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object()?.get(part))
}

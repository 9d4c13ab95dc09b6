//! What is sent to the store: a sealed call, written in Qdrant's REST form.

use super::store::{RECORD_KEY, token_key};
use crate::vector::{
    Counting, Fetch, Passage, PhysicalName, SealedCondition, SealedFilter, SealedPoint, SealedSearch, SealedSelector,
    StoreCall, TokenTest, TuningValue,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

/// A request that may leave. Its one constructor takes a [`StoreCall`], whose types hold ciphertexts, tokens,
/// ids, numbers and known names only.
pub(crate) struct SealedRequest {
    method: Method,
    path: String,
    body: Bytes,
}

impl SealedRequest {
    /// Writes the call about the store's collection of that name.
    pub(crate) fn write(physical: Option<&PhysicalName>, call: &StoreCall, passage: Passage) -> Self {
        let (method, tail, body, writes) = write(call);
        let mut path = match physical {
            Some(name) => format!("/collections/{}{tail}", name.as_str()),
            None => "/".to_owned(),
        };
        let mut separator = '?';
        let mut parameter = |name: &str, value: &str| {
            path.push(separator);
            separator = '&';
            path.push_str(name);
            path.push('=');
            path.push_str(value);
        };
        if writes == Writes::Points {
            // Carried out before it is answered: a payload change that follows must see it.
            parameter("wait", "true");
            if let Some(ordering) = passage.ordering {
                parameter("ordering", ordering.as_str());
            }
        }
        if let (Some(seconds), false) = (passage.timeout_seconds, physical.is_none()) {
            parameter("timeout", &seconds.to_string());
        }
        Self { method, path, body: body.map(Bytes::from).unwrap_or_default() }
    }

    /// The method.
    #[cfg(test)]
    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query, below the store's address.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The body; empty where the request has none.
    pub(crate) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Gives the parts away, to the one place that sends.
    pub(crate) fn into_parts(self) -> (Method, String, Bytes) {
        (self.method, self.path, self.body)
    }
}

impl core::fmt::Debug for SealedRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SealedRequest({} {}, {} bytes)", self.method, self.path, self.body.len())
    }
}

#[derive(PartialEq, Eq)]
enum Writes {
    Nothing,
    Points,
}

fn write(call: &StoreCall) -> (Method, String, Option<Vec<u8>>, Writes) {
    let read =
        |tail: &str, body: Value| (Method::POST, tail.to_owned(), Some(body.to_string().into()), Writes::Nothing);
    match call {
        StoreCall::Version | StoreCall::Info => (Method::GET, String::new(), None, Writes::Nothing),
        StoreCall::Drop => (Method::DELETE, String::new(), None, Writes::Nothing),
        StoreCall::Create { dimensions, tuning } => {
            let mut body = json!({ "vectors": { "size": dimensions.count(), "distance": "Cosine" } });
            for (path, value) in &tuning.0 {
                put(&mut body, path, *value);
            }
            (Method::PUT, String::new(), Some(body.to_string().into()), Writes::Nothing)
        }
        StoreCall::Index { field } => {
            let body = json!({ "field_name": token_key(*field), "field_schema": "keyword" });
            (Method::PUT, "/index".to_owned(), Some(body.to_string().into()), Writes::Points)
        }
        StoreCall::DropIndex { field } => {
            (Method::DELETE, format!("/index/{}", token_key(*field)), None, Writes::Points)
        }
        StoreCall::Upsert(points) => (Method::PUT, "/points".to_owned(), Some(upsert(points)), Writes::Points),
        StoreCall::Delete(selector) => {
            let body = match selector {
                SealedSelector::Ids(ids) => json!({ "points": ids }),
                SealedSelector::Filter(filter) => json!({ "filter": filter_json(filter) }),
            };
            (Method::POST, "/points/delete".to_owned(), Some(body.to_string().into()), Writes::Points)
        }
        StoreCall::Retrieve(ids) => {
            read("/points", json!({ "ids": ids, "with_payload": [RECORD_KEY], "with_vector": false }))
        }
        StoreCall::Scroll { filter, offset, limit, fetch } => {
            let mut body = json!({ "limit": limit, "with_payload": with_payload(*fetch), "with_vector": false });
            if let Some(filter) = filter {
                set(&mut body, "filter", filter_json(filter));
            }
            if let Some(offset) = offset {
                set(&mut body, "offset", json!(offset));
            }
            read("/points/scroll", body)
        }
        StoreCall::Count { filter, counting } => {
            let mut body = json!({ "exact": *counting == Counting::Exact });
            if let Some(filter) = filter {
                set(&mut body, "filter", filter_json(filter));
            }
            read("/points/count", body)
        }
        StoreCall::Search(searches) => {
            (Method::POST, "/points/query/batch".to_owned(), Some(batch(searches)), Writes::Nothing)
        }
    }
}

fn with_payload(fetch: Fetch) -> Value {
    match fetch {
        Fetch::Records => json!([RECORD_KEY]),
        Fetch::Ids => json!(false),
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(map) = body.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

/// Puts a setting at its path.
fn put(body: &mut Value, path: &[&'static str], value: TuningValue) {
    let Some((name, parts)) = path.split_last() else { return };
    let mut part = body;
    for key in parts {
        let Some(map) = part.as_object_mut() else { return };
        part = map.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    }
    let value = match value {
        TuningValue::Whole(number) => json!(number),
        TuningValue::Fraction(number) => json!(number),
        TuningValue::Truth(truth) => json!(truth),
    };
    set(part, name, value);
}

/// Points are written by hand: they are the bulk of all bytes, and a tree of JSON values would double them.
fn upsert(points: &[SealedPoint]) -> Vec<u8> {
    let size = points.iter().map(|p| 12 * p.vector.as_slice().len() + 2 * p.record.as_bytes().len() + 200).sum();
    let mut out = Writer(String::with_capacity(size));
    out.raw("{\"points\":[");
    for (i, point) in points.iter().enumerate() {
        out.raw(if i == 0 { "{\"id\":" } else { ",{\"id\":" });
        out.raw(&json!(point.id).to_string());
        out.raw(",\"vector\":");
        out.vector(point.vector.as_slice());
        out.raw(",\"payload\":{\"");
        out.raw(RECORD_KEY);
        out.raw("\":\"");
        STANDARD.encode_string(point.record.as_bytes(), &mut out.0);
        out.raw("\"");
        for (field, tokens) in &point.tokens {
            out.raw(",\"");
            out.raw(&token_key(*field));
            out.raw("\":[");
            for (i, token) in tokens.iter().enumerate() {
                out.raw(if i == 0 { "\"" } else { ",\"" });
                out.raw(&token.to_string());
                out.raw("\"");
            }
            out.raw("]");
        }
        out.raw("}}");
    }
    out.raw("]}");
    out.0.into_bytes()
}

/// Searches go out as one batch, so that one exchange serves them all.
fn batch(searches: &[SealedSearch]) -> Vec<u8> {
    let mut out = Writer(String::new());
    out.raw("{\"searches\":[");
    for (i, search) in searches.iter().enumerate() {
        out.raw(if i == 0 { "{\"query\":" } else { ",{\"query\":" });
        out.vector(search.vector.as_slice());
        let mut rest = json!({ "limit": search.limit, "with_payload": [RECORD_KEY], "with_vector": false });
        if let Some(filter) = &search.filter {
            set(&mut rest, "filter", filter_json(filter));
        }
        let mut params = Map::new();
        let SearchParamsJson { hnsw_ef, exact, indexed_only } = params_json(search);
        for (name, value) in [("hnsw_ef", hnsw_ef), ("exact", exact), ("indexed_only", indexed_only)] {
            if let Some(value) = value {
                params.insert(name.to_owned(), value);
            }
        }
        if !params.is_empty() {
            set(&mut rest, "params", Value::Object(params));
        }
        let rest = rest.to_string();
        out.raw(",");
        out.raw(rest.strip_prefix('{').unwrap_or(&rest));
    }
    out.raw("]}");
    out.0.into_bytes()
}

struct SearchParamsJson {
    hnsw_ef: Option<Value>,
    exact: Option<Value>,
    indexed_only: Option<Value>,
}

fn params_json(search: &SealedSearch) -> SearchParamsJson {
    SearchParamsJson {
        hnsw_ef: search.params.hnsw_ef.map(Value::from),
        exact: search.params.exact.map(Value::from),
        indexed_only: search.params.indexed_only.map(Value::from),
    }
}

struct Writer(String);

impl Writer {
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn vector(&mut self, vector: &[f32]) {
        use core::fmt::Write;
        self.0.push('[');
        for (i, x) in vector.iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            // INVARIANT: ciphertexts are finite, so that the shortest decimal form is JSON.
            let _ = write!(self.0, "{x:?}");
        }
        self.0.push(']');
    }
}

fn filter_json(filter: &SealedFilter) -> Value {
    let list = |conditions: &[SealedCondition]| Value::Array(conditions.iter().map(condition_json).collect());
    let mut map = Map::new();
    let clauses = [("must", &filter.must), ("should", &filter.should), ("must_not", &filter.must_not)];
    for (name, conditions) in clauses {
        if let Some(conditions) = conditions {
            map.insert(name.to_owned(), list(conditions));
        }
    }
    if let Some((conditions, min_count)) = &filter.min_should {
        map.insert("min_should".to_owned(), json!({ "conditions": list(conditions), "min_count": min_count }));
    }
    Value::Object(map)
}

fn condition_json(condition: &SealedCondition) -> Value {
    let texts = |tokens: &[embedding_cipher::Token]| tokens.iter().map(ToString::to_string).collect::<Vec<_>>();
    match condition {
        SealedCondition::HasId(ids) => json!({ "has_id": ids }),
        SealedCondition::IsEmpty(field) => json!({ "is_empty": { "key": token_key(*field) } }),
        SealedCondition::Nested(filter) => filter_json(filter),
        SealedCondition::Tokens { field, test } => {
            let test = match test {
                TokenTest::Is(token) => json!({ "value": token.to_string() }),
                TokenTest::Any(tokens) => json!({ "any": texts(tokens) }),
                TokenTest::Except(tokens) => json!({ "except": texts(tokens) }),
            };
            json!({ "key": token_key(*field), "match": test })
        }
    }
}

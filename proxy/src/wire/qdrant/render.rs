//! Answers to clients.

use crate::vector::{Answer, CollectionInfo, Distance, Hit, PointView, SearchShape};
use bytes::Bytes;
use core::{fmt::Write, time::Duration};
use serde_json::{Map, Value, json};

/// Writes an answer in Qdrant's envelope.
pub(crate) fn render(answer: &Answer, took: Duration) -> Bytes {
    if let Answer::Version(version) = answer {
        return Bytes::from(json!({ "title": "qdrant - vector search engine", "version": version }).to_string());
    }
    let mut out = String::from("{\"result\":");
    match answer {
        Answer::Points(points) => list(&mut out, points, point),
        Answer::Point(one) => point(&mut out, one),
        Answer::Page { points, next } => {
            out.push_str("{\"points\":");
            list(&mut out, points, point);
            let _ = write!(out, ",\"next_page_offset\":{}}}", json!(next));
        }
        Answer::Hits(shape, results) => hits(&mut out, *shape, results),
        small => {
            let _ = write!(out, "{}", result(small));
        }
    }
    let _ = write!(out, ",\"status\":\"ok\",\"time\":{}}}", took.as_secs_f64());
    Bytes::from(out)
}

/// The result of an answer without points.
fn result(answer: &Answer) -> Value {
    match answer {
        Answer::Names(names) => {
            let names: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({ "collections": names })
        }
        Answer::Exists(exists) => json!({ "exists": exists }),
        Answer::Info(info) => info_json(info),
        Answer::Done(done) => json!(done),
        Answer::Written(Some(number)) => json!({ "operation_id": number, "status": "completed" }),
        Answer::Written(None) => json!({ "status": "completed" }),
        Answer::Count(count) => json!({ "count": count }),
        Answer::Version(_) | Answer::Points(_) | Answer::Point(_) | Answer::Page { .. } | Answer::Hits(..) => {
            Value::Null
        }
    }
}

fn info_json(info: &CollectionInfo) -> Value {
    let distance = match info.entry.distance {
        Distance::Cosine => "Cosine",
        Distance::Dot => "Dot",
        Distance::Euclid => "Euclid",
    };
    let mut result = Value::Object(info.store.clone());
    if let Some(params) = result.pointer_mut("/config/params").and_then(Value::as_object_mut) {
        let vectors = json!({ "size": info.entry.dimensions.count(), "distance": distance });
        params.insert("vectors".to_owned(), vectors);
    }
    let schema: Map<String, Value> = info
        .indexed
        .iter()
        .map(|(field, points)| (field.clone(), json!({ "data_type": "keyword", "points": points })))
        .collect();
    if let Some(map) = result.as_object_mut() {
        map.insert("payload_schema".to_owned(), Value::Object(schema));
    }
    result
}

fn hits(out: &mut String, shape: SearchShape, results: &[Vec<Hit>]) {
    let wrapped = |out: &mut String, hits: &Vec<Hit>| {
        out.push_str("{\"points\":");
        list(out, hits, hit);
        out.push('}');
    };
    let bare = |out: &mut String, hits: &Vec<Hit>| list(out, hits, hit);
    let first = results.first();
    match shape {
        SearchShape::Query => match first {
            Some(hits) => wrapped(out, hits),
            None => out.push_str("null"),
        },
        SearchShape::Search => match first {
            Some(hits) => bare(out, hits),
            None => out.push_str("null"),
        },
        SearchShape::QueryBatch => list(out, results, wrapped),
        SearchShape::SearchBatch => list(out, results, bare),
    }
}

fn list<T>(out: &mut String, items: &[T], mut one: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(']');
}

fn point(out: &mut String, point: &PointView) {
    let _ = write!(out, "{{\"id\":{}", json!(point.id));
    parts(out, point);
}

fn hit(out: &mut String, hit: &Hit) {
    let _ = write!(out, "{{\"id\":{},\"version\":{},\"score\":{:?}", json!(hit.point.id), hit.version, hit.score);
    parts(out, &hit.point);
}

/// Payload and vector, where wanted, and the end of the object. The payload is JSON text that was checked when
/// it came and authenticated when it was opened.
fn parts(out: &mut String, point: &PointView) {
    if let Some(payload) = &point.payload {
        out.push_str(",\"payload\":");
        out.push_str(core::str::from_utf8(payload.expose()).unwrap_or("null"));
    }
    if let Some(vector) = &point.vector {
        out.push_str(",\"vector\":");
        list(out, vector.expose(), |out, x| {
            let _ = write!(out, "{x:?}");
        });
    }
    out.push('}');
}

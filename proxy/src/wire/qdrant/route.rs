//! From method and path to the typed call.

use super::{
    collection,
    error::WireError,
    filter,
    params::{self, Takes},
    points,
    reader::{At, Object},
    search,
};
use crate::vector::{Operation, PointId, SearchShape, VectorCall};
use bytes::Bytes;
use content_guard::json::Document;
use http::Method;
use vocab::CollectionName;

/// Reads one request of a client. `segments` are those of the canonical path below the upstream.
///
/// # Errors
/// [`WireError`] when it is no call that is offered here.
pub(crate) fn parse(
    method: &Method,
    segments: &[&str],
    query: Option<&str>,
    body: &Bytes,
) -> Result<VectorCall, WireError> {
    let (collection, rest) = match segments {
        [] => return bare(method, "GET", query, body, Operation::Version),
        ["collections"] => return bare(method, "GET", query, body, Operation::List),
        ["collections", name, rest @ ..] => (name, rest),
        [first, ..] => return Err(elsewhere(first)),
    };
    let name = CollectionName::new(collection)
        .map_err(|e| WireError::Wrong { at: "the collection's name".to_owned(), expected: e.rule })?;
    let call = |operation, passage| VectorCall { collection: Some(name.clone()), operation, passage };
    let read_body = |takes, read: fn(Object<'_, '_>) -> Result<Operation, WireError>| {
        let passage = params::read(query, takes)?;
        let document = Document::parse(body.clone())?;
        let operation = read(Object::of(document.root(), &At::Body)?)?;
        Ok(call(operation, passage))
    };
    let no_body = |takes, operation| {
        let passage = params::read(query, takes)?;
        if body.is_empty() { Ok(call(operation, passage)) } else { Err(WireError::Body) }
    };
    match (method.as_str(), rest) {
        ("GET", []) => no_body(Takes::Nothing, Operation::Info),
        ("GET", ["exists"]) => no_body(Takes::Nothing, Operation::Exists),
        ("PUT", []) => read_body(Takes::Timeout, collection::create),
        ("DELETE", []) => no_body(Takes::Timeout, Operation::Drop),
        ("PUT", ["index"]) => read_body(Takes::Write, collection::index),
        ("DELETE", ["index", field]) => no_body(Takes::Write, Operation::DropIndex { field: (*field).to_owned() }),
        ("PUT", ["points"]) => read_body(Takes::Write, points::upsert),
        ("POST", ["points"]) => read_body(Takes::Read, points::retrieve),
        ("GET", ["points", id]) => no_body(Takes::Read, Operation::RetrieveOne { id: id_segment(id)? }),
        ("POST", ["points", "scroll"]) => read_body(Takes::Read, points::scroll),
        ("POST", ["points", "count"]) => read_body(Takes::Read, points::count),
        ("POST", ["points", "delete"]) => read_body(Takes::Write, points::delete),
        ("POST", ["points", "payload"]) => read_body(Takes::Write, points::set_payload),
        ("PUT", ["points", "payload"]) => read_body(Takes::Write, points::overwrite_payload),
        ("POST", ["points", "payload", "delete"]) => read_body(Takes::Write, points::delete_payload),
        ("POST", ["points", "payload", "clear"]) => read_body(Takes::Write, points::clear_payload),
        ("POST", ["points", "query"]) => read_body(Takes::Read, |o| search::query(o, SearchShape::Query)),
        ("POST", ["points", "query", "batch"]) => read_body(Takes::Read, |o| search::batch(o, SearchShape::QueryBatch)),
        ("POST", ["points", "search"]) => read_body(Takes::Read, |o| search::query(o, SearchShape::Search)),
        ("POST", ["points", "search", "batch"]) => {
            read_body(Takes::Read, |o| search::batch(o, SearchShape::SearchBatch))
        }
        (_, rest) => Err(refused(rest)),
    }
}

fn bare(
    method: &Method,
    allowed: &'static str,
    query: Option<&str>,
    body: &Bytes,
    operation: Operation,
) -> Result<VectorCall, WireError> {
    if method != Method::GET {
        return Err(WireError::Method { allowed });
    }
    let passage = params::read(query, Takes::Nothing)?;
    if body.is_empty() { Ok(VectorCall { collection: None, operation, passage }) } else { Err(WireError::Body) }
}

fn id_segment(text: &str) -> Result<PointId, WireError> {
    filter::id_text(text).ok_or_else(|| WireError::wrong("the point id in the path", "a number or a UUID"))
}

/// A path that is not under a collection.
fn elsewhere(first: &str) -> WireError {
    let (what, why) = match first {
        "aliases" => ("collection aliases are", "collections are mapped for each tenant"),
        "snapshots" => ("snapshots are", "they cross tenants"),
        "cluster" => ("cluster operations are", "they cross tenants"),
        "telemetry" | "metrics" | "profiler" | "locks" | "issues" | "debug" => {
            ("the store's own telemetry is", "it crosses tenants")
        }
        "healthz" | "livez" | "readyz" => ("the store's health is", "ask the sidecar's operations listener"),
        _ => return WireError::UnknownPath,
    };
    WireError::unsupported(what, why)
}

/// A path under a collection that is not offered, or with another method.
fn refused(rest: &[&str]) -> WireError {
    const SEALED: &str = "the store holds sealed content only";
    let (what, why) = match rest {
        [] | ["exists" | "index", ..] | ["points"] => {
            let allowed = match rest {
                [] => "GET, PUT or DELETE; a collection is not changed in place",
                ["exists"] => "GET",
                ["index"] => "PUT",
                ["index", _] => "DELETE",
                ["points"] => "PUT or POST",
                _ => return WireError::UnknownPath,
            };
            return WireError::Method { allowed };
        }
        ["points", "scroll" | "count" | "delete" | "query" | "search"] => return WireError::Method { allowed: "POST" },
        ["points", "payload"] => return WireError::Method { allowed: "POST or PUT" },
        ["points", "batch"] => ("points/batch is", "send each operation by itself, so that each is decided"),
        ["points", "vectors", ..] => ("updating or deleting vectors alone is", "upsert the whole point"),
        ["points", "recommend" | "discover", ..] => ("recommend and discover are", SEALED),
        ["points", "query" | "search", "groups"] => ("grouping is", SEALED),
        ["points", "search", "matrix", ..] => ("distance matrices are", SEALED),
        ["facet"] => ("facets are", SEALED),
        ["aliases"] => ("collection aliases are", "collections are mapped for each tenant"),
        ["snapshots", ..] => ("snapshots are", "they bypass sealing"),
        ["cluster" | "shards", ..] => ("cluster operations are", "the store's layout is not the tenant's"),
        _ => return WireError::UnknownPath,
    };
    WireError::unsupported(what, why)
}

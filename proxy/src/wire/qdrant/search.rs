//! Bodies of searches, in their four forms.

use super::{
    collection::limit,
    error::WireError,
    filter::{filter, id},
    points::{output, vector},
    reader::{At, Object, list, number, small, truth},
};
use crate::vector::{Operation, PayloadChoice, Search, SearchParams, SearchShape, Searches, Similar};
use content_guard::json::{Kind, Value};

const SEALED: &str = "the store holds sealed content only";

/// One search.
pub(super) fn query(body: Object<'_, '_>, shape: SearchShape) -> Result<Operation, WireError> {
    let each = vec![one(body, shape, &At::Body)?];
    Ok(Operation::Search(Searches { shape, each }))
}

/// Several searches.
pub(super) fn batch(mut body: Object<'_, '_>, shape: SearchShape) -> Result<Operation, WireError> {
    let at = At::Field(&At::Body, "searches");
    let each = list(body.need("searches")?, &at)?
        .enumerate()
        .map(|(i, item)| {
            let at = At::Item(&at, i);
            one(Object::of(item, &at)?, shape, &at)
        })
        .collect::<Result<Vec<_>, _>>()?;
    body.finish()?;
    if each.is_empty() {
        return Err(WireError::wrong(at, "at least one search"));
    }
    Ok(Operation::Search(Searches { shape, each }))
}

fn one(mut body: Object<'_, '_>, shape: SearchShape, at: &At<'_>) -> Result<Search, WireError> {
    body.refuse(&["prefetch"], SEALED)?;
    body.refuse(&["using"], "one unnamed dense vector a point is offered")?;
    body.refuse(&["lookup_from", "with_lookup"], "other collections are not read")?;
    body.refuse(&["shard_key"], "the store's layout is not the tenant's")?;
    let similar = match shape {
        SearchShape::Query | SearchShape::QueryBatch => similar(body.need("query")?, &At::Field(at, "query"))?,
        SearchShape::Search | SearchShape::SearchBatch => {
            Similar::Vector(vector(body.need("vector")?, &At::Field(at, "vector"))?)
        }
    };
    let filter = body.take("filter").map(|f| filter(f, &At::Field(at, "filter"))).transpose()?;
    let params = match body.take("params") {
        None => SearchParams::default(),
        Some(value) => params(value, &At::Field(at, "params"))?,
    };
    let limit = limit(&mut body, at, 10)?;
    let offset = body.take("offset").map_or(Ok(0), |value| small(value, &At::Field(at, "offset")))?;
    let threshold =
        body.take("score_threshold").map(|value| number(value, &At::Field(at, "score_threshold"))).transpose()?;
    let output = output(&mut body, at, PayloadChoice::None)?;
    body.finish()?;
    Ok(Search { similar, filter, params, limit, offset, threshold, output })
}

/// The `query` of the universal API: a vector, an id, or either as `nearest`.
fn similar(value: Value<'_>, at: &At<'_>) -> Result<Similar, WireError> {
    match value.kind() {
        Kind::Array => Ok(Similar::Vector(vector(value, at)?)),
        Kind::Number | Kind::Text | Kind::EscapedText => Ok(Similar::Record(id(value, at)?)),
        Kind::Object => {
            let mut object = Object::of(value, at)?;
            if let Some(nearest) = object.take("nearest") {
                object.refuse(&["mmr"], "diversity is not computed here")?;
                object.finish()?;
                return match nearest.kind() {
                    Kind::Object => vector(nearest, &At::Field(at, "nearest")).map(Similar::Vector),
                    _ => similar(nearest, &At::Field(at, "nearest")),
                };
            }
            object.refuse(
                &[
                    "recommend",
                    "discover",
                    "context",
                    "order_by",
                    "sample",
                    "fusion",
                    "rrf",
                    "formula",
                    "relevance_feedback",
                ],
                "only nearest to a vector or to a point is offered over sealed content",
            )?;
            vector(value, at).map(Similar::Vector)
        }
        Kind::Null | Kind::Bool => Err(WireError::wrong(at, "a vector, a point id, or an object with nearest")),
    }
}

fn params(value: Value<'_>, at: &At<'_>) -> Result<SearchParams, WireError> {
    let mut object = Object::of(value, at)?;
    let hnsw_ef = object.take("hnsw_ef").map(|v| small(v, &At::Field(at, "hnsw_ef"))).transpose()?;
    let exact = object.take("exact").map(|v| truth(v, &At::Field(at, "exact"))).transpose()?;
    let indexed_only = object.take("indexed_only").map(|v| truth(v, &At::Field(at, "indexed_only"))).transpose()?;
    object.refuse(&["quantization", "acorn"], "ciphertexts are searched as they are")?;
    object.finish()?;
    Ok(SearchParams { hnsw_ef, exact, indexed_only })
}

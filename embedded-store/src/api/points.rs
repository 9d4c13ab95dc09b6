//! Reads that are not searches: retrieve, scroll, count.

use std::str::FromStr;

use qdrant_edge::{
    CountRequest, EdgeShard, Filter, OrderByInterface, PointId, ScrollRequest, WithPayloadInterface, WithVector,
};
use serde::Deserialize;
use serde_json::json;

use super::body::{Call, Reply};
use super::input::Absent;
use super::output::RecordOut;
use crate::fault::Fault;
use crate::params::within;
use crate::store::EmbeddedStore;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetrieveBody {
    ids: Vec<PointId>,
    with_payload: Option<WithPayloadInterface>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    #[serde(default)]
    shard_key: Absent,
}

pub(crate) fn retrieve(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let body: RetrieveBody = call.parse()?;
    body.shard_key.refuse("shard keys")?;
    let records = collection.read(|shard| shard.retrieve(&body.ids, body.with_payload, body.with_vector))?;
    Reply::new(&records.into_iter().map(RecordOut::from).collect::<Vec<_>>())
}

pub(crate) fn one(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let id = PointId::from_str(call.item()).map_err(|()| Fault::Malformed {
        place: "path",
        problem: "a point id is an unsigned integer or a UUID".into(),
    })?;
    let records = collection.read(|shard| shard.retrieve(&[id], Some(true.into()), Some(WithVector::Bool(true))))?;
    let record = records.into_iter().next().ok_or_else(|| Fault::NoPoint(id.to_string()))?;
    Reply::new(&RecordOut::from(record))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrollBody {
    offset: Option<PointId>,
    limit: Option<usize>,
    filter: Option<Filter>,
    with_payload: Option<WithPayloadInterface>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    order_by: Option<OrderByInterface>,
    #[serde(default)]
    shard_key: Absent,
}

pub(crate) fn scroll(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let body: ScrollBody = call.parse_or_empty()?;
    body.shard_key.refuse("shard keys")?;
    let limit = body.limit.unwrap_or(10);
    within("limit", limit, 1..=usize::MAX)?;
    let (records, next) = collection.read(|shard| {
        shard.scroll(ScrollRequest {
            offset: body.offset,
            limit: Some(at_most_all(shard, limit)),
            filter: body.filter,
            with_payload: body.with_payload,
            with_vector: body.with_vector.unwrap_or(WithVector::Bool(false)),
            order_by: body.order_by,
        })
    })?;
    let records: Vec<_> = records.into_iter().map(RecordOut::from).collect();
    Reply::new(&json!({"points": records, "next_page_offset": next}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountBody {
    filter: Option<Filter>,
    exact: Option<bool>,
    #[serde(default)]
    shard_key: Absent,
}

pub(crate) fn count(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let body: CountBody = call.parse_or_empty()?;
    body.shard_key.refuse("shard keys")?;
    let request = CountRequest { filter: body.filter, exact: body.exact.unwrap_or(true) };
    let count = collection.read(|shard| shard.count(request))?;
    Reply::new(&json!({"count": count}))
}

/// A wanted number of points, reduced to what the shard can hold: the engine reserves memory for the number it is
/// given, so that an absurd one would end the process. Nothing is lost.
pub(crate) fn at_most_all(shard: &EdgeShard, wanted: usize) -> usize {
    const UNCHECKED: usize = 10_000;
    // Room for points that are added meanwhile.
    if wanted <= UNCHECKED { wanted } else { wanted.min(shard.info().points_count.saturating_add(UNCHECKED)) }
}

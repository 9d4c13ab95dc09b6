//! Searches: `points/query` and the older `points/search`, single and in batches.

use core::fmt;
use std::str::FromStr;

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition, DEFAULT_VECTOR_NAME, Filter, HasIdCondition, NamedQuery, PointId, QueryEnum, QueryRequest, ScoringQuery,
    SearchParams, VectorInternal, VectorStructInternal, WithPayloadInterface, WithVector,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use super::body::{Call, Reply};
use super::input::{Absent, check, dense};
use super::output::ScoredOut;
use super::points::at_most_all;
use crate::collection::Collection;
use crate::fault::Fault;
use crate::params::within;
use crate::store::EmbeddedStore;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryBody {
    query: Option<Target>,
    using: Option<String>,
    filter: Option<Filter>,
    params: Option<SearchParams>,
    score_threshold: Option<f32>,
    limit: Option<usize>,
    offset: Option<usize>,
    with_payload: Option<WithPayloadInterface>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    #[serde(default)]
    prefetch: Absent,
    #[serde(default)]
    lookup_from: Absent,
    #[serde(default)]
    shard_key: Absent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchBody {
    vector: SearchVector,
    filter: Option<Filter>,
    params: Option<SearchParams>,
    score_threshold: Option<f32>,
    limit: usize,
    offset: Option<usize>,
    with_payload: Option<WithPayloadInterface>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    #[serde(default)]
    shard_key: Absent,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SearchVector {
    Unnamed(Vec<f32>),
    Named { name: String, vector: Vec<f32> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<T> {
    searches: Vec<T>,
}

/// What a query is near to.
enum Target {
    Vector(Vec<f32>),
    Point(PointId),
    NotOffered,
}

/// A search of either kind, before the collection has seen it.
struct Search {
    target: Option<Target>,
    using: String,
    filter: Option<Filter>,
    params: Option<SearchParams>,
    score_threshold: Option<f32>,
    limit: usize,
    offset: usize,
    with_payload: Option<WithPayloadInterface>,
    with_vector: Option<WithVector>,
}

pub(crate) fn query(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let points = call.parse::<QueryBody>()?.search()?.run(&collection)?;
    Reply::new(&json!({"points": points}))
}

pub(crate) fn query_batch(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let searches = call.parse::<Batch<QueryBody>>()?.searches;
    let found = searches.into_iter().map(|body| Ok(json!({"points": body.search()?.run(&collection)?})));
    Reply::new(&found.collect::<Result<Vec<_>, Fault>>()?)
}

pub(crate) fn search(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    Reply::new(&call.parse::<SearchBody>()?.search()?.run(&collection)?)
}

pub(crate) fn search_batch(store: &EmbeddedStore, call: &Call) -> Result<Reply, Fault> {
    let collection = store.collection(call.name())?;
    let searches = call.parse::<Batch<SearchBody>>()?.searches;
    let found = searches.into_iter().map(|body| body.search()?.run(&collection));
    Reply::new(&found.collect::<Result<Vec<_>, Fault>>()?)
}

impl QueryBody {
    fn search(self) -> Result<Search, Fault> {
        self.prefetch.refuse("prefetch")?;
        self.lookup_from.refuse("lookup_from")?;
        self.shard_key.refuse("shard keys")?;
        Ok(Search {
            target: self.query,
            using: self.using.unwrap_or_else(|| DEFAULT_VECTOR_NAME.into()),
            filter: self.filter,
            params: self.params,
            score_threshold: self.score_threshold,
            limit: self.limit.unwrap_or(10),
            offset: self.offset.unwrap_or(0),
            with_payload: self.with_payload,
            with_vector: self.with_vector,
        })
    }
}

impl SearchBody {
    fn search(self) -> Result<Search, Fault> {
        self.shard_key.refuse("shard keys")?;
        let (using, vector) = match self.vector {
            SearchVector::Unnamed(vector) => (DEFAULT_VECTOR_NAME.into(), vector),
            SearchVector::Named { name, vector } => (name, vector),
        };
        Ok(Search {
            target: Some(Target::Vector(vector)),
            using,
            filter: self.filter,
            params: self.params,
            score_threshold: self.score_threshold,
            limit: self.limit,
            offset: self.offset.unwrap_or(0),
            with_payload: self.with_payload,
            with_vector: self.with_vector,
        })
    }
}

impl Search {
    fn run(self, collection: &Collection) -> Result<Vec<ScoredOut>, Fault> {
        within("limit", self.limit, 1..=usize::MAX)?;
        bounded(self.params.as_ref())?;
        let (query, filter) = match self.target {
            None => (None, self.filter),
            Some(Target::NotOffered) => return Err(Fault::NotOffered("this kind of query")),
            Some(Target::Vector(vector)) => (Some(vector), self.filter),
            Some(Target::Point(id)) => {
                let itself = Filter::new_must_not(Condition::HasId(HasIdCondition::from_iter([id])));
                (Some(stored(collection, id, &self.using)?), Filter::merge_opts(self.filter, Some(itself)))
            }
        };
        if let Some(vector) = &query {
            collection.read(|shard| Ok(check(&shard.config(), &self.using, vector)))??;
        }
        let query = query.map(|vector| {
            let query = VectorInternal::Dense(vector);
            ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery { query, using: Some(self.using) }))
        });
        let found = collection.read(|shard| {
            shard.query(QueryRequest {
                prefetches: Vec::new(),
                query,
                filter,
                score_threshold: self.score_threshold.map(OrderedFloat),
                // The engine leaves the cutting of the offset to its caller.
                limit: at_most_all(shard, self.limit.saturating_add(self.offset)),
                offset: 0,
                params: self.params,
                with_vector: self.with_vector.unwrap_or(WithVector::Bool(false)),
                with_payload: self.with_payload.unwrap_or_default(),
            })
        })?;
        Ok(found.into_iter().skip(self.offset).map(ScoredOut::from).collect())
    }
}

/// The stored vector of a point that a query names.
fn stored(collection: &Collection, id: PointId, using: &str) -> Result<Vec<f32>, Fault> {
    let records = collection.read(|shard| shard.retrieve(&[id], Some(false.into()), Some(WithVector::Bool(true))))?;
    let record = records.into_iter().next().ok_or_else(|| Fault::NoPoint(id.to_string()))?;
    let vector = match record.vector {
        Some(VectorStructInternal::Single(vector)) if using == DEFAULT_VECTOR_NAME => Some(vector),
        Some(VectorStructInternal::Named(mut named)) => match named.remove(using) {
            Some(VectorInternal::Dense(vector)) => Some(vector),
            _ => None,
        },
        _ => None,
    };
    vector.ok_or_else(|| Fault::WrongInput("the point of the query has no vector of that name".into()))
}

/// Refuses search parameters for which the engine would reserve absurd amounts of memory.
fn bounded(params: Option<&SearchParams>) -> Result<(), Fault> {
    let Some(params) = params else { return Ok(()) };
    within("params.hnsw_ef", params.hnsw_ef.unwrap_or(0), 0..=1_000_000)?;
    let oversampling = params.quantization.and_then(|q| q.oversampling).unwrap_or(1.0);
    if !(1.0..=1_000.0).contains(&oversampling) {
        return Err(Fault::OutOfRange("params.quantization.oversampling must be from 1 to 1000".into()));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector, a point id, or an object with `nearest`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Target, A::Error> {
        dense(seq).map(Target::Vector)
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Target, E> {
        Ok(Target::Point(PointId::NumId(id)))
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<Target, E> {
        PointId::from_str(id)
            .map(Target::Point)
            .map_err(|()| E::custom("Expected a point id: an unsigned integer or a UUID"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target, A::Error> {
        let mut target = None;
        let mut others = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "nearest" && target.is_none() {
                target = Some(map.next_value::<Target>()?);
            } else {
                others |= map.next_value::<Option<IgnoredAny>>()?.is_some();
            }
        }
        Ok(match target {
            Some(target) if !others => target,
            _ => Target::NotOffered,
        })
    }
}

//! The typed vector call.

use super::{Filter, Output, Payload, PointId, registry::Distance};
use policy_engine::{Action, Resource};
use vocab::{CollectionName, Plain, UpstreamName};

/// A recognised call to a vector store, the same for every store's dialect.
pub(crate) struct VectorCall {
    pub(crate) collection: Option<CollectionName>,
    pub(crate) operation: Operation,
    pub(crate) passage: Passage,
}

/// What is asked.
pub(crate) enum Operation {
    /// Which store and version answers.
    Version,
    /// The names of the tenant's collections.
    List,
    /// Whether the collection exists.
    Exists,
    /// Size, configuration and state of the collection.
    Info,
    /// Make the collection.
    Create(Create),
    /// Remove the collection.
    Drop,
    /// Index a filterable field.
    Index { field: String },
    /// Remove the index of a field.
    DropIndex { field: String },
    /// Write whole points.
    Upsert(Vec<NewPoint>),
    /// Points by id.
    Retrieve { ids: Vec<PointId>, output: Output },
    /// One point by id, which must exist.
    RetrieveOne { id: PointId },
    /// Points in the order of their ids.
    Scroll { filter: Option<Filter>, offset: Option<PointId>, limit: u32, output: Output },
    /// How many points match.
    Count { filter: Option<Filter>, counting: Counting },
    /// Remove points.
    Delete(Selector),
    /// Points nearest to vectors.
    Search(Searches),
    /// Change the payload of points that exist.
    Amend { change: PayloadChange, selector: Selector },
}

/// A new collection.
pub(crate) struct Create {
    pub(crate) dimensions: u64,
    pub(crate) distance: Distance,
    pub(crate) tuning: Tuning,
}

/// Settings of the store's engine that are passed on: numbers and truth values under known names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tuning(pub(crate) Vec<Setting>);

/// One setting: the path of its name, from the outermost part in, and its value.
pub(crate) type Setting = (Vec<&'static str>, TuningValue);

/// A setting's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TuningValue {
    Whole(u64),
    Fraction(f64),
    Truth(bool),
}

/// A point to write.
pub(crate) struct NewPoint {
    pub(crate) id: PointId,
    pub(crate) vector: Plain<Vec<f32>>,
    pub(crate) payload: Payload,
}

/// How exactly to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    Exact,
    Approximate,
}

/// Which points an operation is for.
pub(crate) enum Selector {
    Ids(Vec<PointId>),
    Filter(Filter),
}

/// One or several searches, and the form of the answer.
pub(crate) struct Searches {
    pub(crate) shape: SearchShape,
    pub(crate) each: Vec<Search>,
}

/// In which of the dialect's forms the hits are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchShape {
    /// Qdrant `points/query`.
    Query,
    /// Qdrant `points/query/batch`.
    QueryBatch,
    /// Qdrant `points/search`.
    Search,
    /// Qdrant `points/search/batch`.
    SearchBatch,
}

/// One search.
pub(crate) struct Search {
    pub(crate) similar: Similar,
    pub(crate) filter: Option<Filter>,
    pub(crate) params: SearchParams,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
    pub(crate) threshold: Option<f32>,
    pub(crate) output: Output,
}

/// What hits should be similar to.
pub(crate) enum Similar {
    Vector(Plain<Vec<f32>>),
    /// The vector of a record of the same collection, which is no hit itself.
    Record(PointId),
}

/// Hints for the store's index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SearchParams {
    pub(crate) hnsw_ef: Option<u32>,
    pub(crate) exact: Option<bool>,
    pub(crate) indexed_only: Option<bool>,
}

/// A change of payload.
pub(crate) enum PayloadChange {
    /// Merge these keys in; a null removes its key.
    Set(Payload),
    /// Put this payload in place of the old one.
    Overwrite(Payload),
    /// Remove these keys.
    Remove(Vec<String>),
    /// Remove all keys.
    Clear,
}

/// Options that say how the store should carry out the call, not what it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) ordering: Option<WriteOrdering>,
    pub(crate) timeout_seconds: Option<u32>,
}

/// Guarantees for concurrent writes in a replicated store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOrdering {
    Weak,
    Medium,
    Strong,
}

impl WriteOrdering {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }
}

impl VectorCall {
    /// The action that the policy decides on.
    pub(crate) const fn action(&self) -> Action {
        match &self.operation {
            Operation::Version
            | Operation::List
            | Operation::Exists
            | Operation::Info
            | Operation::Retrieve { .. }
            | Operation::RetrieveOne { .. }
            | Operation::Scroll { .. }
            | Operation::Count { .. } => Action::VectorRead,
            Operation::Create(_) | Operation::Drop | Operation::Index { .. } | Operation::DropIndex { .. } => {
                Action::VectorAdmin
            }
            Operation::Upsert(_)
            | Operation::Amend { change: PayloadChange::Set(_) | PayloadChange::Overwrite(_), .. } => {
                Action::VectorUpsert
            }
            Operation::Delete(_) | Operation::Amend { change: PayloadChange::Remove(_) | PayloadChange::Clear, .. } => {
                Action::VectorDelete
            }
            Operation::Search(_) => Action::VectorSearch,
        }
    }

    /// The resource that the policy decides on.
    pub(crate) fn resource(&self, upstream: &UpstreamName) -> Resource {
        let upstream = upstream.clone();
        match &self.collection {
            Some(collection) => Resource::Collection { upstream, collection: collection.clone() },
            None => Resource::Collections { upstream },
        }
    }

    /// How many results are asked for: the largest limit plus offset of the searches, or the limit of a
    /// scroll.
    pub(crate) fn k(&self) -> Option<u32> {
        match &self.operation {
            Operation::Search(searches) => {
                searches.each.iter().map(|search| search.limit.saturating_add(search.offset)).max()
            }
            Operation::Scroll { limit, .. } => Some(*limit),
            _ => None,
        }
    }
}

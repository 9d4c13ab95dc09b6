//! What a client wants of each point, and what it gets.

use super::{
    PointId,
    payload::{exclude, include},
    registry::CollectionEntry,
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};
use vocab::{CollectionName, Plain};

/// Which parts of a point are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) payload: PayloadChoice,
    pub(crate) vector: VectorChoice,
}

/// Which part of the payload is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PayloadChoice {
    None,
    All,
    Include(Vec<String>),
    Exclude(Vec<String>),
}

/// Whether the vector is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VectorChoice {
    Without,
    With,
}

impl Output {
    /// Neither payload nor vector is wanted, so that nothing needs to be opened.
    pub(crate) fn is_nothing(&self) -> bool {
        self.payload == PayloadChoice::None && self.vector == VectorChoice::Without
    }

    /// The JSON text of the wanted part of a payload; `None` when none is wanted or the text is no
    /// object.
    pub(crate) fn payload_of(&self, json: &[u8]) -> Option<Plain<Vec<u8>>> {
        match &self.payload {
            PayloadChoice::None => None,
            PayloadChoice::All => Some(Plain::new(json.to_vec())),
            PayloadChoice::Include(paths) => pruned(json, paths, include),
            PayloadChoice::Exclude(paths) => pruned(json, paths, exclude),
        }
    }
}

/// Includes or excludes paths.
type Prune = fn(&Map<String, Value>, &[String]) -> Map<String, Value>;

fn pruned(json: &[u8], paths: &[String], prune: Prune) -> Option<Plain<Vec<u8>>> {
    let map: Map<String, Value> = serde_json::from_slice(json).ok()?;
    serde_json::to_vec(&prune(&map, paths)).ok().map(Plain::new)
}

/// What the client is told, before it is written in its dialect.
pub(crate) enum Answer {
    Version(String),
    Names(Vec<CollectionName>),
    Exists(bool),
    Info(CollectionInfo),
    /// An administrative operation took effect, or there was nothing to do.
    Done(bool),
    /// A write was carried out; the store's number of it where it gave one.
    Written(Option<u64>),
    Points(Vec<PointView>),
    Point(PointView),
    Page {
        points: Vec<PointView>,
        next: Option<PointId>,
    },
    Count(u64),
    Hits(super::SearchShape, Vec<Vec<Hit>>),
}

/// A collection as its owner sees it. `store` holds numbers, states and settings of the store's engine,
/// taken over by name; `indexed` the fields that have an index, with the points in each.
pub(crate) struct CollectionInfo {
    pub(crate) entry: CollectionEntry,
    pub(crate) store: Map<String, Value>,
    pub(crate) indexed: Vec<(String, u64)>,
}

/// A point, opened.
pub(crate) struct PointView {
    pub(crate) id: PointId,
    /// JSON text.
    pub(crate) payload: Option<Plain<Vec<u8>>>,
    pub(crate) vector: Option<Plain<Vec<f32>>>,
}

/// A search hit with its exact score.
pub(crate) struct Hit {
    pub(crate) point: PointView,
    pub(crate) version: u64,
    pub(crate) score: f32,
}

/// The answer to a client and what the ledger may know of it.
pub(crate) struct ClientAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// Points given or written.
    pub(crate) points: u64,
    /// Exchanges with the store.
    pub(crate) exchanges: u64,
    /// The body of the store's last answer, as it came.
    pub(crate) received: Bytes,
    /// Bytes of all answers of the store.
    pub(crate) received_bytes: usize,
}

//! The operations: each prepared before the intent, carried out after it.

pub(crate) mod admin;
pub(crate) mod amend;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod write;

use super::{CollectionEntry, Output, PayloadChange, PointId, SealedRequest, SealedSelector, SearchShape};

/// A prepared operation.
pub(crate) enum Step {
    Version(SealedRequest),
    List,
    Exists(bool),
    Info(SealedRequest),
    Create(Box<admin::Creating>),
    Drop(Option<CollectionEntry>),
    Index(SealedRequest),
    Upsert { ids: Vec<PointId>, request: SealedRequest },
    Delete { selector: SealedSelector, request: SealedRequest },
    Amend { change: PayloadChange, selector: SealedSelector },
    Retrieve { ids: Vec<PointId>, request: SealedRequest, output: Output },
    RetrieveOne { id: PointId, request: SealedRequest },
    Scroll { request: SealedRequest, output: Output },
    Count(SealedRequest),
    Search { shape: SearchShape, searching: search::Searching },
}

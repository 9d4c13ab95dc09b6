//! The vector plane: one typed call, sealed, sent, opened and re-ranked.
//!
//! A wire codec (`crate::wire::qdrant`) turns a client's request into a `VectorCall` and an
//! answer into the client's bytes. Everything between is written once and here:
//!
//! 1. `VectorPlane::prepare` takes the call and the policy's `Grant`, finds the collection's frozen
//!    entry and its keys, seals what will leave and rewrites filters to tokens. Whatever can fail
//!    before bytes leave fails here.
//! 2. The pipeline records the intent.
//! 3. `Prepared::carry_out` exchanges with the store, opens what returns, ranks exactly and gives the
//!    client's answer.
//!
//! What an exchange sends is a `SealedRequest`: it is made from ciphertexts, tokens, ids, numbers and
//! physical names only, by their types. The physical layout is in `docs/formats-vectors.md`.

mod call;
mod error;
mod exchange;
mod filter;
mod id;
mod keys;
mod locks;
mod ops;
mod output;
mod payload;
mod plane;
mod record;
mod registry;
mod sealed;
#[cfg(test)]
mod tests;

pub(crate) use call::{
    Counting, Create, NewPoint, Operation, Passage, PayloadChange, Search, SearchParams, SearchShape, Searches,
    Selector, Similar, Tuning, TuningValue, VectorCall, WriteOrdering,
};
pub use error::VectorError;
pub(crate) use exchange::Exchange;
pub use exchange::{ExchangeError, UpstreamAnswer};
pub(crate) use filter::{Condition, Filter, Match, MinShould, Scalar};
pub use id::PointId;
pub(crate) use output::{Answer, ClientAnswer, CollectionInfo, Hit, Output, PayloadChoice, PointView, VectorChoice};
pub(crate) use payload::Payload;
pub(crate) use plane::{Owner, Prepared, VectorPlane};
pub use registry::{
    Advance, CollectionEntry, CollectionKey, CollectionState, Collections, CollectionsError, Creation, Distance,
    MemoryCollections, PhysicalName,
};
pub(crate) use sealed::{
    Fetch, SealedCondition, SealedFilter, SealedPoint, SealedSearch, SealedSelector, StoreCall, TokenTest,
};

pub(crate) use crate::wire::qdrant::SealedRequest;

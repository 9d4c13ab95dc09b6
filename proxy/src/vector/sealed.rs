//! What may leave for a store: by its types it holds no content.

use super::{Counting, PointId, SearchParams, Tuning};
use embedding_cipher::{Dimensions, Token, VectorCiphertext};
use kms_bridge::{Sealed, Value};

/// A request to a store, before it is written in the store's dialect. Ciphertexts, tokens, ids, numbers
/// and settings under known names: there is no place for a text of the client.
pub(crate) enum StoreCall {
    Version,
    Create { dimensions: Dimensions, tuning: Tuning },
    Drop,
    Info,
    Index { field: Token },
    DropIndex { field: Token },
    Upsert(Vec<SealedPoint>),
    Retrieve(Vec<PointId>),
    Scroll { filter: Option<SealedFilter>, offset: Option<PointId>, limit: u32, fetch: Fetch },
    Count { filter: Option<SealedFilter>, counting: Counting },
    Delete(SealedSelector),
    Search(Vec<SealedSearch>),
}

/// Whether the sealed record is fetched, or the ids alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    Records,
    Ids,
}

/// A point as the store keeps it.
pub(crate) struct SealedPoint {
    pub(crate) id: PointId,
    pub(crate) vector: VectorCiphertext,
    pub(crate) record: Sealed<Value>,
    pub(crate) tokens: Vec<(Token, Vec<Token>)>,
}

/// A search as the store sees it.
pub(crate) struct SealedSearch {
    pub(crate) vector: VectorCiphertext,
    pub(crate) filter: Option<SealedFilter>,
    pub(crate) params: SearchParams,
    pub(crate) limit: u32,
}

/// Which points the store should act on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SealedSelector {
    Ids(Vec<PointId>),
    Filter(SealedFilter),
}

/// A filter over tokens and ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SealedFilter {
    pub(crate) must: Option<Vec<SealedCondition>>,
    pub(crate) should: Option<Vec<SealedCondition>>,
    pub(crate) must_not: Option<Vec<SealedCondition>>,
    pub(crate) min_should: Option<(Vec<SealedCondition>, u32)>,
}

/// One condition of a sealed filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SealedCondition {
    Tokens { field: Token, test: TokenTest },
    IsEmpty(Token),
    HasId(Vec<PointId>),
    Nested(Box<SealedFilter>),
}

/// What any token of a field must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenTest {
    Is(Token),
    Any(Vec<Token>),
    Except(Vec<Token>),
}

impl SealedFilter {
    /// The filter without one point.
    pub(crate) fn without(filter: Option<Self>, id: PointId) -> Self {
        Self {
            must: filter.map(|inner| vec![SealedCondition::Nested(Box::new(inner))]),
            must_not: Some(vec![SealedCondition::HasId(vec![id])]),
            ..Self::default()
        }
    }
}

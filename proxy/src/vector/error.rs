//! Why a vector call fails, and what the caller is told.

use super::registry::CollectionsError;
use crate::{
    failure::{Blame, Failure},
    upstream::UpstreamError,
};
use embedding_cipher::{CipherError, ScoreError};
use http::StatusCode;
use kms_bridge::{KeyError, SealError};
use policy_engine::{FieldName, Mode};
use vocab::CollectionName;

/// Why a vector call fails. No variant holds a value, vector or payload of the caller.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// Policy: no rule says how the collection is to be protected.
    #[error("no rule of the policy says how this collection is to be encrypted")]
    NoMode,
    /// Policy: the demanded mode is not available in this release.
    #[error("the policy demands mode {0}, which this release does not offer yet: only mode preserving is available")]
    ModeUnavailable(Mode),
    /// Policy: the collection was made under other terms than the policy demands now.
    #[error(
        "the collection was made with another {what} than the policy demands now; make a new collection and move the points"
    )]
    Drift {
        /// Which term differs.
        what: &'static str,
    },
    /// Client: no such collection.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    NoCollection(CollectionName),
    /// Client: the name is taken.
    #[error("Wrong input: Collection `{0}` already exists!")]
    CollectionExists(CollectionName),
    /// Client: an earlier create or delete did not finish.
    #[error("an earlier create or delete of collection `{0}` did not finish: delete it, then create it")]
    InTransition(CollectionName),
    /// Client: a number of dimensions that is not possible.
    #[error("Wrong input: a vector has 1 to 65536 dimensions")]
    BadDimensions,
    /// Client: a filter or index on a field without blind index.
    #[error(
        "the field {field} is sealed: only the fields that the policy names filterable can be filtered by or indexed"
    )]
    NotFilterable {
        /// The field, where it has the form of a field name.
        field: String,
    },
    /// Client: a vector that cannot be used.
    #[error("vector {at} cannot be used: {source}")]
    Vector {
        /// Which one, counted from 0 in the order of the call.
        at: usize,
        /// The cause.
        source: CipherError,
    },
    /// Client: a collection compared by Dot or Euclid takes unit vectors only.
    #[error(
        "vector {at} has not norm 1 (within 0.001): in mode preserving a collection with distance Dot or Euclid takes unit vectors only"
    )]
    NotUnit {
        /// Which one, counted from 0 in the order of the call.
        at: usize,
    },
    /// Client: the payload has a key that the sidecar uses itself.
    #[error("a payload key begins with the reserved prefix _aios")]
    ReservedKey,
    /// Client: too many results.
    #[error("limit plus offset of a search is at most {max}")]
    TooMany {
        /// The largest sum.
        max: u32,
    },
    /// Client: no such point.
    #[error("Not found: the point does not exist")]
    NoPoint,
    /// Client: the exact score is not a number.
    #[error("a score cannot be computed: {0}")]
    Score(ScoreError),
    /// Kms: no key.
    #[error("a key cannot be had")]
    Keys(#[source] KeyError),
    /// Internal: sealing failed.
    #[error("sealing failed")]
    Seal(#[source] SealError),
    /// Internal: the system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
    /// Internal: the collection map failed.
    #[error("the collection map failed")]
    Map(#[source] CollectionsError),
    /// Internal: a step was carried out on a collection that it was not prepared for.
    #[error("the call was prepared without a collection")]
    Unprepared,
    /// Upstream: no exchange.
    #[error("the exchange with the store failed")]
    Exchange(#[source] UpstreamError),
    /// Upstream: the store answered with an error.
    #[error("the store answered with status {status}")]
    StoreRefused {
        /// Its status.
        status: StatusCode,
    },
    /// Upstream: the store's answer is not what was asked for.
    #[error("the store's answer cannot be used: {0}")]
    StoreAnswer(&'static str),
    /// Upstream: records that do not open: changed, moved, or of another tenant.
    #[error("{count} of the store's records cannot be opened: they were changed or belong elsewhere; nothing is given")]
    Unopenable {
        /// How many.
        count: usize,
    },
}

impl VectorError {
    /// A filter or index on this field is not possible. The name is repeated only where it has the form of
    /// a field name.
    pub(crate) fn not_filterable(field: &str) -> Self {
        let field = if FieldName::new(field).is_ok() { format!("`{field}`") } else { "of that name".to_owned() };
        Self::NotFilterable { field }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoMode => StatusCode::FORBIDDEN,
            Self::ModeUnavailable(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Drift { .. } | Self::CollectionExists(_) | Self::InTransition(_) => StatusCode::CONFLICT,
            Self::NoCollection(_) | Self::NoPoint => StatusCode::NOT_FOUND,
            Self::Vector { source: CipherError::Keystream, .. }
            | Self::Seal(_)
            | Self::NoRandomness
            | Self::Unprepared => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadDimensions
            | Self::NotFilterable { .. }
            | Self::Vector { .. }
            | Self::NotUnit { .. }
            | Self::ReservedKey
            | Self::TooMany { .. }
            | Self::Score(_) => StatusCode::BAD_REQUEST,
            Self::Keys(_) | Self::Map(CollectionsError::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Map(CollectionsError::Shredded) => StatusCode::GONE,
            Self::Exchange(_) | Self::StoreRefused { .. } | Self::StoreAnswer(_) | Self::Unopenable { .. } => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn aios_code(&self) -> &'static str {
        match self {
            Self::NoMode => "policy_no_encryption_mode",
            Self::ModeUnavailable(_) => "mode_not_available",
            Self::Drift { .. } => "collection_policy_drift",
            Self::NoCollection(_) => "collection_not_found",
            Self::CollectionExists(_) => "collection_exists",
            Self::InTransition(_) => "collection_in_transition",
            Self::BadDimensions => "bad_dimensions",
            Self::NotFilterable { .. } => "field_not_filterable",
            Self::Vector { source: CipherError::Dimensions { .. }, .. } => "vector_wrong_dimensions",
            Self::Vector { source: CipherError::NotFinite { .. }, .. } => "vector_not_finite",
            Self::Vector { source: CipherError::Zero, .. } => "vector_zero",
            Self::Vector { source: CipherError::Keystream, .. } => "keystream_failed",
            Self::NotUnit { .. } => "vector_not_unit",
            Self::ReservedKey => "payload_key_reserved",
            Self::TooMany { .. } => "search_too_large",
            Self::NoPoint => "point_not_found",
            Self::Score(_) => "score_not_computable",
            Self::Keys(_) => "keys_unavailable",
            Self::Seal(_) => "sealing_failed",
            Self::NoRandomness => "no_randomness",
            Self::Map(CollectionsError::Shredded) => "tenant_shredded",
            Self::Map(CollectionsError::Unavailable(_)) => "collection_map_unavailable",
            Self::Unprepared => "call_not_prepared",
            Self::Exchange(_) => "upstream_exchange_failed",
            Self::StoreRefused { .. } => "upstream_refused",
            Self::StoreAnswer(_) => "upstream_answer_invalid",
            Self::Unopenable { .. } => "sealed_record_unopenable",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NoMode | Self::ModeUnavailable(_) | Self::Drift { .. } => Blame::Policy,
            Self::Keys(_) => Blame::Kms,
            Self::Vector { source: CipherError::Keystream, .. }
            | Self::Seal(_)
            | Self::NoRandomness
            | Self::Unprepared
            | Self::Map(_) => Blame::Internal,
            Self::NoCollection(_)
            | Self::CollectionExists(_)
            | Self::InTransition(_)
            | Self::BadDimensions
            | Self::NotFilterable { .. }
            | Self::Vector { .. }
            | Self::NotUnit { .. }
            | Self::ReservedKey
            | Self::TooMany { .. }
            | Self::NoPoint
            | Self::Score(_) => Blame::Client,
            Self::Exchange(_) | Self::StoreRefused { .. } | Self::StoreAnswer(_) | Self::Unopenable { .. } => {
                Blame::Upstream
            }
        }
    }
}

impl From<&VectorError> for Failure {
    fn from(error: &VectorError) -> Self {
        match error {
            VectorError::Keys(keys) => Self::from(keys),
            VectorError::Exchange(exchange) => Self::from(exchange),
            other => {
                let failure = Self::new(other.status(), other.aios_code(), other.blame(), other.to_string());
                if failure.status == StatusCode::SERVICE_UNAVAILABLE { failure.retry_after(5) } else { failure }
            }
        }
    }
}

impl From<CollectionsError> for VectorError {
    fn from(error: CollectionsError) -> Self {
        Self::Map(error)
    }
}

impl From<KeyError> for VectorError {
    fn from(error: KeyError) -> Self {
        Self::Keys(error)
    }
}

impl From<UpstreamError> for VectorError {
    fn from(error: UpstreamError) -> Self {
        Self::Exchange(error)
    }
}

//! Why a call fails, and how Qdrant would say it.

use axum::http::StatusCode;
use qdrant_edge::OperationError;

/// A failed call. The text is the message that Qdrant's clients show; it repeats names and ids of the
/// caller, never payloads or vectors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Client: no collection of that name.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    NoCollection(String),
    /// Client: the name is taken.
    #[error("Wrong input: Collection `{0}` already exists!")]
    CollectionExists(String),
    /// Client: no point of that id.
    #[error("Not found: Point with id {0} does not exist!")]
    NoPoint(String),
    /// Client: no such path.
    #[error("Not found: the embedded store has no such path")]
    NoPath,
    /// Client: Qdrant has it, this store does not.
    #[error("Not offered by the embedded store: {0}")]
    NotOffered(&'static str),
    /// Client: no key, or a wrong one.
    #[error("Invalid API key")]
    Unauthorised,
    /// Client: the body or a parameter is not of the wanted form.
    #[error("Format error in {place}: {problem}")]
    Malformed {
        /// Which part of the request.
        place: &'static str,
        /// What is wrong, without the caller's values.
        problem: String,
    },
    /// Client: well formed, but a value is out of range.
    #[error("Validation error: {0}")]
    OutOfRange(String),
    /// Client: the engine or a rule of this store refuses the input.
    #[error("Wrong input: {0}")]
    WrongInput(String),
    /// Client: the body is larger than the listener allows.
    #[error("Payload too large: the limit is {0} bytes")]
    TooLarge(usize),
    /// Store: less free disk than a safe write needs.
    #[error("Service internal error: not enough free disk space")]
    DiskFull,
    /// Store: a file operation failed.
    #[error("Service internal error: {doing} failed: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Store: an earlier sync or engine failure left the collection in doubt; it takes no writes
    /// until the store is opened again.
    #[error(
        "Service internal error: the collection takes no writes after an earlier storage failure; restart the store"
    )]
    Failed,
    /// Store: it is being closed.
    #[error("Service unavailable: the embedded store is closed")]
    Closed,
    /// Engine: an error that is not the caller's.
    #[error("Service internal error: {0}")]
    Engine(String),
    /// Engine: it panicked. The text is the engine's own.
    #[error("Service internal error: the engine stopped the operation: {0}")]
    EnginePanic(String),
}

impl Fault {
    /// A file operation that failed; a full disk is told apart.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { doing, source },
        }
    }

    /// The HTTP status that Qdrant gives for this kind of failure.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::NoCollection(_) | Self::NoPoint(_) | Self::NoPath => StatusCode::NOT_FOUND,
            Self::CollectionExists(_) => StatusCode::CONFLICT,
            Self::NotOffered(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::Malformed { .. } | Self::WrongInput(_) => StatusCode::BAD_REQUEST,
            Self::OutOfRange(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Closed => StatusCode::SERVICE_UNAVAILABLE,
            Self::Io { .. } | Self::Failed | Self::Engine(_) | Self::EnginePanic(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl From<OperationError> for Fault {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::PointIdError { missed_point_id } => Self::NoPoint(missed_point_id.to_string()),
            OperationError::WrongVectorDimension { .. }
            | OperationError::VectorNameNotExists { .. }
            | OperationError::TypeError { .. }
            | OperationError::TypeInferenceError { .. }
            | OperationError::ValidationError { .. }
            | OperationError::WrongSparse
            | OperationError::WrongMulti
            | OperationError::MissingRangeIndexForOrderBy { .. }
            | OperationError::MissingMapIndexForFacet { .. }
            | OperationError::VariableTypeError { .. }
            | OperationError::NonFiniteNumber { .. } => Self::WrongInput(error.to_string()),
            OperationError::ServiceError { description, .. } => Self::Engine(description),
            OperationError::InconsistentStorage { .. }
            | OperationError::OutOfMemory { .. }
            | OperationError::Cancelled { .. }
            | OperationError::Timeout { .. } => Self::Engine(error.to_string()),
        }
    }
}

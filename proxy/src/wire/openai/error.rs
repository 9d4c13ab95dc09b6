//! What is wrong with a request or an answer.

use crate::failure::{Blame, Failure};
use content_guard::{NotGuarded, json::JsonError};
use http::StatusCode;
use vocab::BadId;

/// Why a request is refused. The client is at fault. No variant holds content of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// The body is no JSON that all readers read alike.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A needed field is not there.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field has a value of another kind.
    #[error("{field} must be {wanted}")]
    WrongKind {
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A field that is not known here: it might route, fetch or hold what nobody scans.
    #[error("the field '{field}' is not known to this proxy, so the call is denied")]
    UnknownField {
        /// The field as the client wrote it if it looks like a field name.
        field: String,
    },
    /// A key that differs from a known one in case only; some readers take one for the other.
    #[error("a key differs from {field} only in upper and lower case")]
    CaseVariant {
        /// The known field.
        field: &'static str,
    },
    /// A field that is known and not let through.
    #[error("{field} is denied: {why}")]
    Denied {
        /// The field.
        field: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The model is not named in a way that policy can match.
    #[error("model is {0}")]
    Model(BadId),
}

/// Why an answer cannot be given on. The upstream is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The answer is no JSON.
    #[error("the upstream answered with a body that is not valid JSON")]
    Json(#[source] JsonError),
    /// The list of models is none.
    #[error("the upstream answered with something that is not a list of models")]
    NotModels,
    /// One event of a stream is too long.
    #[error("the upstream sent an event of more than {limit} bytes")]
    EventTooLong {
        /// The limit.
        limit: usize,
    },
    /// More texts at once than any client asks for.
    #[error("the upstream interleaved more than {limit} texts in one stream")]
    TooManyTexts {
        /// The limit.
        limit: usize,
    },
}

impl From<&WireError> for Failure {
    fn from(error: &WireError) -> Self {
        let (code, param) = match error {
            WireError::Json(JsonError::DuplicateKey(_)) => ("duplicate_key", None),
            WireError::Json(_) => ("malformed_json", None),
            WireError::Missing { field } => ("missing_field", Some((*field).to_owned())),
            WireError::WrongKind { field, .. } => ("wrong_type", Some((*field).to_owned())),
            WireError::UnknownField { field } => ("unknown_field", Some(field.clone())),
            WireError::CaseVariant { field } => ("ambiguous_field", Some((*field).to_owned())),
            WireError::Denied { field, .. } => ("field_denied", Some((*field).to_owned())),
            WireError::Model(_) => ("model_not_valid", Some("model".to_owned())),
        };
        let failure = Self::new(StatusCode::BAD_REQUEST, code, Blame::Client, error.to_string());
        Self { param, ..failure }
    }
}

impl From<&NotGuarded> for Failure {
    fn from(error: &NotGuarded) -> Self {
        let (code, field) = match error {
            NotGuarded::NotScannable { field } => ("not_scannable", *field),
            NotGuarded::Fixed { field } => ("not_replaceable", *field),
        };
        let failure = Self::new(StatusCode::BAD_REQUEST, code, Blame::Policy, error.to_string());
        Self { param: Some(field.to_owned()), ..failure }
    }
}

impl From<&AnswerError> for Failure {
    fn from(error: &AnswerError) -> Self {
        let code = match error {
            AnswerError::Json(_) | AnswerError::NotModels => "upstream_answer_malformed",
            AnswerError::EventTooLong { .. } => "upstream_event_too_long",
            AnswerError::TooManyTexts { .. } => "upstream_stream_too_wide",
        };
        Self::new(StatusCode::BAD_GATEWAY, code, Blame::Upstream, error.to_string())
    }
}

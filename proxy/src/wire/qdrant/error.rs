//! Why a request is no call.

use crate::failure::{Blame, Failure};
use content_guard::json::JsonError;
use http::StatusCode;

/// Why a request is refused before the policy is asked. The client's values are never repeated; a name is,
/// where it has the form of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// No path of the API.
    #[error("this path is not part of the API that is offered here")]
    UnknownPath,
    /// A path of the API that takes another method.
    #[error("this path takes {allowed}")]
    Method {
        /// The methods it takes.
        allowed: &'static str,
    },
    /// The body is no JSON.
    #[error("{0}")]
    Json(JsonError),
    /// A body where there is none.
    #[error("this request takes no body")]
    Body,
    /// A needed field is not there.
    #[error("{at} is missing")]
    Missing {
        /// Its place.
        at: String,
    },
    /// A field has another form than expected.
    #[error("{at} must be {expected}")]
    Wrong {
        /// Its place.
        at: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that the API does not have.
    #[error("{at} is not a known field")]
    UnknownField {
        /// Its place.
        at: String,
    },
    /// Something of Qdrant's API that is not offered over sealed content.
    #[error("{what} not supported: {why}")]
    Unsupported {
        /// What it is, with "is" or "are".
        what: String,
        /// Why not.
        why: &'static str,
    },
    /// A query parameter that the path does not take.
    #[error("the query parameter {name} is not known here")]
    UnknownParameter {
        /// Its name, where it has the form of one.
        name: String,
    },
    /// A query parameter twice.
    #[error("a query parameter is repeated")]
    RepeatedParameter,
}

impl WireError {
    pub(crate) fn wrong(at: impl core::fmt::Display, expected: &'static str) -> Self {
        Self::Wrong { at: at.to_string(), expected }
    }

    pub(crate) fn unsupported(what: impl Into<String>, why: &'static str) -> Self {
        Self::Unsupported { what: what.into(), why }
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The stable code.
    pub(crate) const fn aios_code(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::Method { .. } => "method_not_allowed",
            Self::Json(JsonError::DuplicateKey(_)) => "duplicate_key",
            Self::Json(_) => "malformed_json",
            Self::Body => "unexpected_body",
            Self::Missing { .. } => "field_missing",
            Self::Wrong { .. } => "field_malformed",
            Self::UnknownField { .. } => "unknown_field",
            Self::Unsupported { .. } => "unsupported",
            Self::UnknownParameter { .. } => "unknown_parameter",
            Self::RepeatedParameter => "repeated_parameter",
        }
    }
}

impl From<JsonError> for WireError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<&WireError> for Failure {
    fn from(error: &WireError) -> Self {
        Self::new(error.status(), error.aios_code(), Blame::Client, error.to_string())
    }
}

/// A name that came from the client, fit to be repeated; otherwise a stand-in.
pub(crate) fn tame(name: &str) -> &str {
    let fit = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fit { name } else { "(unprintable name)" }
}

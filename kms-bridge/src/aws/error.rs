//! What goes wrong at AWS and on the way there, and what it means for a key.

use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use http::StatusCode;

use crate::provider::ProviderError;

/// Why a call came to nothing: the source of a [`ProviderError`]. It holds no secret: of an answer
/// it keeps the error's name and the request's id, by which CloudTrail tells the rest.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum AwsError {
    /// No connection, or it broke.
    #[error("{from} cannot be reached")]
    Unreachable {
        from: &'static str,
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Not done within the deadline.
    #[error("aws did not answer in time")]
    TimedOut,
    /// An error by name.
    #[error("{from} answered {status} {code} to request {request}")]
    Answered { from: &'static str, status: StatusCode, code: String, request: String, after: Option<Duration> },
    /// Not the shape of an answer.
    #[error("{from} gave an answer of the wrong shape")]
    BadAnswer { from: &'static str },
    /// The token of the workload cannot be read.
    #[error("the token file {path} cannot be read")]
    TokenFile {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    /// The machine or container has no role.
    #[error("{from} has no role for this workload")]
    NoRole { from: &'static str },
    /// A task of ours stopped.
    #[error("the call was stopped")]
    Stopped,
}

/// Errors by name that fresh credentials may mend.
const STALE: [&str; 5] = [
    "ExpiredTokenException",
    "ExpiredToken",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidClientTokenIdException",
];

const THROTTLED: [&str; 7] = [
    "ThrottlingException",
    "Throttling",
    "LimitExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "SlowDown",
];

impl AwsError {
    /// The name of the error that the service answered with.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Answered { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether our credentials have ended or were withdrawn.
    pub(super) fn is_stale(&self) -> bool {
        self.code().is_some_and(|code| STALE.contains(&code))
    }
}

impl From<AwsError> for ProviderError {
    fn from(error: AwsError) -> Self {
        match &error {
            AwsError::Unreachable { .. } | AwsError::TimedOut | AwsError::Stopped => Self::Unavailable(Arc::new(error)),
            AwsError::BadAnswer { .. } => Self::BadAnswer,
            AwsError::TokenFile { .. } | AwsError::NoRole { .. } => Self::Denied(Arc::new(error)),
            AwsError::Answered { status, code, after, .. } => of_answer(*status, code, *after, &error),
        }
    }
}

fn of_answer(status: StatusCode, code: &str, after: Option<Duration>, error: &AwsError) -> ProviderError {
    if THROTTLED.contains(&code) || status == StatusCode::TOO_MANY_REQUESTS {
        return ProviderError::Throttled { after };
    }
    match code {
        "NotFoundException" => ProviderError::UnknownKek,
        "AlreadyExistsException" => ProviderError::KekExists,
        // Where the key is in a state that is no switch, the caller asks for the state first.
        "DisabledException" | "KMSInvalidStateException" => ProviderError::Disabled,
        // Damaged, or of another context: AWS does not tell.
        "InvalidCiphertextException" | "IncorrectKeyException" => ProviderError::Corrupt,
        "IDPCommunicationError" | "DependencyTimeoutException" | "KeyUnavailableException" => {
            ProviderError::Unavailable(Arc::new(error.clone()))
        }
        _ if status.is_server_error() => ProviderError::Unavailable(Arc::new(error.clone())),
        _ if status.is_client_error() => ProviderError::Denied(Arc::new(error.clone())),
        _ => ProviderError::BadAnswer,
    }
}

/// The name in `__type` or a header, without its namespace and what follows it.
pub(super) fn name_of(text: &str) -> String {
    let name = text.rsplit('#').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    fit(name)
}

/// Letters, digits, `_`, `.` and `-` only, at most 64: what may stand in a log.
pub(super) fn fit(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c)).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(status: u16, code: &str) -> ProviderError {
        let status = StatusCode::from_u16(status).unwrap();
        AwsError::Answered { from: "aws kms", status, code: code.to_owned(), request: "r".to_owned(), after: None }
            .into()
    }

    #[test]
    fn each_error_has_its_meaning() {
        assert!(matches!(provider(400, "AccessDeniedException"), ProviderError::Denied(_)));
        assert!(matches!(provider(400, "ExpiredTokenException"), ProviderError::Denied(_)));
        assert!(matches!(provider(400, "NotFoundException"), ProviderError::UnknownKek));
        assert!(matches!(provider(400, "DisabledException"), ProviderError::Disabled));
        assert!(matches!(provider(400, "KMSInvalidStateException"), ProviderError::Disabled));
        assert!(matches!(provider(400, "InvalidCiphertextException"), ProviderError::Corrupt));
        assert!(matches!(provider(400, "IncorrectKeyException"), ProviderError::Corrupt));
        assert!(matches!(provider(400, "AlreadyExistsException"), ProviderError::KekExists));
        for (status, code) in [(400, "ThrottlingException"), (400, "LimitExceededException"), (429, "")] {
            assert!(matches!(provider(status, code), ProviderError::Throttled { .. }), "{code}");
        }
        for (status, code) in [(500, "KMSInternalException"), (500, "KeyUnavailableException"), (503, ""), (502, "x")] {
            assert!(matches!(provider(status, code), ProviderError::Unavailable(_)), "{code}");
        }
        assert!(matches!(provider(302, ""), ProviderError::BadAnswer));
    }

    #[test]
    fn names_lose_their_namespace_and_what_a_log_should_not_hold() {
        assert_eq!(name_of("com.amazonaws.kms#NotFoundException"), "NotFoundException");
        assert_eq!(name_of("DisabledException:http://internal.amazon.com/"), "DisabledException");
        assert_eq!(name_of("a\nb<c>"), "abc");
    }
}

//! What can go wrong towards a server, in words that hold no secret.

use core::fmt;
use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use vaultrs::error::ClientError;

use crate::provider::ProviderError;

/// How much of a server's own words is kept, in bytes.
const SAID: usize = 300;

/// What went wrong in a call to a server.
///
/// The errors of the libraries below are not kept as they are: their debug form can hold a token or
/// a whole answer. Each is told as its chain of messages, so that the cause still shows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultFault {
    /// The server answered with an error.
    #[error("the server answered {status}: {says}")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// The errors that it names; empty where it names none.
        says: String,
    },
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    TimedOut(#[source] Cause),
    /// The server could not be reached, or the connection broke.
    #[error("the server could not be reached")]
    Unreachable(#[source] Cause),
    /// The whole operation took longer than it may.
    #[error("the operation took longer than {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The answer is not what the API promises.
    #[error("the server's answer could not be understood")]
    Garbled,
    /// A file that holds a credential could not be read.
    #[error("the credential file {path} could not be read")]
    CredentialFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A credential is empty, too long, or holds characters that a header cannot.
    #[error("the credential is empty or holds characters that it cannot")]
    BadCredential,
    /// The last login failed a moment ago; the next one waits.
    #[error("the login failed a moment ago")]
    LoginFailed(#[source] Box<Self>),
}

/// The message of an error of a library, and of what caused it.
#[derive(Debug, Clone)]
pub struct Cause {
    text: String,
    source: Option<Box<Self>>,
}

impl Cause {
    /// The chain of an error's messages.
    pub(super) fn of(error: &dyn Error) -> Self {
        Self { text: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl VaultFault {
    /// The fault of an answer with an error status.
    pub(super) fn answered(status: u16, says: &str) -> Self {
        let says: String = says.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = says.char_indices().map(|(at, _)| at).take_while(|at| *at <= SAID).last().unwrap_or(0);
        let says = if says.len() <= SAID { says } else { says.get(..end).unwrap_or_default().to_owned() };
        Self::Answered { status, says }
    }

    /// Whether the server did not accept our token, or does not allow the operation: it answers 403
    /// to both.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Answered { status: 403, .. })
    }

    /// Whether the server says this, in an answer with an error status.
    pub(super) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Answered { says, .. } if says.contains(words))
    }

    /// The error for a caller of a provider.
    pub(super) fn into_provider(self) -> ProviderError {
        match &self {
            Self::Answered { status: 404, says } if says.is_empty() => ProviderError::UnknownKek,
            _ if MISSING.iter().any(|words| self.says(words)) => ProviderError::UnknownKek,
            // OpenBao: a key can be set aside and brought back by its operators.
            _ if self.says("soft-deleted") => ProviderError::Disabled,
            Self::Answered { status: 429, .. } => ProviderError::Throttled { after: None },
            Self::Answered { status: 400..=428 | 430..=471, .. }
            | Self::BadCredential
            | Self::CredentialFile { .. } => ProviderError::Denied(Arc::new(self)),
            Self::Garbled => ProviderError::BadAnswer,
            Self::LoginFailed(fault) => match (**fault).clone().into_provider() {
                ProviderError::Throttled { after } => ProviderError::Throttled { after },
                ProviderError::Denied(_) | ProviderError::UnknownKek => ProviderError::Denied(Arc::new(self)),
                _ => ProviderError::Unavailable(Arc::new(self)),
            },
            // 3xx: a standby that does not forward. 472 and above: recovering, sealed, broken.
            Self::Answered { .. } | Self::TimedOut(_) | Self::Unreachable(_) | Self::Deadline(_) => {
                ProviderError::Unavailable(Arc::new(self))
            }
        }
    }
}

/// How the transit engine says that there is no such key, by operation.
const MISSING: [&str; 4] = [
    "encryption key not found",
    "no existing key named",
    "could not delete key; not found",
    // Answer to a call that would have made the key; see `UPSERT_STOP`.
    "not supported for this operation",
];

impl From<ClientError> for VaultFault {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::APIError { code, errors } => Self::answered(*code, &errors.join("; ")),
            ClientError::RestClientError { source } => match source {
                rustify::errors::ClientError::ServerResponseError { code, .. } => Self::answered(*code, ""),
                rustify::errors::ClientError::ResponseParseError { .. }
                | rustify::errors::ClientError::ResponseConversionError { .. } => Self::Garbled,
                _ if timed_out(&error) => Self::TimedOut(Cause::of(&error)),
                _ => Self::Unreachable(Cause::of(&error)),
            },
            _ => Self::Garbled,
        }
    }
}

impl From<reqwest::Error> for VaultFault {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() { Self::TimedOut(Cause::of(&error)) } else { Self::Unreachable(Cause::of(&error)) }
    }
}

/// Refused and timed-out calls share a message; the difference is further down.
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout) {
            return true;
        }
        next = error.source();
    }
    false
}

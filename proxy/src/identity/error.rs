//! Why a caller was not let in.

use super::{fetch::FetchError, virtual_key::VirtualKeysUnavailable};
use crate::failure::{Blame, Failure};
use http::StatusCode;
use std::sync::Arc;

/// Why a request has no caller. No variant holds a part of the credential.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// The client's: no credential header.
    #[error("no credential was sent")]
    Missing,
    /// The client's: not a credential, with what is wrong about it.
    #[error("the credential is malformed: {0}")]
    Malformed(&'static str),
    /// The client's: different credentials, or one header more than once.
    #[error("more than one credential was sent")]
    Ambiguous,
    /// The client's: no configured issuer has the token's `iss`.
    #[error("the token's issuer is not known here")]
    UnknownIssuer,
    /// The client's: the token's `alg` is not one that its issuer's configuration names.
    #[error("the token's algorithm is not accepted for its issuer")]
    AlgorithmNotAllowed,
    /// The client's: no key, or no single key, of the issuer fits the token.
    #[error("no key of the token's issuer fits the token")]
    UnknownKey,
    /// The client's: the signature does not verify.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// The client's: the token is for someone else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The client's: the token or key is past its end.
    #[error("the credential has expired")]
    Expired,
    /// The client's: the token's `nbf` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The client's, or its issuer's: a claim is missing or breaks the rule of its kind.
    #[error("the token's {0} is missing or not valid")]
    BadClaim(&'static str),
    /// The client's: a virtual key that was never minted.
    #[error("the API key is not known")]
    UnknownVirtualKey,
    /// The client's: a virtual key that was revoked.
    #[error("the API key was revoked")]
    Revoked,
    /// The client's: this sidecar serves one tenant, and the credential is another's.
    #[error("the credential is of a tenant that is not served here")]
    ForeignTenant,
    /// Ours or the issuer's: its keys cannot be had, or are older than allowed.
    #[error("the keys of the token's issuer cannot be had")]
    KeysUnavailable(#[source] Option<Arc<FetchError>>),
    /// Ours: the store of virtual keys does not answer.
    #[error("API keys cannot be checked")]
    VirtualKeysUnavailable(#[source] VirtualKeysUnavailable),
}

impl AuthError {
    /// The HTTP status: 401, 403 for a foreign tenant, 503 where the fault is not the client's.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ForeignTenant => StatusCode::FORBIDDEN,
            Self::KeysUnavailable(_) | Self::VirtualKeysUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn aios_code(&self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Malformed(_) => "credential_malformed",
            Self::Ambiguous => "credential_ambiguous",
            Self::UnknownIssuer => "token_issuer_unknown",
            Self::AlgorithmNotAllowed => "token_algorithm_not_allowed",
            Self::UnknownKey => "token_key_unknown",
            Self::BadSignature => "token_signature_invalid",
            Self::WrongAudience => "token_audience_wrong",
            Self::Expired => "credential_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::BadClaim(_) => "token_claim_invalid",
            Self::UnknownVirtualKey => "api_key_unknown",
            Self::Revoked => "api_key_revoked",
            Self::ForeignTenant => "tenant_not_served",
            Self::KeysUnavailable(_) => "issuer_keys_unavailable",
            Self::VirtualKeysUnavailable(_) => "api_keys_unavailable",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::KeysUnavailable(_) | Self::VirtualKeysUnavailable(_) => Blame::Internal,
            _ => Blame::Client,
        }
    }
}

impl From<&AuthError> for Failure {
    fn from(error: &AuthError) -> Self {
        let failure = Self::new(error.status(), error.aios_code(), error.blame(), error.to_string());
        if error.status() == StatusCode::SERVICE_UNAVAILABLE { failure.retry_after(5) } else { failure }
    }
}

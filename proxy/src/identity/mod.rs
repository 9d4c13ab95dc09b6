//! Who calls: a tenant, a principal and groups, from a verified credential and nothing else.
//!
//! [`Authenticator::authenticate`] reads the one credential of a request's headers and gives a
//! [`Caller`], which no other code can make. A credential is a JSON Web Token (RFC 7519, signed with
//! an asymmetric algorithm that its issuer's configuration names) or a virtual API key.
//!
//! What is refused, whatever the configuration: two credentials, a repeated header, `alg: none` and
//! every HMAC, a token that brings its own key (`jwk`, `jku`, `x5u`, `x5c`), critical extensions,
//! duplicate members, tokens over 8 KiB, tokens without `exp`, `iss`, `aud` or `sub`, and an unnamed
//! key where the issuer has several.

mod authenticator;
mod cache;
mod caller;
mod config;
mod credential;
mod error;
mod fetch;
mod file;
mod key_set;
mod key_source;
mod local_issuer;
mod ring_provider;
mod strict_json;
#[cfg(test)]
mod tests;
mod token;
mod virtual_key;

pub use authenticator::{Authenticator, Settings, SetupError, TenantPin};
pub use caller::{Caller, CredentialKind, UnixSeconds};
pub use config::{Algorithm, IssuerConfig, KeyLocation, RawIssuer, Refresh};
pub use credential::CREDENTIAL_HEADERS;
pub use error::AuthError;
pub use fetch::FetchError;
pub use key_set::KeySetError;
pub use local_issuer::{Grant, LOCAL_AUDIENCE, LOCAL_ISSUER, LocalIssuer, LocalIssuerError};
pub use virtual_key::{KeyStatus, VirtualKey, VirtualKeys, VirtualKeysUnavailable};

//! Who may call.

use std::sync::Arc;

use axum::http::HeaderMap;
use ring::hmac;
use ring::rand::SystemRandom;

/// Who may call the service.
///
/// The secret itself is not kept: a MAC of it under a random key is compared, in constant time, with the MAC of what
/// the caller sends.
#[derive(Clone)]
pub struct Access(Option<Arc<Expected>>);

struct Expected {
    key: hmac::Key,
    tag: hmac::Tag,
}

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

impl Access {
    /// Anyone who reaches the listener. For tests and for listeners that nobody else can reach.
    #[must_use]
    pub const fn open() -> Self {
        Self(None)
    }

    /// Callers whose `api-key` header is this secret. The health paths stay open.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn key(secret: &str) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
        let tag = hmac::sign(&key, secret.as_bytes());
        Ok(Self(Some(Arc::new(Expected { key, tag }))))
    }

    /// Whether a request with these headers may pass. A repeated `api-key` header is refused.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.0 else { return true };
        let mut sent = headers.get_all("api-key").iter();
        let (Some(secret), None) = (sent.next(), sent.next()) else {
            return false;
        };
        hmac::verify(&expected.key, secret.as_bytes(), expected.tag.as_ref()).is_ok()
    }
}

impl core::fmt::Debug for Access {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.0.is_some() { "Access(key)" } else { "Access(open)" })
    }
}

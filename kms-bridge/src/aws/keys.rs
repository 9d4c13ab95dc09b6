//! Access keys.

use core::fmt;

use time::OffsetDateTime;
use vocab::Plain;

/// Why a triple of texts is not an access key. It does not repeat them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key's parts are non-empty printable ascii without spaces")]
pub struct BadAwsKeys;

/// An access key of AWS: its id, its secret and, for a temporary one, its session token.
///
/// `Debug` shows the id only, which is no secret.
pub struct AwsKeys {
    id: String,
    secret: Plain<String>,
    token: Option<Plain<String>>,
    expires: Option<OffsetDateTime>,
}

impl AwsKeys {
    /// Checks and wraps the parts.
    ///
    /// # Errors
    /// [`BadAwsKeys`] when a part is empty or could not stand in a header.
    pub fn new(id: String, secret: Plain<String>, token: Option<Plain<String>>) -> Result<Self, BadAwsKeys> {
        let parts = [Some(id.as_str()), Some(secret.expose().as_str()), token.as_ref().map(|t| t.expose().as_str())];
        let fit = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic());
        if parts.into_iter().flatten().all(fit) {
            Ok(Self { id, secret, token, expires: None })
        } else {
            Err(BadAwsKeys)
        }
    }

    /// The same keys with the moment of their end.
    pub(super) fn until(self, expires: OffsetDateTime) -> Self {
        Self { expires: Some(expires), ..self }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|t| t.expose().as_str())
    }

    /// When they end; `None` for keys that last.
    pub(super) const fn expires(&self) -> Option<OffsetDateTime> {
        self.expires
    }
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKeys").field("id", &self.id).field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let secret = |text: &str| Plain::new(text.to_owned());
        let keys = AwsKeys::new("AKID".to_owned(), secret("s3cret"), Some(secret("t0ken"))).unwrap();
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKID") && !shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused() {
        for bad in ["", "a b", "a\r\nx: y", "ä"] {
            let made = AwsKeys::new("AKID".to_owned(), Plain::new(bad.to_owned()), None);
            assert_eq!(made.unwrap_err(), BadAwsKeys, "{bad}");
        }
    }
}

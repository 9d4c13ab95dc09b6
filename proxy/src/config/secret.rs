//! Secrets by reference: `env:NAME`, `file:PATH`, and (with the Vault provider) `vault:MOUNT/PATH#FIELD`.

use core::fmt;
use std::path::PathBuf;
use vocab::Plain;

/// Where a secret is kept. The configuration never holds the secret itself.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one trailing newline is not part of the secret.
    File(PathBuf),
}

/// A resolved secret: printable ASCII, fit for a header value.
pub type Secret = Plain<String>;

/// Why a secret could not be had. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is unset or not Unicode.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("secret file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The secret is empty or has characters that no credential has.
    #[error("the secret that {0} refers to is empty or not printable ASCII")]
    Unfit(SecretRef),
}

impl SecretRef {
    /// Parses a reference.
    ///
    /// # Errors
    /// A sentence that says which forms there are. The text is not repeated: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            Some(("vault", _)) => Err(
                "vault: references need the Vault provider, which this build does not have yet; use env:NAME or file:PATH",
            ),
            _ => Err("secrets are given by reference: env:NAME or file:PATH"),
        }
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// [`SecretError`] when it is not there or unfit as a credential.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Unset(name.clone()))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?,
        };
        let secret = Plain::new(text);
        let trimmed = secret.expose().strip_suffix('\n').unwrap_or(secret.expose());
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() || !trimmed.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(SecretError::Unfit(self.clone()));
        }
        Ok(Plain::new(trimmed.to_owned()))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

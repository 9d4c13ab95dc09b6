//! References to secrets.

use core::{fmt, str::FromStr};

use super::parts::{BadPart, segments};

/// Why a text is not a reference to a secret. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVaultRef {
    /// It does not begin with `vault:`.
    #[error("a reference to a secret of the key service begins with 'vault:'")]
    Scheme,
    /// There is no `#` with the name of a field behind it.
    #[error("the reference names no field: write vault:MOUNT/PATH#FIELD")]
    NoField,
    /// The field is longer than 256 bytes or holds a control character or a second `#`.
    #[error("the field of the reference is too long or holds characters that it cannot")]
    Field,
    /// There is no path behind the mount.
    #[error("the reference names no path behind its mount: write vault:MOUNT/PATH#FIELD")]
    NoPath,
    /// A segment of the path is empty or holds characters outside of `A-Z a-z 0-9 . _ -`.
    #[error("the path of the reference is not made of segments of A-Z, a-z, 0-9, '.', '_' and '-'")]
    Path,
}

/// A reference to one field of a secret: `vault:MOUNT/PATH#FIELD`.
///
/// Where the mount ends is the server's to say, so that a mount may have several segments. The path
/// is the one that the command line takes: without the `data/` of the second version of KV.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultRef {
    path: Box<str>,
    field: Box<str>,
}

impl VaultRef {
    /// Mount and path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The field.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl FromStr for VaultRef {
    type Err = BadVaultRef;

    fn from_str(text: &str) -> Result<Self, BadVaultRef> {
        let rest = text.strip_prefix("vault:").ok_or(BadVaultRef::Scheme)?;
        let (path, field) = rest.split_once('#').ok_or(BadVaultRef::NoField)?;
        if field.is_empty() {
            return Err(BadVaultRef::NoField);
        }
        if field.len() > 256 || field.chars().any(|c| c.is_control() || c == '#') {
            return Err(BadVaultRef::Field);
        }
        if path.starts_with('/') || path.ends_with('/') {
            return Err(BadVaultRef::Path);
        }
        let path = segments(path).map_err(|_: BadPart| BadVaultRef::Path)?;
        if !path.contains('/') {
            return Err(BadVaultRef::NoPath);
        }
        Ok(Self { path, field: field.into() })
    }
}

impl fmt::Display for VaultRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vault:{}#{}", self.path, self.field)
    }
}

//! Names of collections.

use crate::fault::Fault;

/// The longest name in bytes, as in Qdrant.
const MAX_BYTES: usize = 255;

/// The name of a collection: 1 to 255 bytes, without control characters, path separators or any of
/// `< > : " | ? *`, and neither `.` nor `..`. It never becomes part of a path on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Name(Box<str>);

impl Name {
    /// Checks the text and wraps it.
    pub(crate) fn new(text: &str) -> Result<Self, Fault> {
        let barred = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(Fault::OutOfRange("collection name must have 1 to 255 bytes".into()));
        }
        if text == "." || text == ".." || text.chars().any(barred) {
            return Err(Fault::OutOfRange(
                "collection name must hold no control character and none of < > : \" / \\ | ? *".into(),
            ));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks_are_no_names() {
        for text in ["", ".", "..", "../x", "a/b", "a\\b", "a\0", "a\nb", "c:d", "a*", &"x".repeat(256)] {
            assert!(Name::new(text).is_err(), "{text:?}");
        }
        for text in ["a", "...", "tenant-7.docs", "ünïcode", "a b", &"x".repeat(255)] {
            assert!(Name::new(text).is_ok(), "{text:?}");
        }
    }
}

//! What a bundle says of itself: the bytes that are signed.

use super::{BundleError, PolicyVersion};
use crate::compile::digest_of;
use crate::document::Document;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The first line of what is signed. It keeps a signature over anything else from being taken for one over a
/// bundle.
const HEAD: &str = "aios policy bundle v1\n";

/// The format that this code writes and reads.
const FORMAT: u64 = 1;

/// Fields in the order of their names, so that what serde writes is canonical JSON (RFC 8785).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) created: u64,
    pub(super) documents: Vec<Entry>,
    pub(super) format: u64,
    pub(super) policy: String,
    pub(super) version: u64,
}

/// One document, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// Only the format, to tell a later one from a broken one.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

impl Manifest {
    /// The manifest of documents, which are sorted by name.
    pub(super) fn of(documents: &[Document], version: PolicyVersion, created: u64) -> Self {
        let entry = |document: &Document| Entry {
            name: document.name.clone(),
            sha256: sha256(document.text.as_bytes()),
            size: u64::try_from(document.text.len()).unwrap_or(u64::MAX),
        };
        Self {
            created,
            documents: documents.iter().map(entry).collect(),
            format: FORMAT,
            policy: digest_of(documents).as_str().to_owned(),
            version: version.get(),
        }
    }

    /// The text that is signed. `None` never comes: the manifest has no kind of value that JSON lacks.
    pub(super) fn text(&self) -> Option<String> {
        Some(format!("{HEAD}{}\n", serde_json::to_string(self).ok()?))
    }

    pub(super) fn read(text: &str) -> Result<Self, BundleError> {
        let json = text.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix('\n')).ok_or(BundleError::Malformed)?;
        match serde_json::from_str::<Format>(json) {
            Ok(Format { format: FORMAT }) => {}
            Ok(Format { format }) => return Err(BundleError::Format { format }),
            Err(_) => return Err(BundleError::Malformed),
        }
        let manifest: Self = serde_json::from_str(json).map_err(|_| BundleError::Malformed)?;
        let mut pairs = manifest.documents.iter().zip(manifest.documents.iter().skip(1));
        let in_order = pairs.all(|(a, b)| a.name < b.name) && !manifest.documents.is_empty();
        let is_exact = manifest.created <= super::MAX_NUMBER;
        let are_names = manifest.documents.iter().all(|entry| is_name(&entry.name));
        if !in_order || !is_exact || !are_names || manifest.text().as_deref() != Some(text) {
            return Err(BundleError::Malformed);
        }
        Ok(manifest)
    }
}

/// Whether a text can name a document: one file of a directory, so that nobody who writes documents out by their
/// names writes elsewhere.
pub(super) fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_whose_names_lead_elsewhere_is_refused() {
        let text = |name: &str| {
            let document = Document { name: name.into(), text: "version = 1\n".into() };
            let version = PolicyVersion::new(1).unwrap();
            Manifest::of(&[document], version, 0).text().unwrap()
        };
        assert!(Manifest::read(&text("a.toml")).is_ok());
        for name in ["", ".", "..", "../a.toml", "/etc/a.toml", "a\\b", "a\nb"] {
            assert!(matches!(Manifest::read(&text(name)), Err(BundleError::Malformed)), "{name:?}");
        }
    }
}

//! Digests of documents and of sets.

use crate::document::Document;
use crate::set::PolicyDigest;
use ring::digest::{Context, SHA256, digest};
use std::fmt::Write;
use std::sync::Arc;

/// SHA-256 of a document's text.
pub(crate) type TextDigest = [u8; 32];

pub(super) fn text_digest(document: &Document) -> TextDigest {
    let hash = digest(&SHA256, document.text.as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    bytes
}

/// The digest of a set: of the names of its documents, sorted, each with the digest of its text.
pub(super) fn set_digest<'a>(documents: impl Iterator<Item = (&'a str, &'a TextDigest)>) -> PolicyDigest {
    let mut hash = Context::new(&SHA256);
    hash.update(b"aios policy set v2\n");
    for (name, text) in documents {
        hash.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update(text);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    PolicyDigest(Arc::from(text))
}

/// The digest that the set compiled from these documents has.
pub(crate) fn digest_of(documents: &[Document]) -> PolicyDigest {
    let mut texts: Vec<(&str, TextDigest)> = documents.iter().map(|d| (d.name.as_str(), text_digest(d))).collect();
    texts.sort_unstable();
    set_digest(texts.iter().map(|(name, text)| (*name, text)))
}

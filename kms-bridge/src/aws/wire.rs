//! The JSON of the key service, and what of it depends on a wrap context. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest;
use serde::{Deserialize, Serialize};
use vocab::Plain;

use super::sign::hex;
use crate::{names::KekName, provider::DekBytes, scope::WrapContext};

/// Largest ciphertext that the service takes, in bytes.
pub(super) const MAX_BLOB: usize = 6144;

/// The alias that a KEK is found by.
pub(super) fn alias(kek: &KekName) -> String {
    format!("alias/aios/{kek}")
}

/// The encryption context of a wrap context: one pair, with the SHA-256 of the canonical bytes.
///
/// CloudTrail shows it in the clear. A digest tells nobody the names of collections; who knows the
/// tuple can compute it and find the calls.
#[derive(Serialize)]
pub(super) struct EncryptionContext {
    #[serde(rename = "aios-wrap-context")]
    digest: String,
}

impl EncryptionContext {
    pub(super) fn new(context: &WrapContext) -> Self {
        Self { digest: hex(digest::digest(&digest::SHA256, context.as_bytes()).as_ref()) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateKey<'a> {
    pub(super) description: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyAnswer {
    pub(super) key_metadata: KeyMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyMetadata {
    pub(super) key_id: String,
    pub(super) key_state: Option<String>,
    /// Seconds since 1970.
    pub(super) deletion_date: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateAlias<'a> {
    pub(super) alias_name: &'a str,
    pub(super) target_key_id: &'a str,
}

/// A call whose only argument is a key.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfKey<'a> {
    pub(super) key_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ScheduleKeyDeletion<'a> {
    pub(super) key_id: &'a str,
    pub(super) pending_window_in_days: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encrypt<'a> {
    pub(super) key_id: &'a str,
    pub(super) plaintext: &'a str,
    pub(super) encryption_context: EncryptionContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encrypted {
    ciphertext_blob: String,
}

impl Encrypted {
    /// The bytes; `None` when they are not base64 or of a length that would not be taken back.
    pub(super) fn blob(&self) -> Option<Vec<u8>> {
        let blob = STANDARD.decode(&self.ciphertext_blob).ok()?;
        matches!(blob.len(), 1..=MAX_BLOB).then_some(blob)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Decrypt<'a> {
    pub(super) key_id: &'a str,
    pub(super) ciphertext_blob: String,
    pub(super) encryption_context: EncryptionContext,
}

/// It borrows from the answer, which is wiped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Decrypted<'a> {
    #[serde(borrow)]
    plaintext: &'a str,
}

impl Decrypted<'_> {
    /// The data key; `None` when the plaintext is not 32 bytes.
    pub(super) fn dek(&self) -> Option<DekBytes> {
        // The decoder asks for room by an estimate that may be beyond the 32 bytes.
        let mut room = Plain::new([0; 36]);
        let length = STANDARD.decode_slice(self.plaintext, room.expose_mut()).ok()?;
        room.expose().get(..length).and_then(DekBytes::copied)
    }
}

/// What an error's body says.
#[derive(Deserialize)]
pub(super) struct Refusal {
    #[serde(rename = "__type")]
    pub(super) kind: String,
}

/// Base64 that is wiped.
pub(super) fn base64(bytes: &[u8; 32]) -> Plain<String> {
    Plain::new(STANDARD.encode(bytes))
}

/// Base64 of what is no secret.
pub(super) fn base64_blob(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DekScope, Epoch, Purpose};
    use vocab::{CollectionName, TenantId};

    #[test]
    fn the_encryption_context_never_changes() {
        let scope = DekScope {
            tenant: TenantId::new("acme").unwrap(),
            purpose: Purpose::Payload,
            collection: Some(CollectionName::new("docs").unwrap()),
        };
        let context = EncryptionContext::new(&WrapContext::new(&scope, Epoch::FIRST));
        let json = serde_json::to_string(&context).unwrap();
        let vector = crate::golden::vectors("wrapped-v1.txt").remove(0);
        assert_eq!(json, vector.text("aws-encryption-context"));
    }

    #[test]
    fn only_32_bytes_are_a_data_key() {
        for (len, fit) in [(0, false), (16, false), (31, false), (32, true), (33, false), (36, false), (64, false)] {
            let text = STANDARD.encode(vec![7; len]);
            let read = Decrypted { plaintext: &text }.dek();
            assert_eq!(read.is_some(), fit, "{len}");
            assert!(read.is_none_or(|dek| *dek.expose() == [7; 32]));
        }
        assert!(Decrypted { plaintext: "not base64" }.dek().is_none());
    }
}

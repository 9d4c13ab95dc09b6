//! Bodies and answers of the transit calls that handle data keys. Pure.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{fault::VaultFault, transport::Answer};
use crate::{
    provider::{DekBytes, KekVersion, ProviderError},
    scope::{WrapContext, WrappedDek},
};

/// The most data keys in one call. OpenBao refuses a request with more than 1,000 JSON strings, and an
/// item has four.
pub(super) const BATCH: usize = 200;

/// A key type that exists and does not encrypt, sent with every `encrypt`.
///
/// The engine reads the type only where it is about to make a missing key, and then refuses this
/// one. So a call on a destroyed KEK can never bring it back, whatever rights the token has and
/// whether or not `disable_upsert` is set.
pub(super) const UPSERT_STOP: &str = "ecdsa-p256";

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    context: &'a str,
    r#type: &'a str,
}

#[derive(Serialize)]
struct Batch<'a> {
    batch_input: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    ciphertext: &'a str,
    context: String,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    batch_results: Vec<Outcome<'a>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    plaintext: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ciphertext: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
}

/// The body that wraps a data key.
pub(super) fn encrypt_body(dek: &DekBytes, context: &WrapContext) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
    let mut text = Zeroizing::new([0_u8; 44]);
    BASE64.encode_slice(dek.expose(), text.as_mut_slice()).map_err(|_| VaultFault::Garbled)?;
    let plaintext = core::str::from_utf8(text.as_slice()).map_err(|_| VaultFault::Garbled)?;
    let context = BASE64.encode(context.as_bytes());
    json(&Encrypt { plaintext, context: &context, r#type: UPSERT_STOP }, 256 + context.len())
}

/// The body that unwraps or rewraps data keys; each item is a ciphertext and its context.
pub(super) fn batch_body(items: &[(String, WrapContext)]) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
    let item = |(ciphertext, context): &'_ (String, WrapContext)| (ciphertext.len(), BASE64.encode(context.as_bytes()));
    let contexts: Vec<(usize, String)> = items.iter().map(item).collect();
    let size = contexts.iter().map(|(ciphertext, context)| 64 + ciphertext + context.len()).sum();
    let batch_input =
        items.iter().zip(contexts).map(|((ciphertext, _), (_, context))| Item { ciphertext, context }).collect();
    json(&Batch { batch_input }, size)
}

/// Room for all of it at once: a buffer that grows would leave parts of a key behind.
fn json(body: &impl Serialize, size: usize) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    serde_json::to_writer(&mut *bytes, body).map_err(|_| VaultFault::Garbled)?;
    Ok(bytes)
}

/// The wrapped key of an answer to `encrypt`.
pub(super) fn encrypted(answer: Answer) -> Result<Vec<u8>, VaultFault> {
    let answer = answer.success()?;
    let ciphertext = answer.parse::<Data<Encrypted>>()?.data.ciphertext.into_bytes();
    version(&ciphertext).map(|_| ()).ok_or(VaultFault::Garbled)?;
    Ok(ciphertext)
}

/// The data keys of an answer to `decrypt`, which is 400 as soon as one item fails.
pub(super) fn decrypted(answer: &Answer, items: usize) -> Result<Vec<Result<DekBytes, ProviderError>>, VaultFault> {
    outcomes(answer, items, |outcome| {
        let text = outcome.plaintext.ok_or(ProviderError::BadAnswer)?;
        let key = data_key(&text);
        if let Cow::Owned(mut text) = text {
            text.zeroize();
        }
        key
    })
}

/// The wrapped keys of an answer to `rewrap`, which is 200 also when items fail.
pub(super) fn rewrapped(answer: &Answer, items: usize) -> Result<Vec<Result<Vec<u8>, ProviderError>>, VaultFault> {
    outcomes(answer, items, |outcome| {
        let text = outcome.ciphertext.ok_or(ProviderError::BadAnswer)?;
        version(text.as_bytes()).ok_or(ProviderError::BadAnswer)?;
        Ok(text.into_owned().into_bytes())
    })
}

fn outcomes<T>(
    answer: &Answer,
    items: usize,
    of: impl Fn(Outcome<'_>) -> Result<T, ProviderError>,
) -> Result<Vec<Result<T, ProviderError>>, VaultFault> {
    if !matches!(answer.status, 200..=299 | 400) {
        return Err(answer.fault());
    }
    let Ok(Data { data: Results { batch_results } }) = answer.parse::<Data<Results<'_>>>() else {
        return Err(if answer.status == 400 { answer.fault() } else { VaultFault::Garbled });
    };
    if batch_results.len() != items {
        return Err(VaultFault::Garbled);
    }
    let one = |outcome: Outcome<'_>| match outcome.error.as_deref() {
        None | Some("") => of(outcome),
        Some(error) => Err(item_error(error)),
    };
    Ok(batch_results.into_iter().map(one).collect())
}

/// What the engine's words about one item mean.
fn item_error(says: &str) -> ProviderError {
    let any = |words: &[&str]| words.iter().any(|words| says.contains(words));
    if any(&["disallowed by policy (too old)", "soft-deleted"]) {
        // The version is still there: lowering `min_decryption_version` brings it back.
        ProviderError::Disabled
    } else if any(&["encryption key not found"]) {
        ProviderError::UnknownKek
    } else if any(&[
        "message authentication failed",
        "invalid ciphertext",
        "version is too new",
        "unable to decrypt",
        "base64",
    ]) {
        ProviderError::Corrupt
    } else {
        // Words that we do not know must not be taken for a damaged key.
        ProviderError::BadAnswer
    }
}

/// A data key in base64.
fn data_key(text: &str) -> Result<DekBytes, ProviderError> {
    let mut bytes = Zeroizing::new([0_u8; 48]);
    let length = BASE64.decode_slice(text, bytes.as_mut_slice()).map_err(|_| ProviderError::Corrupt)?;
    bytes.get(..length).and_then(DekBytes::copied).ok_or(ProviderError::Corrupt)
}

/// The version in `vault:vN:...`.
pub(super) fn version(wrapped: &[u8]) -> Option<KekVersion> {
    let text = core::str::from_utf8(wrapped).ok()?;
    let (number, rest) = text.strip_prefix("vault:v")?.split_once(':')?;
    let plain = !rest.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) && !number.starts_with('0');
    plain.then(|| number.parse().ok().map(KekVersion)).flatten()
}

/// The text of a wrapped key, if it has the form of one.
pub(super) fn ciphertext(dek: &WrappedDek) -> Result<String, ProviderError> {
    version(&dek.wrapped).ok_or(ProviderError::Corrupt)?;
    String::from_utf8(dek.wrapped.clone()).map_err(|_| ProviderError::Corrupt)
}

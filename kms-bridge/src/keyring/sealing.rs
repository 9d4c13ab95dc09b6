//! The bytes of KEK files and of wrapped DEKs, by `aes-gcm`. Pure.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use ring::{digest, rand::SecureRandom};
use vocab::Plain;

use super::root::RootKey;
use crate::{
    kdf,
    names::KekName,
    provider::{DekBytes, ProviderError},
    scope::WrapContext,
};

/// Start of a KEK file: what it is, and format version 1.
const KEK_MAGIC: &[u8; 8] = b"AIOSKEK\x01";
/// Start of a wrapped DEK: its format version.
const WRAP_VERSION: u8 = 1;
const WRAP_INFO: &[u8] = b"AIOS keyring dek wrap v1";
const NONCE: [u8; 12] = [0; 12];

/// A new KEK, in the form of its file: magic 8, salt 32, ciphertext 32, tag 16.
pub(super) fn new_kek(root: &RootKey, kek: &KekName, rng: &dyn SecureRandom) -> Option<Vec<u8>> {
    let mut secret = Plain::new([0; 32]);
    rng.fill(secret.expose_mut()).ok()?;
    let mut salt = [0; 32];
    rng.fill(&mut salt).ok()?;
    seal(&root.for_kek(kek, &salt), &[KEK_MAGIC, &salt], kek.as_str().as_bytes(), secret.expose())
}

/// The KEK in its file's bytes; `None` when they are damaged, of another KEK, or of another keyring.
pub(super) fn open_kek(root: &RootKey, kek: &KekName, file: &[u8]) -> Option<DekBytes> {
    let (magic, rest) = file.split_first_chunk::<8>()?;
    if magic != KEK_MAGIC {
        return None;
    }
    let (salt, ciphertext) = rest.split_first_chunk::<32>()?;
    open(&root.for_kek(kek, salt), &[magic, salt], kek.as_str().as_bytes(), ciphertext)
}

/// A DEK wrapped by a KEK: version 1, context digest 16, salt 32, ciphertext 32, tag 16.
///
/// Each wrap has a key of its own, derived from the KEK and a fresh salt, so that the number of
/// wraps under one KEK needs no bound.
pub(super) fn wrap_dek(
    kek: &DekBytes,
    dek: &DekBytes,
    context: &WrapContext,
    rng: &dyn SecureRandom,
) -> Option<Vec<u8>> {
    let mut salt = [0; 32];
    rng.fill(&mut salt).ok()?;
    let key = wrap_key(kek, &salt);
    let check = context_check(context);
    seal(&key, &[&[WRAP_VERSION], &check, &salt], context.as_bytes(), dek.expose())
}

/// The DEK in a wrapped form.
pub(super) fn unwrap_dek(kek: &DekBytes, wrapped: &[u8], context: &WrapContext) -> Result<DekBytes, ProviderError> {
    let parse = || {
        let ([version], rest) = wrapped.split_first_chunk::<1>()?;
        let (check, rest) = rest.split_first_chunk::<16>()?;
        let (salt, ciphertext) = rest.split_first_chunk::<32>()?;
        (*version == WRAP_VERSION).then_some((check, salt, ciphertext))
    };
    let (check, salt, ciphertext) = parse().ok_or(ProviderError::Corrupt)?;
    // Only tells a mix-up from damage; what refuses a foreign context is the tag.
    if *check != context_check(context) {
        return Err(ProviderError::ContextMismatch);
    }
    let parts: [&[u8]; 3] = [&[WRAP_VERSION], check, salt];
    open(&wrap_key(kek, salt), &parts, context.as_bytes(), ciphertext).ok_or(ProviderError::Corrupt)
}

fn wrap_key(kek: &DekBytes, salt: &[u8; 32]) -> Plain<[u8; 32]> {
    kdf::expand(kdf::extract(salt, kek.expose()).expose(), WRAP_INFO)
}

/// The first half of the context's SHA-256.
fn context_check(context: &WrapContext) -> [u8; 16] {
    let digest = digest::digest(&digest::SHA256, context.as_bytes());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// `head`, then the sealed secret. Head and context are authenticated; the nonce is zero, because
/// `key` is derived for this one message.
fn seal(key: &Plain<[u8; 32]>, head: &[&[u8]], context: &[u8], secret: &[u8; 32]) -> Option<Vec<u8>> {
    let mut bytes = head.concat();
    let aad = [&bytes, context].concat();
    let payload = Payload { msg: secret, aad: &aad };
    let sealed = Aes256Gcm::new(key.expose().into()).encrypt(&NONCE.into(), payload).ok()?;
    bytes.extend_from_slice(&sealed);
    Some(bytes)
}

fn open(key: &Plain<[u8; 32]>, head: &[&[u8]], context: &[u8], ciphertext: &[u8]) -> Option<DekBytes> {
    let aad = [&head.concat(), context].concat();
    let payload = Payload { msg: ciphertext, aad: &aad };
    let secret = Aes256Gcm::new(key.expose().into()).decrypt(&NONCE.into(), payload).ok()?;
    let secret = Plain::new(secret);
    DekBytes::copied(secret.expose())
}

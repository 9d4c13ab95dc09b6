//! Suite 1: AES-256-GCM under a key of its own for every value, with a key commitment.

use core::{fmt, marker::PhantomData};

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    error::Unspecified,
    rand::SecureRandom,
};
use subtle::ConstantTimeEq;
use vocab::Plain;

use crate::{
    dek::Dek,
    value::{
        context::SealContext,
        header::{FormatError, HEADER_LEN, Header, MIN_LEN},
    },
};

/// Bytes that sealing adds to a plaintext: header 52, commitment 32, tag 16.
pub const OVERHEAD: usize = MIN_LEN;

const COMMITMENT_LEN: usize = 32;

/// The kind of [`Sealed`] that holds one value in value format v1.
#[derive(Debug)]
pub enum Value {}

/// Proof that bytes were sealed: the only way to one is [`seal`], so that a function which takes a
/// `Sealed` cannot be handed plaintext. There is no `Clone`, `Default` or `Deserialize`.
pub struct Sealed<T> {
    bytes: Vec<u8>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// The sealed bytes, as they may be stored anywhere.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the sealed bytes away; the proof ends here.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

/// Why a value was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The data key is of another tenant, purpose or collection: a fault of the caller's code.
    #[error("the data key does not cover this value")]
    OtherScope,
    /// The value or a part of its context is longer than the format can say.
    #[error("the value or its context is too long to seal")]
    TooLong,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
}

/// Why a value was not opened. In no case is any plaintext given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not a sealed value of a known form.
    #[error("the value has no form that can be opened")]
    Format(#[from] FormatError),
    /// Its header names another data key, or another epoch of it.
    #[error("the value was sealed with another data key")]
    OtherKey,
    /// The data key is of another tenant, purpose or collection: a fault of the caller's code.
    #[error("the data key does not cover this value")]
    OtherScope,
    /// The commitment is not the one of this key and header: a changed header, or another key
    /// under the same id. Nothing was decrypted.
    #[error("the value is not committed to this key")]
    Commitment,
    /// The content was changed, or the value was moved from another place.
    #[error("the value was changed or belongs elsewhere")]
    Authentication,
}

/// Seals a value for its place, in value format v1, suite 1.
///
/// The result is [`OVERHEAD`] bytes longer than the plaintext. Two seals of one value differ.
///
/// # Errors
/// [`SealError`] when the key does not cover the place, a length is beyond the format, or there is
/// no randomness.
pub fn seal(
    dek: &Dek,
    context: &SealContext<'_>,
    plaintext: &[u8],
    rng: &dyn SecureRandom,
) -> Result<Sealed<Value>, SealError> {
    let mut salt = [0; 24];
    rng.fill(&mut salt).map_err(|Unspecified| SealError::NoRandomness)?;
    seal_with_salt(dek, context, plaintext, salt)
}

/// Opens a value in its place: checks form, key and commitment, and only then decrypts.
///
/// # Errors
/// [`OpenError`] says which check failed.
pub fn open(dek: &Dek, context: &SealContext<'_>, sealed: &[u8]) -> Result<Plain<Vec<u8>>, OpenError> {
    let header = Header::parse(sealed)?;
    if header.key_id() != dek.key_id() || header.epoch() != dek.epoch() {
        return Err(OpenError::OtherKey);
    }
    if !context.is_within(dek) {
        return Err(OpenError::OtherScope);
    }
    let header = header.to_bytes();
    let rest = sealed.get(HEADER_LEN..).ok_or(FormatError::Truncated)?;
    let (claimed, ciphertext) = rest.split_first_chunk::<COMMITMENT_LEN>().ok_or(FormatError::Truncated)?;

    let (key, commitment) = dek.message_key(&header);
    if !bool::from(commitment.expose().ct_eq(claimed)) {
        return Err(OpenError::Commitment);
    }
    let aad = context.additional_data(&header).ok_or(OpenError::Authentication)?;
    let mut buffer = Plain::new(ciphertext.to_vec());
    let length = cipher(&key)
        .and_then(|cipher| {
            let plain = cipher.open_in_place(only_nonce(), Aad::from(&aad), buffer.expose_mut())?;
            Ok(plain.len())
        })
        .map_err(|Unspecified| OpenError::Authentication)?;
    buffer.expose_mut().truncate(length);
    Ok(buffer)
}

/// [`seal`] with a salt that the caller must never have used before with this key.
pub(crate) fn seal_with_salt(
    dek: &Dek,
    context: &SealContext<'_>,
    plaintext: &[u8],
    salt: [u8; 24],
) -> Result<Sealed<Value>, SealError> {
    if !context.is_within(dek) {
        return Err(SealError::OtherScope);
    }
    let header = Header::new(dek.key_id(), dek.epoch(), salt).to_bytes();
    let aad = context.additional_data(&header).ok_or(SealError::TooLong)?;
    let (key, commitment) = dek.message_key(&header);

    // The room for all parts is taken at once: growing would leave copies of plaintext behind.
    let mut bytes = Vec::with_capacity(OVERHEAD.saturating_add(plaintext.len()));
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(commitment.expose());
    bytes.extend_from_slice(plaintext);
    let content = bytes.get_mut(HEADER_LEN + COMMITMENT_LEN..).ok_or(SealError::TooLong)?;
    let tag = cipher(&key).and_then(|cipher| cipher.seal_in_place_separate_tag(only_nonce(), Aad::from(&aad), content));
    let Ok(tag) = tag else {
        zeroize::Zeroize::zeroize(&mut bytes);
        return Err(SealError::TooLong);
    };
    bytes.extend_from_slice(tag.as_ref());
    Ok(Sealed { bytes, kind: PhantomData })
}

fn cipher(key: &Plain<[u8; 32]>) -> Result<LessSafeKey, Unspecified> {
    UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new)
}

/// The nonce of every value, twelve zero bytes. GCM needs a nonce that is never used twice with one
/// key; each key here is derived from 192 fresh random bits and encrypts one value, so that it is
/// the key which never comes twice.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

//! Keyed bytes: HKDF-SHA256 for subkeys, AES-256 in counter mode for streams.

use crate::CipherError;
use ring::{aead, hkdf};
use vocab::Plain;

/// What this crate's subkeys are derived under. Changing it changes every ciphertext and token.
const SALT: &[u8] = b"aios/embedding-cipher/v1";

/// The pseudorandom key from which a cipher takes its subkeys.
pub(crate) struct Prk(hkdf::Prk);

struct Key32;

impl hkdf::KeyType for Key32 {
    fn len(&self) -> usize {
        32
    }
}

impl Prk {
    pub(crate) fn new(key: &Plain<[u8; 32]>) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(key.expose()))
    }

    /// A 32-byte subkey for the purpose that `info` names; its parts are concatenated.
    pub(crate) fn subkey(&self, info: &[&[u8]]) -> Result<Plain<[u8; 32]>, CipherError> {
        let mut key = Plain::new([0_u8; 32]);
        self.0.expand(info, Key32).and_then(|okm| okm.fill(key.expose_mut())).map_err(|_| CipherError::Keystream)?;
        Ok(key)
    }
}

/// Replaces `bytes` by a keystream: the ciphertext that AES-256-GCM gives for zeros under this key and
/// the zero nonce, that is AES-256 in counter mode from block 2. A key serves one stream only.
pub(crate) fn fill(key: &[u8; 32], bytes: &mut [u8]) -> Result<(), CipherError> {
    bytes.fill(0);
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, key).map_err(|_| CipherError::Keystream)?;
    aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key([0; 12]), aead::Aad::empty(), bytes)
        .map(|_tag| ())
        .map_err(|_| CipherError::Keystream)
}

/// Reads numbers from a finite keystream.
pub(crate) struct Draws<'a>(core::slice::Chunks<'a, u8>);

impl<'a> Draws<'a> {
    pub(crate) fn new(stream: &'a [u8]) -> Self {
        Self(stream.chunks(4))
    }

    /// The next 32 bits, little-endian.
    pub(crate) fn next(&mut self) -> Result<u32, CipherError> {
        let bytes = self.0.next().and_then(|b| b.try_into().ok()).ok_or(CipherError::Keystream)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// A number below `bound` (1 to 2^17), without bias: draws at or above the largest multiple of
    /// `bound` are skipped.
    pub(crate) fn below(&mut self, bound: u32) -> Result<u32, CipherError> {
        let limit = u32::MAX - u32::MAX % bound;
        loop {
            let draw = self.next()?;
            if draw < limit {
                return Ok(draw % bound);
            }
        }
    }
}

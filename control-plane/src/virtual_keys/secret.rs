//! What a virtual key looks like and what of it is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{Context, SHA256},
    rand::{SecureRandom, SystemRandom},
};
use vocab::Plain;
use zeroize::Zeroize;

/// Every virtual key begins with this, so that people and secret scanners recognise it.
pub const VIRTUAL_KEY_PREFIX: &str = "aios_sk_";

/// Separates this hash from any other use of SHA-256 over the same bytes.
const HASH_DOMAIN: &[u8] = b"aios virtual key v1\0";

const SECRET: usize = 32;
const CHECKSUM: usize = 4;
/// 36 bytes are exactly 48 characters: one text per key, no spare bits.
const TEXT: usize = 48;

/// A key as a caller presented it: well formed, its checksum right, its validity not yet known.
///
/// The text is `aios_sk_` and the base64url (RFC 4648, no padding) of 32 random bytes and their
/// CRC-32C (big-endian). The checksum finds typing errors without asking the database; it is no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    hash: [u8; 32],
}

impl PresentedKey {
    /// Recognises a virtual key. `None` when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(VIRTUAL_KEY_PREFIX)?;
        if encoded.len() != TEXT {
            return None;
        }
        let mut bytes = [0_u8; SECRET + CHECKSUM];
        let decoded = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes);
        let key = match (decoded, bytes.split_first_chunk::<SECRET>()) {
            (Ok(length), Some((secret, checksum)))
                if length == SECRET + CHECKSUM && checksum == crc32c::crc32c(secret).to_be_bytes() =>
            {
                Some(Self { hash: hash(secret) })
            }
            _ => None,
        };
        bytes.zeroize();
        key
    }

    pub(super) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl core::fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PresentedKey")
    }
}

/// A new random key: its text, to be shown once, and its hash, to be stored.
pub(super) fn generate() -> Result<(Plain<String>, [u8; 32]), ring::error::Unspecified> {
    let mut secret = [0_u8; SECRET];
    SystemRandom::new().fill(&mut secret)?;
    let made = (text(&secret), hash(&secret));
    secret.zeroize();
    Ok(made)
}

fn text(secret: &[u8; SECRET]) -> Plain<String> {
    let mut bytes = Plain::new(Vec::with_capacity(SECRET + CHECKSUM));
    bytes.expose_mut().extend_from_slice(secret);
    bytes.expose_mut().extend_from_slice(&crc32c::crc32c(secret).to_be_bytes());
    let mut text = String::with_capacity(VIRTUAL_KEY_PREFIX.len() + TEXT);
    text.push_str(VIRTUAL_KEY_PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes.expose(), &mut text);
    Plain::new(text)
}

fn hash(secret: &[u8; SECRET]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(HASH_DOMAIN);
    context.update(secret);
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_golden_key_keeps_its_text_and_hash() {
        let secret: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let shown = text(&secret);
        assert_eq!(shown.expose(), "aios_sk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9G3XlO");
        let parsed = PresentedKey::parse(shown.expose()).unwrap();
        let hex: String = parsed.hash().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "9015f6fb4bb9af5b0fa9215f81c8342b2941ad0bb5929ebd71072d78a0cbdea6");
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let (shown, hash) = generate().unwrap();
        let debug = format!("{:?} {:?}", PresentedKey::parse(shown.expose()), shown);
        assert!(!debug.contains(&shown.expose()[VIRTUAL_KEY_PREFIX.len()..]));
        assert!(!debug.contains(&format!("{hash:?}")));
    }

    proptest! {
        #[test]
        fn every_key_parses_to_its_hash(secret: [u8; 32]) {
            let shown = text(&secret);
            let parsed = PresentedKey::parse(shown.expose()).unwrap();
            prop_assert_eq!(parsed.hash(), &hash(&secret));
        }

        #[test]
        fn a_changed_character_is_not_a_key(secret: [u8; 32], at in 0_usize..56, to in "[A-Za-z0-9_-]") {
            let shown = text(&secret);
            let mut changed: Vec<char> = shown.expose().chars().collect();
            let to = to.chars().next().unwrap();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(PresentedKey::parse(&changed), None);
        }

        #[test]
        fn any_text_is_read_without_a_panic(any in ".*") {
            let _ = PresentedKey::parse(&any);
            let _ = PresentedKey::parse(&format!("{VIRTUAL_KEY_PREFIX}{any}"));
        }
    }
}

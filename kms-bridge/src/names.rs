//! Names of keys and of what they are for.

use core::{fmt, num::NonZeroU32};
use std::sync::Arc;

use ring::{error::Unspecified, rand::SecureRandom};

/// Why a text is not the name of a KEK. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a KEK name is 'k-' and 26 characters of a-z and 2-7")]
pub struct BadKekName;

/// The name of a key-encryption key: `k-` and 128 random bits as 26 lower-case base32 characters.
///
/// A name is drawn once and never used again, so that a destroyed KEK cannot come back under its
/// name. It is safe as a file name and as a path segment of a key service, and tells nothing
/// about its tenant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KekName(Box<str>);

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl KekName {
    /// Draws a new name.
    ///
    /// # Errors
    /// [`Unspecified`] when the system gives no randomness.
    pub fn random(rng: &dyn SecureRandom) -> Result<Self, Unspecified> {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes)?;
        let mut bits = u128::from_be_bytes(bytes);
        let mut name = String::from("k-");
        for _ in 0..26 {
            // 26 digits of 5 bits hold 130 bits; the two beyond the 128 are zero.
            let digit = usize::try_from(bits & 31).unwrap_or(0);
            name.push(BASE32.get(digit).copied().map_or('a', char::from));
            bits >>= 5;
        }
        Ok(Self(name.into()))
    }

    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// [`BadKekName`] when the text is not of the form that [`KekName::random`] draws.
    pub fn new(text: &str) -> Result<Self, BadKekName> {
        let digits = text.strip_prefix("k-").ok_or(BadKekName)?;
        if digits.len() == 26 && digits.bytes().all(|b| BASE32.contains(&b)) {
            Ok(Self(text.into()))
        } else {
            Err(BadKekName)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for KekName {
    type Error = BadKekName;
    fn try_from(text: &str) -> Result<Self, BadKekName> {
        Self::new(text)
    }
}

impl fmt::Display for KekName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KekName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KekName({})", self.0)
    }
}

/// Why a text is not the name of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a provider's name is 1 to 32 characters of a-z, 0-9 and '-'")]
pub struct BadProviderName;

/// The name that a configuration gives to a key service. A registry stores it beside each KEK, so
/// that a KEK is looked for where it was made; a name must go on meaning the same service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// [`BadProviderName`] when the text is empty, too long or has other characters.
    pub fn new(text: &str) -> Result<Self, BadProviderName> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(BadProviderName)
        }
    }

    /// The name of the local keyring, where a configuration gives none.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a data key: 16 random bytes, written in the header of every value it sealed.
///
/// It is an identifier and not a secret. Its text form is 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// Draws a new id.
    ///
    /// # Errors
    /// [`Unspecified`] when the system gives no randomness.
    pub fn random(rng: &dyn SecureRandom) -> Result<Self, Unspecified> {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Any 16 bytes are an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, as the value header and a registry hold them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The generation of a scope's data key, counted from 1. Rotation opens the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(NonZeroU32);

impl Epoch {
    /// The epoch of a scope's first data key: 1.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// An epoch by number; `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The one after this; `None` after the last that a header can say.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

/// Why a text is not a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a purpose of a data key")]
pub struct BadPurpose;

/// What a data key is for. Keys of two purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Payloads of records in a vector store.
    Payload,
    /// Vectors: sealed exact vectors, and subkeys of the distance-preserving cipher.
    Vector,
    /// Tokens of the blind index.
    BlindIndex,
    /// Pseudonyms of personal data.
    Pseudonym,
    /// Prompts and answers kept as sealed content.
    Content,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 5] = [Self::Payload, Self::Vector, Self::BlindIndex, Self::Pseudonym, Self::Content];

    /// The stable name: part of wrap contexts, of additional data and of registries. It never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Vector => "vector",
            Self::BlindIndex => "blind-index",
            Self::Pseudonym => "pseudonym",
            Self::Content => "content",
        }
    }
}

impl core::str::FromStr for Purpose {
    type Err = BadPurpose;
    fn from_str(text: &str) -> Result<Self, BadPurpose> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or(BadPurpose)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    #[test]
    fn drawn_names_are_valid_and_differ() {
        let rng = SystemRandom::new();
        let (a, b) = (KekName::random(&rng).unwrap(), KekName::random(&rng).unwrap());
        assert_ne!(a, b);
        assert_eq!(KekName::try_from(a.as_str()), Ok(a));
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for bad in
            ["", "k-", "../../etc/passwd", "k-abc", "k-aaaaaaaaaaaaaaaaaaaaaaaa/.", "K-aaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(KekName::new(bad), Err(BadKekName), "{bad}");
        }
    }

    #[test]
    fn purposes_have_one_name_each() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
        assert_eq!("Payload".parse::<Purpose>(), Err(BadPurpose));
    }

    #[test]
    fn epochs_start_at_one() {
        assert_eq!(Epoch::new(0), None);
        assert_eq!(Epoch::FIRST.get(), 1);
        assert!(Epoch::FIRST < Epoch::new(2).unwrap());
    }

    #[test]
    fn key_ids_show_as_hex() {
        let mut bytes = [0; 16];
        bytes[15] = 0xab;
        assert_eq!(KeyId::from_bytes(bytes).to_string(), "000000000000000000000000000000ab");
    }

    proptest! {
        #[test]
        fn any_text_is_a_kek_name_or_refused(text in ".*") {
            if let Ok(name) = KekName::new(&text) {
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }
}

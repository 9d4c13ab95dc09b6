//! The value types of ledger fields: each one keeps free text, and so personal data, out of a leaf.

use core::fmt;
use std::borrow::Cow;

use ring::hmac;
use serde::{Serialize, Serializer};
use vocab::{PrincipalId, RecordId, TenantId};

use crate::hex;

/// The largest integer that RFC 8785 numbers (IEEE 754 doubles) carry exactly: 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

const MAX_WORD: usize = 200;

/// A short machine word: an action, a rule's name, a label, a region, an error code, a trace id.
///
/// 1 to 200 ASCII letters, digits and `. _ - : / + * #`. No spaces, quotes, `@` or control characters:
/// no sentence, mail address or terminal escape fits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Cow<'static, str>);

/// Why a text is not a [`Word`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ledger word: 1 to 200 letters, digits and . _ - : / + * # are allowed")]
pub struct BadWord;

impl Word {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadWord`] when it is empty, too long, or has another character.
    pub fn new(text: &str) -> Result<Self, BadWord> {
        if (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(word_byte) {
            Ok(Self(Cow::Owned(text.to_owned())))
        } else {
            Err(BadWord)
        }
    }

    /// Makes a word of any text, for names that others chose: each other character becomes `_`,
    /// what is too long is cut and marked with a final `#`, and an empty text becomes `_`.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        if let Ok(word) = Self::new(text) {
            return word;
        }
        let mut word: String = text
            .chars()
            .take(MAX_WORD + 1)
            .map(|c| if u8::try_from(c).is_ok_and(word_byte) { c } else { '_' })
            .collect();
        if word.is_empty() {
            word.push('_');
        }
        if word.len() > MAX_WORD {
            word.truncate(MAX_WORD - 1);
            word.push('#');
        }
        Self(Cow::Owned(word))
    }

    /// A word of the program's own text. A text that is no word is made one as by [`Word::lossy`].
    #[must_use]
    pub fn literal(text: &'static str) -> Self {
        if (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(word_byte) {
            Self(Cow::Borrowed(text))
        } else {
            Self::lossy(text)
        }
    }

    /// The word as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/' | b'+' | b'*' | b'#')
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({})", self.0)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A count or a measure: a non-negative integer of at most 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Count(u64);

/// A number above 2^53 - 1, which RFC 8785 cannot carry exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("number above 2^53 - 1")]
pub struct TooLarge;

impl Count {
    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u32> for Count {
    fn from(number: u32) -> Self {
        Self(u64::from(number))
    }
}

impl TryFrom<u64> for Count {
    type Error = TooLarge;
    fn try_from(number: u64) -> Result<Self, TooLarge> {
        if number <= MAX_INTEGER { Ok(Self(number)) } else { Err(TooLarge) }
    }
}

impl TryFrom<usize> for Count {
    type Error = TooLarge;
    fn try_from(number: usize) -> Result<Self, TooLarge> {
        u64::try_from(number).map_err(|_| TooLarge).and_then(Self::try_from)
    }
}

impl TryFrom<u128> for Count {
    type Error = TooLarge;
    fn try_from(number: u128) -> Result<Self, TooLarge> {
        u64::try_from(number).map_err(|_| TooLarge).and_then(Self::try_from)
    }
}

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnixMillis(Count);

impl UnixMillis {
    /// Wraps a number of milliseconds.
    #[must_use]
    pub const fn new(millis: Count) -> Self {
        Self(millis)
    }

    /// The milliseconds as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0.as_u64()
    }
}

impl TryFrom<std::time::SystemTime> for UnixMillis {
    type Error = TooLarge;
    /// Fails for a moment before 1970 and for one some 285,000 years from now.
    fn try_from(time: std::time::SystemTime) -> Result<Self, TooLarge> {
        let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| TooLarge)?;
        Count::try_from(since.as_millis()).map(Self)
    }
}

/// Stands for a principal in the ledger: the same for all records of one principal of one tenant,
/// and tied to the person only through a key that can be destroyed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Pseudonym(Box<str>);

/// Why a text is not a [`Pseudonym`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a pseudonym: 16 to 64 lower-case hex digits are needed")]
pub struct BadPseudonym;

impl Pseudonym {
    /// Takes a pseudonym that was made elsewhere: 16 to 64 lower-case hex digits, so that a name or
    /// an address does not slip in.
    ///
    /// # Errors
    /// [`BadPseudonym`] for anything else.
    pub fn new(text: &str) -> Result<Self, BadPseudonym> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if (16..=64).contains(&text.len()) && text.bytes().all(digit) {
            Ok(Self(text.into()))
        } else {
            Err(BadPseudonym)
        }
    }

    /// HMAC-SHA256 under `key` of the length-prefixed tenant and principal, its first 128 bits.
    #[must_use]
    pub fn derive(key: &[u8], tenant: &TenantId, principal: &PrincipalId) -> Self {
        let tag = keyed(key, b"aios ledger principal v1", &[tenant.as_str(), principal.as_str()]);
        Self(hex::encode(tag.get(..16).unwrap_or(&tag)).into())
    }

    /// The pseudonym as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({})", self.0)
    }
}

/// The secret of one record's commitments. It is never written to the ledger: whoever may open the
/// commitments keeps it or can derive it, and destroying it makes them unopenable for good.
pub struct Salt([u8; 32]);

impl Salt {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives the salt of a record from a tenant's key: HMAC-SHA256 of the record id. A holder of
    /// the key can open every commitment; a shredded key closes all of them.
    #[must_use]
    pub fn derive(key: &[u8], record: &RecordId) -> Self {
        Self(keyed(key, b"aios ledger salt v1", &[record.as_str()]))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Drop for Salt {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// A salted commitment to bytes that the ledger does not hold: HMAC-SHA256 under the record's
/// [`Salt`] of a one-byte side and the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment([u8; 32]);

/// Which side of a call a [`Commitment`] is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What went to the upstream, as it was forwarded.
    Request,
    /// What the upstream answered, as it came in.
    Response,
}

/// Builds a [`Commitment`] from pieces, for bodies that arrive in parts.
pub struct Committing(hmac::Context);

impl Committing {
    /// Starts a commitment.
    #[must_use]
    pub fn new(salt: &Salt, side: Side) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &salt.0));
        context.update(match side {
            Side::Request => &[1],
            Side::Response => &[2],
        });
        Self(context)
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The commitment to all pieces in their order.
    #[must_use]
    pub fn finish(self) -> Commitment {
        Commitment(array(self.0.sign().as_ref()))
    }
}

impl fmt::Debug for Committing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committing(..)")
    }
}

impl Commitment {
    /// Commits to bytes that are at hand in one piece.
    #[must_use]
    pub fn to(salt: &Salt, side: Side, bytes: &[u8]) -> Self {
        let mut committing = Committing::new(salt, side);
        committing.update(bytes);
        committing.finish()
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", hex::encode(&self.0))
    }
}

impl Serialize for Commitment {
    /// 64 lower-case hex digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

fn keyed(key: &[u8], purpose: &[u8], parts: &[&str]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(purpose);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    array(context.sign().as_ref())
}

/// Copies an HMAC-SHA256 or SHA-256 output, whose length is 32 by the algorithm.
fn array(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_addresses_and_formulas_are_no_words() {
        for text in
            ["", "two words", "a\n", "naïve", "alice@acme.example", "=cmd|' /C calc'!A0", "{\"a\":1}", &"x".repeat(201)]
        {
            assert_eq!(Word::new(text), Err(BadWord), "{text:?}");
        }
        assert_eq!(Word::lossy("two words é").as_str(), "two_words__");
        assert_eq!(Word::lossy("").as_str(), "_");
        assert_eq!(Word::lossy(&"x".repeat(500)).as_str().len(), 200);
    }

    #[test]
    fn a_name_is_no_pseudonym() {
        for text in ["alice@acme.example", "alice", "ABCDEF0123456789", ""] {
            assert!(Pseudonym::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pseudonyms_differ_by_key_tenant_and_principal() -> Result<(), vocab::BadId> {
        let (acme, beta) = (TenantId::new("acme")?, TenantId::new("beta")?);
        let (alice, bob) = (PrincipalId::new("alice")?, PrincipalId::new("bob")?);
        let base = Pseudonym::derive(b"k1", &acme, &alice);
        assert_eq!(base, Pseudonym::derive(b"k1", &acme, &alice));
        assert!(Pseudonym::new(base.as_str()).is_ok());
        for other in [
            Pseudonym::derive(b"k2", &acme, &alice),
            Pseudonym::derive(b"k1", &beta, &alice),
            Pseudonym::derive(b"k1", &acme, &bob),
        ] {
            assert_ne!(base, other);
        }
        Ok(())
    }

    #[test]
    fn numbers_that_doubles_cannot_carry_are_refused() {
        assert!(Count::try_from(MAX_INTEGER).is_ok());
        assert_eq!(Count::try_from(MAX_INTEGER + 1), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn commitments_do_not_depend_on_the_pieces(bytes: Vec<u8>, cut in 0_usize..64) {
            let salt = Salt::from_random([7; 32]);
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let mut pieces = Committing::new(&salt, Side::Request);
            pieces.update(left);
            pieces.update(right);
            prop_assert_eq!(pieces.finish(), Commitment::to(&salt, Side::Request, &bytes));
            prop_assert_ne!(
                Commitment::to(&salt, Side::Request, &bytes),
                Commitment::to(&salt, Side::Response, &bytes)
            );
        }

        #[test]
        fn lossy_always_gives_a_word(text in ".{0,300}") {
            prop_assert!(Word::new(Word::lossy(&text).as_str()).is_ok());
        }
    }
}

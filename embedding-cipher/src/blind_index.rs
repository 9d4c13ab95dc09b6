//! Keyed tokens for equality filters.

use crate::{CipherError, keystream::Prk};
use core::fmt;
use ring::hmac;
use vocab::Plain;

/// Makes the tokens of one collection. Equal typed values of one field have equal tokens; across
/// fields, types and keys tokens are unrelated.
pub struct BlindIndex(hmac::Key);

/// A 128-bit token; its text form is 32 lower-case hex digits. Only [`BlindIndex`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token([u8; 16]);

/// A field value as filters compare it. Types never equal each other: the integer 3, the float 3.0, the
/// text "3" and the truth value are four values, as in the stores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CanonicalValue<'a> {
    /// The JSON null.
    Null,
    /// A field that is present and holds nothing that a filter could name.
    Empty,
    /// A value that no equality filter can name: an object or a nested list.
    Opaque,
    /// A truth value.
    Bool(bool),
    /// A whole number written as one.
    Integer(i64),
    /// A number written with a fraction or an exponent, or beyond 64 signed bits; -0.0 equals 0.0.
    Float(f64),
    /// A text, compared byte for byte without normalisation.
    Text(&'a str),
}

impl BlindIndex {
    /// Takes the key of one collection.
    ///
    /// # Errors
    /// [`CipherError::Keystream`], which is an internal fault.
    pub fn new(key: &Plain<[u8; 32]>) -> Result<Self, CipherError> {
        let key = Prk::new(key).subkey(&[b"blind index"])?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose())))
    }

    /// The token under which the store knows a field's name.
    #[must_use]
    pub fn field(&self, field: &str) -> Token {
        self.tag(&[b"f", &length(field), field.as_bytes()])
    }

    /// The token of a value of a field.
    #[must_use]
    pub fn token(&self, field: &str, value: &CanonicalValue<'_>) -> Token {
        let name: [&[u8]; 3] = [b"v", &length(field), field.as_bytes()];
        let [v, n, f] = name;
        match value {
            CanonicalValue::Null => self.tag(&[v, n, f, b"n"]),
            CanonicalValue::Empty => self.tag(&[v, n, f, b"e"]),
            CanonicalValue::Opaque => self.tag(&[v, n, f, b"o"]),
            CanonicalValue::Bool(truth) => self.tag(&[v, n, f, b"b", &[u8::from(*truth)]]),
            CanonicalValue::Integer(number) => self.tag(&[v, n, f, b"i", &number.to_be_bytes()]),
            CanonicalValue::Float(number) => self.tag(&[v, n, f, b"d", &(number + 0.0).to_bits().to_be_bytes()]),
            CanonicalValue::Text(text) => self.tag(&[v, n, f, b"t", &length(text), text.as_bytes()]),
        }
    }

    fn tag(&self, parts: &[&[u8]]) -> Token {
        let mut mac = hmac::Context::with_key(&self.0);
        for part in parts {
            mac.update(part);
        }
        let tag = mac.sign();
        let mut token = [0; 16];
        for (to, from) in token.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Token(token)
    }
}

fn length(text: &str) -> [u8; 8] {
    u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes()
}

impl Token {
    /// The token's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CanonicalValue::{Bool, Empty, Float, Integer, Null, Opaque, Text};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn index(key: u8) -> BlindIndex {
        BlindIndex::new(&Plain::new([key; 32])).unwrap()
    }

    #[test]
    fn types_fields_keys_and_boundaries_do_not_collide() {
        let index = index(1);
        let mut seen = HashSet::new();
        let values = [
            Null,
            Empty,
            Opaque,
            Bool(true),
            Bool(false),
            Integer(3),
            Integer(1),
            Integer(0),
            Float(3.0),
            Float(0.0),
            Text("3"),
            Text(""),
            Text("n"),
            Text("\u{1}"),
            Text("a"),
            Text("A"),
            Text("é"),
            Text("e\u{301}"),
        ];
        for field in ["lang", "lan", "", "a"] {
            assert!(seen.insert(index.field(field)));
            for value in &values {
                assert!(seen.insert(index.token(field, value)), "{field} {value:?}");
            }
        }
        assert!(seen.insert(super::tests::index(2).token("lang", &Text("3"))));
        assert_eq!(index.token("a", &Float(-0.0)), index.token("a", &Float(0.0)));
    }

    proptest! {
        #[test]
        fn texts_collide_only_when_equal(a in ".*", b in ".*", f in ".*", g in ".*") {
            let index = index(1);
            prop_assert_eq!(index.token(&f, &Text(&a)) == index.token(&g, &Text(&b)), (&f, &a) == (&g, &b));
            prop_assert_eq!(index.token(&f, &Text(&a)).to_string().len(), 32);
        }
    }
}

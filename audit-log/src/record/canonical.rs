//! Checks that bytes are the canonical form of a ledger leaf, without building a tree of values.

/// Bytes that are not the RFC 8785 form of an object of strings, integers, arrays and objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical JSON at byte {at}")]
pub struct NotCanonical {
    /// The first byte that cannot stand where it stands.
    pub at: usize,
}

/// Nesting that no leaf reaches.
const MAX_DEPTH: u8 = 16;

/// Checks one leaf: RFC 8785 (JSON Canonicalization Scheme) restricted to what leaves may hold:
/// objects with ASCII keys in strictly rising order, arrays, strings, `true`, `false`, `null` and
/// integers of at most 2^53 - 1. It accepts no more than the RFC does.
///
/// # Errors
/// [`NotCanonical`] with the place of the first fault.
pub fn check_canonical(leaf: &[u8]) -> Result<(), NotCanonical> {
    if let Err(fault) = core::str::from_utf8(leaf) {
        return Err(NotCanonical { at: fault.valid_up_to() });
    }
    let mut scan = Scan { bytes: leaf, at: 0 };
    if scan.peek() != Some(b'{') {
        return Err(scan.fault());
    }
    scan.value(0)?;
    if scan.at == leaf.len() { Ok(()) } else { Err(scan.fault()) }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    const fn fault(&self) -> NotCanonical {
        NotCanonical { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Result<(), NotCanonical> {
        if self.peek() != Some(wanted) {
            return Err(self.fault());
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: u8) -> Result<(), NotCanonical> {
        if depth > MAX_DEPTH {
            return Err(self.fault());
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'0'..=b'9' | b'-') => self.integer(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.fault()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotCanonical> {
        word.iter().try_for_each(|byte| self.take(*byte))
    }

    fn object(&mut self, depth: u8) -> Result<(), NotCanonical> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            return self.take(b'}');
        }
        let mut before: Option<&'a [u8]> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            // Keys are plain ASCII, so that byte order and the RFC's UTF-16 order agree.
            let plain = key.iter().all(|b| b.is_ascii() && *b != b'\\');
            if !plain || before.is_some_and(|before| before >= key) {
                return Err(NotCanonical { at: start });
            }
            before = Some(key);
            self.take(b':')?;
            self.value(depth + 1)?;
            if self.peek() == Some(b'}') {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    fn array(&mut self, depth: u8) -> Result<(), NotCanonical> {
        self.take(b'[')?;
        if self.peek() == Some(b']') {
            return self.take(b']');
        }
        loop {
            self.value(depth + 1)?;
            if self.peek() == Some(b']') {
                return self.take(b']');
            }
            self.take(b',')?;
        }
    }

    /// A string with the shortest escapes only; gives what stands between the quotes.
    fn string(&mut self) -> Result<&'a [u8], NotCanonical> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.fault()),
            }
        }
        let inner = self.bytes.get(start..self.at).unwrap_or_default();
        self.take(b'"')?;
        Ok(inner)
    }

    fn escape(&mut self) -> Result<(), NotCanonical> {
        self.take(b'\\')?;
        match self.peek() {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => self.control(),
            _ => Err(self.fault()),
        }
    }

    /// `u00` and two lower-case digits of a control character that has no shorter escape.
    fn control(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        self.word(b"u00")?;
        let mut code = 0_u8;
        for _ in 0..2 {
            let digit = match self.peek() {
                Some(digit @ b'0'..=b'9') => digit - b'0',
                Some(digit @ b'a'..=b'f') => digit - b'a' + 10,
                _ => return Err(self.fault()),
            };
            code = (code << 4) | digit;
            self.at += 1;
        }
        if code >= 0x20 || matches!(code, 8 | 9 | 10 | 12 | 13) {
            return Err(NotCanonical { at: start });
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let length = self.at - digits;
        let leading_zero = self.bytes.get(digits) == Some(&b'0') && length > 1;
        if length == 0 || leading_zero || (negative && number == 0) || number > super::MAX_INTEGER {
            return Err(NotCanonical { at: start });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn leaf_value() -> impl Strategy<Value = Value> {
        let atom = prop_oneof![
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
            (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let inner = atom.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[ -!#-\\[\\]-~]{0,6}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        proptest::collection::btree_map("[a-z_]{1,6}", inner, 0..6)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn accepts_what_an_independent_canonicaliser_writes(value in leaf_value()) {
            let bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
            prop_assert_eq!(check_canonical(&bytes), Ok(()), "{}", String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn what_it_accepts_is_a_fixed_point_of_the_canonicaliser(
            value in leaf_value(), at: prop::sample::Index, byte: u8, insert: bool,
        ) {
            let mut bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
            if check_canonical(&bytes).is_ok() {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes);
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = check_canonical(&bytes);
        }
    }

    #[test]
    fn refuses_other_spellings_of_the_same_value() {
        for (leaf, at) in [
            ("{\"b\":1,\"a\":1}", 7),
            ("{\"a\":1,\"a\":1}", 7),
            ("{\"a\": 1}", 5),
            ("{\"a\":01}", 5),
            ("{\"a\":-0}", 5),
            ("{\"a\":1.0}", 6),
            ("{\"a\":1e3}", 6),
            ("{\"a\":9007199254740992}", 5),
            ("{\"a\":\"\\u0041\"}", 7),
            ("{\"a\":\"\\/\"}", 7),
            ("{\"a\":\"\\u001F\"}", 11),
            ("{\"a\":\"\\u000a\"}", 7),
            ("{\"a\":1}\n", 7),
            ("[]", 0),
            ("{\"a\":1", 6),
        ] {
            assert_eq!(check_canonical(leaf.as_bytes()), Err(NotCanonical { at }), "{leaf}");
        }
    }
}

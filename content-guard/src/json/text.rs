//! Escapes of JSON strings.

use super::parse::JsonError;
use std::borrow::Cow;

/// Appends a text as the inside of a JSON string.
pub fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => {
                let digit = |value: u32| char::from_digit(value & 15, 16).unwrap_or('0');
                out.push_str("\\u00");
                out.push(digit(u32::from(c) >> 4));
                out.push(digit(u32::from(c)));
            }
            _ => out.push(c),
        }
    }
}

/// The text of the inside of a string that the reader accepted.
pub(super) fn unescape(inside: &str) -> Cow<'_, str> {
    let bytes = inside.as_bytes();
    let mut out = String::with_capacity(inside.len());
    let mut copied = 0;
    while let Some(slash) = bytes.get(copied..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let slash = copied.saturating_add(slash);
        out.push_str(inside.get(copied..slash).unwrap_or_default());
        let Some((character, length)) = bytes.get(slash..).and_then(escape) else {
            break;
        };
        out.push(character);
        copied = slash.saturating_add(length);
    }
    out.push_str(inside.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The character of an escape sequence at the head of the bytes, and the length of the sequence.
pub(super) fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let high = hex(bytes.get(2..6)?)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 6));
    }
    let low = match bytes.get(6..8)? {
        b"\\u" => hex(bytes.get(8..12)?)?,
        _ => return None,
    };
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(code).map(|c| (c, 12))
}

/// Why the escape sequence at the head of the bytes is refused.
pub(super) fn bad_escape(bytes: &[u8], string: usize, position: usize) -> JsonError {
    match (bytes.get(1), bytes.get(2..6).and_then(hex)) {
        (Some(b'u'), Some(_)) => JsonError::Surrogate(string),
        (Some(b'u'), None) if bytes.len() < 6 => JsonError::Truncated,
        (None, _) => JsonError::Truncated,
        _ => JsonError::Syntax(position),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, b| Some((sum << 4) | char::from(*b).to_digit(16)?))
}

//! The normalised view of a text: one byte for each character, mapped back to the written bytes.

use std::borrow::Cow;
use std::ops::Range;

/// Stands for a letter or mark outside ASCII of a script that parts words by spaces.
pub(crate) const LETTER: u8 = 0x80;
/// Stands for any other character outside ASCII.
pub(crate) const OTHER: u8 = 0x81;

/// What the detectors read. Each byte is an ASCII character, [`LETTER`] or [`OTHER`].
pub(crate) struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// The bytes of the view that do not simply follow the written byte before them, in order.
    anchors: Vec<Anchor>,
}

/// A byte of the view and the written bytes that it stands for.
struct Anchor {
    byte: usize,
    written: Range<usize>,
}

impl<'t> View<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        if text.is_ascii() && memchr::memchr(b'\\', text.as_bytes()).is_none() {
            return Self { bytes: Cow::Borrowed(text.as_bytes()), anchors: Vec::new() };
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut anchors = Vec::new();
        let mut units = Units::of(text);
        loop {
            bytes.extend_from_slice(units.take_plain());
            let Some(unit) = units.next() else { break };
            if let Some(byte) = fold(unit.character).byte() {
                anchors.push(Anchor { byte: bytes.len(), written: unit.start..unit.end });
                bytes.push(byte);
            } else {
                // Dropped: the next byte of the view stands for what is written behind it.
                anchors.push(Anchor { byte: bytes.len(), written: unit.end..unit.end });
            }
        }
        Self { bytes: Cow::Owned(bytes), anchors }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The written bytes of a range of the view. Characters that the view drops are inside when they
    /// stand between two bytes of the range. The ends are character boundaries.
    pub(crate) fn written(&self, range: Range<usize>) -> Range<usize> {
        let start = self.unit(range.start).start;
        let end = range.end.checked_sub(1).map_or(start, |last| self.unit(last).end);
        start..end
    }

    /// The written bytes that one byte of the view stands for.
    fn unit(&self, byte: usize) -> Range<usize> {
        let behind = self.anchors.partition_point(|a| a.byte <= byte);
        let Some(anchor) = behind.checked_sub(1).and_then(|i| self.anchors.get(i)) else {
            return byte..byte.saturating_add(1);
        };
        if anchor.byte == byte && !anchor.written.is_empty() {
            return anchor.written.clone();
        }
        // Plain bytes follow the anchor; one that stands for a dropped character is not a byte itself.
        let own = usize::from(!anchor.written.is_empty());
        let offset = byte.saturating_sub(anchor.byte).saturating_sub(own);
        let start = anchor.written.end.saturating_add(offset);
        start..start.saturating_add(1)
    }
}

/// The byte at a position; NUL, which is in no match, outside.
pub(crate) fn at(view: &[u8], position: usize) -> u8 {
    view.get(position).copied().unwrap_or(0)
}

/// The byte before a position.
pub(crate) fn before(view: &[u8], position: usize) -> u8 {
    position.checked_sub(1).map_or(0, |p| at(view, p))
}

/// Whether a byte of a view belongs to a word.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == LETTER
}

/// A text with its backslash escapes decoded.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Units::of(text).map(|u| u.character).collect())
}

/// A text as the canonical form of a value sees it: folded as in the view, other characters kept.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in Units::of(text) {
        match fold(unit.character) {
            Fold::Ascii(byte) => out.push(char::from(byte)),
            Fold::Keep(character) => out.push(character),
            Fold::Drop => {}
        }
    }
    out
}

enum Fold {
    Ascii(u8),
    Keep(char),
    Drop,
}

impl Fold {
    fn byte(&self) -> Option<u8> {
        match *self {
            Self::Ascii(byte) => Some(byte),
            Self::Drop => None,
            Self::Keep(c) => Some(if is_spaced_letter(c) { LETTER } else { OTHER }),
        }
    }
}

/// Latin, Greek, Cyrillic and Armenian letters, and combining marks.
fn is_spaced_letter(c: char) -> bool {
    match c {
        '\u{300}'..='\u{36f}' => true,
        '\u{aa}'..='\u{58f}' | '\u{1e00}'..='\u{1fff}' => c.is_alphabetic(),
        _ => false,
    }
}

/// First digits of the blocks of ten decimal digits that are folded.
const ZEROS: [u32; 20] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xf20, 0x1040,
    0x17e0, 0x1810, 0xa620, 0xa8d0,
];

fn fold(c: char) -> Fold {
    if c.is_ascii() {
        return u8::try_from(u32::from(c)).map_or(Fold::Keep(c), Fold::Ascii);
    }
    match c {
        '\u{ff01}'..='\u{ff5e}' => shifted(c, 0xfee0),
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Fold::Ascii(b' '),
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Fold::Ascii(b'-'),
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff61}' => Fold::Ascii(b'.'),
        '\u{fe62}' => Fold::Ascii(b'+'),
        '\u{fe6b}' => Fold::Ascii(b'@'),
        '\u{2028}' | '\u{2029}' | '\u{85}' => Fold::Ascii(b'\n'),
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e01ef}' => Fold::Drop,
        '\u{1d7ce}'..='\u{1d7ff}' => digit(u32::from(c).saturating_sub(0x1d7ce) % 10, c),
        _ => other_digit(c),
    }
}

fn other_digit(c: char) -> Fold {
    let code = u32::from(c);
    if !(0x660..0xa8da).contains(&code) {
        return Fold::Keep(c);
    }
    ZEROS
        .iter()
        .find(|zero| (**zero..zero.saturating_add(10)).contains(&code))
        .map_or(Fold::Keep(c), |zero| digit(code.saturating_sub(*zero), c))
}

fn digit(value: u32, c: char) -> Fold {
    u8::try_from(value).map_or(Fold::Keep(c), |v| Fold::Ascii(b'0'.saturating_add(v)))
}

fn shifted(c: char, by: u32) -> Fold {
    u8::try_from(u32::from(c).saturating_sub(by)).map_or(Fold::Keep(c), Fold::Ascii)
}

/// A character of a text, where an escape sequence counts as the character that it stands for.
struct Unit {
    character: char,
    start: usize,
    end: usize,
}

struct Units<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Units<'t> {
    const fn of(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    /// Takes the ASCII characters ahead that stand for themselves.
    fn take_plain(&mut self) -> &'t [u8] {
        let rest = self.text.as_bytes().get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|b| !b.is_ascii() || *b == b'\\').unwrap_or(rest.len());
        self.position = self.position.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let start = self.position;
        let rest = self.text.get(start..)?;
        let first = rest.chars().next()?;
        let (character, length) = if first == '\\' { escape(rest) } else { (first, first.len_utf8()) };
        self.position = start.saturating_add(length);
        Some(Unit { character, start, end: self.position })
    }
}

/// Reads an escape sequence after one backslash or, where encodings are nested, several.
fn escape(text: &str) -> (char, usize) {
    let slashes = text.bytes().take_while(|b| *b == b'\\').count();
    let rest = text.get(slashes..).unwrap_or_default();
    let (character, length) = match rest.bytes().next() {
        Some(b'n' | b'r' | b't' | b'b' | b'f') => ('\n', 1),
        Some(b'u') => match hex(rest, 4) {
            Some(c) => (c, 5),
            None => ('\\', 0),
        },
        Some(b'x') => match hex(rest, 2) {
            Some(c) => (c, 3),
            None => ('\\', 0),
        },
        _ => ('\\', 0),
    };
    (character, slashes.saturating_add(length))
}

fn hex(rest: &str, digits: usize) -> Option<char> {
    let digits = rest.get(1..digits.saturating_add(1))?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    // A half of a surrogate pair stands for a character outside every match.
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some(char::from_u32(code).unwrap_or('\u{fffd}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        View::of(text).bytes().iter().map(|b| if *b < 0x80 { char::from(*b) } else { '?' }).collect()
    }

    #[test]
    fn disguised_characters_are_seen_as_their_ascii_form() {
        assert_eq!(seen("ａlice＠example．com"), "alice@example.com");
        assert_eq!(seen("a\u{200b}l\u{ad}i\u{2060}ce"), "alice");
        assert_eq!(seen("４１\u{a0}११\u{202f}٣\u{2011}\u{1d7d9}"), "41 11 3-1");
        assert_eq!(seen("alice\\u0040x\\\\u0040y\\n\\\\\\nz\\q"), "alice@x@y\n\nz\\q");
    }

    #[test]
    fn ranges_map_back_to_the_written_bytes() {
        let text = "é ａ\u{200b}ｂ\\u0040 z";
        let view = View::of(text);
        assert_eq!(view.bytes(), [LETTER, b' ', b'a', b'b', b'@', b' ', b'z']);
        assert_eq!(&text[view.written(2..4)], "ａ\u{200b}ｂ");
        assert_eq!(&text[view.written(4..5)], "\\u0040");
        assert_eq!(&text[view.written(6..7)], "z");
    }
}

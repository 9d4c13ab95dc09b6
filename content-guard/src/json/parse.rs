//! The reader.

use super::text;
use super::value::{Kind, Node};

/// Arrays and objects may be nested this deep.
pub const DEPTH_MAX: u32 = 100;

/// Why a body is not accepted as JSON. Positions are bytes from the start; the body is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the body is not valid UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// Against the grammar.
    #[error("the body is not valid JSON: unexpected content at byte {0}")]
    Syntax(usize),
    /// The body ends too early.
    #[error("the body is not valid JSON: it ends too early")]
    Truncated,
    /// A string has half of a surrogate pair, which is no character.
    #[error("the string at byte {0} holds half of a surrogate pair")]
    Surrogate(usize),
    /// Readers would disagree about which value counts.
    #[error("the object at byte {0} holds a key twice")]
    DuplicateKey(usize),
    /// Too many levels.
    #[error("the body is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// More than 4 GiB.
    #[error("the body is too long")]
    TooLong,
}

pub(super) fn parse(body: &[u8]) -> Result<Vec<Node>, JsonError> {
    if let Err(error) = core::str::from_utf8(body) {
        return Err(JsonError::NotUtf8(error.valid_up_to()));
    }
    if u32::try_from(body.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let mut parser = Parser { body, position: 0, depth: 0, nodes: Vec::with_capacity(body.len() / 24 + 8) };
    parser.skip_space();
    parser.value()?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(parser.nodes),
        Some(_) => Err(JsonError::Syntax(parser.position)),
    }
}

struct Parser<'b> {
    body: &'b [u8],
    position: usize,
    depth: u32,
    nodes: Vec<Node>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.position).copied()
    }

    fn step(&mut self) {
        self.position = self.position.saturating_add(1);
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.step();
        }
    }

    fn unexpected(&self) -> JsonError {
        if self.position < self.body.len() { JsonError::Syntax(self.position) } else { JsonError::Truncated }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.step();
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn value(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.nested(Kind::Object),
            Some(b'[') => self.nested(Kind::Array),
            Some(b't') => self.word(b"true", Kind::Bool),
            Some(b'f') => self.word(b"false", Kind::Bool),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected()),
        }
    }

    fn open(&mut self, kind: Kind) -> Result<usize, JsonError> {
        let index = self.nodes.len();
        let start = u32::try_from(self.position).map_err(|_| JsonError::TooLong)?;
        self.nodes.push(Node { kind, start, end: start, next: 0 });
        Ok(index)
    }

    fn close(&mut self, index: usize) -> Result<(), JsonError> {
        let end = u32::try_from(self.position).map_err(|_| JsonError::TooLong)?;
        let next = u32::try_from(self.nodes.len()).map_err(|_| JsonError::TooLong)?;
        if let Some(node) = self.nodes.get_mut(index) {
            node.end = end;
            node.next = next;
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), JsonError> {
        let index = self.open(kind)?;
        for byte in word {
            self.expect(*byte)?;
        }
        self.close(index)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let index = self.open(Kind::Number)?;
        if self.peek() == Some(b'-') {
            self.step();
        }
        if self.peek() == Some(b'0') {
            self.step();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        self.close(index)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected());
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let index = self.open(Kind::Text)?;
        let start = self.position;
        self.step();
        loop {
            let rest = self.body.get(self.position..).unwrap_or_default();
            let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            let plain = control(rest.get(..plain).unwrap_or_default()).unwrap_or(plain);
            self.position = self.position.saturating_add(plain);
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return self.close(index);
                }
                Some(b'\\') => {
                    let rest = self.body.get(self.position..).unwrap_or_default();
                    let Some((_, length)) = text::escape(rest) else {
                        // The same rule tells a bad escape from one that is cut off or half of a pair.
                        return Err(text::bad_escape(rest, start, self.position));
                    };
                    self.position = self.position.saturating_add(length);
                    if let Some(node) = self.nodes.get_mut(index) {
                        node.kind = Kind::EscapedText;
                    }
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn nested(&mut self, kind: Kind) -> Result<(), JsonError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        let index = self.open(kind)?;
        let closing = if kind == Kind::Object { b'}' } else { b']' };
        self.step();
        self.skip_space();
        if self.peek() != Some(closing) {
            loop {
                if kind == Kind::Object {
                    if self.peek() != Some(b'"') {
                        return Err(self.unexpected());
                    }
                    self.string()?;
                    self.skip_space();
                    self.expect(b':')?;
                    self.skip_space();
                }
                self.value()?;
                self.skip_space();
                if self.peek() == Some(closing) {
                    break;
                }
                self.expect(b',')?;
                self.skip_space();
            }
        }
        self.step();
        self.depth = self.depth.saturating_sub(1);
        self.close(index)
    }
}

/// The position of the first control character, which no string may hold as it is.
fn control(text: &[u8]) -> Option<usize> {
    // The usual answer, none, is found without a branch a byte.
    let any = text.iter().fold(false, |found, b| found | (*b < 0x20));
    if any { text.iter().position(|b| *b < 0x20) } else { None }
}

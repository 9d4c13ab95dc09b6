//! A body that was read, and its values.

use super::parse::{self, JsonError};
use super::text;
use bytes::Bytes;
use core::fmt;
use std::borrow::Cow;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, as it is written.
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value in the order of the body: an array is followed by its items, an object by key, value, key, value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: u32,
    /// Behind the last byte.
    pub(super) end: u32,
    /// The node behind the whole value.
    pub(super) next: u32,
}

/// A JSON body that was read once. Its `Debug` shows no content.
pub struct Document {
    body: Bytes,
    nodes: Vec<Node>,
}

impl Document {
    /// Reads a body from a caller.
    ///
    /// # Errors
    /// [`JsonError`], also for a key twice in one object.
    pub fn parse(body: Bytes) -> Result<Self, JsonError> {
        let document = Self::parse_lenient(body)?;
        document.refuse_duplicates()?;
        Ok(document)
    }

    /// Reads a body from an upstream, where a key twice is the client's to judge.
    ///
    /// # Errors
    /// [`JsonError`], except for duplicate keys.
    pub fn parse_lenient(body: Bytes) -> Result<Self, JsonError> {
        let nodes = parse::parse(&body)?;
        Ok(Self { body, nodes })
    }

    /// The outermost value.
    #[must_use]
    pub const fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    /// The body as it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Every value and key, in the order of the body.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.nodes.len()).map(|index| Value { document: self, index })
    }

    pub(crate) fn value(&self, index: usize) -> Option<Value<'_>> {
        (index < self.nodes.len()).then_some(Value { document: self, index })
    }

    fn refuse_duplicates(&self) -> Result<(), JsonError> {
        let mut keys: Vec<Cow<'_, str>> = Vec::new();
        for object in self.values().filter(|v| v.kind() == Kind::Object) {
            keys.clear();
            keys.extend(object.members().filter_map(|(key, _)| key.text()));
            keys.sort_unstable();
            if keys.windows(2).any(|pair| pair.first() == pair.last()) {
                return Err(JsonError::DuplicateKey(object.range().start));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.body.len())
    }
}

/// A value of a document, or a key.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document,
    index: usize,
}

impl<'d> Value<'d> {
    fn node(&self) -> Node {
        let none = Node { kind: Kind::Null, start: 0, end: 0, next: 0 };
        self.document.nodes.get(self.index).copied().unwrap_or(none)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Its bytes in the body, with quotes and brackets.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        let node = self.node();
        usize::try_from(node.start).unwrap_or(0)..usize::try_from(node.end).unwrap_or(0)
    }

    /// Its text in the body, with quotes and brackets.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        let bytes = self.document.body.get(self.range()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The text of a string, decoded.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'d, str>> {
        let raw = self.raw();
        let inside = raw.get(1..raw.len().saturating_sub(1))?;
        match self.kind() {
            Kind::Text => Some(Cow::Borrowed(inside)),
            Kind::EscapedText => Some(text::unescape(inside)),
            _ => None,
        }
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.kind(), Kind::Text | Kind::EscapedText)
    }

    /// A number that is a whole one from 0 on and small enough.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        if self.kind() == Kind::Number { self.raw().parse().ok() } else { None }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        if self.kind() == Kind::Bool { Some(self.raw() == "true") } else { None }
    }

    /// The keys and values of an object; nothing for other kinds.
    pub fn members(&self) -> impl Iterator<Item = (Self, Self)> + use<'d> {
        let mut children = self.children(Kind::Object);
        core::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The items of an array; nothing for other kinds.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'d> {
        self.children(Kind::Array)
    }

    /// The value of a key of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Self> {
        self.members().find(|(k, _)| k.text().as_deref() == Some(key)).map(|(_, value)| value)
    }

    /// The positions of the value and of all within it, in the order of [`Document::values`].
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        self.index..self.behind()
    }

    fn behind(&self) -> usize {
        usize::try_from(self.node().next).unwrap_or(usize::MAX)
    }

    fn children(&self, kind: Kind) -> impl Iterator<Item = Self> + use<'d> {
        let document = self.document;
        let behind = if self.kind() == kind { self.behind() } else { 0 };
        let mut index = self.index.saturating_add(1);
        core::iter::from_fn(move || {
            let child = (index < behind).then_some(Self { document, index })?;
            index = child.behind();
            Some(child)
        })
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

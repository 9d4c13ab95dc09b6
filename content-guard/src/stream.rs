//! Restoring a text that arrives in pieces.

use crate::json::escape_into;
use crate::label::Label;
use crate::restore::Restorer;
use crate::view::folded;
use std::sync::Arc;

/// What the text is, which decides how an original is written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Text for people.
    Text,
    /// What a model answers: [`Syntax::Json`] when the first character but spaces is `{`, else
    /// [`Syntax::Text`].
    Answer,
    /// A JSON document, such as the arguments of a tool call. Inside a string the original is escaped;
    /// a card number that the model wrote as a bare number is written as its digits. So the document
    /// stays one. No other token can be a bare value of JSON.
    Json,
}

/// Restores the pieces of one text. What a piece ends with is held back only as far as it can be the
/// head of a token of this request.
///
/// The pieces that come out, put together, are what [`Restorer::restore`] gives for the whole text,
/// however it was cut.
#[derive(Debug)]
pub struct StreamRestorer {
    restorer: Arc<Restorer>,
    quoting: Quoting,
    held: String,
}

impl StreamRestorer {
    /// A restorer for one text of an answer.
    #[must_use]
    pub const fn new(restorer: Arc<Restorer>, syntax: Syntax) -> Self {
        Self { restorer, quoting: Quoting::new(syntax), held: String::new() }
    }

    /// Takes the next piece and gives what is certain.
    pub fn push(&mut self, piece: &str) -> String {
        self.advance(piece, End::More)
    }

    /// Gives what is held back: the text has ended.
    pub fn finish(&mut self) -> String {
        self.advance("", End::Final)
    }

    fn advance(&mut self, piece: &str, end: End) -> String {
        let mut text = core::mem::take(&mut self.held);
        text.push_str(piece);
        let mut out = String::new();
        let progress = self.restorer.run(&text, &mut self.quoting, end, &mut out);
        self.held.push_str(text.get(progress.certain..).unwrap_or_default());
        if progress.copied == 0 {
            text.truncate(progress.certain);
            return text;
        }
        out.push_str(text.get(progress.copied..progress.certain).unwrap_or_default());
        out
    }

    /// Whether something is held back.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }
}

/// Whether more text may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    More,
    Final,
}

/// Where in its syntax a text stands.
#[derive(Debug)]
pub(crate) enum Quoting {
    /// Before the first character that tells text from JSON.
    Undecided,
    Text,
    JsonBare,
    JsonString,
    /// In a string, behind a backslash.
    JsonEscape,
}

impl Quoting {
    pub(crate) const fn new(syntax: Syntax) -> Self {
        match syntax {
            Syntax::Text => Self::Text,
            Syntax::Answer => Self::Undecided,
            Syntax::Json => Self::JsonBare,
        }
    }

    /// Follows text that passes.
    pub(crate) fn pass(&mut self, text: &str) {
        if matches!(self, Self::Undecided) {
            match text.trim_ascii_start().bytes().next() {
                None => return,
                Some(b'{') => *self = Self::JsonBare,
                Some(_) => *self = Self::Text,
            }
        }
        if matches!(self, Self::Text) {
            return;
        }
        for byte in text.bytes() {
            *self = match (&*self, byte) {
                (Self::JsonBare, b'"') | (Self::JsonEscape, _) => Self::JsonString,
                (Self::JsonString, b'\\') => Self::JsonEscape,
                (Self::JsonString, b'"') => Self::JsonBare,
                (Self::JsonString, _) => Self::JsonString,
                _ => Self::JsonBare,
            };
        }
    }

    /// Writes an original in place of a token.
    pub(crate) fn insert(&mut self, label: Label, original: &str, out: &mut String) {
        match self {
            Self::Text | Self::Undecided => {
                out.push_str(original);
                *self = Self::Text;
            }
            Self::JsonString | Self::JsonEscape => {
                escape_into(original, out);
                *self = Self::JsonString;
            }
            Self::JsonBare if label == Label::Card => {
                out.extend(folded(original).chars().filter(char::is_ascii_digit));
            }
            Self::JsonBare => out.push_str(original),
        }
    }
}

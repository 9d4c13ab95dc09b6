//! Answers that come as server-sent events.

mod channels;
mod event;
mod frame;

use super::answer::{Edits, Usage, syntax};
use super::error::AnswerError;
use bytes::{Bytes, BytesMut};
use channels::{Channel, Channels, Place};
use content_guard::json::{Document, Kind, Value};
use content_guard::{PseudonymMap, Restorer, Syntax};
use event::{Envelope, Event};
use frame::Framer;
use std::borrow::Cow;
use std::sync::Arc;

/// Restores a stream of chat completion chunks while it passes.
///
/// Each text of the stream (of each choice: content, refusal, reasoning, arguments of each tool call) is
/// restored on its own. Of each only a possible head of a token of this request is held back; it follows
/// in a chunk of its own before the choice finishes, before text of another kind begins in the choice, and before the stream ends.
/// Events without a token pass byte for byte, also comments and fields that are not known. An event goes on as soon as it is whole. A request
/// without pseudonyms has its stream passed untouched; usage is read all the same.
///
/// `logprobs` stay as they are: pieces of tokens cannot be restored one by one, and show nothing.
#[derive(Debug)]
pub(crate) struct SseRestorer {
    framer: Framer,
    restorer: Arc<Restorer>,
    channels: Channels,
    envelope: Envelope,
    usage: Option<Usage>,
    end: End,
}

/// Whether the stream said that it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Done,
}

impl SseRestorer {
    /// A restorer for the answer of one request.
    pub(crate) fn new(map: PseudonymMap) -> Self {
        let restorer = Arc::new(Restorer::new(map));
        Self {
            framer: Framer::default(),
            channels: Channels::new(Arc::clone(&restorer)),
            restorer,
            envelope: Envelope::default(),
            usage: None,
            end: End::Open,
        }
    }

    /// Takes what arrived, cut anywhere, and gives what can go on.
    ///
    /// # Errors
    /// [`AnswerError`] when the upstream sends what no client could take; the stream must be cut.
    pub(crate) fn push(&mut self, chunk: &Bytes) -> Result<Bytes, AnswerError> {
        let mut out = BytesMut::new();
        let mut rest: &[u8] = chunk;
        while let Some(event) = self.framer.next(&mut rest)? {
            self.event(&event, &mut out)?;
        }
        if self.restorer.is_empty() { Ok(chunk.clone()) } else { Ok(out.freeze()) }
    }

    /// Gives what is left when the upstream has closed the stream.
    ///
    /// # Errors
    /// As [`SseRestorer::push`].
    pub(crate) fn finish(&mut self) -> Result<Bytes, AnswerError> {
        let mut out = BytesMut::new();
        let mut rest = self.framer.rest();
        let data = Event::read(&rest).data();
        let whole = data.is_some_and(|d| d.as_ref() == b"[DONE]" || Document::parse_lenient(d).is_ok());
        if whole {
            // Only the empty line behind it was cut off.
            rest.extend_from_slice(b"\n\n");
            self.event(&rest, &mut out)?;
        }
        self.release_all(&mut out);
        if !whole {
            out.extend_from_slice(&rest);
        }
        if self.restorer.is_empty() { Ok(Bytes::new()) } else { Ok(out.freeze()) }
    }

    /// What the upstream said the call took, as far as it said.
    pub(crate) const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether `[DONE]` has come: the answer is complete.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.end, End::Done)
    }

    fn event(&mut self, raw: &[u8], out: &mut BytesMut) -> Result<(), AnswerError> {
        let event = Event::read(raw);
        let Some(data) = event.data() else {
            out.extend_from_slice(raw);
            return Ok(());
        };
        if data.as_ref() == b"[DONE]" {
            self.end = End::Done;
            self.release_all(out);
            out.extend_from_slice(raw);
            return Ok(());
        }
        // What is no JSON passes as it is: it holds at most pseudonyms.
        let Ok(document) = Document::parse_lenient(data) else {
            out.extend_from_slice(raw);
            return Ok(());
        };
        self.usage = Usage::of(document.root()).or(self.usage);
        if self.restorer.is_empty() {
            return Ok(());
        }
        let edits = self.edit(&document, out)?;
        if edits.is_empty() {
            out.extend_from_slice(raw);
        } else {
            event.write_with(&edits.apply(document.body()), out);
        }
        if self.channels.is_holding() {
            self.envelope = Envelope::of(document.root());
        }
        Ok(())
    }

    /// Restores the texts of one event; what must go before it is written out.
    fn edit(&mut self, document: &Document, out: &mut BytesMut) -> Result<Edits, AnswerError> {
        let root = document.root();
        let mut edits = Edits::default();
        let mut pieces = Vec::new();
        for (position, choice) in root.get("choices").into_iter().flat_map(|c| c.items()).enumerate() {
            let index = choice.get("index").and_then(|i| i.whole());
            let index = index.unwrap_or_else(|| u64::try_from(position).unwrap_or(u64::MAX));
            let start = pieces.len();
            if let Some(delta) = choice.get("delta") {
                delta_pieces(index, delta, &mut pieces);
            }
            let own = pieces.get(start..).unwrap_or_default();
            if choice.get("finish_reason").is_some_and(|f| f.kind() != Kind::Null) {
                self.finish_choice(index, own, &mut edits, root, out)?;
            } else {
                self.pass_choice(index, own, &mut edits, root, out)?;
            }
        }
        for value in document.values().filter(|v| v.is_text()) {
            if pieces.iter().any(|p: &Piece<'_>| p.value.range() == value.range()) {
                continue;
            }
            let text = value.text().unwrap_or_default();
            if let Cow::Owned(restored) = self.restorer.restore(&text, Syntax::Text) {
                edits.replace(value.range(), &restored);
            }
        }
        Ok(edits)
    }

    fn pass_choice(
        &mut self,
        index: u64,
        pieces: &[Piece<'_>],
        edits: &mut Edits,
        root: Value<'_>,
        out: &mut BytesMut,
    ) -> Result<(), AnswerError> {
        for piece in pieces.iter().filter(|p| !p.text.is_empty()) {
            // Once another kind of text begins, the one before has ended.
            for (place, held) in self.channels.release_others(index, piece.place.channel) {
                Envelope::of(root).write(&place, &held, out);
            }
            let restored = self.channels.push(piece.place, piece.syntax, &piece.text)?;
            if restored != piece.text {
                edits.replace(piece.value.range(), &restored);
            }
        }
        Ok(())
    }

    fn finish_choice(
        &mut self,
        index: u64,
        pieces: &[Piece<'_>],
        edits: &mut Edits,
        root: Value<'_>,
        out: &mut BytesMut,
    ) -> Result<(), AnswerError> {
        for piece in pieces {
            let mut restored = self.channels.push(piece.place, piece.syntax, &piece.text)?;
            restored.push_str(&self.channels.release(piece.place));
            if restored != piece.text {
                edits.replace(piece.value.range(), &restored);
            }
        }
        for (place, held) in self.channels.release_choice(index) {
            Envelope::of(root).write(&place, &held, out);
        }
        Ok(())
    }

    fn release_all(&mut self, out: &mut BytesMut) {
        for (place, held) in self.channels.release_all() {
            self.envelope.write(&place, &held, out);
        }
    }
}

/// A string of an event that is a piece of a longer text.
struct Piece<'d> {
    place: Place,
    value: Value<'d>,
    text: Cow<'d, str>,
    syntax: Syntax,
}

/// The pieces of a delta, in the order of the event.
fn delta_pieces<'d>(choice: u64, delta: Value<'d>, pieces: &mut Vec<Piece<'d>>) {
    let mut add = |channel, key: &str, value: Value<'d>| {
        if let Some(text) = value.text() {
            pieces.push(Piece { place: Place { choice, channel }, value, text, syntax: syntax(key) });
        }
    };
    for (key, value) in delta.members() {
        let key = key.text().unwrap_or_default();
        match key.as_ref() {
            "content" => add(Channel::Content, &key, value),
            "refusal" => add(Channel::Refusal, &key, value),
            "reasoning_content" => add(Channel::ReasoningContent, &key, value),
            "reasoning" => add(Channel::Reasoning, &key, value),
            "function_call" => {
                if let Some(arguments) = value.get("arguments") {
                    add(Channel::FunctionCall, "arguments", arguments);
                }
            }
            "tool_calls" => {
                for (position, call) in value.items().enumerate() {
                    let index = call.get("index").and_then(|i| i.whole());
                    let index = index.unwrap_or_else(|| u64::try_from(position).unwrap_or(u64::MAX));
                    if let Some(arguments) = call.get("function").and_then(|f| f.get("arguments")) {
                        add(Channel::Arguments(index), "arguments", arguments);
                    }
                    if let Some(input) = call.get("custom").and_then(|c| c.get("input")) {
                        add(Channel::Input(index), "input", input);
                    }
                }
            }
            _ => {}
        }
    }
}

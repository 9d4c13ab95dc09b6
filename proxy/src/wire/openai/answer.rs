//! Answers that come as one JSON body.

use super::error::AnswerError;
use bytes::Bytes;
use content_guard::json::{Document, Kind, Value, escape_into};
use content_guard::{PseudonymMap, Restorer, Syntax};
use std::borrow::Cow;
use std::ops::Range;

/// What an upstream says that a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Tokens of the request.
    pub(crate) prompt_tokens: u64,
    /// Tokens of the answer; 0 for embeddings.
    pub(crate) completion_tokens: u64,
}

impl Usage {
    /// The usage of an answer or an event, if it tells one.
    pub(super) fn of(root: Value<'_>) -> Option<Self> {
        let usage = root.get("usage").filter(|u| u.kind() == Kind::Object)?;
        let count = |key: &str| usage.get(key).and_then(|v| v.whole());
        Some(Self {
            prompt_tokens: count("prompt_tokens")?,
            completion_tokens: count("completion_tokens").unwrap_or(0),
        })
    }
}

/// An answer as the client gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The body, restored.
    pub(crate) body: Bytes,
    /// What it took.
    pub(crate) usage: Option<Usage>,
}

/// Restores every string of an answer, or of an error of the upstream. A body without a token of the request stays
/// byte for byte.
///
/// Arguments of tool calls are JSON inside a string, and so is content that starts with `{`: originals
/// are written so that the inner document stays one. Pieces of tokens in `logprobs` stay as they are.
///
/// # Errors
/// [`AnswerError::Json`].
pub(crate) fn restore(map: PseudonymMap, body: Bytes) -> Result<Answer, AnswerError> {
    let document = Document::parse_lenient(body).map_err(AnswerError::Json)?;
    let usage = Usage::of(document.root());
    let restorer = Restorer::new(map);
    let mut edits = Edits::default();
    if !restorer.is_empty() {
        restore_texts(document.root(), "", &restorer, &mut edits);
    }
    Ok(Answer { body: edits.apply(document.body()), usage })
}

fn restore_texts(value: Value<'_>, key: &str, restorer: &Restorer, edits: &mut Edits) {
    match value.kind() {
        Kind::Object => {
            for (key, value) in value.members() {
                restore_texts(value, &key.text().unwrap_or_default(), restorer, edits);
            }
        }
        Kind::Array => value.items().for_each(|item| restore_texts(item, key, restorer, edits)),
        _ => {
            let Some(text) = value.text() else { return };
            if let Cow::Owned(restored) = restorer.restore(&text, syntax(key)) {
                edits.replace(value.range(), &restored);
            }
        }
    }
}

/// What a string under a key holds.
pub(super) fn syntax(key: &str) -> Syntax {
    match key {
        "arguments" => Syntax::Json,
        "content" | "text" => Syntax::Answer,
        _ => Syntax::Text,
    }
}

/// A list of the models that the caller may use, each as the upstream describes it. Nothing else of the answer is
/// given on: some servers name their models in other members too.
///
/// # Errors
/// [`AnswerError`] when the upstream sent no list of models.
pub(crate) fn filter_models(body: Bytes, may_use: impl Fn(&str) -> bool) -> Result<Bytes, AnswerError> {
    let document = Document::parse_lenient(body).map_err(AnswerError::Json)?;
    let data = document.root().get("data").filter(|d| d.kind() == Kind::Array).ok_or(AnswerError::NotModels)?;
    let mut kept = Vec::new();
    for model in data.items() {
        let id = model.get("id").and_then(|id| id.text()).ok_or(AnswerError::NotModels)?;
        if may_use(&id) {
            kept.push(model.raw());
        }
    }
    Ok(format!("{{\"object\":\"list\",\"data\":[{}]}}", kept.join(",")).into())
}

/// Replacements of strings of a body.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts a text in place of the string at a range.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        let mut quoted = String::with_capacity(text.len().saturating_add(8));
        quoted.push('"');
        escape_into(text, &mut quoted);
        quoted.push('"');
        self.0.push((range, quoted));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body with all replacements.
    pub(super) fn apply(mut self, body: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return body.clone();
        }
        self.0.sort_unstable_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(body.len().saturating_add(128));
        let mut copied = 0;
        for (range, text) in &self.0 {
            out.extend_from_slice(body.get(copied..range.start).unwrap_or_default());
            out.extend_from_slice(text.as_bytes());
            copied = range.end;
        }
        out.extend_from_slice(body.get(copied..).unwrap_or_default());
        out.into()
    }
}

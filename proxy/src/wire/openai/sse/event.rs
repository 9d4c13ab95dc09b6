//! One event, and the chunk that carries what was held back.

use super::channels::{Channel, Place};
use bytes::{Bytes, BytesMut};
use content_guard::json::{Value, escape_into};

/// The lines of an event as they came.
pub(super) struct Event<'e> {
    lines: Vec<&'e [u8]>,
}

impl<'e> Event<'e> {
    pub(super) fn read(mut raw: &'e [u8]) -> Self {
        let mut lines = Vec::new();
        while let Some(end) = raw.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let crlf = raw.get(end..end.saturating_add(2)) == Some(b"\r\n");
            let (line, rest) = raw.split_at(end.saturating_add(if crlf { 2 } else { 1 }));
            lines.push(line);
            raw = rest;
        }
        if !raw.is_empty() {
            lines.push(raw);
        }
        Self { lines }
    }

    /// The data of the event, its lines joined by LF; `None` where it has none.
    pub(super) fn data(&self) -> Option<Bytes> {
        let mut lines = self.lines.iter().filter_map(|line| data_of(line));
        let first = lines.next()?;
        let mut data = Vec::with_capacity(self.lines.iter().map(|l| l.len()).sum());
        data.extend_from_slice(first);
        for line in lines {
            data.push(b'\n');
            data.extend_from_slice(line);
        }
        Some(data.into())
    }

    /// Writes the event with other data. All other lines stay as they came.
    pub(super) fn write_with(&self, data: &[u8], out: &mut BytesMut) {
        let mut written = false;
        for line in &self.lines {
            if data_of(line).is_none() {
                out.extend_from_slice(line);
            } else if !written {
                written = true;
                for part in data.split(|b| *b == b'\n') {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(part);
                    out.extend_from_slice(line_end(line));
                }
            }
        }
    }
}

fn line_end(line: &[u8]) -> &[u8] {
    let text = line.iter().take_while(|b| !matches!(b, b'\n' | b'\r')).count();
    match line.get(text..) {
        None | Some([]) => b"\n",
        Some(end) => end,
    }
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let text = line.strip_suffix(line_end(line)).unwrap_or(line);
    let value = text.strip_prefix(b"data")?;
    match value {
        [] => Some(value),
        [b':', b' ', rest @ ..] | [b':', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// The members that every chunk of an answer repeats, as they are written.
#[derive(Debug, Default)]
pub(super) struct Envelope(String);

impl Envelope {
    pub(super) fn of(root: Value<'_>) -> Self {
        let mut text = String::new();
        for key in ["id", "object", "created", "model", "system_fingerprint", "service_tier"] {
            if let Some(value) = root.get(key) {
                text.push('"');
                text.push_str(key);
                text.push_str("\":");
                text.extend(value.raw().chars().filter(|c| !matches!(c, '\n' | '\r')));
                text.push(',');
            }
        }
        Self(text)
    }

    /// Writes a chunk with a piece of a text.
    pub(super) fn write(&self, place: &Place, text: &str, out: &mut BytesMut) {
        let mut piece = String::from("\"");
        escape_into(text, &mut piece);
        piece.push('"');
        let delta = match place.channel {
            Channel::Content => format!("\"content\":{piece}"),
            Channel::Refusal => format!("\"refusal\":{piece}"),
            Channel::ReasoningContent => format!("\"reasoning_content\":{piece}"),
            Channel::Reasoning => format!("\"reasoning\":{piece}"),
            Channel::FunctionCall => format!("\"function_call\":{{\"arguments\":{piece}}}"),
            Channel::Arguments(index) => {
                format!("\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":{piece}}}}}]")
            }
            Channel::Input(index) => {
                format!("\"tool_calls\":[{{\"index\":{index},\"custom\":{{\"input\":{piece}}}}}]")
            }
        };
        let (envelope, choice) = (&self.0, place.choice);
        let chunk = format!(
            "data: {{{envelope}\"choices\":[{{\"index\":{choice},\"delta\":{{{delta}}},\"finish_reason\":null}}]}}\n\n"
        );
        out.extend_from_slice(chunk.as_bytes());
    }
}

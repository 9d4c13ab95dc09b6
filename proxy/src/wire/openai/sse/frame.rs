//! Cutting a byte stream into events (WHATWG HTML, "Server-sent events"): an event ends with an empty
//! line; lines end with LF, CR LF or CR.

use super::super::error::AnswerError;

/// No event of this API comes near this size.
const EVENT_MAX: usize = 8 * 1024 * 1024;

/// Collects bytes until an event is whole.
#[derive(Debug)]
pub(super) struct Framer {
    event: Vec<u8>,
    line: Line,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: AfterCr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Empty,
    Filled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterCr {
    Yes,
    No,
}

impl Default for Framer {
    fn default() -> Self {
        Self { event: Vec::new(), line: Line::Empty, after_cr: AfterCr::No }
    }
}

impl Framer {
    /// Takes bytes from the front until an event is whole. `None` when the bytes are used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, AnswerError> {
        let end = self.end_of_event(bytes);
        let (head, tail) = bytes.split_at(end.unwrap_or(bytes.len()).min(bytes.len()));
        *bytes = tail;
        if self.event.len().saturating_add(head.len()) > EVENT_MAX {
            return Err(AnswerError::EventTooLong { limit: EVENT_MAX });
        }
        self.event.extend_from_slice(head);
        Ok(end.map(|_| core::mem::take(&mut self.event)))
    }

    /// What came after the last whole event.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.line = Line::Empty;
        core::mem::take(&mut self.event)
    }

    fn end_of_event(&mut self, bytes: &[u8]) -> Option<usize> {
        for (position, byte) in bytes.iter().enumerate() {
            let after_cr = core::mem::replace(&mut self.after_cr, AfterCr::No);
            match byte {
                // The second half of an empty line's CR LF that was cut: it must not wait for the next event.
                b'\n' if after_cr == AfterCr::Yes => {
                    if position == 0 && self.event.is_empty() {
                        return Some(1);
                    }
                }
                b'\n' | b'\r' => {
                    let was = core::mem::replace(&mut self.line, Line::Empty);
                    let cr = *byte == b'\r';
                    self.after_cr = if cr { AfterCr::Yes } else { AfterCr::No };
                    if was == Line::Empty {
                        let next = position.saturating_add(1);
                        let whole = cr && bytes.get(next) == Some(&b'\n');
                        if whole {
                            self.after_cr = AfterCr::No;
                        }
                        return Some(next.saturating_add(usize::from(whole)));
                    }
                }
                _ => self.line = Line::Filled,
            }
        }
        None
    }
}

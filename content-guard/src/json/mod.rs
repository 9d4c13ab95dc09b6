//! A strict JSON reader that keeps the body as it is.
//!
//! One pass checks the whole body against RFC 8259 and notes where each value stands. Nothing is
//! converted: numbers keep their digits, strings their escapes, objects their order, so that a body that
//! is forwarded after replacing some strings is otherwise the same bytes. Refused beyond the RFC:
//! a key twice in one object, halves of surrogate pairs, byte order marks, more than [`DEPTH_MAX`] levels.

mod parse;
mod text;
mod value;

pub use parse::{DEPTH_MAX, JsonError};
pub use text::escape_into;
pub use value::{Document, Kind, Value};

//! The OpenAI API: chat completions, embeddings, the list of models.
//!
//! Pure: bytes in, bytes out. A request is read once; what is forwarded is the body as it came, with
//! pseudonyms in place of findings. `fields.rs` lists every field that is known, and how each is looked
//! at; a top-level field that is not listed is refused. An answer is restored whole ([`restore`]) or as
//! it streams ([`SseRestorer`]).

mod answer;
mod call;
mod chat;
mod embeddings;
mod error;
mod fields;
mod object;
mod sse;

pub(crate) use answer::{Usage, filter_models, restore};
pub(crate) use call::{Delivery, Endpoint, ModelCall, parse};
pub(crate) use sse::SseRestorer;

#[cfg(test)]
mod tests;

//! One codec per API, pure: bytes in, typed call out, and back. No I/O, no clock, no environment.

pub(crate) mod openai;
pub(crate) mod qdrant;

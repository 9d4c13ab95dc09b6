//! Behaviour of the whole crate, over its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod bodies;
mod detection;
mod json;
mod round_trip;

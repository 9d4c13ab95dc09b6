//! The store through its HTTP service, without a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod durability;
mod harness;
mod reads;
mod refusals;
mod writes;

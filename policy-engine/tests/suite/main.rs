//! The crate from outside: decisions, casbin as the oracle, the starter pack, and what must not compile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod calls;
mod decide;
mod differential;
mod forgery;
mod starter;

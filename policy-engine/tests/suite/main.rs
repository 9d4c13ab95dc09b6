//! The crate from outside: decisions, casbin as the oracle, the starter pack, and what must not compile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod bundle;
mod calls;
mod coverage;
mod decide;
mod diff;
mod differential;
mod explain;
mod forgery;
mod import;
mod lint;
mod matrix;
mod mutants;
mod packs;
mod reload;
mod replay;
mod small;
mod staged;
mod starter;

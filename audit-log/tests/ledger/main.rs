//! The ledger through its public API, on a real file system, with real kills and an independent
//! verifier.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod api;
mod forge;
mod go;
mod kill;
mod leaves;
mod recovery;
mod support;
mod tamper;

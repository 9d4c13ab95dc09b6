//! Reading and checking a ledger that may have been tampered with: offline, without the writer.
//!
//! [`verify_dir`] checks everything that a directory holds and says what it did not check.
//! [`SignedLog`] reads leaves, makes proofs and exports; [`InclusionProof`] and
//! [`check_consistency`] check proofs without the log.

mod check;
mod export;
mod pairing;
mod proof;
mod report;
mod signed_log;
mod tail;

pub use check::verify_dir;
pub use export::ExportError;
pub use proof::{BadProof, InclusionProof, check_consistency, check_inclusion};
pub use report::{Check, OpenIntent, Problem, RecordCounts, Report, Severity, Verdict};
pub use signed_log::{LogReadError, SignedLog};

/// How far a long task has come, in leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Leaves done.
    pub done: u64,
    /// Leaves in all.
    pub total: u64,
}

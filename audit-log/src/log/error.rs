//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::disk::IoFailure;
use crate::checkpoint::CheckpointError;
use crate::record::LeafError;

/// Why a record is not known to be durable. Nothing may be forwarded on its behalf.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The ledger was closed.
    #[error("ledger is closed")]
    Closed,
    /// A write or flush failed earlier, so the ledger takes nothing until the process is restarted.
    #[error("ledger stopped after a failure: {reason}")]
    Failed {
        /// The first failure.
        reason: Arc<str>,
    },
    /// No room for another segment. Nothing was written; the same call may succeed later.
    #[error("disk of the ledger is full")]
    DiskFull,
    /// Too many bytes wait already. Nothing was written.
    #[error("ledger queue is full")]
    Overloaded,
    /// Not durable in time. The record may still be written; an intent is then closed as abandoned.
    #[error("record not durable within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The record makes no leaf.
    #[error("record makes no ledger leaf")]
    Leaf(#[source] Arc<LeafError>),
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has it open.
    #[error("ledger {} is open elsewhere", .0.display())]
    Locked(PathBuf),
    /// A setting makes no sense.
    #[error("bad ledger setting: {0}")]
    Config(&'static str),
    /// The file system refuses a change.
    #[error("ledger directory cannot be written")]
    Io(#[from] IoFailure),
    /// The file system refuses a read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Records or tiles are there, but no checkpoint: it was removed.
    #[error("checkpoint of ledger {} is missing though it has entries", .0.display())]
    NoCheckpoint(PathBuf),
    /// The checkpoint is damaged, or signed by a key other than the one given.
    #[error("checkpoint of ledger {} is not accepted", dir.display())]
    Checkpoint {
        /// The ledger's directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// A file that the checkpoint covers is gone or has the wrong length.
    #[error("ledger file {} is missing or cut short", .0.display())]
    Missing(PathBuf),
    /// Files that the checkpoint covers do not have the content that it signs.
    #[error("ledger file {} does not match the signed checkpoint", .0.display())]
    Mismatch(PathBuf),
    /// The write-ahead log is gone, or damaged before a later acknowledged record.
    #[error("write-ahead log at {} is damaged at byte {offset}: {what}", path.display())]
    Wal {
        /// The segment, or the directory of segments.
        path: PathBuf,
        /// The place in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The system gives no threads.
    #[error("cannot start the ledger's threads")]
    Threads(#[source] io::Error),
}

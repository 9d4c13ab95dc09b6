//! The ledger: an append-only log of what the product let through, that a third party can verify.
//!
//! Two records a call. An intent is durable before anything leaves, and the proof of that,
//! [`Intent`], is what a forwarder needs. An outcome is durable before the last byte returns.
//!
//! ```text
//! record -> leaf (RFC 8785 JSON) -> write-ahead log (one flush per group) -> acknowledged
//!                                       \-> tiles and entry bundles -> signed checkpoint
//! ```
//!
//! The log is a Merkle tree (RFC 6962) in the C2SP formats: tlog-tiles, tlog-checkpoint and
//! signed-note. Any tool that speaks them can check it. The [`verify`] module is such a tool; it
//! needs no network and no async runtime, and with the feature `writer` off nothing else is left.
//!
//! Guarantees of the writing side:
//! - Acknowledged means durable, as [`Durability`] defines it, with an index that never changes.
//! - After a failed write or flush nothing more is taken until the process restarts.
//! - A full disk refuses new calls, keeps room for the ends of admitted ones, and recovers.
//! - An opening that finds files missing, damaged or signed by another key refuses.

#![cfg_attr(
    not(feature = "writer"),
    allow(dead_code, reason = "the modules that both sides share serve the writer too")
)]

mod causes;
mod checkpoint;
mod hex;
mod keys;
mod layout;
#[cfg(feature = "writer")]
mod ledger;
#[cfg(feature = "writer")]
mod log;
mod record;
mod tree;
pub mod verify;
mod wal;

pub use checkpoint::{CheckpointError, DURABILITY_OS_LINE, SignedCheckpoint, open_checkpoint};
pub use keys::{BadVerifierKey, KeyError, SigningKey, VerifierKeys, publish_verifier_key};
#[cfg(feature = "writer")]
pub use ledger::{Intent, Ledger, Receipt};
#[cfg(feature = "writer")]
pub use log::{Durability, IoFailure, LedgerConfig, LedgerError, LedgerHealth, OpenError, Recovery, Writable};
pub use record::{
    BadPseudonym, BadWord, Blame, CallError, CallStatus, Commitment, Committing, Compared, Correlation, Count,
    Coverage, CoverageByField, Decision, EventRecord, Facts, IntentRecord, LabelCounts, Latency, LeafError,
    MAX_INTEGER, MAX_LEAF, NotCanonical, OutcomeRecord, Pseudonym, RefusalRecord, Salt, Side, Subject, Tokens,
    TooLarge, UnixMillis, Word, check_canonical,
};

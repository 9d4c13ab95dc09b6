//! The sidecar: every model and vector-store call of an app goes through here.
//!
//! `pipeline.rs` orders the stages of a call; `stage/` holds them; `wire/` holds one pure codec per
//! API; `vector/` seals, opens and ranks; `identity/` knows the caller; `config/` refuses bad files.
//! [`start`] binds the listeners of a [`Config`](config::Config) over the opened [`Parts`].
//!
//! What holds:
//! - Nothing leaves for an upstream but what [`Parts::policies`] permitted, what a seal or a scan proved,
//!   and what the ledger has durably recorded: each is a value of a type that only another crate makes.
//! - The tenant comes from a verified credential. After authentication no stage reads a header.
//! - A request runs as a task of its own; a client that hangs up does not cancel its record.

mod answer;
mod call;
pub mod config;
mod failure;
mod failures;
pub mod identity;
mod listener;
mod metrics;
mod ops;
mod pipeline;
mod record;
mod sidecar;
mod spend;
pub mod stage;
mod target;
mod upstream;
pub mod vector;
mod wire;

pub use call::Call;
pub use failure::{Blame, Dialect, Failure};
pub use listener::ListenError;
pub use metrics::Metrics;
pub use record::Trace;
pub use sidecar::{Drained, Parts, Running, Sidecar, StartError, start};
pub use upstream::{SetupError, Upstream, UpstreamError};

//! How a question becomes an outcome.
//!
//! The trie picks the lines that may matter. Then, by [`Engine`], either casbin decides over exactly these
//! (`slice`), or the lines decide by themselves and casbin is asked at load and now and then (`index`). Both are
//! held against a plain scan of the tenant's lines: at load by generated requests, and live by a sample. Once
//! they disagree, the set scans and asks casbin for the rest of its life, and says so.

mod actions;
mod audit;
mod facts_key;
mod health;
mod holders;
mod memo;
mod merged;
mod options;
mod plain;
mod question;
mod referee;
mod sample;
mod shapes;
mod slots;
mod trie;
mod verdict;
mod verify;
mod worker;

pub(crate) use actions::ActionSet;
pub use health::Alarms;
pub(crate) use health::Health;
pub(crate) use holders::Holders;
pub use options::{Engine, Options};
pub use plain::{PlainCasbin, PlainFault};
pub(crate) use referee::probe;
pub(crate) use trie::{Candidate, Trie};
pub(crate) use verify::{share, verify};
pub(crate) use worker::{Roles, decide_in};

#[cfg(test)]
mod tests;

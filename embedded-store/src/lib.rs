//! A vector store inside the process: Qdrant's REST API over the engine crate `qdrant-edge`.
//!
//! [`EmbeddedStore::open`] takes a directory; [`router`] gives the HTTP service; the caller binds the
//! listener. `aios up` uses it as its default vector upstream, and the tests as a real Qdrant.
//!
//! # What it speaks
//! The REST API of Qdrant 1.19 as its official clients use it for dense vectors: collections
//! (create, list, info, exists, delete), points (upsert as list or columns, retrieve, scroll, count,
//! delete), queries (`points/query`, `points/search`, each also as `/batch`), payload operations,
//! vector updates, `points/batch`, and payload indexes. Filters are Qdrant's whole filter language,
//! parsed and evaluated by the engine. Everything else answers 404 (no such path) or 501 (a path or
//! field of Qdrant that is not offered here), in Qdrant's error form. A field that this store does
//! not know is refused by name, never skipped.
//!
//! # What it guarantees
//! - A write answered with `wait=true` is on disk: its record in the collection's redo log was
//!   `fdatasync`ed. It survives a killed process and a power cut.
//! - A write answered with `wait=false` (`"status":"acknowledged"`) is applied and in the redo log, not yet
//!   synced: it survives a killed process, not a power cut.
//! - After a crash the redo log is replayed, so a half-applied write is completed, not left torn.
//! - A write that fails may be partly applied, as in Qdrant. It is never acknowledged.
//! - Searches are exact (a full scan) while a collection holds less than
//!   [`EXACT_BELOW_KB`] of unindexed vectors; above that, the maintenance thread builds HNSW graphs.
//! - A filter with `nested` and the like runs at the speed of a scan unless the field is indexed.
//!
//! # What it does not do
//! One process, one node: `shard_number`, `replication_factor`, `write_consistency_factor`, `wal_config`,
//! `consistency`, `ordering` and `timeout` are accepted and have no effect. Sparse and multi vectors,
//! server-side embedding, prefetch and fusion, recommend, discover, facets, groups, aliases, snapshots
//! and shard keys are refused.

mod api;
mod collection;
mod duplicates;
mod engine;
mod fault;
mod locks;
mod manifest;
mod name;
mod params;
mod redo;
mod resolve;
mod store;

pub use api::{Access, BodyLimit, NoRandomness, router, router_limited};
pub use params::EXACT_BELOW_KB;
pub use store::{CloseError, EmbeddedStore, FlushError, OpenError};

//! The words that every crate of the workspace shares: validated ids and the wrapper for plaintext.
//!
//! No logic lives here. An id type has a private field and one fallible constructor, so that a value
//! of the type *is* the proof that its text is well formed, and two kinds of id cannot be confused.

mod ids;
mod plain;

pub use ids::{BadId, CollectionName, GroupName, ModelName, PrincipalId, RecordId, TenantId, UpstreamName};
pub use plain::Plain;

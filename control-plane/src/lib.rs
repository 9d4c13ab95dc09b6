//! The state store of the control plane: tenants, the registry of wrapped keys, the map of
//! collections, the virtual API keys, and what operators did on its way into a ledger.
//!
//! [`Store`] is the only place of the product that speaks SQL. Every value is bound, never spliced:
//! the driver takes static statements only. What the store returns is made of validated ids, so a row
//! that was tampered with is an error and not a surprise further on.
//!
//! # Guarantees
//! - An operation that returns `Ok` is on disk (`WAL`, `synchronous = FULL`).
//! - "First writer wins" operations (a tenant's KEK, a data key of an epoch, a collection) are
//!   decided by unique keys of the database, so they hold between processes too.
//! - The database file is readable by its owner only, and a file that is not is refused.
//! - A virtual key is stored as a hash; the key itself is shown once, by [`Store::mint_key`].
//! - [`Store::revocation_generation`] has moved on before [`Store::revoke_key`] returns.
//!
//! # Seam
//! SQLite is the one database today. A second one goes behind the same methods; nothing outside this
//! crate sees a connection, a statement or a row.

mod collections;
mod key_registry;
mod migrations;
mod operator_events;
mod store;
mod tenants;
mod virtual_keys;

pub use collections::{
    Advance, CollectionKey, CollectionRow, CollectionSpec, CollectionState, Creation, Distance, Mode, PhysicalName,
    UnknownWord,
};
pub use operator_events::{ClaimedEvent, OperatorEvent, OperatorEventId};
pub use store::{OpenError, Store, StoreError};
pub use tenants::{Shredding, TenantRow};
pub use virtual_keys::{
    BadLabel, KeyLabel, KeyRequest, MintError, PresentedKey, Revocation, VIRTUAL_KEY_PREFIX, VirtualKey, VirtualKeyId,
};

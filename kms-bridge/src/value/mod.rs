//! Value format v1: sealing and opening of single values. Pure.

mod context;
mod header;
mod seal;
#[cfg(test)]
mod tests;

pub use context::SealContext;
pub use header::{FormatError, HEADER_LEN, Header};
pub use seal::{OVERHEAD, OpenError, SealError, Sealed, Value, open, seal};

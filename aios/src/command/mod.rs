//! The subcommands, one module each.

pub(crate) mod audit;
pub(crate) mod config;
#[cfg(feature = "embedded-store")]
pub(crate) mod demo;
#[cfg(feature = "embedded-store")]
pub(crate) mod embedded_store;
pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod proxy;
pub(crate) mod tokens;
#[cfg(feature = "embedded-store")]
pub(crate) mod up;

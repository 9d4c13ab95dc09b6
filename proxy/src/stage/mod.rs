//! The stages of a call. Each takes the value before it by move and gives the next; none calls
//! another. `pipeline.rs` alone orders them.

pub(crate) mod accept;
pub(crate) mod authenticate;
pub(crate) mod decide;
pub(crate) mod forward;
pub(crate) mod intent;
pub(crate) mod open;
pub(crate) mod outcome;
pub(crate) mod parse;
pub(crate) mod seal;

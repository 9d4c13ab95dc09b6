//! The stages of a call. Each takes the value before it by move and gives the next; none calls
//! another. `pipeline.rs` alone orders them.
//!
//! The order is held by types. Each of these compiles:
//!
//! ```
//! use policy_engine::Permit;
//! use proxy::{Call, Failure, Sidecar, Trace, stage};
//!
//! async fn permitted(s: &Sidecar, permit: Permit<Call>, t: &mut Trace) -> Result<stage::SealedCall, Failure> {
//!     stage::seal(s, permit, t).await
//! }
//! async fn sealed(s: &Sidecar, sealed: stage::SealedCall, t: &mut Trace) -> Result<stage::Recorded, Failure> {
//!     stage::record(s, sealed, t).await
//! }
//! async fn recorded(recorded: stage::Recorded, t: &mut Trace) -> stage::Forwarded {
//!     stage::forward(recorded, t).await
//! }
//! ```
//!
//! Sent undecided does not:
//!
//! ```compile_fail
//! use proxy::{Call, Failure, Sidecar, Trace, stage};
//! async fn undecided(s: &Sidecar, call: Call, t: &mut Trace) -> Result<stage::SealedCall, Failure> {
//!     stage::seal(s, call, t).await
//! }
//! ```
//!
//! Nor unsealed:
//!
//! ```compile_fail
//! use policy_engine::Permit;
//! use proxy::{Call, Failure, Sidecar, Trace, stage};
//! async fn unsealed(s: &Sidecar, permit: Permit<Call>, t: &mut Trace) -> Result<stage::Recorded, Failure> {
//!     stage::record(s, permit, t).await
//! }
//! ```
//!
//! Nor unrecorded:
//!
//! ```compile_fail
//! use proxy::{Trace, stage};
//! async fn unrecorded(sealed: stage::SealedCall, t: &mut Trace) -> stage::Forwarded {
//!     stage::forward(sealed, t).await
//! }
//! ```
//!
//! Nor twice under one intent:
//!
//! ```compile_fail
//! use proxy::{Trace, stage};
//! async fn twice(recorded: stage::Recorded, t: &mut Trace) {
//!     stage::forward(recorded, t).await;
//!     stage::forward(recorded, t).await;
//! }
//! ```

pub(crate) mod accept;
pub(crate) mod authenticate;
pub(crate) mod decide;
pub(crate) mod forward;
pub(crate) mod intent;
pub(crate) mod open;
pub(crate) mod outcome;
pub(crate) mod parse;
pub(crate) mod seal;

pub use forward::{Forwarded, forward};
pub use intent::{Recorded, record};
pub use seal::{SealedCall, seal};

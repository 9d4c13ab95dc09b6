//! Budgets, limits and approvals: what of them a decision reads, and stores in memory that keep them.
//!
//! A decision reads [`Spend`] and [`Approval`]s as facts. Where they live is the embedder's choice; the stores
//! here work in one process and take the time as an argument. Reading and deciding are two steps, so two calls
//! may both fit a budget that has room for one: [`SpendLedger::reserve`] checks and books in one step, after the
//! decision and before anything is forwarded.

mod approvals;
pub(crate) mod calendar;
mod meter;
mod spend;

pub use approvals::{Approval, ApprovalDesk, CallDigest, Request, TwiceApproved};
pub use meter::{Meter, Unit, Window};
pub(crate) use spend::fits;
pub use spend::{Account, Accounts, Reservation, Spend, SpendLedger, Use};

#[cfg(test)]
mod tests;

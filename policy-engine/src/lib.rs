//! Decisions: who may do what with which model or collection, and on which terms.
//!
//! Policy documents (TOML, see `docs/policy-guide.md`) are compiled once into a [`PolicySet`]. A call
//! that implements [`Governed`] is decided by [`PolicySet::decide`], which takes the call by value and
//! gives back a [`Permit`] that owns it, or a [`Refused`] that says why not. A stage that must not run
//! undecided takes a `Permit`: no other crate can make one.
//!
//! What holds:
//! - Casbin decides. An index picks the policy lines that may matter, casbin's own matcher and effect
//!   (allow-and-deny) say yes or no over exactly these, and a verdict that differs from what the index
//!   expected is an internal error, which denies.
//! - An explicit allow is needed; a deny overrides every allow; every error denies.
//! - A decision is pure: it reads the call, the compiled set and nothing else. No clock, no I/O, no
//!   environment. The one function that reads files is [`PolicySet::load_dir`].
//! - A document with any defect does not load, and every defect is reported at once.

mod action;
mod cases;
mod compile;
mod condition;
mod decision;
mod document;
mod engine;
mod facts;
mod load;
mod names;
mod obligations;
mod pattern;
mod permit;
mod resource;
mod set;

pub use action::{Action, Family, UnknownAction};
pub use cases::{TestOutcome, TestResult};
pub use condition::ConditionFault;
pub use decision::{Decision, Denial, ReasonCode};
pub use document::{Defect, Document};
pub use facts::{Facts, Governed, Query};
pub use load::LoadError;
pub use names::{FieldName, Label, Purpose, Region, RoleName, RuleId, Trust, Workflow};
pub use obligations::{BadBeta, Beta, Encrypt, Mode, Obligations, Record};
pub use permit::{Grant, Permit, Refused};
pub use resource::{BadResource, Resource};
pub use set::{PolicyDigest, PolicySet};

//! Decisions: who may do what with which model or collection, and on which terms.
//!
//! Policy documents (TOML, see `docs/policy-guide.md`) are compiled once into a [`PolicySet`]. A call
//! that implements [`Governed`] is decided by [`PolicySet::decide`], which takes the call by value and
//! gives back a [`Permit`] that owns it, or a [`Refused`] that says why not. A stage that must not run
//! undecided takes a `Permit`: no other crate can make one.
//!
//! What holds:
//! - Casbin's semantics decide. An index picks the policy lines that may matter; over exactly these, either
//!   casbin's own matcher and effect (allow-and-deny) say yes or no, or the lines do and casbin is the oracle
//!   ([`Engine`]). A disagreement at load refuses the set; a live one raises [`PolicySet::alarms`], and casbin
//!   decides from then on.
//! - An explicit allow is needed; a deny overrides every allow; every error denies.
//! - A decision is pure: it reads the call, the compiled set and nothing else. No clock, no I/O, no
//!   environment. The one function that reads files is [`PolicySet::load_dir`].
//! - A document with any defect does not load, and every defect is reported at once.

mod action;
pub mod bundle;
mod cases;
mod compile;
mod condition;
mod coverage;
mod decision;
mod definitions;
pub mod diff;
mod document;
mod engine;
pub mod explain;
mod facts;
pub mod import;
mod junit;
pub mod lint;
mod load;
mod matrix;
mod names;
mod obligations;
mod pattern;
mod permit;
pub mod replay;
mod resource;
mod schema;
mod set;
mod staged;
pub mod state;

pub use action::{Action, Family, UnknownAction};
pub use cases::{TestOutcome, TestResult, TestTable};
pub use condition::ConditionFault;
pub use coverage::{Coverage, Covered, CoveredCondition, CoveredRule};
pub use decision::{Decision, Denial, ReasonCode};
pub use definitions::{Shadow, Would};
pub use document::{Defect, Document};
pub use engine::{Alarms, Engine, Options, PlainCasbin, PlainFault};
pub use facts::{Claim, Facts, Governed, Query};
pub use junit::junit;
pub use load::LoadError;
pub use matrix::{Access, CallerMatrix, Matrix, Row, RuleLine, TenantMatrix, TooManyRows};
pub use names::{
    ApprovalClass, BudgetName, ClaimName, ClaimValue, DefinitionName, FieldName, Label, Purpose, Region, RoleName,
    RuleId, Trust, Workflow,
};
pub use obligations::{BadBeta, BadRoute, Beta, Encrypt, Mode, ObligationKind, Obligations, Record, Route};
pub use permit::{Grant, Permit, Refused};
pub use resource::{BadResource, Resource};
pub use schema::schema;
pub use set::{PolicyDigest, PolicySet};
pub use staged::{BadPercent, Candidate, Change, Difference, InForce, Percent, Policies, Rollout, Staged};

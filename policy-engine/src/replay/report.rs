//! What a replay found.

use crate::set::PolicyDigest;
use crate::staged::Change;
use serde::Serialize;
use std::fmt;

/// What a candidate would have done with recorded decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// The digest of the candidate.
    pub policy: PolicyDigest,
    /// How many records were given.
    pub records: u64,
    /// How many of them the candidate decides as they were.
    pub same: u64,
    /// How many were decided by roles from the record: a change of memberships is not seen in these.
    pub by_recorded_roles: u64,
    /// How many differ though the same policy decided them: their records do not hold all that it read.
    pub unfaithful: u64,
    /// What is decided otherwise, the most frequent first.
    pub changes: Vec<Changed>,
    /// What could not be decided again, the most frequent first.
    pub not_replayable: Vec<NotReplayed>,
}

/// Recorded decisions that change in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// How.
    pub change: Change,
    /// The tenant.
    pub tenant: String,
    /// The action.
    pub action: String,
    /// What was decided: `allow` or a code.
    pub before: String,
    /// What the candidate decides: `allow` or a code, with the rule that denies.
    pub after: String,
    /// The terms that a call had and would not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms_lost: Vec<String>,
    /// The terms that a call would have and had not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms_gained: Vec<String>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The id of the record.
    pub record: String,
    /// What the call acted on.
    pub resource: String,
}

/// Records that could not be decided again, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReplayed {
    /// Why.
    pub why: Why,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// Why a record could not be decided again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "what")]
pub enum Why {
    /// It was refused, but not by the policy: the code.
    NotByPolicy(String),
    /// There is no such action.
    UnknownAction(String),
    /// There is no such kind of resource.
    UnknownResource,
    /// The action never applies to such a resource.
    ActionAndResource,
    /// Neither the caller nor its roles are known.
    UnknownCaller,
    /// The candidate reads this fact for such a call, and the record does not hold it.
    FactNotRecorded(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotByPolicy(code) => write!(f, "refused with {code}, which is not of the policy"),
            Self::UnknownAction(action) => write!(f, "there is no action {action}"),
            Self::UnknownResource => f.write_str("the resource is of no known kind"),
            Self::ActionAndResource => f.write_str("the action never applies to such a resource"),
            Self::UnknownCaller => f.write_str("neither the caller nor its roles are known"),
            Self::FactNotRecorded(name) => write!(f, "the policy reads {name}, which was not recorded"),
        }
    }
}

impl ReplayReport {
    /// How many records change in a way.
    #[must_use]
    pub fn count(&self, change: Change) -> u64 {
        self.changes.iter().filter(|changed| changed.change == change).map(|changed| changed.count).sum()
    }

    /// How many records could not be decided again.
    #[must_use]
    pub fn not_replayed(&self) -> u64 {
        self.not_replayable.iter().map(|not| not.count).sum()
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for changed in &self.changes {
            let Changed { change, tenant, action, before, after, count, .. } = changed;
            writeln!(f, "{count:>8}  {change}: {tenant} {action}: {before} -> {after}")?;
            changed.terms_lost.iter().try_for_each(|line| writeln!(f, "            - {line}"))?;
            changed.terms_gained.iter().try_for_each(|line| writeln!(f, "            + {line}"))?;
            examples(f, &changed.examples)?;
        }
        for not in &self.not_replayable {
            writeln!(f, "{:>8}  not replayed: {}", not.count, not.why)?;
            examples(f, &not.examples)?;
        }
        let (denied, allowed) = (self.count(Change::NewlyDenied), self.count(Change::NewlyAllowed));
        let (terms, reasons) = (self.count(Change::OtherTerms), self.count(Change::OtherReason));
        writeln!(f, "{} recorded decisions: {} as they were", self.records, self.same)?;
        writeln!(f, "newly denied: {denied}, newly allowed: {allowed}, other terms: {terms}, other reason: {reasons}")?;
        write!(f, "not replayed: {}, by recorded roles: {}", self.not_replayed(), self.by_recorded_roles)?;
        match self.unfaithful {
            0 => Ok(()),
            some => write!(f, "\n{some} differ though this very policy decided them: the records lack what it read"),
        }
    }
}

fn examples(f: &mut fmt::Formatter<'_>, examples: &[Example]) -> fmt::Result {
    examples.iter().try_for_each(|example| writeln!(f, "            {} on {}", example.record, example.resource))
}

//! A decision of the past, as the ledger holds it.

use crate::facts::{Claim, Facts};
use crate::names::{Label, Purpose, Region, RoleName, Trust, Workflow};
use std::collections::BTreeSet;
use vocab::{GroupName, PrincipalId, TenantId};

/// Something that a record may not hold. A fact that is known to be absent is `Known(None)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recorded<T> {
    /// The record does not say.
    #[default]
    Unknown,
    /// The record says.
    Known(T),
}

impl<T> Recorded<T> {
    pub(super) const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    pub(super) const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// A decision that was recorded, with everything that the record holds of its question. What is missing must be said
/// to be unknown: a decision that needs it is then not replayed, and counted.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedDecision {
    /// What examples are named by: the id of the record.
    pub record: String,
    /// The tenant.
    pub tenant: TenantId,
    /// Who called. Unknown if the record holds a pseudonym that could not be resolved.
    pub principal: Recorded<PrincipalId>,
    /// The groups that the credential vouched for.
    pub groups: Recorded<Vec<GroupName>>,
    /// The other claims that the credential vouched for.
    pub claims: Recorded<Vec<Claim>>,
    /// The roles that the caller held then. They are used if the caller, its groups or its claims are unknown, as far
    /// as the candidate still has them: what the candidate changes about memberships is not seen then.
    pub roles: Recorded<Vec<RoleName>>,
    /// The action, as recorded.
    pub action: String,
    /// The path of the resource, as recorded.
    pub resource: String,
    /// The facts.
    pub facts: RecordedFacts,
    /// The digest of the policy that decided.
    pub policy: String,
    /// What it decided.
    pub verdict: RecordedVerdict,
}

/// The facts of a recorded decision. Money and approvals are not among them: no record holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedFacts {
    /// When the call came, in seconds since the Unix epoch.
    pub now: u64,
    /// What was found in the content.
    pub labels: Recorded<BTreeSet<Label>>,
    /// The region of the upstream.
    pub upstream_region: Recorded<Option<Region>>,
    /// The trust of the upstream.
    pub upstream_trust: Recorded<Option<Trust>>,
    /// The workflow.
    pub workflow: Recorded<Option<Workflow>>,
    /// The purpose.
    pub purpose: Recorded<Option<Purpose>>,
    /// The estimate of tokens.
    pub tokens: Recorded<u64>,
    /// The estimate of cost.
    pub cost: Recorded<Option<u64>>,
    /// How many results a search asked for.
    pub k: Recorded<Option<u32>>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedVerdict {
    /// It was allowed on these terms, as [`crate::Obligations::lines`] writes them.
    Allowed {
        /// The terms.
        obligations: BTreeSet<String>,
    },
    /// It was refused, with this code.
    Refused {
        /// The code of a [`crate::ReasonCode`]; another one means that it was not the policy that refused.
        code: String,
    },
}

impl RecordedDecision {
    /// Whether the record holds a fact, by the name of its variable in conditions. One that is not known here is not
    /// held.
    pub(super) fn holds(&self, variable: &str) -> bool {
        let facts = &self.facts;
        match variable {
            "labels" | "data.max_class" => facts.labels.is_known(),
            "principal.id" => self.principal.is_known(),
            "principal.groups" => self.groups.is_known(),
            "claims" => self.claims.is_known(),
            "call.workflow" => facts.workflow.is_known(),
            "call.purpose" => facts.purpose.is_known(),
            "call.tokens" => facts.tokens.is_known(),
            "call.cost" => facts.cost.is_known(),
            "call.k" => facts.k.is_known(),
            "upstream.region" => facts.upstream_region.is_known(),
            "upstream.trust" => facts.upstream_trust.is_known(),
            // Of the clock, of the policy, or of the recorded tenant, action and resource.
            "now" | "time.hour" | "time.weekday" | "tenant" | "call.action" | "upstream.name" => true,
            other => ["resource.", "model.", "class."].iter().any(|family| other.starts_with(family)),
        }
    }
}

impl RecordedFacts {
    /// The facts that are known; of the others, that there is none.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            labels: self.labels.known().cloned().unwrap_or_default(),
            upstream_region: self.upstream_region.known().cloned().flatten(),
            upstream_trust: self.upstream_trust.known().cloned().flatten(),
            workflow: self.workflow.known().cloned().flatten(),
            purpose: self.purpose.known().cloned().flatten(),
            now: self.now,
            token_estimate: self.tokens.known().copied().unwrap_or_default(),
            cost_estimate: self.cost.known().copied().flatten(),
            k: self.k.known().copied().flatten(),
            ..Facts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::VARIABLES;

    /// A variable that is new to conditions must be known here, or records that hold its fact are not replayed.
    #[test]
    fn a_whole_record_holds_every_variable_but_spend() {
        let whole = RecordedDecision {
            record: "r".into(),
            tenant: TenantId::new("acme").unwrap(),
            principal: Recorded::Known(PrincipalId::new("ann").unwrap()),
            groups: Recorded::Known(Vec::new()),
            claims: Recorded::Known(Vec::new()),
            roles: Recorded::Unknown,
            action: "model.chat".into(),
            resource: "model/a/x".into(),
            facts: RecordedFacts {
                now: 0,
                labels: Recorded::Known(BTreeSet::new()),
                upstream_region: Recorded::Known(None),
                upstream_trust: Recorded::Known(None),
                workflow: Recorded::Known(None),
                purpose: Recorded::Known(None),
                tokens: Recorded::Known(0),
                cost: Recorded::Known(None),
                k: Recorded::Known(None),
            },
            policy: String::new(),
            verdict: RecordedVerdict::Refused { code: "not_permitted".into() },
        };
        let unheld = |record: &RecordedDecision| {
            VARIABLES.iter().map(|v| v.name).filter(|name| !record.holds(name)).collect::<Vec<_>>()
        };
        assert_eq!(unheld(&whole), ["spend"]);
        let facts = RecordedFacts::default();
        let bare = RecordedDecision { groups: Recorded::Unknown, claims: Recorded::Unknown, facts, ..whole };
        assert_eq!(unheld(&bare).len(), 12);
    }
}

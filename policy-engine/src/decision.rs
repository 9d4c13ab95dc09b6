//! What a decision says.

use crate::condition::ConditionFault;
use crate::names::RuleId;
use crate::obligations::Obligations;
use crate::set::PolicyDigest;
use std::fmt;
use std::sync::Arc;

/// Why a call was denied. The text (`Display`) is a stable code without content, safe to show the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReasonCode {
    /// `not_permitted`: no rule allows it.
    NotPermitted,
    /// `forbidden`: a rule denies it.
    Forbidden {
        /// The first denying rule in the order of the documents.
        rule: RuleId,
    },
    /// `condition_error`: a rule that fits the call has a condition that failed to evaluate. An allow and a
    /// deny are treated alike.
    ConditionError {
        /// The rule.
        rule: RuleId,
    },
    /// `obligation_conflict`: rules allow it on terms that cannot all be kept.
    ObligationConflict,
    /// `unknown_tenant`: no document is about the tenant.
    UnknownTenant,
    /// `internal`: the engine failed or disagreed with itself. The fault is ours.
    Internal,
}

impl ReasonCode {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted => "not_permitted",
            Self::Forbidden { .. } => "forbidden",
            Self::ConditionError { .. } => "condition_error",
            Self::ObligationConflict => "obligation_conflict",
            Self::UnknownTenant => "unknown_tenant",
            Self::Internal => "internal",
        }
    }

    /// The rule that decided, where one did.
    #[must_use]
    pub const fn rule(&self) -> Option<&RuleId> {
        match self {
            Self::Forbidden { rule } | Self::ConditionError { rule } => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        self.rule().map_or(Ok(()), |rule| write!(f, " by {rule}"))
    }
}

/// A decision with its grounds, as a fact to show or compare. It opens nothing: only [`crate::Permit`] does.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub(crate) outcome: Arc<Outcome>,
    pub(crate) digest: PolicyDigest,
}

/// What one question comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Result<Arc<Obligations>, ReasonCode>,
    pub(crate) matched: Arc<[RuleId]>,
    pub(crate) unmet: Arc<[RuleId]>,
    pub(crate) fault: Option<ConditionFault>,
}

impl Outcome {
    pub(crate) fn denied(reason: ReasonCode) -> Self {
        Self { verdict: Err(reason), matched: Arc::default(), unmet: Arc::default(), fault: None }
    }
}

impl Decision {
    /// The terms of the allowed call, or why it is denied.
    ///
    /// # Errors
    /// The reason, when the call is denied.
    pub fn verdict(&self) -> Result<&Obligations, &ReasonCode> {
        self.outcome.verdict.as_ref().map(AsRef::as_ref)
    }

    /// Every rule that applied, allows and denies, in the order of the documents.
    #[must_use]
    pub fn matched(&self) -> &[RuleId] {
        &self.outcome.matched
    }

    /// The rules that fit the caller, the action and the resource, but whose condition was false.
    #[must_use]
    pub fn unmet(&self) -> &[RuleId] {
        &self.outcome.unmet
    }

    /// Why the condition of the rule that [`ReasonCode::ConditionError`] names failed, for its author.
    #[must_use]
    pub fn fault(&self) -> Option<ConditionFault> {
        self.outcome.fault
    }

    /// The digest of the policy that decided.
    #[must_use]
    pub const fn digest(&self) -> &PolicyDigest {
        &self.digest
    }
}

/// Why a call was refused. Ids and codes only: safe to show the caller and to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The reason, with the deciding rule where there is one.
    pub reason: ReasonCode,
    /// Every rule that applied.
    pub matched: Arc<[RuleId]>,
    /// The rules that fit but for their condition.
    pub unmet: Arc<[RuleId]>,
    /// The digest of the policy that decided.
    pub digest: PolicyDigest,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            ReasonCode::NotPermitted => f.write_str("no rule of the policy allows this call"),
            ReasonCode::Forbidden { rule } => {
                write!(f, "rule {rule} of the policy denies this call")
            }
            ReasonCode::ConditionError { rule } => {
                write!(f, "the condition of rule {rule} could not be evaluated for this call")
            }
            ReasonCode::ObligationConflict => {
                f.write_str("the rules that allow this call set terms that cannot all be kept")
            }
            ReasonCode::UnknownTenant => f.write_str("no policy is loaded for this tenant"),
            ReasonCode::Internal => f.write_str("the policy engine failed"),
        }
    }
}

impl std::error::Error for Denial {}

//! What a decision says.

use crate::condition::ConditionFault;
use crate::definitions::{Shadow, Would};
use crate::names::{ApprovalClass, BudgetName, DefinitionName, Label, RuleId};
use crate::obligations::Obligations;
use crate::set::PolicyDigest;
use crate::state::Meter;
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
    /// `blocked`: the content holds what an obligation blocks.
    Blocked {
        /// The label that was found.
        label: Label,
    },
    /// `model_expired`: the last day of the model's definition is over.
    ModelExpired {
        /// The definition.
        model: DefinitionName,
    },
    /// `model_version`: the model's definition lists versions, and the call names none of them.
    ModelVersion {
        /// The definition.
        model: DefinitionName,
    },
    /// `not_defined`: the policy allows only what it defines, and defines no such model or collection.
    NotDefined,
    /// `residency`: the call would be served in a region that its terms exclude, or in none that is known.
    Residency,
    /// `over_max_k`: the search asks for more results than its terms allow.
    OverMaxK {
        /// The most that is allowed.
        max: u32,
    },
    /// `over_limit`: the caller's use would exceed a limit, or is not known.
    OverLimit {
        /// What is limited.
        meter: Meter,
    },
    /// `over_budget`: the spend would exceed a budget.
    OverBudget {
        /// The budget.
        budget: BudgetName,
    },
    /// `budget_unknown`: the call is under a budget whose spend is not known here.
    BudgetUnknown {
        /// The budget.
        budget: BudgetName,
    },
    /// `approval_required`: approvals are missing.
    ApprovalRequired {
        /// The class of approvals.
        class: ApprovalClass,
        /// How many valid ones are missing.
        missing: u32,
    },
    /// `unknown_tenant`: no document is about the tenant.
    UnknownTenant,
    /// `internal`: the engine failed or disagreed with itself. The fault is ours.
    Internal,
}

impl ReasonCode {
    /// Every stable code.
    pub const CODES: [&'static str; 16] = [
        "not_permitted",
        "forbidden",
        "condition_error",
        "obligation_conflict",
        "blocked",
        "model_expired",
        "model_version",
        "not_defined",
        "residency",
        "over_max_k",
        "over_limit",
        "over_budget",
        "budget_unknown",
        "approval_required",
        "unknown_tenant",
        "internal",
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted => "not_permitted",
            Self::Forbidden { .. } => "forbidden",
            Self::ConditionError { .. } => "condition_error",
            Self::ObligationConflict => "obligation_conflict",
            Self::Blocked { .. } => "blocked",
            Self::ModelExpired { .. } => "model_expired",
            Self::ModelVersion { .. } => "model_version",
            Self::NotDefined => "not_defined",
            Self::Residency => "residency",
            Self::OverMaxK { .. } => "over_max_k",
            Self::OverLimit { .. } => "over_limit",
            Self::OverBudget { .. } => "over_budget",
            Self::BudgetUnknown { .. } => "budget_unknown",
            Self::ApprovalRequired { .. } => "approval_required",
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

    /// What happened, in one clause for the caller and the record. It names rules and definitions, never content.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NotPermitted => "no rule of the policy allows this call".into(),
            Self::Forbidden { rule } => format!("rule {rule} of the policy denies this call"),
            Self::ConditionError { rule } => {
                format!("the condition of rule {rule} could not be evaluated for this call")
            }
            Self::ObligationConflict => "the rules that allow this call set terms that cannot all be kept".into(),
            Self::Blocked { label } => format!("the content holds {label}, which the policy blocks here"),
            Self::ModelExpired { model } => format!("the model {model} of the policy has expired"),
            Self::ModelVersion { model } => format!("the policy allows only listed versions of the model {model}"),
            Self::NotDefined => "the policy defines no such model or collection".into(),
            Self::Residency => "the policy does not let this call be served in the region of its upstream".into(),
            Self::OverMaxK { max } => format!("the policy allows at most {max} results"),
            Self::OverLimit { meter } => format!("the limit of {meter} is reached"),
            Self::OverBudget { budget } => format!("the budget {budget} does not cover this call"),
            Self::BudgetUnknown { budget } => format!("the spend of the budget {budget} is not known here"),
            Self::ApprovalRequired { class, missing } => {
                format!("the call needs {missing} more approval(s) of the class {class}")
            }
            Self::UnknownTenant => "no policy is loaded for this tenant".into(),
            Self::Internal => "the policy engine failed".into(),
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
    pub(crate) shadow: Arc<[Shadow]>,
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

    /// What rules in mode shadow would have done. It changed nothing.
    #[must_use]
    pub fn shadow(&self) -> &[Shadow] {
        &self.shadow
    }

    /// The verdict that there would be, were the rules in mode shadow enforced, as far as rules decide: an allow
    /// by them may still fail on its terms. `None`: the same as now.
    #[must_use]
    pub fn would_be(&self) -> Option<Would> {
        let all = || self.shadow.iter().map(|shadow| shadow.would);
        let denies = all().find(|would| matches!(would, Would::Fail(_))).or_else(|| all().find(|w| *w == Would::Deny));
        match (&self.outcome.verdict, denies) {
            (Ok(_), denies) => denies,
            (Err(ReasonCode::NotPermitted), None) => all().find(|would| *would == Would::Allow),
            (Err(_), _) => None,
        }
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
    /// What rules in mode shadow would have done.
    pub shadow: Arc<[Shadow]>,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason.sentence())
    }
}

impl std::error::Error for Denial {}

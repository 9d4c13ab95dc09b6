//! Every error of the parts, mapped to what the caller and the record are told: one exhaustive match
//! for each error type.

use crate::{
    failure::{Blame, Failure},
    upstream::UpstreamError,
};
use audit_log::LedgerError;
use http::StatusCode;
use kms_bridge::{KeyError, ProviderError};
use policy_engine::{Denial, ReasonCode};

impl From<&KeyError> for Failure {
    fn from(error: &KeyError) -> Self {
        let (status, code) = match error {
            KeyError::UnknownKey => (StatusCode::BAD_GATEWAY, "sealed_by_unknown_key"),
            KeyError::OtherScope => (StatusCode::BAD_GATEWAY, "sealed_for_another_scope"),
            KeyError::KekLost => (StatusCode::SERVICE_UNAVAILABLE, "kek_lost"),
            KeyError::Shredded => (StatusCode::GONE, "tenant_shredded"),
            KeyError::Provider(ProviderError::Denied(_)) => (StatusCode::SERVICE_UNAVAILABLE, "kms_denied"),
            KeyError::Provider(ProviderError::Disabled) => (StatusCode::SERVICE_UNAVAILABLE, "kek_disabled"),
            KeyError::Provider(_) => (StatusCode::SERVICE_UNAVAILABLE, "kms_unavailable"),
            KeyError::NoProvider(_) => (StatusCode::SERVICE_UNAVAILABLE, "kms_not_configured"),
            KeyError::NotLocked => (StatusCode::SERVICE_UNAVAILABLE, "no_locked_memory"),
            KeyError::Registry(_) => (StatusCode::SERVICE_UNAVAILABLE, "key_registry_unavailable"),
            KeyError::NoRandomness => (StatusCode::INTERNAL_SERVER_ERROR, "no_randomness"),
        };
        let blame = match error {
            KeyError::UnknownKey | KeyError::OtherScope => Blame::Upstream,
            KeyError::NoRandomness => Blame::Internal,
            _ => Blame::Kms,
        };
        let failure = Self::new(status, code, blame, error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE { failure.retry_after(5) } else { failure }
    }
}

impl From<&LedgerError> for Failure {
    fn from(_: &LedgerError) -> Self {
        let message = "the audit ledger cannot record this call, so it is refused";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", Blame::Ledger, message).retry_after(5)
    }
}

impl From<&UpstreamError> for Failure {
    fn from(error: &UpstreamError) -> Self {
        let (status, code, blame) = match error {
            UpstreamError::Unreachable => (StatusCode::BAD_GATEWAY, "upstream_unreachable", Blame::Upstream),
            UpstreamError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", Blame::Upstream),
            UpstreamError::BrokeOff => (StatusCode::BAD_GATEWAY, "upstream_broke_off", Blame::Upstream),
            UpstreamError::TooLarge => (StatusCode::BAD_GATEWAY, "upstream_answer_too_large", Blame::Upstream),
            UpstreamError::Unwritable => (StatusCode::INTERNAL_SERVER_ERROR, "request_unwritable", Blame::Internal),
        };
        Self::new(status, code, blame, error.to_string())
    }
}

impl From<&Denial> for Failure {
    fn from(denial: &Denial) -> Self {
        Self::from(&denial.reason)
    }
}

impl From<&ReasonCode> for Failure {
    fn from(reason: &ReasonCode) -> Self {
        let (status, code, blame) = match reason {
            ReasonCode::NotPermitted => (StatusCode::FORBIDDEN, "policy_not_permitted", Blame::Policy),
            ReasonCode::Forbidden { .. } => (StatusCode::FORBIDDEN, "policy_forbidden", Blame::Policy),
            ReasonCode::ConditionError { .. } => (StatusCode::FORBIDDEN, "policy_condition_error", Blame::Policy),
            ReasonCode::ObligationConflict => (StatusCode::FORBIDDEN, "policy_obligation_conflict", Blame::Policy),
            ReasonCode::Blocked { .. } => (StatusCode::FORBIDDEN, "policy_blocked", Blame::Policy),
            ReasonCode::ModelExpired { .. } => (StatusCode::FORBIDDEN, "policy_model_expired", Blame::Policy),
            ReasonCode::ModelVersion { .. } => (StatusCode::FORBIDDEN, "policy_model_version", Blame::Policy),
            ReasonCode::NotDefined => (StatusCode::FORBIDDEN, "policy_not_defined", Blame::Policy),
            ReasonCode::Residency => (StatusCode::FORBIDDEN, "policy_residency", Blame::Policy),
            ReasonCode::OverMaxK { .. } => (StatusCode::FORBIDDEN, "policy_over_max_k", Blame::Policy),
            ReasonCode::OverLimit { .. } => (StatusCode::TOO_MANY_REQUESTS, "policy_over_limit", Blame::Policy),
            ReasonCode::OverBudget { .. } => (StatusCode::TOO_MANY_REQUESTS, "policy_over_budget", Blame::Policy),
            ReasonCode::BudgetUnknown { .. } => (StatusCode::FORBIDDEN, "policy_budget_unknown", Blame::Policy),
            ReasonCode::ApprovalRequired { .. } => (StatusCode::FORBIDDEN, "policy_approval_required", Blame::Policy),
            ReasonCode::UnknownTenant => (StatusCode::FORBIDDEN, "policy_unknown_tenant", Blame::Policy),
            ReasonCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "policy_internal", Blame::Internal),
        };
        Self::new(status, code, blame, reason.sentence())
    }
}

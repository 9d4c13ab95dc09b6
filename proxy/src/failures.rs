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
            KeyError::Provider(_) => (StatusCode::SERVICE_UNAVAILABLE, "kms_unavailable"),
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
        let forbidden = StatusCode::FORBIDDEN;
        match &denial.reason {
            ReasonCode::NotPermitted => {
                Self::new(forbidden, "policy_not_permitted", Blame::Policy, "no rule of the policy allows this call")
            }
            ReasonCode::Forbidden { rule } => {
                Self::new(forbidden, "policy_forbidden", Blame::Policy, format!("rule {rule} forbids this call"))
            }
            ReasonCode::ConditionError { rule } => Self::new(
                forbidden,
                "policy_condition_error",
                Blame::Policy,
                format!("the condition of rule {rule} could not be evaluated, so the call is denied"),
            ),
            ReasonCode::ObligationConflict => Self::new(
                forbidden,
                "policy_obligation_conflict",
                Blame::Policy,
                "rules allow this call on terms that cannot all be kept",
            ),
            ReasonCode::UnknownTenant => {
                Self::new(forbidden, "policy_unknown_tenant", Blame::Policy, "no policy speaks of this tenant")
            }
            ReasonCode::Internal => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "policy_internal",
                Blame::Internal,
                "the policy engine failed, so the call is denied",
            ),
        }
    }
}

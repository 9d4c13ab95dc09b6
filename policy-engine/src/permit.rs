//! The proof that a call was allowed.

use crate::decision::{Decision, Denial};
use crate::definitions::Shadow;
use crate::names::RuleId;
use crate::obligations::Obligations;
use crate::set::PolicyDigest;
use std::sync::Arc;

/// A call together with the proof that the policy allows it.
///
/// Only [`crate::PolicySet::decide`] makes one. It cannot be cloned, built, defaulted or deserialised, and
/// the call inside cannot be changed, so that what was decided is what is forwarded.
#[derive(Debug)]
#[must_use = "a permit that is dropped forwards nothing"]
pub struct Permit<C> {
    call: C,
    grant: Grant,
}

/// The proof without the call: what remains of a [`Permit`] when its call has been taken to be transformed.
#[derive(Debug)]
pub struct Grant {
    obligations: Arc<Obligations>,
    matched: Arc<[RuleId]>,
    digest: PolicyDigest,
    shadow: Arc<[Shadow]>,
}

impl Grant {
    /// The terms on which the call is allowed.
    #[must_use]
    pub fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// Every rule that applied; at least one of them allows.
    #[must_use]
    pub fn matched(&self) -> &[RuleId] {
        &self.matched
    }

    /// The digest of the policy that decided.
    #[must_use]
    pub const fn digest(&self) -> &PolicyDigest {
        &self.digest
    }

    /// What rules in mode shadow would have done.
    #[must_use]
    pub fn shadow(&self) -> &[Shadow] {
        &self.shadow
    }
}

impl<C> Permit<C> {
    /// The call.
    #[must_use]
    pub const fn call(&self) -> &C {
        &self.call
    }

    /// The terms on which the call is allowed.
    #[must_use]
    pub fn obligations(&self) -> &Obligations {
        &self.grant.obligations
    }

    /// Every rule that applied; at least one of them allows.
    #[must_use]
    pub fn matched(&self) -> &[RuleId] {
        &self.grant.matched
    }

    /// The digest of the policy that decided.
    #[must_use]
    pub const fn digest(&self) -> &PolicyDigest {
        &self.grant.digest
    }

    /// What rules in mode shadow would have done.
    #[must_use]
    pub fn shadow(&self) -> &[Shadow] {
        &self.grant.shadow
    }

    /// Gives the call away together with its proof, to the one stage that transforms it.
    #[must_use = "the call leaves with its proof"]
    pub fn into_call(self) -> (C, Grant) {
        (self.call, self.grant)
    }
}

/// A call that the policy denies, given back with the reason.
#[derive(Debug)]
pub struct Refused<C> {
    /// The call, for its record.
    pub call: C,
    /// Why.
    pub denial: Denial,
}

/// The one place where a permit is made.
pub(crate) fn settle<C>(call: C, decision: Decision) -> Result<Permit<C>, Refused<C>> {
    let Decision { outcome, digest, shadow } = decision;
    let matched = Arc::clone(&outcome.matched);
    match &outcome.verdict {
        Ok(obligations) => {
            Ok(Permit { call, grant: Grant { obligations: Arc::clone(obligations), matched, digest, shadow } })
        }
        Err(reason) => {
            let unmet = Arc::clone(&outcome.unmet);
            Err(Refused { call, denial: Denial { reason: reason.clone(), matched, unmet, digest, shadow } })
        }
    }
}

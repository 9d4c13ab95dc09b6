//! Two policies at once: the one in force, and a candidate that is tried beside it.
//!
//! Both decide every call; one of the two decisions is carried out, and a difference is reported, so that it
//! can be recorded before the candidate takes over. Which one is carried out depends on the [`Rollout`] and on
//! who calls, and on nothing else: the same principal always gets the same policy.

use crate::decision::{Decision, ReasonCode};
use crate::facts::{Governed, Query};
use crate::permit::{Permit, Refused, settle};
use crate::set::{PolicyDigest, PolicySet};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use vocab::{PrincipalId, TenantId};

/// What a proxy decides by: a policy in force and perhaps a candidate. To change either, make another and swap
/// the whole.
#[derive(Debug, Clone)]
pub struct Policies {
    current: Arc<PolicySet>,
    candidate: Option<Candidate>,
}

/// A policy on trial.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The policy.
    pub set: Arc<PolicySet>,
    /// For whom it is in force already.
    pub rollout: Rollout,
}

/// For whom a candidate is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// For nobody: `shadow`.
    Shadow,
    /// For the principals of these tenants.
    Tenants(BTreeSet<TenantId>),
    /// For this share of all principals.
    Share(Percent),
}

/// A whole number from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

/// A number above 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is 0 to 100 percent")]
pub struct BadPercent;

impl Percent {
    /// Checks a number.
    ///
    /// # Errors
    /// [`BadPercent`] above 100.
    pub const fn new(percent: u8) -> Result<Self, BadPercent> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(BadPercent) }
    }
}

/// Which of two policies a decision was carried out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce {
    /// The one in force.
    Current,
    /// The candidate.
    Candidate,
}

/// How the candidate's decision differs from that of the policy in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It denies what was allowed.
    NewlyDenied,
    /// It allows what was denied.
    NewlyAllowed,
    /// Both deny, for different reasons.
    OtherReason,
    /// Both allow, on different terms.
    OtherTerms,
}

impl Change {
    /// The change as records and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly_denied",
            Self::NewlyAllowed => "newly_allowed",
            Self::OtherReason => "other_reason",
            Self::OtherTerms => "other_terms",
        }
    }

    /// How a candidate's verdict differs; `None` where it does not.
    pub(crate) fn between(current: &Decision, candidate: &Decision) -> Option<Self> {
        match (current.verdict(), candidate.verdict()) {
            (Ok(_), Err(_)) => Some(Self::NewlyDenied),
            (Err(_), Ok(_)) => Some(Self::NewlyAllowed),
            (Err(a), Err(b)) => (a.code() != b.code()).then_some(Self::OtherReason),
            (Ok(a), Ok(b)) => (a != b).then_some(Self::OtherTerms),
        }
    }
}

impl serde::Serialize for Change {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That two policies decided one call differently. Ids and codes only: safe to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// Which of the two decisions was carried out.
    pub in_force: InForce,
    /// The digest of the policy whose decision was not.
    pub other: PolicyDigest,
    /// The reason of that decision, if it was a denial.
    pub other_reason: Option<ReasonCode>,
}

/// A call that was decided by one policy and compared with another.
#[derive(Debug)]
pub struct Staged<C> {
    /// What is carried out.
    pub decided: Result<Permit<C>, Refused<C>>,
    /// What the other policy would have done, where it differs.
    pub difference: Option<Difference>,
}

impl Policies {
    /// A policy without a candidate.
    #[must_use]
    pub const fn new(current: Arc<PolicySet>) -> Self {
        Self { current, candidate: None }
    }

    /// The same policy in force, with a candidate beside it.
    #[must_use]
    pub fn with_candidate(&self, candidate: Option<Candidate>) -> Self {
        Self { current: Arc::clone(&self.current), candidate }
    }

    /// The policy in force.
    #[must_use]
    pub const fn current(&self) -> &Arc<PolicySet> {
        &self.current
    }

    /// The policy on trial.
    #[must_use]
    pub const fn candidate(&self) -> Option<&Candidate> {
        self.candidate.as_ref()
    }

    /// The policy that is in force for a principal.
    #[must_use]
    pub fn for_principal(&self, tenant: &TenantId, principal: &PrincipalId) -> &Arc<PolicySet> {
        match &self.candidate {
            Some(candidate) if candidate.rollout.covers(tenant, principal) => &candidate.set,
            _ => &self.current,
        }
    }

    /// Decides a call by the policy that is in force for its principal, and compares.
    pub fn decide<C: Governed>(&self, call: C) -> Staged<C> {
        let Some(candidate) = &self.candidate else {
            return Staged { decided: self.current.decide(call), difference: None };
        };
        let query = call.query();
        let covered = candidate.rollout.covers(query.tenant, query.principal);
        let (current, new) = (self.current.decide_query(&query), candidate.set.decide_query(&query));
        let change = Change::between(&current, &new);
        let (in_force, other, carried_out) =
            if covered { (InForce::Candidate, current, new) } else { (InForce::Current, new, current) };
        let difference = change.map(|change| Difference {
            change,
            in_force,
            other: other.digest().clone(),
            other_reason: other.verdict().err().cloned(),
        });
        Staged { decided: settle(call, carried_out), difference }
    }

    /// Answers a question by the policy that is in force for its principal. It gives no permit.
    #[must_use]
    pub fn decide_query(&self, query: &Query<'_>) -> Decision {
        self.for_principal(query.tenant, query.principal).decide_query(query)
    }
}

impl Rollout {
    /// Whether the candidate is in force for a principal.
    #[must_use]
    pub fn covers(&self, tenant: &TenantId, principal: &PrincipalId) -> bool {
        match self {
            Self::Shadow => false,
            Self::Tenants(tenants) => tenants.contains(tenant),
            Self::Share(Percent(share)) => bucket(tenant, principal) < *share,
        }
    }
}

/// A number from 0 to 99 that depends on the principal alone: a larger share keeps everybody that a smaller
/// one had.
fn bucket(tenant: &TenantId, principal: &PrincipalId) -> u8 {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(b"aios rollout v1\n");
    for part in [tenant.as_str(), principal.as_str()] {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finish();
    let number = digest.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tenant: &str, principal: &str) -> (TenantId, PrincipalId) {
        (TenantId::new(tenant).unwrap(), PrincipalId::new(principal).unwrap())
    }

    #[test]
    fn a_share_grows_without_losing_anybody_and_is_about_what_it_says() {
        let shares = [0, 1, 10, 50, 99, 100].map(|p| Rollout::Share(Percent::new(p).unwrap()));
        let mut covered = [0_u32; 6];
        for n in 0..5_000 {
            let (tenant, principal) = ids("acme", &format!("p{n}"));
            let sides: Vec<bool> = shares.iter().map(|share| share.covers(&tenant, &principal)).collect();
            assert!(sides.is_sorted(), "{principal}: {sides:?}");
            for (count, side) in covered.iter_mut().zip(&sides) {
                *count += u32::from(*side);
            }
        }
        assert_eq!((covered[0], covered[5]), (0, 5_000));
        assert!((20..90).contains(&covered[1]), "{covered:?}");
        assert!((400..600).contains(&covered[2]) && (2_350..2_650).contains(&covered[3]), "{covered:?}");
    }

    #[test]
    fn tenants_are_covered_by_name() {
        let rollout = Rollout::Tenants(BTreeSet::from([TenantId::new("acme").unwrap()]));
        let (acme, ann) = ids("acme", "ann");
        let (globex, _) = ids("globex", "ann");
        assert!(rollout.covers(&acme, &ann) && !rollout.covers(&globex, &ann));
        assert!(!Rollout::Shadow.covers(&acme, &ann));
        assert_eq!(Percent::new(101), Err(BadPercent));
    }
}

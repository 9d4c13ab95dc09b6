//! A compiled set of policies.

use crate::action::Action;
use crate::cases::{TestOutcome, run};
use crate::condition::Condition;
use crate::decision::Decision;
use crate::document::{Effect, TestDef};
use crate::engine;
use crate::facts::{Governed, Query};
use crate::names::{RoleName, RuleId};
use crate::obligations::Terms;
use crate::pattern::Pattern;
use crate::permit::{Permit, Refused, settle};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use vocab::{GroupName, PrincipalId, TenantId};

/// A compiled, immutable set of policies for any number of tenants. To change policies, compile another set
/// and swap the whole; decisions never mix two sets.
pub struct PolicySet {
    pub(crate) digest: PolicyDigest,
    pub(crate) tenants: HashMap<TenantId, Tenant>,
    pub(crate) tests: Vec<(TenantId, TestDef)>,
}

/// SHA-256 over the names and texts of all documents, sorted by name, as 64 hexadecimal digits. Two sets with
/// the same digest decide alike.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PolicyDigest(pub(crate) Arc<str>);

impl PolicyDigest {
    /// The digest as hexadecimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyDigest({})", self.0)
    }
}

/// The place of a role, a rule or a line within its tenant.
pub(crate) type Index = u32;

/// The place of the role `everyone` in each tenant.
pub(crate) const EVERYONE_AT: Index = 0;

/// The policy of one tenant.
#[derive(Default)]
pub(crate) struct Tenant {
    /// Role names; the first is `everyone`.
    pub(crate) roles: Vec<RoleName>,
    /// Which roles a principal holds by its own name, inheritance expanded, sorted.
    pub(crate) users: HashMap<PrincipalId, Vec<Index>>,
    /// Which roles the members of a group hold, inheritance expanded, sorted.
    pub(crate) groups: HashMap<GroupName, Vec<Index>>,
    /// In the order of the documents.
    pub(crate) rules: Vec<Rule>,
    /// One line per rule, role, action and pattern.
    pub(crate) lines: Vec<Line>,
    /// The lines of a role and action.
    pub(crate) index: HashMap<(Index, Action), Vec<Index>>,
}

pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) effect: Effect,
    pub(crate) when: Option<Condition>,
    pub(crate) terms: Terms,
}

pub(crate) struct Line {
    pub(crate) rule: Index,
    pub(crate) role: Index,
    pub(crate) action: Action,
    pub(crate) pattern: Arc<Pattern>,
}

impl Tenant {
    /// Every role that the caller holds, sorted, each once. `everyone` is always among them.
    pub(crate) fn roles_of(&self, principal: &PrincipalId, groups: &[GroupName]) -> Vec<Index> {
        let own = self.users.get(principal);
        let by_group = groups.iter().filter_map(|g| self.groups.get(g));
        let mut roles: Vec<Index> = own.into_iter().chain(by_group).flatten().copied().collect();
        roles.push(EVERYONE_AT);
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

impl PolicySet {
    /// Decides a call. Allowed, it comes back inside a [`Permit`]; denied, inside a [`Refused`].
    ///
    /// # Errors
    /// [`Refused`] when no rule allows the call, a rule denies it, or anything fails.
    pub fn decide<C: Governed>(&self, call: C) -> Result<Permit<C>, Refused<C>> {
        let decision = self.decide_query(&call.query());
        settle(call, decision)
    }

    /// Answers a question without a call: for explaining and testing. It gives no permit.
    #[must_use]
    pub fn decide_query(&self, query: &Query<'_>) -> Decision {
        Decision { outcome: engine::decide(self, query), digest: self.digest.clone() }
    }

    /// The digest of the documents.
    #[must_use]
    pub const fn digest(&self) -> &PolicyDigest {
        &self.digest
    }

    /// The tenants that have a policy, sorted.
    #[must_use]
    pub fn tenants(&self) -> Vec<&TenantId> {
        let mut tenants: Vec<&TenantId> = self.tenants.keys().collect();
        tenants.sort();
        tenants
    }

    /// How many rules all tenants have together.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.tenants.values().map(|t| t.rules.len()).sum()
    }

    /// Runs the `[[test]]` cases of the documents, in their order.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestOutcome> {
        self.tests.iter().map(|(tenant, test)| run(self, tenant, test)).collect()
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("digest", &self.digest).finish_non_exhaustive()
    }
}

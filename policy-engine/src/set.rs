//! A compiled set of policies.

use crate::cases::{TestOutcome, run};
use crate::compile::TextDigest;
use crate::condition::Condition;
use crate::decision::Decision;
use crate::definitions::{self, Definitions, ShadowRules};
use crate::document::{Effect, TestDef};
use crate::engine::{ActionSet, Alarms, Health, Holders, Options, Trie};
use crate::facts::{Claim, Governed, Query};
use crate::names::{RoleName, RuleId};
use crate::obligations::Terms;
use crate::pattern::Pattern;
use crate::permit::{Permit, Refused, settle};
use crate::state::Accounts;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use vocab::{GroupName, PrincipalId, TenantId};

/// A compiled, immutable set of policies for any number of tenants. To change policies, compile another set
/// and swap the whole; decisions never mix two sets.
pub struct PolicySet {
    pub(crate) digest: PolicyDigest,
    pub(crate) tenants: HashMap<TenantId, Arc<Tenant>>,
    /// The documents by name: what the next set is compared with.
    pub(crate) origins: BTreeMap<Arc<str>, Origin>,
    pub(crate) options: Options,
    pub(crate) health: Health,
}

/// Where a document went.
pub(crate) struct Origin {
    pub(crate) text: TextDigest,
    pub(crate) tenant: TenantId,
}

/// SHA-256 over the names and texts of all documents, sorted by name, as 64 hexadecimal digits. Two sets with
/// the same digest decide alike.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize)]
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

/// The policy of one tenant. It depends on nothing but the tenant's own documents.
#[derive(Default)]
pub(crate) struct Tenant {
    /// Role names; the first is `everyone`.
    pub(crate) roles: Vec<RoleName>,
    /// Which roles each role inherits directly, in the order of `roles`.
    pub(crate) inherits: Box<[Box<[Index]>]>,
    /// Which roles a principal holds by its own name, inheritance expanded, sorted.
    pub(crate) users: HashMap<PrincipalId, Box<[Index]>>,
    /// Which roles the members of a group hold, inheritance expanded, sorted.
    pub(crate) groups: HashMap<GroupName, Box<[Index]>>,
    /// The roles of `users` and `groups` once more, for decisions. `None`: the maps must do.
    pub(crate) holders: Option<Holders>,
    /// Which roles a claim of a credential gives, inheritance expanded, sorted.
    pub(crate) claims: HashMap<Claim, Box<[Index]>>,
    /// In the order of the documents.
    pub(crate) rules: Vec<Rule>,
    /// One line per rule and pattern, in the order of the rules.
    pub(crate) lines: Vec<Line>,
    /// The same lines, by pattern, role and action.
    pub(crate) trie: Trie,
    /// In the order of the documents.
    pub(crate) tests: Vec<TestDef>,
    pub(crate) definitions: Definitions,
    pub(crate) shadow: ShadowRules,
}

pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) effect: Effect,
    /// The roles that the rule names, sorted.
    pub(crate) roles: Box<[Index]>,
    pub(crate) when: Option<Arc<Condition>>,
    pub(crate) terms: Arc<Terms>,
    /// The document.
    pub(crate) file: Arc<str>,
    /// The line of its id, from 1.
    pub(crate) line: u32,
}

pub(crate) struct Line {
    pub(crate) rule: Index,
    /// Those of the rule's actions that the pattern can be about; never empty.
    pub(crate) actions: ActionSet,
    pub(crate) pattern: Arc<Pattern>,
}

impl Tenant {
    /// Every role that a caller without claims holds, sorted, each once. `everyone` is always among them.
    pub(crate) fn roles_of(&self, principal: &PrincipalId, groups: &[GroupName]) -> Vec<Index> {
        let mut roles = Vec::new();
        self.roles_into((principal, groups, &[]), &mut roles);
        roles
    }

    /// Every role of a caller, into a list that is kept between decisions.
    pub(crate) fn roles_into(
        &self,
        (principal, groups, claims): (&PrincipalId, &[GroupName], &[Claim]),
        roles: &mut Vec<Index>,
    ) {
        roles.clear();
        roles.push(EVERYONE_AT);
        let mut add = |held: Option<&[Index]>| held.into_iter().for_each(|held| roles.extend_from_slice(held));
        match &self.holders {
            Some(holders) => {
                add(holders.user(principal));
                groups.iter().for_each(|group| add(holders.group(group)));
            }
            None => {
                add(self.users.get(principal).map(|held| &**held));
                groups.iter().for_each(|group| add(self.groups.get(group).map(|held| &**held)));
            }
        }
        claims.iter().for_each(|claim| add(self.claims.get(claim).map(|held| &**held)));
        roles.sort_unstable();
        roles.dedup();
    }

    pub(crate) fn rule(&self, at: Index) -> Option<&Rule> {
        self.rules.get(usize::try_from(at).ok()?)
    }

    pub(crate) fn line(&self, at: Index) -> Option<&Line> {
        self.lines.get(usize::try_from(at).ok()?)
    }

    pub(crate) fn role(&self, at: Index) -> Option<&RoleName> {
        self.roles.get(usize::try_from(at).ok()?)
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
        definitions::decide(self, query)
    }

    /// The roles that a caller holds, by name, group, claim and inheritance; `everyone` is always among them. None
    /// where no document is about the tenant.
    pub fn roles_held(&self, query: &Query<'_>) -> impl Iterator<Item = &RoleName> {
        let tenant = self.tenants.get(query.tenant);
        let mut held = Vec::new();
        if let Some(tenant) = tenant {
            tenant.roles_into((query.principal, query.groups, query.claims), &mut held);
        }
        held.into_iter().filter_map(move |at| tenant?.role(at))
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

    /// Runs the `[[test]]` cases of the documents, by tenant, in their order.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestOutcome> {
        let tenants = self.tenants().into_iter().filter_map(|id| Some((id, self.tenants.get(id)?)));
        tenants.flat_map(|(id, tenant)| tenant.tests.iter().map(move |test| run(self, id, test))).collect()
    }

    /// What the policy of a tenant wants counted: see [`crate::state`]. `None`: no such tenant.
    #[must_use]
    pub fn accounts(&self, tenant: &TenantId) -> Option<&Accounts> {
        self.tenants.get(tenant).map(|tenant| &tenant.definitions.accounts)
    }

    /// How the set was compiled.
    #[must_use]
    pub const fn options(&self) -> Options {
        self.options
    }

    /// Whether the index and casbin ever disagreed about a call, and which of them decides now. An embedder
    /// reads this now and then: a disagreement is a fault of this program that an operator must hear of.
    #[must_use]
    pub fn alarms(&self) -> Alarms {
        self.health.alarms(self.options.engine)
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("digest", &self.digest).finish_non_exhaustive()
    }
}

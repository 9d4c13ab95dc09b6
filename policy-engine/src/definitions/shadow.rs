//! Rules in mode shadow: evaluated and reported, never enforced.

use crate::condition::ConditionFault;
use crate::document::Effect;
use crate::engine::{ActionSet, Trie};
use crate::facts::Query;
use crate::names::RuleId;
use crate::set::{Line, Rule, Tenant};
use std::sync::Arc;

/// The shadow rules of a tenant, with an index of their own: casbin never sees them.
#[derive(Default)]
pub(crate) struct ShadowRules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) lines: Vec<Line>,
    pub(crate) trie: Trie,
}

/// What a rule in mode shadow would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The rule.
    pub rule: RuleId,
    /// What it would have done.
    pub would: Would,
}

/// What a rule in mode shadow would have done to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Would {
    /// It would have allowed the call, unless another rule denies it.
    Allow,
    /// It would have denied the call.
    Deny,
    /// Its condition failed, which would have denied the call.
    Fail(ConditionFault),
}

impl Would {
    /// As records name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "would_allow",
            Self::Deny => "would_deny",
            Self::Fail(_) => "would_fail",
        }
    }
}

impl ShadowRules {
    /// What the shadow rules that fit a call would have done, in the order of the documents.
    pub(super) fn ask(&self, tenant: &Tenant, query: &Query<'_>) -> Arc<[Shadow]> {
        if self.rules.is_empty() {
            return Arc::default();
        }
        let mut roles = Vec::new();
        tenant.roles_into((query.principal, query.groups, query.claims), &mut roles);
        let mut found = Vec::new();
        self.trie.find(&query.resource.to_string(), ActionSet::of(query.action), &roles, &mut found);
        let place = |at: u32| usize::try_from(at).ok();
        let lines = found.iter().filter_map(|candidate| self.lines.get(place(candidate.line)?));
        let mut fitting: Vec<u32> = lines.map(|line| line.rule).collect();
        fitting.sort_unstable();
        fitting.dedup();
        let rules = fitting.into_iter().filter_map(|at| self.rules.get(place(at)?));
        rules.filter_map(|rule| Some(Shadow { rule: rule.id.clone(), would: would(rule, tenant, query)? })).collect()
    }
}

fn would(rule: &Rule, tenant: &Tenant, query: &Query<'_>) -> Option<Would> {
    let holds = rule.when.as_ref().map_or(Ok(true), |when| when.evaluate(query, &tenant.definitions));
    match (holds, rule.effect) {
        (Ok(true), Effect::Allow) => Some(Would::Allow),
        (Ok(true), Effect::Deny) => Some(Would::Deny),
        (Ok(false), _) => None,
        (Err(fault), _) => Some(Would::Fail(fault)),
    }
}

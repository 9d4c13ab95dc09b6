//! What the `[[test]]` cases of documents exercise: each rule, each condition both ways, and why not.

mod text;

use crate::action::Action;
use crate::document::{Effect, TestDef};
use crate::engine::ActionSet;
use crate::facts::Query;
use crate::matrix::fitting;
use crate::names::RuleId;
use crate::pattern::Pattern;
use crate::set::{Index, Line, PolicySet, Rule, Tenant};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use vocab::TenantId;

/// How well the tests of a set exercise its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Every rule, by tenant, in the order of the documents; then the tenant's rules in mode shadow.
    pub rules: Vec<CoveredRule>,
}

/// How the tests exercise one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoveredRule {
    /// The tenant.
    pub tenant: TenantId,
    /// The rule.
    pub rule: RuleId,
    /// The document.
    pub file: Arc<str>,
    /// The line of the rule, from 1.
    pub line: u32,
    /// Whether the tests exercise it, or why not.
    pub covered: Covered,
    /// How many tests ask about a call that fits its roles, actions and resources.
    pub fits: usize,
    /// How many of these the rule decided: it applied, and no deny took an allow over.
    pub decides: usize,
    /// Its condition, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<CoveredCondition>,
}

/// How often a condition held in tests that fit its rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CoveredCondition {
    /// It held.
    pub held: usize,
    /// It did not hold.
    pub unmet: usize,
    /// It failed to evaluate.
    pub failed: usize,
}

impl CoveredCondition {
    /// Whether tests saw it hold and saw it not hold.
    #[must_use]
    pub const fn both_ways(&self) -> bool {
        self.held > 0 && self.unmet > 0
    }
}

/// Whether the tests exercise a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// A test is decided by it and, where it has a condition, another sees the condition not hold.
    Fully,
    /// A test is decided by it, but no test sees its condition not hold.
    ConditionOnlyTrue,
    /// Tests fit it, but its condition held in none.
    ConditionOnlyFalse,
    /// Tests fit it, but its condition failed to evaluate in all.
    ConditionOnlyFails,
    /// It allows, and each test that it applies to is denied by another rule.
    ShadowedByDeny,
    /// The tenant has tests, but none as a holder of its roles.
    NeverItsRoles,
    /// None does one of its actions.
    NeverItsActions,
    /// None is about one of its resources.
    NeverItsResources,
    /// Tests have its roles, its actions and its resources, but no test all three.
    NeverTogether,
    /// The tenant has no test.
    Untested,
}

impl Coverage {
    /// How many rules a test is decided by.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.rules.iter().filter(|rule| rule.decides > 0).count()
    }

    /// How many rules have a condition, and how many of these tests see both ways.
    #[must_use]
    pub fn conditions(&self) -> (usize, usize) {
        let all = || self.rules.iter().filter_map(|rule| rule.condition);
        (all().count(), all().filter(CoveredCondition::both_ways).count())
    }

    /// The rules that are not fully covered.
    pub fn gaps(&self) -> impl Iterator<Item = &CoveredRule> {
        self.rules.iter().filter(|rule| rule.covered != Covered::Fully)
    }
}

impl PolicySet {
    /// Says how well the `[[test]]` cases exercise the rules. It asks the questions of all tests; what they expect
    /// does not matter here.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let tenants = self.tenants().into_iter().filter_map(|id| Some((id, self.tenants.get(id)?)));
        Coverage { rules: tenants.flat_map(|(id, tenant)| of_tenant(id, tenant)).collect() }
    }
}

fn of_tenant(id: &TenantId, tenant: &Tenant) -> Vec<CoveredRule> {
    let (mut enforced, mut shadow) = (vec![Tally::default(); tenant.rules.len()], Vec::new());
    shadow.resize(tenant.shadow.rules.len(), Tally::default());
    let mut seen = Seen::default();
    for test in &tenant.tests {
        let resource = tenant.definitions.other_names.get(&test.resource).map_or(&test.resource, |other| &other.model);
        let query = Query {
            tenant: id,
            principal: &test.principal,
            groups: &test.groups,
            claims: &test.claims,
            action: test.action,
            resource,
            facts: &test.facts,
        };
        let mut roles = Vec::new();
        tenant.roles_into((&test.principal, &test.groups, &test.claims), &mut roles);
        let path = resource.to_string();
        let fits = fitting((&tenant.trie, &tenant.lines), (test.action, &path), &roles);
        tally(&mut enforced, &tenant.rules, &fits, (tenant, &query));
        let fits = fitting((&tenant.shadow.trie, &tenant.shadow.lines), (test.action, &path), &roles);
        for rule in fits {
            // Each by itself: a rule in mode shadow takes nothing over.
            tally(&mut shadow, &tenant.shadow.rules, &[rule], (tenant, &query));
        }
        seen.add(test, roles, path);
    }
    let both = [(&tenant.rules, &tenant.lines, enforced), (&tenant.shadow.rules, &tenant.shadow.lines, shadow)];
    let mut rules = Vec::new();
    for (own, lines, tallies) in both {
        for ((at, rule), tally) in (0..).zip(own).zip(tallies) {
            let covered = tally.says(rule).unwrap_or_else(|| seen.gap(rule, at, lines));
            rules.push(tally.of(id, rule, covered));
        }
    }
    rules
}

/// What happened to one rule in all tests.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    fits: usize,
    decides: usize,
    condition: CoveredCondition,
}

fn tally(tallies: &mut [Tally], rules: &[Rule], fits: &[Index], (tenant, query): (&Tenant, &Query<'_>)) {
    let mut applied: Vec<(usize, Effect)> = Vec::new();
    let mut failed = false;
    for at in fits.iter().filter_map(|at| usize::try_from(*at).ok()) {
        let (Some(rule), Some(tally)) = (rules.get(at), tallies.get_mut(at)) else { continue };
        tally.fits += 1;
        match rule.when.as_ref().map(|when| when.evaluate(query, &tenant.definitions)) {
            None => applied.push((at, rule.effect)),
            Some(Ok(true)) => {
                tally.condition.held += 1;
                applied.push((at, rule.effect));
            }
            Some(Ok(false)) => tally.condition.unmet += 1,
            Some(Err(_)) => {
                tally.condition.failed += 1;
                failed = true;
            }
        }
    }
    // A condition that fails denies, and then no rule decides.
    let deciding = match applied.iter().any(|(_, effect)| *effect == Effect::Deny) {
        _ if failed => None,
        true => Some(Effect::Deny),
        false => Some(Effect::Allow),
    };
    for (at, _) in applied.iter().filter(|(_, effect)| Some(*effect) == deciding) {
        tallies.get_mut(*at).into_iter().for_each(|tally| tally.decides += 1);
    }
}

impl Tally {
    /// `None` when no test fits the rule.
    fn says(&self, rule: &Rule) -> Option<Covered> {
        let CoveredCondition { held, unmet, failed } = self.condition;
        let conditional = rule.when.is_some();
        match (self.fits, self.decides) {
            (0, _) => None,
            (_, 0) if conditional && held == 0 && unmet == 0 && failed > 0 => Some(Covered::ConditionOnlyFails),
            (_, 0) if conditional && held == 0 => Some(Covered::ConditionOnlyFalse),
            (_, 0) => Some(Covered::ShadowedByDeny),
            _ if conditional && unmet == 0 => Some(Covered::ConditionOnlyTrue),
            _ => Some(Covered::Fully),
        }
    }

    fn of(self, tenant: &TenantId, rule: &Rule, covered: Covered) -> CoveredRule {
        CoveredRule {
            tenant: tenant.clone(),
            rule: rule.id.clone(),
            file: Arc::clone(&rule.file),
            line: rule.line,
            covered,
            fits: self.fits,
            decides: self.decides,
            condition: rule.when.as_ref().map(|_| self.condition),
        }
    }
}

/// Everything that the tests of a tenant ask about, each part for itself.
#[derive(Default)]
struct Seen {
    roles: HashSet<Index>,
    actions: ActionSet,
    paths: HashSet<String>,
}

impl Seen {
    fn add(&mut self, test: &TestDef, roles: Vec<Index>, path: String) {
        self.roles.extend(roles);
        self.actions = self.actions.iter().chain([test.action]).collect();
        self.paths.insert(path);
    }

    fn is_tested(&self, pattern: &Pattern) -> bool {
        match pattern.literal() {
            Some(path) => self.paths.contains(path),
            None => self.paths.iter().any(|path| pattern.matches(path)),
        }
    }

    /// Why no test fits a rule.
    fn gap(&self, rule: &Rule, at: Index, lines: &[Line]) -> Covered {
        let start = lines.partition_point(|line| line.rule < at);
        let own = || lines.iter().skip(start).take_while(|line| line.rule == at);
        let tested = |action: Action| self.actions.meets(ActionSet::of(action));
        if self.paths.is_empty() {
            Covered::Untested
        } else if !rule.roles.iter().any(|role| self.roles.contains(role)) {
            Covered::NeverItsRoles
        } else if !own().any(|line| line.actions.iter().any(tested)) {
            Covered::NeverItsActions
        } else if !own().any(|line| self.is_tested(&line.pattern)) {
            Covered::NeverItsResources
        } else {
            Covered::NeverTogether
        }
    }
}

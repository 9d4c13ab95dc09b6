//! Why one question is decided as it is: for authors, operators and those whose call was denied.

mod near;
mod roles;
mod text;

use crate::condition::Unmet;
use crate::definitions::{Shadow, Would};
use crate::document::Effect;
use crate::engine::ActionSet;
use crate::facts::Query;
use crate::obligations::{Obligations, Terms};
use crate::set::{Index, PolicySet, Rule, Tenant};
use serde::Serialize;

/// How one question is decided, and why. It holds names of rules and facts, and no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// `allow` or `deny`.
    pub verdict: &'static str,
    /// Why it is denied: the stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The rule that decided: the one that denies or failed, or the first that allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deciding: Option<RuleAt>,
    /// The digest of the policy.
    pub policy: String,
    /// The tenant that was asked about.
    pub tenant: String,
    /// Who asks, as `u:<principal>`.
    pub principal: String,
    /// What the caller wants to do.
    pub action: &'static str,
    /// What it would be done to.
    pub resource: String,
    /// Every role that the caller holds, with how it comes to it.
    pub roles: Vec<HeldRole>,
    /// Every rule that applied, in the order of the documents.
    pub matched: Vec<Match>,
    /// The terms of all rules together; empty when denied.
    pub obligations: Vec<String>,
    /// What rules in mode shadow would have done; they changed nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowRule>,
    /// The rules that came nearest to applying, nearest first.
    pub near_misses: Vec<NearMiss>,
    /// How many rules were not looked at for near misses, since the tenant has very many.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_looked_at: usize,
    /// What would let the call through; empty when it is allowed, or when no single change would.
    pub would_allow: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What a rule in mode shadow would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShadowRule {
    /// The rule.
    pub rule: String,
    /// `allow`, `deny` or `fail`.
    pub would: &'static str,
}

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleAt {
    /// The id.
    pub rule: String,
    /// The document.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// A role and how the caller comes to hold it: a member, the role that it gives, and what that inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRole {
    /// The role.
    pub role: String,
    /// Such as `["group:analysts", "analyst", "viewer"]`.
    pub path: Vec<String>,
}

/// A rule that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The rule.
    #[serde(flatten)]
    pub at: RuleAt,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// The role by which it applies.
    pub role: String,
    /// The pattern that matched.
    pub pattern: String,
    /// The condition that held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The terms that this rule sets.
    pub adds: Vec<String>,
}

/// A rule that nearly applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The rule.
    #[serde(flatten)]
    pub at: RuleAt,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// The first clause that failed.
    pub failed: Failed,
    /// How many of role, action and resource failed; 0 when only the condition did.
    pub distance: u8,
}

/// A clause of a rule that a call does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// `role`, `action`, `resource` or `condition`.
    pub clause: &'static str,
    /// What the rule wants.
    pub wanted: String,
    /// What a condition read, each with its value; `null` where the call has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<(&'static str, Option<String>)>,
    /// Why a condition has no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl PolicySet {
    /// Explains the decision of a question. It looks at the question's tenant only.
    #[must_use]
    pub fn explain(&self, query: &Query<'_>) -> Explanation {
        let decision = self.decide_query(query);
        let tenant = self.tenants.get(query.tenant);
        let mut explanation = Explanation {
            verdict: if decision.verdict().is_ok() { "allow" } else { "deny" },
            reason: decision.verdict().err().map(crate::decision::ReasonCode::code),
            deciding: None,
            policy: self.digest().as_str().to_owned(),
            tenant: query.tenant.to_string(),
            principal: format!("u:{}", query.principal),
            action: query.action.as_str(),
            resource: query.resource.to_string(),
            roles: Vec::new(),
            matched: Vec::new(),
            obligations: decision
                .verdict()
                .map(|o| o.lines().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            shadow: decision.shadow().iter().map(ShadowRule::of).collect(),
            near_misses: Vec::new(),
            not_looked_at: 0,
            would_allow: Vec::new(),
        };
        let Some(tenant) = tenant else {
            explanation.would_allow.push(format!("a document with tenant = \"{}\"", query.tenant));
            return explanation;
        };
        let mut held = Vec::new();
        tenant.roles_into((query.principal, query.groups, query.claims), &mut held);
        explanation.roles = tenant.held_roles(query, &held);
        let reason = decision.verdict().err();
        // Rules are about models by their own names.
        let resource = tenant.definitions.other_names.get(query.resource).map_or(query.resource, |other| &other.model);
        let query = &Query { resource, ..*query };
        let view = View { tenant, query, held: &held, path: resource.to_string() };
        explanation.matched = view.matches(decision.matched());
        let deciding = match reason {
            None => explanation.matched.iter().find(|m| m.effect == "allow").map(|m| m.at.clone()),
            Some(reason) => reason.rule().and_then(|id| tenant.rules.iter().find(|r| r.id == *id)).map(RuleAt::of),
        };
        explanation.deciding = deciding;
        let near = view.near_misses();
        explanation.not_looked_at = near.not_looked_at;
        explanation.near_misses = near.misses;
        explanation.would_allow = near::remedies(&decision, &explanation);
        explanation
    }
}

impl ShadowRule {
    fn of(shadow: &Shadow) -> Self {
        let would = match shadow.would {
            Would::Allow => "allow",
            Would::Deny => "deny",
            Would::Fail(_) => "fail",
        };
        Self { rule: shadow.rule.to_string(), would }
    }
}

impl RuleAt {
    pub(crate) fn of(rule: &Rule) -> Self {
        Self { rule: rule.id.to_string(), file: rule.file.to_string(), line: rule.line }
    }
}

impl std::fmt::Display for RuleAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}:{})", self.rule, self.file, self.line)
    }
}

/// A question to one tenant.
struct View<'v> {
    tenant: &'v Tenant,
    query: &'v Query<'v>,
    held: &'v [Index],
    path: String,
}

pub(crate) const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// The terms of one rule, as lines.
pub(crate) fn lines_of(terms: &Terms) -> Vec<String> {
    let merged = Obligations::merge(std::iter::once(terms));
    let record = format!("record:{}", crate::obligations::Record::default());
    let lines = merged.map(|o| o.lines().iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap_or_default();
    // What a rule does not say is not its own: the default of `record` comes from nowhere else.
    lines.into_iter().filter(|line| terms.record.is_some() || *line != record).collect()
}

impl View<'_> {
    /// The matched rules, each with the first pattern and role by which it applies.
    fn matches(&self, ids: &[crate::names::RuleId]) -> Vec<Match> {
        let mut candidates = Vec::new();
        if !ids.is_empty() {
            self.tenant.trie.find(&self.path, ActionSet::of(self.query.action), self.held, &mut candidates);
        }
        candidates.sort_unstable();
        let mut found: Vec<Match> = Vec::new();
        let mut last = None;
        for candidate in candidates {
            let Some(line) = self.tenant.line(candidate.line).filter(|line| last != Some(line.rule)) else { continue };
            let Some(rule) = self.tenant.rule(line.rule).filter(|rule| ids.contains(&rule.id)) else { continue };
            last = Some(line.rule);
            found.push(Match {
                at: RuleAt::of(rule),
                effect: effect_word(rule.effect),
                role: self.tenant.role(candidate.role).map(ToString::to_string).unwrap_or_default(),
                pattern: line.pattern.as_str().to_owned(),
                condition: rule.when.as_ref().map(|when| when.text()),
                adds: lines_of(&rule.terms),
            });
        }
        found
    }
}

impl Failed {
    fn new(clause: &'static str, wanted: impl Into<String>) -> Self {
        Self { clause, wanted: wanted.into(), read: Vec::new(), fault: None }
    }
}

impl From<Unmet> for Failed {
    fn from(unmet: Unmet) -> Self {
        let Unmet { clause, fault, reads } = unmet;
        Self { clause: "condition", wanted: clause, read: reads, fault: fault.map(|f| f.to_string()) }
    }
}

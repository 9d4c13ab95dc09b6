//! The rules that came nearest to applying, and what would let a call through.

use super::{Explanation, Failed, NearMiss, RuleAt, View, effect_word};
use crate::action::Action;
use crate::condition::{ConditionFault, Unmet};
use crate::decision::{Decision, ReasonCode};
use crate::document::Effect;
use crate::engine::{ActionSet, Candidate};
use crate::set::{Index, Rule};

/// How many near misses are shown, and how many lines of a tenant, once for each role, are looked at for those that
/// are about other resources.
const SHOWN: usize = 5;
const LOOKED_AT: usize = 4000;

pub(super) struct Near {
    pub(super) misses: Vec<NearMiss>,
    pub(super) not_looked_at: usize,
}

/// What a line does not meet, cheap to compare. Resources differ by how many segments they share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Gap {
    failed: u8,
    segments_apart: usize,
    rule: Index,
    line: Index,
}

impl View<'_> {
    pub(super) fn near_misses(&self) -> Near {
        let mut gaps = self.other_callers_and_actions();
        let not_looked_at = self.other_resources(&mut gaps);
        let mut misses = self.nearest(gaps);
        if misses.is_empty() {
            misses = self.nearest(self.far());
        }
        Near { misses, not_looked_at }
    }

    /// The lines that match the path, whoever they are for and whatever action they are about.
    fn other_callers_and_actions(&self) -> Vec<Gap> {
        let all: Vec<Index> = (0..).zip(&self.tenant.roles).map(|(role, _)| role).collect();
        let mut found = Vec::new();
        self.tenant.trie.find(&self.path, Action::ALL.into_iter().collect(), &all, &mut found);
        let action = ActionSet::of(self.query.action);
        let gap = |candidate: Candidate| {
            let line = self.tenant.line(candidate.line)?;
            let held = self.held.binary_search(&candidate.role).is_ok();
            let failed = u8::from(!held) + u8::from(!line.actions.meets(action));
            Some(Gap { failed, segments_apart: 0, rule: line.rule, line: candidate.line })
        };
        found.into_iter().filter_map(gap).collect()
    }

    /// The lines that are for the caller and about the action, but for other resources. Gives how many rules were
    /// not looked at. It reads what lies together first, and follows a pattern only where caller and action fit.
    fn other_resources(&self, gaps: &mut Vec<Gap>) -> usize {
        let path: Vec<&str> = self.path.split('/').collect();
        let action = ActionSet::of(self.query.action);
        let mut rest = self.tenant.trie.all();
        for (candidate, actions) in rest.by_ref().take(LOOKED_AT) {
            if !actions.meets(action) || self.held.binary_search(&candidate.role).is_err() {
                continue;
            }
            let Some(line) = self.tenant.line(candidate.line) else { continue };
            let segments_apart = apart(line.pattern.as_str(), &path);
            if segments_apart > 0 {
                gaps.push(Gap { failed: 1, segments_apart, rule: line.rule, line: candidate.line });
            }
        }
        let mut skipped: Vec<Index> = rest.filter_map(|(c, _)| self.tenant.line(c.line)).map(|l| l.rule).collect();
        skipped.sort_unstable();
        skipped.dedup();
        skipped.len()
    }

    /// Where nothing is near: the lines that are at least for the caller, the action or the resource.
    fn far(&self) -> Vec<Gap> {
        let path: Vec<&str> = self.path.split('/').collect();
        let action = ActionSet::of(self.query.action);
        let gap = |(candidate, actions): (Candidate, ActionSet)| {
            let line = self.tenant.line(candidate.line)?;
            let held = self.held.binary_search(&candidate.role).is_ok();
            let segments_apart = apart(line.pattern.as_str(), &path);
            let failed = u8::from(!held) + u8::from(!actions.meets(action)) + u8::from(segments_apart > 0);
            (failed < 3).then_some(Gap { failed, segments_apart, rule: line.rule, line: candidate.line })
        };
        self.tenant.trie.all().take(LOOKED_AT).filter_map(gap).collect()
    }

    /// The nearest that did not apply, one for each rule. What only one clause keeps from applying goes alone:
    /// beside it, rules that lack two are noise.
    fn nearest(&self, mut gaps: Vec<Gap>) -> Vec<NearMiss> {
        gaps.sort_unstable_by_key(|gap| (gap.rule, *gap));
        gaps.dedup_by_key(|gap| gap.rule);
        gaps.sort_unstable();
        let mut misses: Vec<NearMiss> = gaps.iter().filter_map(|gap| self.miss(gap)).take(SHOWN).collect();
        if misses.first().is_some_and(|miss| miss.distance <= 1) {
            misses.retain(|miss| miss.distance <= 1);
        }
        misses
    }

    fn holds(&self, rule: &Rule) -> bool {
        rule.roles.iter().any(|role| self.held.binary_search(role).is_ok())
    }

    /// The miss in words. `None` for a rule that applied.
    fn miss(&self, gap: &Gap) -> Option<NearMiss> {
        let (line, rule) = (self.tenant.line(gap.line)?, self.tenant.rule(gap.rule)?);
        let failed = if !self.holds(rule) {
            let names: Vec<String> =
                rule.roles.iter().filter_map(|role| self.tenant.role(*role)).map(ToString::to_string).collect();
            Failed::new("role", names.join(" or "))
        } else if !line.actions.meets(ActionSet::of(self.query.action)) {
            let names: Vec<&str> = line.actions.iter().map(Action::as_str).collect();
            Failed::new("action", names.join(" or "))
        } else if line.pattern.matches(&self.path) {
            let unmet: Unmet = rule.when.as_ref()?.first_unmet(self.query, &self.tenant.definitions)?;
            Failed::from(unmet)
        } else {
            Failed::new("resource", line.pattern.as_str())
        };
        Some(NearMiss { at: RuleAt::of(rule), effect: effect_word(rule.effect), failed, distance: gap.failed })
    }
}

/// How many segments of a path, from the first that differs, a pattern does not share; 0 if it matches.
fn apart(pattern: &str, path: &[&str]) -> usize {
    let mut wanted = pattern.split('/');
    for (at, segment) in path.iter().enumerate() {
        match wanted.next() {
            Some("**") => return 0,
            Some("*") => {}
            Some(literal) if literal == *segment => {}
            _ => return path.len() - at,
        }
    }
    usize::from(!matches!(wanted.next(), None | Some("**")))
}

/// What would let the call through, one line each.
pub(super) fn remedies(decision: &Decision, explanation: &Explanation) -> Vec<String> {
    let Err(reason) = decision.verdict() else { return Vec::new() };
    match reason {
        ReasonCode::Forbidden { rule } => {
            vec![format!("an [[exception]] to rule {rule} for this caller, or a change of that rule")]
        }
        ReasonCode::ConditionError { rule } => match decision.fault() {
            Some(ConditionFault::MissingFact) => {
                vec![format!("a condition of rule {rule} that tests with has(...) for a fact that calls may lack")]
            }
            Some(ConditionFault::Arithmetic) => {
                vec![format!("a condition of rule {rule} that divides by no 0 and overflows nowhere")]
            }
            Some(ConditionFault::Other) | None => Vec::new(),
        },
        ReasonCode::NotPermitted => {
            let allows = explanation.near_misses.iter().filter(|miss| miss.effect == effect_word(Effect::Allow));
            allows.filter(|miss| miss.distance <= 1).map(remedy).collect()
        }
        ReasonCode::ObligationConflict => vec!["terms of the matched rules that can all be kept".into()],
        ReasonCode::ApprovalRequired { class, missing } => vec![format!("{missing} more approval(s) of class {class}")],
        ReasonCode::OverMaxK { max } => vec![format!("a search for at most {max} results")],
        ReasonCode::Blocked { label } => vec![format!("content without {label}")],
        ReasonCode::UnknownTenant => vec!["a document about this tenant".into()],
        _ => Vec::new(),
    }
}

fn remedy(miss: &NearMiss) -> String {
    let wanted = &miss.failed.wanted;
    let rule = &miss.at.rule;
    match miss.failed.clause {
        "role" => format!("the role {wanted} for this caller (rule {rule})"),
        "action" => format!("{wanted} instead of this action (rule {rule})"),
        "resource" => format!("a resource like {wanted} (rule {rule})"),
        _ => format!("{wanted} (rule {rule})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::path_matches;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_apart_from_what_it_matches(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 1..4),
            rest in prop::option::of(Just("**")),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..6),
        ) {
            let pattern: Vec<&str> = pattern.into_iter().chain(rest).collect();
            let (pattern, joined) = (pattern.join("/"), path.join("/"));
            prop_assert_eq!(apart(&pattern, &path) == 0, path_matches(&pattern, &joined), "{} {}", pattern, joined);
        }
    }
}

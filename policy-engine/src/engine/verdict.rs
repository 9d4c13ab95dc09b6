//! What the rules that fit say, given which of their conditions hold.

use super::merged::Merged;
use crate::condition::{Condition, ConditionFault};
use crate::decision::{Outcome, ReasonCode};
use crate::document::Effect;
use crate::facts::Query;
use crate::names::RuleId;
use crate::obligations::{Conflict, Obligations, Terms};
use crate::set::{Index, Rule, Tenant};
use std::sync::Arc;

/// The conditional rules whose condition holds, sorted.
pub(super) type Held = Vec<Index>;

/// The condition of a rule failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) rule: Index,
    pub(super) fault: ConditionFault,
}

/// The rules are not what the question says: a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Astray;

impl Tenant {
    /// Which conditions of the fitting rules hold. The first that fails ends it.
    pub(super) fn evaluate(&self, fitting: &[Index], query: &Query<'_>) -> Result<Held, Failed> {
        let mut held = Held::new();
        let mut known: Vec<(*const Condition, bool)> = Vec::new();
        for at in fitting {
            let Some(condition) = self.rule(*at).and_then(|rule| rule.when.as_ref()) else { continue };
            let same = known.iter().find(|(condition_at, _)| std::ptr::eq(*condition_at, Arc::as_ptr(condition)));
            let answer = match same {
                Some((_, answer)) => *answer,
                None => {
                    let answer =
                        condition.evaluate(query, &self.definitions).map_err(|fault| Failed { rule: *at, fault })?;
                    known.push((Arc::as_ptr(condition), answer));
                    answer
                }
            };
            if answer {
                held.push(*at);
            }
        }
        Ok(held)
    }

    /// The denial by a condition that failed.
    pub(super) fn failed(&self, failed: Failed) -> Result<Outcome, Astray> {
        let rule = self.rule(failed.rule).ok_or(Astray)?.id.clone();
        Ok(Outcome { fault: Some(failed.fault), ..Outcome::denied(ReasonCode::ConditionError { rule }) })
    }

    /// The outcome by allow-and-deny: one deny denies, an allow is needed.
    pub(super) fn settle(
        &self,
        (fitting, held): (&[Index], &[Index]),
        path: &str,
        merged: &mut Merged,
    ) -> Result<Outcome, Astray> {
        let (mut matched, mut unmet): (Vec<&Rule>, Vec<&Rule>) = (Vec::new(), Vec::new());
        for at in fitting {
            let rule = self.rule(*at).ok_or(Astray)?;
            let applies = rule.when.is_none() || held.binary_search(at).is_ok();
            if applies { matched.push(rule) } else { unmet.push(rule) }
        }
        let verdict = match matched.iter().find(|rule| rule.effect == Effect::Deny) {
            Some(rule) => Err(ReasonCode::Forbidden { rule: rule.id.clone() }),
            None if matched.is_empty() => Err(ReasonCode::NotPermitted),
            None => self.obligations(&matched, path, merged),
        };
        let ids = |rules: Vec<&Rule>| match rules.as_slice() {
            [] => Arc::<[RuleId]>::default(),
            rules => rules.iter().map(|rule| rule.id.clone()).collect(),
        };
        Ok(Outcome { verdict, matched: ids(matched), unmet: ids(unmet), fault: None })
    }

    /// The terms of the rules that allow, and of what the path is about, as one.
    fn obligations(&self, matched: &[&Rule], path: &str, merged: &mut Merged) -> Result<Arc<Obligations>, ReasonCode> {
        let mut terms: Vec<&Arc<Terms>> = matched.iter().map(|rule| &rule.terms).collect();
        terms.extend(self.definitions.terms_at(path));
        merged.of(&mut terms, self.definitions.record).map_err(|Conflict| ReasonCode::ObligationConflict)
    }
}

/// What casbin must say to an outcome that conditions did not end: terms are no matter of casbin's.
pub(super) const fn expects_allow(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Ok(_) | Err(ReasonCode::ObligationConflict))
}

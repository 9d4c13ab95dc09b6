//! The `[[rule]]` tables.

use super::hint::{did_you_mean, lookalike, mixed_word};
use super::parse::{Located, located};
use super::reader::{Found, Section, Source, choice, one_or_more, parsed, text};
use super::shapes::THEN;
use super::terms::{Then, then};
use crate::action::Action;
use crate::condition::Condition;
use crate::names::{RoleName, RuleId};
use crate::pattern::Pattern;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// Whether a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleMode {
    Enforce,
    /// The rule is evaluated and reported, and changes nothing.
    Shadow,
}

impl RuleMode {
    const ALL: [Self; 2] = [Self::Enforce, Self::Shadow];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

#[derive(Debug)]
pub(crate) struct RuleDef {
    pub(crate) id: Located<RuleId>,
    pub(crate) effect: Effect,
    pub(crate) actions: BTreeSet<Action>,
    pub(crate) roles: Vec<Located<RoleName>>,
    pub(crate) on: Vec<Pattern>,
    pub(crate) when: Option<Located<Arc<Condition>>>,
    pub(crate) then: Then,
    pub(crate) mode: RuleMode,
}

pub(super) fn rule(source: &mut Source, mut section: Section<'_>) -> Option<RuleDef> {
    let id = section.required(source, "id").and_then(|f| {
        let value = parsed(source, &f)?;
        Some(Located { value, place: f.place })
    });
    if let Some(found) = section.optional(source, "description") {
        text(source, &found);
    }
    let (allow, deny) = (section.optional(source, "allow"), section.optional(source, "deny"));
    let place = section.place.clone();
    let (effect, listed) = match (allow, deny) {
        (Some(f), None) => (Some(Effect::Allow), Some(f)),
        (None, Some(f)) => (Some(Effect::Deny), Some(f)),
        (Some(f), Some(_)) => {
            source.report(&place, "a rule either allows or denies", "write two rules");
            (None, Some(f))
        }
        (None, None) => {
            source.report(&place, "the key allow or deny is missing", "it lists actions");
            (None, None)
        }
    };
    let actions = listed.map(|f| actions(source, &f)).unwrap_or_default();
    let roles = section.required(source, "roles").map(|f| one_or_more(source, &f, IDLE)).unwrap_or_default();
    let roles = located(source, roles);
    let on = section.required(source, "on").map(|f| one_or_more(source, &f, IDLE)).unwrap_or_default();
    let on = patterns(source, &on, &actions);
    let when = section.optional(source, "when").and_then(|f| condition(source, &f));
    let found = section.optional(source, "then");
    if let (Some(f), Some(Effect::Deny)) = (&found, effect) {
        source.report(&f.place, "a rule that denies sets no terms", "leave then out");
    }
    let then = found.and_then(|f| Section::of(source, f, &THEN)).map(|s| then(source, s)).unwrap_or_default();
    let mode = section.optional(source, "mode");
    let mode = mode.and_then(|f| choice(source, &f, &RuleMode::ALL, RuleMode::as_str)).unwrap_or(RuleMode::Enforce);
    section.finish(source);
    Some(RuleDef { id: id?, effect: effect?, actions, roles, on, when, then, mode })
}

/// What is wrong with an empty list in a rule.
const IDLE: &str = "an empty list makes a rule that never applies";

fn actions(source: &mut Source, found: &Found<'_>) -> BTreeSet<Action> {
    let mut all = BTreeSet::new();
    for item in one_or_more(source, found, IDLE) {
        let Some(text) = text(source, &item) else {
            continue;
        };
        let named = Action::named(text);
        if named.is_empty() {
            let known: Vec<&str> = Action::ALL.iter().map(|a| a.as_str()).collect();
            let meant = lookalike(text).map(|l| format!("{l}; "));
            let meant = meant.unwrap_or_else(|| did_you_mean(text, known.iter().copied()));
            let hint = format!("{meant}one of: {}, a family such as model.*, or *", known.join(", "));
            source.report(&item.place, "there is no such action", hint);
        }
        all.extend(named);
    }
    all
}

/// Reads patterns; one that none of the rule's actions can apply to is a defect.
fn patterns(source: &mut Source, items: &[Found<'_>], actions: &BTreeSet<Action>) -> Vec<Pattern> {
    let mut all = Vec::new();
    for item in items {
        let Some(text) = text(source, item) else {
            continue;
        };
        if let Some(pattern) = pattern(source, item, text) {
            if !actions.is_empty() && !actions.iter().any(|a| pattern.reaches(a.family())) {
                source.report(&item.place, "no action of this rule applies to such a resource", "");
            }
            all.push(pattern);
        }
    }
    let idle = actions.iter().find(|a| !all.iter().any(|p| p.reaches(a.family())));
    if let (Some(action), Some(first), true) = (idle, items.first(), all.len() == items.len()) {
        let message = format!("the action {action} applies to no resource of this rule");
        source.report(&first.place, message, "");
    }
    all
}

/// A pattern, or a defect.
pub(super) fn pattern(source: &mut Source, found: &Found<'_>, text: &str) -> Option<Pattern> {
    match Pattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            source.report(&found.place, error.to_string(), lookalike(text).unwrap_or_default());
            None
        }
    }
}

fn condition(source: &mut Source, found: &Found<'_>) -> Option<Located<Arc<Condition>>> {
    let text = text(source, found)?;
    if let Some(mixed) = mixed_word(text) {
        source.report(&found.place, "a word of the condition mixes letters that look alike", mixed);
        return None;
    }
    match source.conditions.compile(text) {
        Ok(value) => Some(Located { value, place: found.place.clone() }),
        Err(error) => {
            source.report(&found.place, error.message, error.hint);
            None
        }
    }
}

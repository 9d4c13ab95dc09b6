//! The `[[rule]]` tables.

use super::parse::{Located, located, names};
use super::reader::{Found, Section, Source, choice, one_or_list, parsed, text, wrong_type};
use crate::action::Action;
use crate::condition::Condition;
use crate::names::{FieldName, Label, RoleName, RuleId};
use crate::obligations::{Beta, Encrypt, Mode, Record, Terms};
use crate::pattern::Pattern;
use std::collections::BTreeSet;
use toml::de::DeValue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug)]
pub(crate) struct RuleDef {
    pub(crate) id: Located<RuleId>,
    pub(crate) effect: Effect,
    pub(crate) actions: BTreeSet<Action>,
    pub(crate) roles: Vec<Located<RoleName>>,
    pub(crate) on: Vec<Pattern>,
    pub(crate) when: Option<Condition>,
    pub(crate) then: Terms,
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
    let roles = section.required(source, "roles").map(|f| not_empty(source, &f)).unwrap_or_default();
    let roles = located(source, roles);
    let on = section.required(source, "on").map(|f| not_empty(source, &f)).unwrap_or_default();
    let on = patterns(source, &on, &actions);
    let when = section.optional(source, "when").and_then(|f| condition(source, &f));
    let then = section.optional(source, "then");
    if let (Some(f), Some(Effect::Deny)) = (&then, effect) {
        source.report(&f.place, "a rule that denies sets no terms", "leave then out");
    }
    let then = then.and_then(|f| Section::of(source, f)).map(|s| terms(source, s)).unwrap_or_default();
    if let Some(found) = section.optional(source, "mode")
        && text(source, &found).is_some_and(|mode| mode != "enforce")
    {
        source.report(&found.place, "this mode is not supported", "only \"enforce\" is, which is the default");
    }
    section.finish(source);
    Some(RuleDef { id: id?, effect: effect?, actions, roles, on, when, then })
}

fn not_empty<'t>(source: &mut Source, found: &Found<'t>) -> Vec<Found<'t>> {
    let before = source.defects.len();
    let items = one_or_list(source, found);
    if items.is_empty() && source.defects.len() == before {
        source.report(&found.place, "an empty list makes a rule that never applies", "");
    }
    items
}

fn actions(source: &mut Source, found: &Found<'_>) -> BTreeSet<Action> {
    let mut all = BTreeSet::new();
    for item in not_empty(source, found) {
        let Some(text) = text(source, &item) else {
            continue;
        };
        let named = Action::named(text);
        if named.is_empty() {
            let known: Vec<&str> = Action::ALL.iter().map(|a| a.as_str()).collect();
            let hint = format!("one of: {}, a family such as model.*, or *", known.join(", "));
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
        match Pattern::parse(text) {
            Ok(pattern) => {
                if !actions.is_empty() && !actions.iter().any(|a| pattern.reaches(a.family())) {
                    source.report(&item.place, "no action of this rule applies to such a resource", "");
                }
                all.push(pattern);
            }
            Err(error) => source.report(&item.place, error.to_string(), ""),
        }
    }
    let idle = actions.iter().find(|a| !all.iter().any(|p| p.reaches(a.family())));
    if let (Some(action), Some(first), true) = (idle, items.first(), all.len() == items.len()) {
        let message = format!("the action {action} applies to no resource of this rule");
        source.report(&first.place, message, "");
    }
    all
}

fn condition(source: &mut Source, found: &Found<'_>) -> Option<Condition> {
    let text = text(source, found)?;
    match Condition::compile(text) {
        Ok(condition) => Some(condition),
        Err(error) => {
            source.report(&found.place, error.message, error.hint);
            None
        }
    }
}

fn terms(source: &mut Source, mut section: Section<'_>) -> Terms {
    let pseudonymise = section.optional(source, "pseudonymise");
    let pseudonymise = pseudonymise.map(|f| names::<Label>(source, &f)).unwrap_or_default();
    let encrypt = section.optional(source, "encrypt").and_then(|f| encrypt(source, f));
    let filterable = section.optional(source, "filterable").map(|f| names::<FieldName>(source, &f));
    let record = section.optional(source, "record").and_then(|f| choice(source, &f, &Record::ALL, Record::as_str));
    section.finish(source);
    Terms { pseudonymise, encrypt, filterable, record }
}

/// `encrypt = "preserving"` or `encrypt = { mode = "preserving", beta = 1.5 }`.
fn encrypt(source: &mut Source, found: Found<'_>) -> Option<Encrypt> {
    if found.value.is_str() {
        let mode = choice(source, &found, &Mode::ALL, Mode::as_str)?;
        return Some(Encrypt { mode, beta: Beta::default() });
    }
    let mut section = Section::of(source, found)?;
    let mode = section.required(source, "mode").and_then(|f| choice(source, &f, &Mode::ALL, Mode::as_str));
    let beta = section.optional(source, "beta").map(|f| {
        if mode.is_some_and(|m| m != Mode::Preserving) {
            source.report(&f.place, "only mode preserving has a beta", "");
        }
        beta(source, &f)
    });
    section.finish(source);
    Some(Encrypt { mode: mode?, beta: beta.unwrap_or_else(|| Some(Beta::default()))? })
}

fn beta(source: &mut Source, found: &Found<'_>) -> Option<Beta> {
    let number = match found.value {
        DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
        DeValue::Integer(whole) => whole.as_str().parse::<f64>().ok().filter(|_| whole.radix() == 10),
        _ => None,
    };
    let Some(number) = number else {
        wrong_type(source, found, "a number");
        return None;
    };
    match Beta::new(number) {
        Ok(beta) => Some(beta),
        Err(error) => {
            source.report(&found.place, error.to_string(), "");
            None
        }
    }
}

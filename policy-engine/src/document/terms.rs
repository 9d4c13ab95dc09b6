//! The terms of rules and collections.

use super::parse::{Located, located, names};
use super::reader::{
    Found, Section, Source, choice, count, entries, list, named, number, one_or_more, parsed, wrong_type,
};
use super::shapes::{ENCRYPT, LIMIT};
use crate::names::{ApprovalClass, BudgetName, FieldName};
use crate::obligations::{Beta, Encrypt, Mode, Record, Terms};
use crate::state::{Meter, Unit, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::str::FromStr;
use toml::de::DeValue;

/// The `then` of a rule. The names in it are resolved later.
#[derive(Debug, Default)]
pub(crate) struct Then {
    /// All but what `budgets` and `approvals` stand for.
    pub(crate) terms: Terms,
    pub(crate) budgets: Vec<Located<BudgetName>>,
    pub(crate) approvals: Vec<Located<ApprovalClass>>,
}

pub(super) fn then(source: &mut Source, mut section: Section<'_>) -> Then {
    let mut terms = Terms::default();
    content(source, &mut section, &mut terms);
    protection(source, &mut section, &mut terms);
    keeping(source, &mut section, &mut terms);
    let limits = section.optional(source, "limit").map(|f| one_or_more(source, &f, "an empty list limits nothing"));
    for found in limits.into_iter().flatten() {
        for (meter, most) in Section::of(source, found, &LIMIT).map(|s| amounts(source, s)).unwrap_or_default() {
            terms.limits.entry(meter).and_modify(|m| *m = (*m).min(most)).or_insert(most);
        }
    }
    terms.route = some(source, &mut section, "route");
    let mut listed = |source: &mut Source, key| {
        section
            .optional(source, key)
            .map(|f| one_or_more(source, &f, "an empty list names nothing"))
            .unwrap_or_default()
    };
    let (budgets, approvals) = (listed(source, "budget"), listed(source, "require_approval"));
    section.finish(source);
    Then { terms, budgets: located(source, budgets), approvals: located(source, approvals) }
}

/// The terms about content, which rules and models share.
pub(super) fn content(source: &mut Source, section: &mut Section<'_>, terms: &mut Terms) {
    for (key, into) in
        [("block", &mut terms.block), ("redact", &mut terms.redact), ("pseudonymise", &mut terms.pseudonymise)]
    {
        *into = section.optional(source, key).map(|f| names(source, &f)).unwrap_or_default();
    }
}

/// The terms that rules, models and collections share.
pub(super) fn keeping(source: &mut Source, section: &mut Section<'_>, terms: &mut Terms) {
    terms.residency = some(source, section, "residency");
    terms.record = section.optional(source, "record").and_then(|f| choice(source, &f, &Record::ALL, Record::as_str));
}

/// The terms that rules and collections share.
pub(super) fn protection(source: &mut Source, section: &mut Section<'_>, terms: &mut Terms) {
    terms.encrypt = section.optional(source, "encrypt").and_then(|f| encrypt(source, f));
    terms.public_fields = section.optional(source, "public_fields").map(|f| names::<FieldName>(source, &f));
    terms.filterable = section.optional(source, "filterable").map(|f| names::<FieldName>(source, &f));
    terms.range_buckets = section.optional(source, "range_buckets").map(|f| buckets(source, &f));
    terms.max_k = section.optional(source, "max_k").and_then(|f| count(source, &f)).map(NonZeroU32::get);
}

/// One or more names that are merged by intersection. An empty list would deny every call.
fn some<T: FromStr + Ord>(source: &mut Source, section: &mut Section<'_>, key: &'static str) -> Option<BTreeSet<T>>
where
    T::Err: std::fmt::Display,
{
    let found = section.optional(source, key)?;
    let items = one_or_more(source, &found, "an empty list leaves nowhere to go");
    Some(items.iter().filter_map(|f| parsed(source, f)).collect())
}

fn buckets(source: &mut Source, found: &Found<'_>) -> BTreeMap<FieldName, NonZeroU32> {
    let mut widths = BTreeMap::new();
    for (field, found) in entries(source, found) {
        let field = named::<FieldName>(source, &found.place, field);
        if let (Some(width), Some(field)) = (count(source, &found), field) {
            widths.insert(field, width);
        }
    }
    widths
}

/// `{ tokens = 1000, requests = 10, per = "day" }`: one amount for each unit that is named.
pub(super) fn amounts(source: &mut Source, mut section: Section<'_>) -> Vec<(Meter, u64)> {
    let place = section.place.clone();
    let mut named = Vec::new();
    for unit in Unit::ALL {
        if let Some(found) = section.optional(source, unit.as_str()) {
            named.push((unit, number(source, &found), found.place));
        }
    }
    let per = section.required(source, "per").and_then(|f| choice(source, &f, &Window::ALL, Window::as_str));
    section.finish(source);
    if named.is_empty() {
        source.report(&place, "nothing is counted here", "write requests, tokens or cost");
    }
    let mut amounts = Vec::new();
    for (unit, most, place) in named {
        if (unit, per) == (Unit::Requests, Some(Window::Call)) {
            source.report(&place, "a call is always one request", "name another window");
        }
        if let (Some(most), Some(window)) = (most, per) {
            amounts.push((Meter { unit, window }, most));
        }
    }
    amounts
}

/// `encrypt = "preserving"` or `encrypt = { mode = "preserving", beta = 1.5 }`.
fn encrypt(source: &mut Source, found: Found<'_>) -> Option<Encrypt> {
    if found.value.is_str() {
        let mode = choice(source, &found, &Mode::ALL, Mode::as_str)?;
        return Some(Encrypt { mode, beta: Beta::default() });
    }
    let mut section = Section::of(source, found, &ENCRYPT)?;
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

/// The elements of a list of tables.
pub(super) fn tables<'t>(
    source: &mut Source,
    found: &Found<'t>,
    shape: &'static super::shape::Shape,
) -> Vec<Section<'t>> {
    let items = list(source, found);
    items.into_iter().filter_map(|f| Section::of(source, f, shape)).collect()
}

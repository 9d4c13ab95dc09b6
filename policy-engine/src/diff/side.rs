//! One side of a comparison: what one policy says about a caller, an action and a resource.

use crate::action::Action;
use crate::matrix::{Access, Cell, Extent};
use crate::resource::Resource;
use crate::set::{Index, Rule, Tenant};
use crate::staged::Change;
use crate::state::calendar::Day;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A change, and for which calls it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Shift {
    /// The change.
    pub change: Change,
    /// For which calls.
    pub calls: Calls,
}

/// The calls that a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calls {
    /// All of the row.
    All,
    /// Those for which conditions say so.
    Some,
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.change, self.calls) {
            (Change::NewlyAllowed, Calls::All) => "gains",
            (Change::NewlyAllowed, Calls::Some) => "may gain",
            (Change::NewlyDenied, Calls::All) => "loses",
            (Change::NewlyDenied, Calls::Some) => "may lose",
            (Change::OtherTerms, _) => "other terms",
            (Change::OtherReason, _) => "denied otherwise",
        })
    }
}

/// What decides a cell, without the ids of rules: two sides that are equal here decide every call alike.
#[derive(PartialEq)]
pub(super) struct Side {
    /// What each rule that allows needs, and what it sets.
    allows: BTreeSet<(String, String)>,
    /// What each rule that denies needs.
    denies: BTreeSet<String>,
    definitions: (Option<&'static str>, Option<Day>),
    /// What the definitions of what it acts on set, and where another name leads.
    terms: BTreeSet<String>,
}

/// What a rule needs: an empty text if nothing.
pub(super) fn needs(rule: &Rule) -> String {
    rule.when.as_ref().map(|when| when.fingerprint()).unwrap_or_default()
}

/// What a rule sets.
pub(super) fn sets(rule: &Rule) -> String {
    format!("{:?}", rule.terms)
}

/// A cell as it is compared, with its access and the terms that it gives at least.
pub(super) struct Seen {
    pub(super) side: Side,
    pub(super) access: Access,
    pub(super) terms: BTreeSet<Arc<str>>,
}

pub(super) fn seen(tenant: &Tenant, roles: &[Index], action: Action, resource: &Resource) -> Seen {
    let cell = tenant.cell(roles, action, resource);
    let definitions = &tenant.definitions;
    let mut terms: BTreeSet<String> =
        definitions.collections_at(&cell.path).map(|collection| format!("{:?}", collection.terms)).collect();
    let other = definitions.other_names.get(resource);
    terms.extend(other.map(|other| format!("{:?}", other.route)));
    terms.insert(format!("{:?}", definitions.record));
    let side = Side {
        allows: cell.allows.iter().map(|rule| (needs(rule), sets(rule))).collect(),
        denies: cell.denies.iter().map(|rule| needs(rule)).collect(),
        // Where no rule allows, nothing that is defined matters.
        definitions: if cell.allows.is_empty() { (None, None) } else { cell.definitions() },
        terms: if cell.allows.is_empty() { BTreeSet::new() } else { terms },
    };
    Seen { side, access: cell.access(), terms: at_least(tenant, &cell) }
}

/// The terms of the rules that always allow; of all that may, if there are none.
fn at_least(tenant: &Tenant, cell: &Cell<'_>) -> BTreeSet<Arc<str>> {
    let always = |rule: &&&Rule| rule.when.is_none();
    let rules: Vec<&Rule> = match cell.allows.iter().filter(always).count() {
        0 => cell.allows.clone(),
        _ => cell.allows.iter().filter(always).copied().collect(),
    };
    if rules.is_empty() {
        return BTreeSet::new();
    }
    let merged = tenant.definitions.merge(rules.into_iter().map(|rule| &*rule.terms), &cell.path);
    merged.map(|merged| merged.lines().iter().cloned().collect()).unwrap_or_default()
}

impl Seen {
    /// How the second differs from the first; empty only if they decide every call alike.
    pub(super) fn shifts(before: &Self, after: &Self) -> Vec<Shift> {
        if before.side == after.side {
            return Vec::new();
        }
        let shift = |change, calls| Shift { change, calls };
        let extents = (before.access.extent(), after.access.extent());
        let mut shifts = match extents {
            (Extent::Never, Extent::Always) => vec![shift(Change::NewlyAllowed, Calls::All)],
            (Extent::Always, Extent::Never) => vec![shift(Change::NewlyDenied, Calls::All)],
            (Extent::Sometimes, Extent::Always) | (Extent::Never, Extent::Sometimes) => {
                vec![shift(Change::NewlyAllowed, Calls::Some)]
            }
            (Extent::Sometimes, Extent::Never) | (Extent::Always, Extent::Sometimes) => {
                vec![shift(Change::NewlyDenied, Calls::Some)]
            }
            (Extent::Sometimes, Extent::Sometimes) => Side::by_conditions(&before.side, &after.side),
            (Extent::Never, Extent::Never) => vec![shift(Change::OtherReason, Calls::Some)],
            (Extent::Always, Extent::Always) => Vec::new(),
        };
        let both_may_allow = extents.0 > Extent::Never && extents.1 > Extent::Never;
        if both_may_allow && (shifts.is_empty() || before.side.all_terms() != after.side.all_terms()) {
            shifts.push(shift(Change::OtherTerms, Calls::Some));
        }
        shifts
    }
}

impl Side {
    /// What the conditions of rules open and close.
    fn by_conditions(before: &Self, after: &Self) -> Vec<Shift> {
        let allows = |side: &Self| side.allows.iter().map(|(needs, _)| needs.clone()).collect::<BTreeSet<String>>();
        let (allows_before, allows_after) = (allows(before), allows(after));
        // An allow without a condition leaves nothing for the others to open.
        let is_open = |allows: &BTreeSet<String>| allows.contains("");
        let (open_before, open_after) = (is_open(&allows_before), is_open(&allows_after));
        let more_allows = !open_before && !allows_after.is_subset(&allows_before);
        let fewer_allows = !open_after && !allows_before.is_subset(&allows_after);
        let (last_before, last_after) = (before.definitions.1, after.definitions.1);
        let is_later = |a: Option<Day>, b: Option<Day>| a.is_some_and(|a| b.is_none_or(|b| b > a));
        let gains = more_allows || !before.denies.is_subset(&after.denies) || is_later(last_before, last_after);
        let loses = fewer_allows || !after.denies.is_subset(&before.denies) || is_later(last_after, last_before);
        let mut shifts = Vec::new();
        if gains {
            shifts.push(Shift { change: Change::NewlyAllowed, calls: Calls::Some });
        }
        if loses {
            shifts.push(Shift { change: Change::NewlyDenied, calls: Calls::Some });
        }
        shifts
    }

    fn all_terms(&self) -> (BTreeSet<&str>, &BTreeSet<String>) {
        (self.allows.iter().map(|(_, sets)| sets.as_str()).collect(), &self.terms)
    }
}

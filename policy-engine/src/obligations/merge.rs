//! The terms of one rule or definition, and their merge.

use super::route::{self, Route};
use super::{Encrypt, Obligations, Record};
use crate::names::{ApprovalClass, BudgetName, FieldName, Label, Region};
use crate::state::Meter;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

/// The terms of one rule or definition. `None` and an empty union mean that it does not speak about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Terms {
    pub(crate) block: BTreeSet<Label>,
    pub(crate) redact: BTreeSet<Label>,
    pub(crate) pseudonymise: BTreeSet<Label>,
    pub(crate) encrypt: Option<Encrypt>,
    pub(crate) public_fields: Option<BTreeSet<FieldName>>,
    pub(crate) filterable: Option<BTreeSet<FieldName>>,
    pub(crate) range_buckets: Option<BTreeMap<FieldName, NonZeroU32>>,
    pub(crate) limits: BTreeMap<Meter, u64>,
    pub(crate) budgets: BTreeSet<BudgetName>,
    pub(crate) require_approval: BTreeMap<ApprovalClass, NonZeroU32>,
    pub(crate) route: Option<BTreeSet<Route>>,
    pub(crate) residency: Option<BTreeSet<Region>>,
    pub(crate) max_k: Option<u32>,
    pub(crate) record: Option<Record>,
}

/// Two rules or definitions name terms that cannot both be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

impl Obligations {
    /// Merges the terms of the rules that allow a call. The order does not matter.
    pub(crate) fn merge<'a>(all: impl Iterator<Item = &'a Terms>) -> Result<Self, Conflict> {
        Self::merge_over(all, Record::default())
    }

    /// Merges terms; `record` holds if nothing says what is recorded.
    pub(crate) fn merge_over<'a>(all: impl Iterator<Item = &'a Terms>, record: Record) -> Result<Self, Conflict> {
        let (mut merged, mut sum) = (Self::default(), Sum::default());
        for terms in all {
            merged.add_labels(terms);
            merged.add_amounts(terms);
            sum.add(terms);
        }
        let weaker = std::mem::take(&mut merged.redact);
        merged.redact = weaker.difference(&merged.block).cloned().collect();
        let weaker = std::mem::take(&mut merged.pseudonymise);
        merged.pseudonymise =
            weaker.into_iter().filter(|l| !merged.block.contains(l) && !merged.redact.contains(l)).collect();
        merged.public_fields = sum.public_fields.unwrap_or_default();
        merged.filterable = sum.filterable.shared(BTreeSet::is_empty)?.unwrap_or_default();
        merged.range_buckets = sum.range_buckets.shared(BTreeMap::is_empty)?.unwrap_or_default();
        merged.route = sum.route.shared(BTreeSet::is_empty)?;
        merged.residency = sum.residency.shared(BTreeSet::is_empty)?;
        merged.record = sum.record.unwrap_or(record);
        Ok(merged.with_lines())
    }

    fn add_labels(&mut self, terms: &Terms) {
        self.block.extend(terms.block.iter().cloned());
        self.redact.extend(terms.redact.iter().cloned());
        self.pseudonymise.extend(terms.pseudonymise.iter().cloned());
        self.budgets.extend(terms.budgets.iter().cloned());
    }

    fn add_amounts(&mut self, terms: &Terms) {
        self.encrypt = match (self.encrypt, terms.encrypt) {
            (Some(a), Some(b)) => Some(a.stronger(b)),
            (a, b) => a.or(b),
        };
        for (meter, most) in &terms.limits {
            self.limits.entry(*meter).and_modify(|m| *m = (*m).min(*most)).or_insert(*most);
        }
        for (class, count) in &terms.require_approval {
            self.require_approval.entry(class.clone()).and_modify(|n| *n = (*n).max(*count)).or_insert(*count);
        }
        self.max_k = match (self.max_k, terms.max_k) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// What is merged by intersection, and what needs to know whether anything was said.
#[derive(Default)]
struct Sum {
    public_fields: Option<BTreeSet<FieldName>>,
    filterable: Shared<BTreeSet<FieldName>>,
    range_buckets: Shared<BTreeMap<FieldName, NonZeroU32>>,
    route: Shared<BTreeSet<Route>>,
    residency: Shared<BTreeSet<Region>>,
    record: Option<Record>,
}

impl Sum {
    fn add(&mut self, terms: &Terms) {
        if let Some(named) = &terms.public_fields {
            self.public_fields =
                Some(self.public_fields.as_ref().map_or_else(|| named.clone(), |before| before & named));
        }
        self.filterable.add(terms.filterable.as_ref(), BTreeSet::is_empty, |a, b| a & b);
        self.range_buckets.add(terms.range_buckets.as_ref(), BTreeMap::is_empty, coarser);
        self.route.add(terms.route.as_ref(), BTreeSet::is_empty, route::intersection);
        self.residency.add(terms.residency.as_ref(), BTreeSet::is_empty, |a, b| a & b);
        self.record = self.record.max(terms.record);
    }
}

/// An intersection in the making. Nothing shared is a conflict, unless somebody asked for nothing by name.
struct Shared<T> {
    found: Option<T>,
    asked: Asked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ForSome,
    ForNothing,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { found: None, asked: Asked::ForSome }
    }
}

impl<T: Clone> Shared<T> {
    fn add(&mut self, named: Option<&T>, is_empty: fn(&T) -> bool, both: fn(&T, &T) -> T) {
        let Some(named) = named else { return };
        if is_empty(named) {
            self.asked = Asked::ForNothing;
        }
        self.found = Some(self.found.as_ref().map_or_else(|| named.clone(), |before| both(before, named)));
    }

    fn shared(self, is_empty: fn(&T) -> bool) -> Result<Option<T>, Conflict> {
        match self.found {
            Some(found) if is_empty(&found) && self.asked == Asked::ForSome => Err(Conflict),
            found => Ok(found),
        }
    }
}

fn coarser(
    a: &BTreeMap<FieldName, NonZeroU32>,
    b: &BTreeMap<FieldName, NonZeroU32>,
) -> BTreeMap<FieldName, NonZeroU32> {
    a.iter().filter_map(|(field, width)| Some((field.clone(), *b.get(field)?.max(width)))).collect()
}

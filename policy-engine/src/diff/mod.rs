//! What another policy would change: who gains or loses what, and on which terms.
//!
//! Both policies are compared as texts of rules, not by trying calls. Callers are those whom either policy names, and
//! everybody else as one; resources are classes of paths that the patterns of both divide. So a tenant without a
//! change in the result decides every call as before, whoever makes it and whatever the facts are: also callers who
//! are several of those that are named, since they hold the roles of all.
//!
//! Limits. Conditions are compared as texts: one that is written otherwise counts as another. A row is about the
//! calls of one caller alone; who holds more roles may be allowed or denied by these before and after. A definition
//! that changed is listed; the conditions that read it are not. That a condition may fail, which denies, is not told.
//! Rules in mode shadow decide nothing and are left out.

mod definitions;
mod side;
mod text;

pub use definitions::{DefinitionChange, How};
pub use side::{Calls, Shift};

use crate::action::Action;
use crate::matrix::{ANYBODY, Access, Marked, TooMany, TooManyRows, classes};
use crate::names::RoleName;
use crate::pattern::Pattern;
use crate::resource::Resource;
use crate::set::{Index, PolicyDigest, PolicySet, Tenant};
use crate::staged::Change;
use serde::Serialize;
use side::{Seen, needs, seen, sets};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use vocab::TenantId;

/// What a new policy changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// The digest of the old policy.
    pub before: PolicyDigest,
    /// The digest of the new one.
    pub after: PolicyDigest,
    /// The tenants for which anything changes, sorted.
    pub tenants: Vec<TenantDiff>,
}

/// What changes for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantDiff {
    /// The tenant.
    pub tenant: TenantId,
    /// Whether only one of the policies has the tenant.
    pub how: How,
    /// The definitions that differ.
    pub definitions: Vec<DefinitionChange>,
    /// The callers for whom something changes, those of the same roles together.
    pub callers: Vec<CallerDiff>,
}

/// What changes for callers of the same roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallerDiff {
    /// The users, groups and claims, as documents write them, or `anybody`.
    pub callers: Vec<String>,
    /// Their roles under the old policy, besides `everyone`.
    pub roles_before: Vec<RoleName>,
    /// Their roles under the new policy, besides `everyone`.
    pub roles_after: Vec<RoleName>,
    /// What changes.
    pub rows: Vec<DiffRow>,
}

/// Some actions on some resources that are decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffRow {
    /// The resources: `*` stands for a segment that neither policy names there, a last `**` for any that are left.
    pub resource: String,
    /// The actions.
    pub actions: Vec<Action>,
    /// What changes; at least one.
    pub shifts: Vec<Shift>,
    /// What the old policy says.
    pub before: Access,
    /// What the new policy says.
    pub after: Access,
    /// The terms that an allowed call no longer has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms_lost: Vec<Arc<str>>,
    /// The terms that an allowed call has now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms_gained: Vec<Arc<str>>,
}

impl PolicySet {
    /// What changes when the other set takes over, in at most so many rows. For each caller so many classes of
    /// resources are compared at most.
    ///
    /// # Errors
    /// [`TooManyRows`]: the comparison is complete or not there.
    pub fn diff(&self, after: &Self, most: usize) -> Result<PolicyDiff, TooManyRows> {
        let none = Tenant::default();
        let ids: BTreeSet<&TenantId> = self.tenants.keys().chain(after.tenants.keys()).collect();
        let mut left = most;
        let mut tenants = Vec::new();
        for id in ids {
            let (old, new) = (self.tenants.get(id), after.tenants.get(id));
            let how = match (old, new) {
                (Some(old), Some(new)) if Arc::ptr_eq(old, new) => continue,
                (None, _) => How::Added,
                (_, None) => How::Removed,
                _ => How::Changed,
            };
            let pair = Pair::new(old.map_or(&none, AsRef::as_ref), new.map_or(&none, AsRef::as_ref));
            let found = pair.diff(id, how, &mut left).map_err(|TooMany| TooManyRows { most })?;
            if how != How::Changed || !found.definitions.is_empty() || !found.callers.is_empty() {
                tenants.push(found);
            }
        }
        Ok(PolicyDiff { before: self.digest.clone(), after: after.digest.clone(), tenants })
    }
}

/// A line of either policy, by what it says and not by where it stands.
type Key = u32;

/// The same tenant in both policies.
struct Pair<'t> {
    before: &'t Tenant,
    after: &'t Tenant,
    /// The lines of each role, by policy.
    lines: [Vec<BTreeSet<Key>>; 2],
    /// The pattern of each key.
    patterns: Vec<&'t Pattern>,
    definitions: Vec<DefinitionChange>,
}

impl<'t> Pair<'t> {
    fn new(before: &'t Tenant, after: &'t Tenant) -> Self {
        let (mut keys, mut patterns) = (HashMap::new(), Vec::new());
        let lines = [before, after].map(|tenant| by_role(tenant, &mut keys, &mut patterns));
        Self { before, after, lines, patterns, definitions: definitions::changes(before, after) }
    }

    fn diff(self, tenant: &TenantId, how: How, left: &mut usize) -> Result<TenantDiff, TooMany> {
        let (before, after) = (self.before.named_callers(), self.after.named_callers());
        let mut by_roles: BTreeMap<(Vec<Index>, Vec<Index>), Vec<String>> = BTreeMap::new();
        by_roles.insert((Tenant::anybody(), Tenant::anybody()), vec![ANYBODY.to_owned()]);
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let roles = |all: &BTreeMap<String, Vec<Index>>| all.get(name).cloned().unwrap_or_else(Tenant::anybody);
            by_roles.entry((roles(&before), roles(&after))).or_default().push(name.clone());
        }
        let mut callers = Vec::new();
        for ((old, new), names) in by_roles {
            let rows = self.rows(&old, &new, left)?;
            if !rows.is_empty() {
                let (roles_before, roles_after) = (named(self.before, &old), named(self.after, &new));
                callers.push(CallerDiff { callers: names, roles_before, roles_after, rows });
            }
        }
        let anybody = |diff: &CallerDiff| diff.callers.iter().any(|name| name == ANYBODY);
        callers.sort_by(|a, b| (!anybody(a), &a.callers).cmp(&(!anybody(b), &b.callers)));
        Ok(TenantDiff { tenant: tenant.clone(), how, definitions: self.definitions, callers })
    }

    /// What changes for callers of these roles.
    fn rows(&self, old: &[Index], new: &[Index], left: &mut usize) -> Result<Vec<DiffRow>, TooMany> {
        let [lines_before, lines_after] = &self.lines;
        let (held_before, held_after) = (held(lines_before, old), held(lines_after, new));
        let pattern = |key: &Key| self.patterns.get(usize::try_from(*key).ok()?).copied();
        // Only where a line came or went, or a definition, can anything be decided otherwise.
        let mut wanted: BTreeSet<&str> =
            held_before.symmetric_difference(&held_after).filter_map(pattern).map(Pattern::as_str).collect();
        let all = held_before.union(&held_after).filter_map(pattern);
        if !self.definitions.is_empty() {
            wanted.extend(all.clone().map(Pattern::as_str));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let other_names: BTreeSet<String> = [self.before, self.after]
            .iter()
            .flat_map(|tenant| tenant.definitions.other_names.keys().map(ToString::to_string))
            .collect();
        let mut marked: Vec<Marked<'_>> = all.map(Marked::dividing).collect();
        marked.extend([self.before, self.after].iter().flat_map(|t| t.defined_patterns()).map(Marked::dividing));
        marked.extend(wanted.iter().map(|text| Marked::wanted(text)));
        marked.extend(other_names.iter().map(|name| Marked::wanted(name)));
        let mut rows: Vec<DiffRow> = Vec::new();
        for class in classes(&marked, *left)? {
            let Ok(resource) = class.witness.parse::<Resource>() else { continue };
            let start = rows.len();
            for action in Action::ALL.into_iter().filter(|action| action.family() == resource.family()) {
                let seen = (seen(self.before, old, action, &resource), seen(self.after, new, action, &resource));
                let Some(row) = DiffRow::of(&class.shown, action, seen) else { continue };
                let alike = |known: &&mut DiffRow| {
                    DiffRow { actions: Vec::new(), ..(**known).clone() }
                        == DiffRow { actions: Vec::new(), ..row.clone() }
                };
                match rows.iter_mut().skip(start).find(alike) {
                    Some(known) => known.actions.push(action),
                    None => rows.push(row),
                }
            }
            *left = left.checked_sub(rows.len() - start).ok_or(TooMany)?;
        }
        Ok(rows)
    }
}

impl DiffRow {
    fn of(resource: &str, action: Action, (before, after): (Seen, Seen)) -> Option<Self> {
        let shifts = Seen::shifts(&before, &after);
        if shifts.is_empty() {
            return None;
        }
        let without =
            |a: &BTreeSet<Arc<str>>, b: &BTreeSet<Arc<str>>| -> Vec<Arc<str>> { a.difference(b).cloned().collect() };
        let both = shifts.iter().any(|shift| shift.change == Change::OtherTerms);
        let (terms_lost, terms_gained) = match both {
            true => (without(&before.terms, &after.terms), without(&after.terms, &before.terms)),
            false => (Vec::new(), Vec::new()),
        };
        Some(Self {
            resource: resource.to_owned(),
            actions: vec![action],
            shifts,
            before: before.access,
            after: after.access,
            terms_lost,
            terms_gained,
        })
    }
}

/// The lines of each role. Lines that say the same have the same key, also in the other policy.
fn by_role<'t>(
    tenant: &'t Tenant,
    keys: &mut HashMap<String, Key>,
    patterns: &mut Vec<&'t Pattern>,
) -> Vec<BTreeSet<Key>> {
    let mut roles = vec![BTreeSet::new(); tenant.roles.len()];
    let mut said: Option<(Index, String)> = None;
    for line in &tenant.lines {
        let Some(rule) = tenant.rule(line.rule) else { continue };
        let says = match &said {
            Some((of, says)) if *of == line.rule => says.clone(),
            _ => format!("{:?} {:?} {}", rule.effect, needs(rule), sets(rule)),
        };
        let text = format!("{} {:?} {says}", line.pattern.as_str(), line.actions);
        said = Some((line.rule, says));
        let next = Key::try_from(patterns.len()).unwrap_or(Key::MAX);
        let key = *keys.entry(text).or_insert(next);
        if key == next {
            patterns.push(&line.pattern);
        }
        for role in &rule.roles {
            if let Some(own) = usize::try_from(*role).ok().and_then(|at| roles.get_mut(at)) {
                own.insert(key);
            }
        }
    }
    roles
}

/// The lines that holders of these roles have.
fn held(lines: &[BTreeSet<Key>], roles: &[Index]) -> BTreeSet<Key> {
    let own = roles.iter().filter_map(|role| lines.get(usize::try_from(*role).ok()?));
    own.flatten().copied().collect()
}

fn named(tenant: &Tenant, roles: &[Index]) -> Vec<RoleName> {
    let mut names: Vec<RoleName> = roles.iter().skip(1).filter_map(|role| tenant.role(*role).cloned()).collect();
    names.sort();
    names
}

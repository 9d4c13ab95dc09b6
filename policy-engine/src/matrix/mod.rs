//! The whole table of a set: which caller may do what with which resource, for review as a golden file.
//!
//! It is complete without listing every name that there could be. Callers that hold the same roles are one; so are
//! resources that the same patterns match. A condition is not evaluated: a row names the rules that have one.

mod callers;
mod cell;
mod space;
mod text;

pub(crate) use callers::ANYBODY;
pub use cell::Access;
pub(crate) use cell::{Cell, Extent, fitting};
pub(crate) use space::{Class, Marked, TooMany, classes};
pub(crate) use text::listed;

use crate::action::Action;
use crate::document::Effect;
use crate::names::RuleId;
use crate::obligations::Obligations;
use crate::resource::Resource;
use crate::set::{Index, PolicyDigest, PolicySet, Rule, Tenant};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vocab::TenantId;

/// Who may do what, for each tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The digest of the set.
    pub policy: PolicyDigest,
    /// The tenants, sorted.
    pub tenants: Vec<TenantMatrix>,
}

/// Who may do what within one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantMatrix {
    /// The tenant.
    pub tenant: TenantId,
    /// The rules that rows name, in the order of the documents.
    pub rules: Vec<RuleLine>,
    /// Callers that hold the same roles, each list once: first those whom no document names.
    pub callers: Vec<CallerMatrix>,
}

/// What a rule says besides its roles, actions and resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    /// The rule.
    pub rule: RuleId,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// Its condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The terms that it sets.
    pub terms: Vec<Arc<str>>,
}

/// What callers with the same roles may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallerMatrix {
    /// The users, groups and claims, as documents write them, or `anybody`. Who is several of these holds the roles
    /// of all.
    pub callers: Vec<String>,
    /// The rows. What no row names is denied.
    pub rows: Vec<Row>,
}

/// Some actions on some resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The resources: `*` stands for a segment that no row beside it names, a last `**` for any that are left.
    pub resource: String,
    /// The model that the resource is another name of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<String>,
    /// The actions.
    pub actions: Vec<Action>,
    /// Whether they may.
    #[serde(flatten)]
    pub access: Access,
}

/// There are more rows, or for one caller more classes of resources, than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {most} rows, or classes of resources for one caller")]
pub struct TooManyRows {
    /// How many rows were asked for.
    pub most: usize,
}

impl PolicySet {
    /// The whole table, with at most so many rows. For each caller so many classes of resources are looked at at most.
    ///
    /// # Errors
    /// [`TooManyRows`]: the table is complete or not there.
    pub fn matrix(&self, most: usize) -> Result<Matrix, TooManyRows> {
        let mut left = most;
        let mut tenants = Vec::new();
        for (id, tenant) in self.tenants().into_iter().filter_map(|id| Some((id, self.tenants.get(id)?))) {
            tenants.push(of_tenant(id, tenant, &mut left).map_err(|TooMany| TooManyRows { most })?);
        }
        Ok(Matrix { policy: self.digest.clone(), tenants })
    }
}

fn of_tenant(id: &TenantId, tenant: &Tenant, left: &mut usize) -> Result<TenantMatrix, TooMany> {
    let mut by_roles: BTreeMap<Vec<Index>, Vec<String>> = BTreeMap::new();
    by_roles.insert(Tenant::anybody(), vec![ANYBODY.to_owned()]);
    for (name, roles) in tenant.named_callers() {
        by_roles.entry(roles).or_default().push(name);
    }
    let mut found = Vec::new();
    for (roles, callers) in by_roles {
        found.push(CallerMatrix { callers, rows: rows(tenant, &roles, left)? });
    }
    let anybody = |matrix: &CallerMatrix| matrix.callers.iter().any(|name| name == ANYBODY);
    found.sort_by(|a, b| (!anybody(a), &a.callers).cmp(&(!anybody(b), &b.callers)));
    let rules = tenant.rules.iter().map(RuleLine::of).collect();
    Ok(TenantMatrix { tenant: id.clone(), rules, callers: found })
}

impl RuleLine {
    fn of(rule: &Rule) -> Self {
        let terms = Obligations::merge(std::iter::once(&*rule.terms));
        let terms = terms.map(|merged| merged.lines().to_vec()).unwrap_or_default();
        // A merge always says what is recorded, the rule perhaps not.
        let is_own = |line: &Arc<str>| rule.terms.record.is_some() || !line.starts_with("record:");
        Self {
            rule: rule.id.clone(),
            effect: if rule.effect == Effect::Allow { "allow" } else { "deny" },
            when: rule.when.as_ref().map(|when| when.text()),
            terms: if rule.effect == Effect::Allow { terms.into_iter().filter(is_own).collect() } else { Vec::new() },
        }
    }
}

/// The rows of a caller: its classes, with those actions together that come to the same.
fn rows(tenant: &Tenant, roles: &[Index], left: &mut usize) -> Result<Vec<Row>, TooMany> {
    let own = |line: &&crate::set::Line| {
        let rule = tenant.rule(line.rule);
        rule.is_some_and(|rule| rule.roles.iter().any(|role| roles.binary_search(role).is_ok()))
    };
    let patterns: BTreeSet<&str> = tenant.lines.iter().filter(own).map(|line| line.pattern.as_str()).collect();
    let mut rows = Vec::new();
    for class in tenant.classes(patterns.iter().map(|text| Marked::wanted(text)), *left)? {
        let Ok(resource) = class.witness.parse::<Resource>() else { continue };
        let mut own: Vec<Row> = Vec::new();
        for action in Action::ALL.into_iter().filter(|action| action.family() == resource.family()) {
            let cell = tenant.cell(roles, action, &resource);
            let access = cell.access();
            // What no rule allows is not said, unless a rule always denies it.
            if matches!(access, Access::Denied { rule: None, .. }) && cell.allows.is_empty() {
                continue;
            }
            match own.iter_mut().find(|row| row.access == access) {
                Some(row) => row.actions.push(action),
                None => {
                    let stands_for = (cell.path != class.witness).then_some(cell.path);
                    own.push(Row { resource: class.shown.clone(), stands_for, actions: vec![action], access });
                }
            }
        }
        *left = left.checked_sub(own.len()).ok_or(TooMany)?;
        rows.extend(own);
    }
    Ok(rows)
}

impl Tenant {
    /// The classes of paths that wanted patterns match, divided by what is defined; names that stand for models are
    /// always among them.
    pub(crate) fn classes<'p>(
        &'p self,
        wanted: impl Iterator<Item = Marked<'p>>,
        most: usize,
    ) -> Result<Vec<Class>, TooMany> {
        let other_names: Vec<String> = self.definitions.other_names.keys().map(ToString::to_string).collect();
        let mut all: Vec<Marked<'_>> = other_names.iter().map(|name| Marked::wanted(name)).collect();
        all.extend(self.defined_patterns().map(Marked::dividing));
        wanted.for_each(|one| all.push(one));
        classes(&all, most)
    }

    /// The patterns of the definitions of models and collections.
    pub(crate) fn defined_patterns(&self) -> impl Iterator<Item = &crate::pattern::Pattern> {
        let models = self.definitions.models.iter().flat_map(|model| &model.on);
        models.chain(self.definitions.collections.iter().flat_map(|collection| &collection.on))
    }
}

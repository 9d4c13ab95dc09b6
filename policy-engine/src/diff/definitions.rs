//! What two tenants define differently.

use crate::set::Tenant;
use serde::Serialize;
use std::collections::BTreeMap;

/// A definition that was added, removed or changed. Conditions may read it, and decisions depend on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DefinitionChange {
    /// `label`, `collection`, `model`, `budget`, `approval` or `default`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// What happened to it.
    pub how: How,
}

/// What happened to a tenant or a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Only the new policy has it.
    Added,
    /// Only the old policy has it.
    Removed,
    /// Both have it, and it says something else.
    Changed,
}

impl How {
    /// What happened, as one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

type Described = BTreeMap<(&'static str, String), String>;

/// The definitions that differ.
pub(super) fn changes(before: &Tenant, after: &Tenant) -> Vec<DefinitionChange> {
    let (before, after) = (described(before), described(after));
    let mut changes = Vec::new();
    for ((kind, name), says) in &before {
        let how = match after.get(&(*kind, name.clone())) {
            None => How::Removed,
            Some(now) if now != says => How::Changed,
            Some(_) => continue,
        };
        changes.push(DefinitionChange { kind, name: name.clone(), how });
    }
    let added = after.keys().filter(|key| !before.contains_key(*key));
    changes.extend(added.map(|(kind, name)| DefinitionChange { kind, name: name.clone(), how: How::Added }));
    changes.sort();
    changes
}

/// Each definition with all that it says, but for where it stands.
fn described(tenant: &Tenant) -> Described {
    let definitions = &tenant.definitions;
    let mut all = Described::new();
    for (name, says) in definitions.labels.described() {
        all.insert(("label", name), says);
    }
    for collection in &definitions.collections {
        let says = format!("{:?} {:?} {:?}", collection.on, collection.class, collection.terms);
        all.insert(("collection", collection.name.to_string()), says);
    }
    for model in &definitions.models {
        let mut other_names: Vec<String> = definitions
            .other_names
            .iter()
            .filter(|(_, other)| model.on.iter().any(|on| on.matches(&other.model.to_string())))
            .map(|(name, other)| format!("{name} {other:?}"))
            .collect();
        other_names.sort();
        let facts = (&model.on, model.own_name, model.expires, &model.region, &model.trust);
        all.insert(("model", model.name.to_string()), format!("{facts:?} {other_names:?}"));
    }
    for (name, account) in &definitions.accounts.budgets {
        all.insert(("budget", name.to_string()), format!("{account:?}"));
    }
    let callers = if definitions.approvals.is_empty() { BTreeMap::new() } else { tenant.named_callers() };
    for (class, approvers) in &definitions.approvals {
        let mut roles: Vec<String> =
            approvers.roles.iter().filter_map(|role| tenant.role(*role)).map(ToString::to_string).collect();
        roles.sort();
        // Who gets or loses such a role decides about the calls of others.
        let people: Vec<&String> = callers
            .iter()
            .filter(|(_, held)| held.iter().any(|r| approvers.roles.contains(r)))
            .map(|(name, _)| name)
            .collect();
        let says = format!("{roles:?} {people:?} {:?} {:?}", approvers.count, approvers.hours);
        all.insert(("approval", class.to_string()), says);
    }
    all.insert(("default", "record".into()), format!("{:?}", definitions.record));
    all.insert(("default", "undefined_models".into()), format!("{:?}", definitions.undefined_models));
    all.insert(("default", "undefined_collections".into()), format!("{:?}", definitions.undefined_collections));
    all
}

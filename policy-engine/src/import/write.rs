//! Writing documents.

use super::{Part, Reason, Refusal};
use crate::action::Action;
use crate::document::{Document, EVERYONE, Effect};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use vocab::{PrincipalId, TenantId};

/// One line of the policy, ready to be a rule.
#[derive(Debug)]
pub(super) struct RuleLine {
    pub(super) line: usize,
    pub(super) tenant: TenantId,
    pub(super) subject: String,
    pub(super) effect: Effect,
    pub(super) actions: BTreeSet<Action>,
    /// The object as casbin writes it, and as we do.
    pub(super) object: String,
    pub(super) pattern: String,
    pub(super) is_mapped: bool,
}

/// The names of one tenant.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Holder, role, line.
    pub(super) links: Vec<(String, String, usize)>,
    /// Roles of the documents by the names of casbin: for its roles, and one for each caller that lines name.
    pub(super) roles: BTreeMap<String, String>,
    /// The members of each role, by the name of casbin.
    members: BTreeMap<String, BTreeSet<String>>,
    inherits: BTreeMap<String, BTreeSet<String>>,
    held: BTreeSet<String>,
}

impl Names {
    /// Tells roles from callers and gives each its name.
    pub(super) fn settle(&mut self, subjects: impl Iterator<Item = (String, usize)>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        self.held = self.links.iter().map(|(_, role, _)| role.clone()).collect();
        let mut taken: BTreeSet<String> = BTreeSet::from([EVERYONE.to_owned()]);
        let in_links = self.links.iter().map(|(_, role, line)| (role.clone(), *line));
        for (name, line) in in_links.chain(subjects) {
            if self.roles.contains_key(&name) {
                continue;
            }
            let is_role = self.held.contains(&name);
            let slug = slug(&name, if is_role { "" } else { "u-" }, &mut taken);
            self.roles.insert(name.clone(), slug);
            if PrincipalId::new(&name).is_ok() {
                self.members.entry(name.clone()).or_default().insert(name);
            } else if !is_role {
                refusals.push(Refusal::new(Part::Policy, line, Reason::BadName, format!("principal {name}")));
            }
        }
        for (holder, role, line) in std::mem::take(&mut self.links) {
            if self.held.contains(&holder) {
                self.inherits.entry(holder).or_default().insert(role);
            } else if PrincipalId::new(&holder).is_ok() {
                self.members.entry(role).or_default().insert(holder);
            } else {
                refusals.push(Refusal::new(Part::Policy, line, Reason::BadName, format!("principal {holder}")));
            }
        }
        refusals
    }

    /// The names of roles that a caller could have too.
    pub(super) fn callable_roles(&self) -> impl Iterator<Item = &String> {
        self.held.iter().filter(|role| PrincipalId::new(role).is_ok())
    }

    /// Every name that a caller can have, in roles and lines.
    pub(super) fn callers(&self) -> BTreeSet<&String> {
        self.members.values().flatten().collect()
    }
}

/// A role name of the documents that nothing else has taken.
fn slug(name: &str, prefix: &str, taken: &mut BTreeSet<String>) -> String {
    let kept: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-' { c } else { '-' })
        .take(48)
        .collect();
    let base = format!("{prefix}{}", kept.trim_start_matches(['-', '_']));
    let base = if base.is_empty() { "role".to_owned() } else { base };
    let mut candidate = base.clone();
    let mut number = 2_u32;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{base}-{number}");
        number = number.saturating_add(1);
    }
    candidate
}

/// One document a tenant.
pub(super) fn documents(names: &BTreeMap<TenantId, Names>, lines: &[RuleLine]) -> Vec<Document> {
    let mut found = Vec::new();
    for (tenant, names) in names {
        let mut text = format!(
            "# Converted from a casbin policy.\nversion = 1\ntenant = {}\n\n[roles]\n",
            quoted(tenant.as_str())
        );
        for (name, role) in &names.roles {
            let members = names.members.get(name).into_iter().flatten().map(|m| quoted(&format!("u:{m}")));
            let inherits = names.inherits.get(name).into_iter().flatten();
            let inherits = inherits.filter_map(|held| names.roles.get(held)).map(|held| quoted(held));
            let _ = writeln!(text, "{role} = {{ members = [{}], inherits = [{}] }}", list(members), list(inherits));
        }
        for line in lines.iter().filter(|line| line.tenant == *tenant) {
            let effect = match line.effect {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            };
            let role = names.roles.get(&line.subject).map(String::as_str).unwrap_or_default();
            let description = quoted(&format!("policy:{}: {} on {}", line.line, line.subject, line.object));
            let _ = writeln!(
                text,
                "\n[[rule]]\nid = \"p-{}\"\ndescription = {description}\n{effect} = [{}]\nroles = [{}]\non = {}",
                line.line,
                list(line.actions.iter().map(|a| quoted(a.as_str()))),
                quoted(role),
                quoted(&line.pattern),
            );
        }
        found.push(Document { name: format!("{tenant}.toml"), text });
    }
    found
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

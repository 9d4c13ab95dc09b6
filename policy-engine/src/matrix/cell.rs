//! What the rules of a tenant say about one caller, action and resource, before any fact of a call is known.

use crate::action::Action;
use crate::decision::ReasonCode;
use crate::definitions::OwnName;
use crate::document::{Effect, Undefined};
use crate::engine::{ActionSet, Trie};
use crate::names::RuleId;
use crate::resource::Resource;
use crate::set::{Index, Line, Rule, Tenant};
use crate::state::calendar::Day;
use serde::Serialize;
use std::fmt;

/// The rules that fit roles, an action and a path, in the order of the documents, each once.
pub(crate) fn fitting((trie, lines): (&Trie, &[Line]), (action, path): (Action, &str), roles: &[Index]) -> Vec<Index> {
    let mut found = Vec::new();
    trie.find(path, ActionSet::of(action), roles, &mut found);
    let lines = found.iter().filter_map(|found| lines.get(usize::try_from(found.line).ok()?));
    let mut rules: Vec<Index> = lines.map(|line| line.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Whether a caller may do something, as far as rules and definitions say without the facts of a call. The terms of
/// the rules can still deny a call, and so does a condition that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "access")]
pub enum Access {
    /// Denied, whatever the facts.
    Denied {
        /// The stable code.
        reason: &'static str,
        /// The rule that denies, where one does.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<RuleId>,
    },
    /// Allowed, or allowed while conditions say so.
    Allowed {
        /// The rules that allow it without a condition.
        by: Vec<RuleId>,
        /// The rules that allow it while their condition holds. If `by` is empty, one of them must.
        by_condition: Vec<RuleId>,
        /// The rules that deny it while their condition holds.
        unless: Vec<RuleId>,
        /// The last day of a model, as `2027-01-31`.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
}

/// How far an access depends on the facts of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    Never,
    Sometimes,
    Always,
}

impl Access {
    pub(crate) fn extent(&self) -> Extent {
        match self {
            Self::Denied { .. } => Extent::Never,
            Self::Allowed { by, unless, until: None, .. } if !by.is_empty() && unless.is_empty() => Extent::Always,
            Self::Allowed { .. } => Extent::Sometimes,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { reason, rule: None } => write!(f, "deny   {reason}"),
            Self::Denied { reason, rule: Some(rule) } => write!(f, "deny   {reason} by {rule}"),
            Self::Allowed { by, by_condition, unless, until } => {
                f.write_str(if by.is_empty() { "if     " } else { "ALLOW  " })?;
                let certain = by.iter().map(ToString::to_string);
                let all: Vec<String> = certain.chain(by_condition.iter().map(|rule| format!("{rule}?"))).collect();
                f.write_str(&all.join(", "))?;
                if !unless.is_empty() {
                    let unless: Vec<String> = unless.iter().map(|rule| format!("{rule}?")).collect();
                    write!(f, "  unless {}", unless.join(", "))?;
                }
                until.as_ref().map_or(Ok(()), |day| write!(f, "  until {day}"))
            }
        }
    }
}

/// The rules that fit, and what the definitions say beside them.
pub(crate) struct Cell<'t> {
    pub(crate) allows: Vec<&'t Rule>,
    pub(crate) denies: Vec<&'t Rule>,
    /// The path that rules are about: another one, where a name stands for a model.
    pub(crate) path: String,
    /// What denies the call even if rules allow it.
    refusal: Option<&'static str>,
    until: Option<Day>,
}

impl Cell<'_> {
    pub(crate) fn access(&self) -> Access {
        let denied = |reason, rule: Option<&Rule>| Access::Denied { reason, rule: rule.map(|rule| rule.id.clone()) };
        if let Some(rule) = self.denies.iter().find(|rule| rule.when.is_none()) {
            return denied(ReasonCode::Forbidden { rule: rule.id.clone() }.code(), Some(rule));
        }
        if self.allows.is_empty() {
            return denied(ReasonCode::NotPermitted.code(), None);
        }
        if let Some(reason) = self.refusal {
            return denied(reason, None);
        }
        let ids = |rules: &[&Rule], conditional: bool| {
            rules.iter().filter(|rule| rule.when.is_some() == conditional).map(|rule| rule.id.clone()).collect()
        };
        Access::Allowed {
            by: ids(&self.allows, false),
            by_condition: ids(&self.allows, true),
            unless: ids(&self.denies, true),
            until: self.until.map(|day| day.to_string()),
        }
    }

    /// What the definitions say, as a text to compare.
    pub(crate) fn definitions(&self) -> (Option<&'static str>, Option<Day>) {
        (self.refusal, self.until)
    }
}

impl Tenant {
    pub(crate) fn cell(&self, roles: &[Index], action: Action, resource: &Resource) -> Cell<'_> {
        let other = self.definitions.other_names.get(resource);
        let resource = other.map_or(resource, |other| &other.model);
        let path = resource.to_string();
        let rules = fitting((&self.trie, &self.lines), (action, &path), roles);
        let rules = rules.into_iter().filter_map(|at| self.rule(at));
        let (allows, denies): (Vec<&Rule>, Vec<&Rule>) = rules.partition(|rule| rule.effect == Effect::Allow);
        let (refusal, until) = self.defined(resource, &path, other.is_some());
        Cell { allows, denies, path, refusal, until }
    }

    /// What the definitions say about a resource whatever the facts, and the last day of its model.
    fn defined(&self, resource: &Resource, path: &str, by_other_name: bool) -> (Option<&'static str>, Option<Day>) {
        let definitions = &self.definitions;
        let not_defined = Some(ReasonCode::NotDefined.code());
        match resource {
            Resource::Model { .. } => {
                let mut models = definitions.models_at(path).peekable();
                if models.peek().is_none() {
                    return (not_defined.filter(|_| definitions.undefined_models == Undefined::Deny), None);
                }
                let (mut refusal, mut until) = (None, None::<Day>);
                for model in models {
                    until = match (until, model.expires) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    if model.own_name == OwnName::VersionsOnly && !by_other_name {
                        refusal = Some(ReasonCode::ModelVersion { model: model.name.clone() }.code());
                    }
                }
                (refusal, until)
            }
            Resource::Collection { .. } => {
                let is_undefined = || definitions.collections_at(path).next().is_none();
                let refused = definitions.undefined_collections == Undefined::Deny && is_undefined();
                (not_defined.filter(|_| refused), None)
            }
            Resource::Models { .. } | Resource::Collections { .. } | Resource::Ledger => (None, None),
        }
    }
}

//! The variables of conditions: their types, and their values for one call.

use crate::facts::Query;
use crate::names::Label;
use crate::resource::Resource;

use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

/// The type of a variable or expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Text,
    List(Box<Type>),
    /// The element type of an empty list literal: fits any.
    Any,
}

/// Every variable, by its full name. A call may lack some: reading one that it lacks is an error, which denies.
pub(super) const VARIABLES: [(&str, Kind); 15] = [
    ("labels", Kind::Texts),
    ("now", Kind::Int),
    ("tenant", Kind::Text),
    ("principal.id", Kind::Text),
    ("principal.groups", Kind::Texts),
    ("call.action", Kind::Text),
    ("call.workflow", Kind::Text),
    ("call.purpose", Kind::Text),
    ("call.tokens", Kind::Int),
    ("call.k", Kind::Int),
    ("upstream.name", Kind::Text),
    ("upstream.region", Kind::Text),
    ("upstream.trust", Kind::Text),
    ("resource.model", Kind::Text),
    ("resource.collection", Kind::Text),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Texts,
}

impl From<Kind> for Type {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Int => Self::Int,
            Kind::Text => Self::Text,
            Kind::Texts => Self::List(Box::new(Self::Text)),
        }
    }
}

/// The variables of one call. Values borrow from the call.
pub(super) struct Scope<'q>(pub(super) &'q Query<'q>);

impl Scope<'_> {
    fn value<'b>(&'b self, name: &str) -> Option<Box<dyn Val + 'b>> {
        let query = self.0;
        let facts = query.facts;
        let upstream = query.resource.upstream();
        match name {
            "labels" => Some(texts(facts.labels.iter().map(Label::as_str))),
            "now" => int(facts.now),
            "tenant" => text(Some(query.tenant.as_str())),
            "principal.id" => text(Some(query.principal.as_str())),
            "principal.groups" => Some(texts(query.groups.iter().map(vocab::GroupName::as_str))),
            "call.action" => text(Some(query.action.as_str())),
            "call.workflow" => text(facts.workflow.as_ref().map(|t| t.as_str())),
            "call.purpose" => text(facts.purpose.as_ref().map(|t| t.as_str())),
            "call.tokens" => int(facts.token_estimate),
            "call.k" => facts.k.and_then(|k| int(u64::from(k))),
            "upstream.name" => text(upstream.map(|t| t.as_str())),
            "upstream.region" => text(facts.upstream_region.as_ref().map(|t| t.as_str())),
            "upstream.trust" => text(facts.upstream_trust.as_ref().map(|t| t.as_str())),
            "resource.model" => match query.resource {
                Resource::Model { model, .. } => text(Some(model.as_str())),
                _ => None,
            },
            "resource.collection" => match query.resource {
                Resource::Collection { collection, .. } => text(Some(collection.as_str())),
                _ => None,
            },
            _ => None,
        }
    }

    /// A group of variables as a map, for `has(...)` and for the error when one is absent.
    fn group<'b>(&'b self, root: &str) -> Option<Box<dyn Val + 'b>> {
        let fields = VARIABLES.iter().filter_map(|(name, _)| {
            let field = name.strip_prefix(root)?.strip_prefix('.')?;
            Some((*name, field))
        });
        let mut any = false;
        let mut map = std::collections::HashMap::new();
        for (name, field) in fields {
            any = true;
            if let Some(value) = self.value(name) {
                map.insert(CelMapKey::from(field), value);
            }
        }
        any.then(|| Box::new(CelMap::from(map)) as Box<dyn Val + 'b>)
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.value(variable).or_else(|| self.group(variable)).map(CowVal::Owned)
    }
}

fn text<'b>(text: Option<&'b str>) -> Option<Box<dyn Val + 'b>> {
    text.map(|t| Box::new(CelString::from(t)) as Box<dyn Val + 'b>)
}

/// A number too large for CEL is left out: reading it is then an error, which denies.
fn int<'b>(number: u64) -> Option<Box<dyn Val + 'b>> {
    i64::try_from(number).ok().map(|n| Box::new(CelInt::from(n)) as Box<dyn Val + 'b>)
}

fn texts<'b>(all: impl Iterator<Item = &'b str>) -> Box<dyn Val + 'b> {
    let list: Vec<Box<dyn Val + 'b>> = all.map(|t| Box::new(CelString::from(t)) as Box<dyn Val + 'b>).collect();
    Box::new(CelList::from(list))
}

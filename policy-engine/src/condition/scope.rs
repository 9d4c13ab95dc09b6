//! The variables of conditions: their types, and their values for one call.

use super::plain::{NumberOf, TextOf};
use super::variables::VARIABLES;
use crate::definitions::{Class, Definitions, Model};
use crate::facts::Query;
use crate::names::Label;
use crate::resource::Resource;
use crate::state::calendar::{DAY, Day};

use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use std::collections::{BTreeMap, HashMap};

/// The variables of one call. Values borrow from the call.
pub(super) struct Scope<'q> {
    pub(super) query: &'q Query<'q>,
    pub(super) definitions: &'q Definitions,
}

type Value<'b> = Box<dyn Val + 'b>;

impl Scope<'_> {
    fn value<'b>(&'b self, name: &str) -> Option<Value<'b>> {
        let query = self.query;
        let facts = query.facts;
        match name {
            "labels" => Some(texts(self.definitions.labels.of(&facts.labels).map(Label::as_str))),
            "now" => int(facts.now),
            "time.hour" => int(facts.now % DAY / 3600),
            "time.weekday" => int(Day::of(facts.now).weekday()),
            "tenant" => text(Some(query.tenant.as_str())),
            "principal.id" => text(Some(query.principal.as_str())),
            "principal.groups" => Some(texts(query.groups.iter().map(vocab::GroupName::as_str))),
            "call.action" => text(Some(query.action.as_str())),
            "call.workflow" => text(facts.workflow.as_ref().map(|t| t.as_str())),
            "call.purpose" => text(facts.purpose.as_ref().map(|t| t.as_str())),
            "call.tokens" => int(facts.token_estimate),
            "call.cost" => facts.cost_estimate.and_then(int),
            "call.k" => facts.k.and_then(|k| int(u64::from(k))),
            "upstream.name" => text(query.resource.upstream().map(|t| t.as_str())),
            "upstream.region" => text(facts.upstream_region.as_ref().map(|t| t.as_str())),
            "upstream.trust" => text(facts.upstream_trust.as_ref().map(|t| t.as_str())),
            "data.max_class" => int(self.max_class().level()),
            "claims" => Some(self.claims()),
            "spend" => Some(self.spend()),
            _ => self.of_resource(name).or_else(|| class_level(name)),
        }
    }

    /// A variable that is a number, as CEL would read it: one that is too large is not there.
    pub(super) fn number(&self, of: NumberOf) -> Option<i64> {
        let facts = self.query.facts;
        let number = match of {
            NumberOf::Now => facts.now,
            NumberOf::Hour => facts.now % DAY / 3600,
            NumberOf::Weekday => Day::of(facts.now).weekday(),
            NumberOf::Tokens => facts.token_estimate,
            NumberOf::Cost => facts.cost_estimate?,
            NumberOf::K => u64::from(facts.k?),
            NumberOf::MaxClass => self.max_class().level(),
        };
        i64::try_from(number).ok()
    }

    /// A variable that is a text, as CEL would read it.
    pub(super) fn text(&self, of: TextOf) -> Option<&str> {
        let (query, facts) = (self.query, self.query.facts);
        match of {
            TextOf::Tenant => Some(query.tenant.as_str()),
            TextOf::Principal => Some(query.principal.as_str()),
            TextOf::Action => Some(query.action.as_str()),
            TextOf::Workflow => facts.workflow.as_ref().map(|t| t.as_str()),
            TextOf::Purpose => facts.purpose.as_ref().map(|t| t.as_str()),
            TextOf::Upstream => query.resource.upstream().map(|t| t.as_str()),
            TextOf::Region => facts.upstream_region.as_ref().map(|t| t.as_str()),
            TextOf::Trust => facts.upstream_trust.as_ref().map(|t| t.as_str()),
            TextOf::Model => match query.resource {
                Resource::Model { model, .. } => Some(model.as_str()),
                _ => None,
            },
            TextOf::Collection => match query.resource {
                Resource::Collection { collection, .. } => Some(collection.as_str()),
                _ => None,
            },
        }
    }

    pub(super) fn has_label(&self, label: &str) -> bool {
        self.definitions.labels.holds(label, &self.query.facts.labels)
    }

    /// What the resource and its definitions say.
    fn of_resource<'b>(&'b self, name: &str) -> Option<Value<'b>> {
        match (name, self.query.resource) {
            ("resource.model", Resource::Model { model, .. }) => text(Some(model.as_str())),
            ("resource.collection", Resource::Collection { collection, .. }) => text(Some(collection.as_str())),
            ("resource.class", Resource::Collection { .. }) => self.class().and_then(|class| int(class.level())),
            ("model.name", Resource::Model { .. }) => text(self.model(|model| Some(model.name.as_str()))),
            ("model.region", Resource::Model { .. }) => text(self.model(|m| m.region.as_ref().map(|t| t.as_str()))),
            ("model.trust", Resource::Model { .. }) => text(self.model(|m| m.trust.as_ref().map(|t| t.as_str()))),
            _ => None,
        }
    }

    /// The first definition of the model that says something.
    fn model<'b>(&'b self, said: impl Fn(&'b Model) -> Option<&'b str>) -> Option<&'b str> {
        if self.definitions.models.is_empty() {
            return None;
        }
        let path = self.query.resource.to_string();
        self.definitions.models_at(&path).find_map(said)
    }

    /// The class of the collection that the call acts on.
    fn class(&self) -> Option<Class> {
        if self.definitions.collections.is_empty() {
            return None;
        }
        self.definitions.class_at(&self.query.resource.to_string())
    }

    fn max_class(&self) -> Class {
        let found = self.definitions.labels.class_of(&self.query.facts.labels);
        self.class().map_or(found, |class| class.max(found))
    }

    fn claims(&self) -> Value<'_> {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for claim in self.query.claims {
            all.entry(claim.name.as_str()).or_default().push(claim.value.as_str());
        }
        let fields = all.into_iter().map(|(name, values)| (CelMapKey::from(name), texts(values.into_iter())));
        Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
    }

    fn spend(&self) -> Value<'_> {
        let spent = &self.query.facts.spend.budgets;
        let fields = spent.iter().filter_map(|(name, spent)| Some((CelMapKey::from(name.as_str()), int(*spent)?)));
        Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
    }

    /// A group of variables as a map, for `has(...)` and for the error when one is absent.
    fn group<'b>(&'b self, root: &str) -> Option<Value<'b>> {
        let fields = VARIABLES.iter().filter_map(|variable| {
            let field = variable.name.strip_prefix(root)?.strip_prefix('.')?;
            Some((variable.name, field))
        });
        let mut any = false;
        let mut map = HashMap::new();
        for (name, field) in fields {
            any = true;
            if let Some(value) = self.value(name) {
                map.insert(CelMapKey::from(field), value);
            }
        }
        any.then(|| Box::new(CelMap::from(map)) as Value<'b>)
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.value(variable).or_else(|| self.group(variable)).map(CowVal::Owned)
    }
}

fn class_level<'b>(name: &str) -> Option<Value<'b>> {
    let name = name.strip_prefix("class.")?;
    Class::ALL.into_iter().find(|class| class.as_str() == name).and_then(|class| int(class.level()))
}

fn text<'b>(text: Option<&'b str>) -> Option<Value<'b>> {
    text.map(|t| Box::new(CelString::from(t)) as Value<'b>)
}

/// A number too large for CEL is left out: reading it is then an error, which denies.
fn int<'b>(number: u64) -> Option<Value<'b>> {
    i64::try_from(number).ok().map(|n| Box::new(CelInt::from(n)) as Value<'b>)
}

fn texts<'b>(all: impl Iterator<Item = &'b str>) -> Value<'b> {
    let list: Vec<Value<'b>> = all.map(|t| Box::new(CelString::from(t)) as Value<'b>).collect();
    Box::new(CelList::from(list))
}

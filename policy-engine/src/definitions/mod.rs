//! What the documents of a tenant define, and what it means for a decision: facts that conditions read, terms
//! that join those of the rules, and reasons to deny what the rules allow.

mod build;
mod class;
mod exceptions;
mod labels;
mod places;
mod shadow;
mod uphold;

pub(crate) use build::build;
pub(crate) use build::undefined_role;
pub(crate) use class::Class;
pub(crate) use exceptions::exceptions;
pub(crate) use labels::Labels;
use places::Places;
pub(crate) use shadow::ShadowRules;
pub use shadow::{Shadow, Would};
pub(crate) use uphold::{State, decide, decide_by};

use crate::document::Undefined;
use crate::names::{ApprovalClass, DefinitionName, Region, Trust};
use crate::obligations::{Conflict, Obligations, Record, Route, Terms};
use crate::pattern::Pattern;
use crate::resource::Resource;
use crate::set::Index;
use crate::state::Accounts;
use crate::state::calendar::Day;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

/// What a tenant's documents define.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) labels: Labels,
    pub(crate) collections: Vec<Collection>,
    collection_places: Places,
    pub(crate) models: Vec<Model>,
    model_places: Places,
    /// Models under other names than their own: aliases and versions.
    pub(crate) other_names: HashMap<Resource, OtherName>,
    pub(crate) accounts: Accounts,
    pub(crate) approvals: BTreeMap<ApprovalClass, Approvers>,
    pub(crate) record: Record,
    pub(crate) undefined_models: Undefined,
    pub(crate) undefined_collections: Undefined,
    /// Lints that an exception accepts, by rule.
    pub(crate) accepted: Vec<Accepted>,
    /// Exceptions from rules that deny, for lints and explanations; the conditions of their rules carry them out.
    pub(crate) waived: Vec<Accepted>,
}

#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) name: DefinitionName,
    pub(crate) on: Vec<Pattern>,
    pub(crate) class: Option<Class>,
    pub(crate) terms: Arc<Terms>,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: DefinitionName,
    pub(crate) on: Vec<Pattern>,
    /// Whether the model's own name may be called, or its listed versions only.
    pub(crate) own_name: OwnName,
    pub(crate) expires: Option<Day>,
    pub(crate) region: Option<Region>,
    pub(crate) trust: Option<Trust>,
    pub(crate) terms: Arc<Terms>,
    /// Where it is written.
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnName {
    Callable,
    VersionsOnly,
}

/// A name that stands for a model.
#[derive(Debug)]
pub(crate) struct OtherName {
    /// The model that rules are about.
    pub(crate) model: Resource,
    /// Where the call must go instead; `None` for a version, which is called by its own name.
    pub(crate) route: Option<Route>,
}

/// Who approves, how many of them, and for how long it is good.
#[derive(Debug)]
pub(crate) struct Approvers {
    pub(crate) roles: Box<[Index]>,
    pub(crate) count: NonZeroU32,
    pub(crate) hours: NonZeroU32,
}

/// An exception as its authors must answer for it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) rule: crate::names::RuleId,
    /// The ids of accepted lints; empty for an exception for somebody.
    pub(crate) lints: Vec<String>,
    pub(crate) expires: Day,
    pub(crate) owner: String,
    pub(crate) ticket: String,
    pub(crate) reason: String,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
}

impl Definitions {
    /// The definitions of models that cover a path: those that name it first, then those with wildcards.
    pub(crate) fn models_at<'d, 'p>(&'d self, path: &'p str) -> impl Iterator<Item = &'d Model> + use<'d, 'p> {
        let model = |at: usize| self.models.get(at);
        let open = self.model_places.open().filter_map(model).filter(move |model| places::covers(&model.on, path));
        self.model_places.named(path).iter().filter_map(move |at| model(*at)).chain(open)
    }

    /// The definitions of collections that cover a path, in their order.
    pub(crate) fn collections_at<'d, 'p>(
        &'d self,
        path: &'p str,
    ) -> impl Iterator<Item = &'d Collection> + use<'d, 'p> {
        let covers = |at: &usize| self.collections.get(*at).is_some_and(|one| places::covers(&one.on, path));
        let open = self.collection_places.open().filter(covers);
        let mut all: Vec<usize> = self.collection_places.named(path).iter().copied().chain(open).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().filter_map(|at| self.collections.get(at))
    }

    /// The terms of what covers a path.
    pub(crate) fn terms_at<'d>(&'d self, path: &str) -> impl Iterator<Item = &'d Arc<Terms>> {
        let collections = self.collections_at(path).map(|collection| &collection.terms);
        collections.chain(self.models_at(path).map(|model| &model.terms))
    }

    /// Files the definitions by the paths that they cover, once all are there.
    fn file(&mut self) {
        self.collection_places = Places::of(self.collections.iter().map(|collection| collection.on.as_slice()));
        self.model_places = Places::of(self.models.iter().map(|model| model.on.as_slice()));
    }

    /// The strictest class of the collections that cover a path.
    pub(crate) fn class_at(&self, path: &str) -> Option<Class> {
        self.collections_at(path).filter_map(|collection| collection.class).max()
    }

    /// The terms of rules that allow a call, joined by those of what it acts on.
    pub(crate) fn merge<'a>(
        &'a self,
        rules: impl Iterator<Item = &'a Terms>,
        path: &'a str,
    ) -> Result<Obligations, Conflict> {
        Obligations::merge_over(rules.chain(self.terms_at(path).map(|terms| &**terms)), self.record)
    }
}

#[cfg(test)]
mod tests;

//! Labels, their classes and their detectors.

use super::Class;
use crate::names::Label;
use crate::obligations::Terms;
use std::collections::{BTreeMap, BTreeSet};

/// What the detectors of this product find, by the names of their labels.
pub(crate) const DETECTORS: [&str; 4] = ["pii.email", "pii.iban", "pii.card", "pii.phone"];

/// The labels of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    defined: BTreeMap<Label, Defined>,
    /// The class of content in which nothing was found.
    pub(super) unlabelled: Class,
}

#[derive(Debug)]
pub(super) struct Defined {
    pub(super) class: Option<Class>,
    /// The detectors whose finds give the label.
    pub(super) detectors: BTreeSet<Label>,
}

impl Labels {
    pub(super) fn define(&mut self, label: Label, defined: Defined) -> Option<Defined> {
        self.defined.insert(label, defined)
    }

    /// Whether a detector finds the label, or the documents define it.
    pub(crate) fn knows(&self, label: &str) -> bool {
        DETECTORS.contains(&label) || self.defined.contains_key(label)
    }

    /// The names of all labels that are known.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        DETECTORS.into_iter().chain(self.defined.keys().map(Label::as_str))
    }

    /// Each label with all that is said of it, as a text to compare; and the class of content without one.
    pub(crate) fn described(&self) -> impl Iterator<Item = (String, String)> {
        let unlabelled = ("(none)".to_owned(), format!("{:?}", self.unlabelled));
        let defined = self.defined.iter().map(|(label, defined)| (label.to_string(), format!("{defined:?}")));
        defined.chain([unlabelled])
    }

    /// What was found, and the labels that the documents derive from it.
    pub(crate) fn of<'a>(&'a self, found: &'a BTreeSet<Label>) -> impl Iterator<Item = &'a Label> {
        let derived = self.defined.iter().filter(|(label, defined)| {
            !found.contains(*label) && defined.detectors.iter().any(|detector| found.contains(detector))
        });
        found.iter().chain(derived.map(|(label, _)| label))
    }

    /// Whether a label holds, given what was found.
    pub(crate) fn holds(&self, label: &str, found: &BTreeSet<Label>) -> bool {
        let derived = || self.defined.get(label).is_some_and(|defined| !defined.detectors.is_disjoint(found));
        found.contains(label) || derived()
    }

    /// The strictest class of what was found. A detector's find without a class is confidential, and a label that
    /// nobody knows is restricted: it says that something is there, and not what.
    pub(crate) fn class_of(&self, found: &BTreeSet<Label>) -> Class {
        let class = |label: &Label| match self.defined.get(label).and_then(|defined| defined.class) {
            Some(class) => class,
            None if self.defined.contains_key(label) => self.unlabelled,
            None if DETECTORS.contains(&label.as_str()) => Class::Confidential,
            None => Class::Restricted,
        };
        self.of(found).map(class).max().map_or(self.unlabelled, |found| found.max(self.unlabelled))
    }

    /// Replaces the labels of transformations by the detectors that give them.
    pub(super) fn expand(&self, terms: &mut Terms) {
        terms.redact = self.to_detectors(&terms.redact);
        terms.pseudonymise = self.to_detectors(&terms.pseudonymise);
    }

    /// Replaces labels by the detectors that give them, so that finds can be named to whoever transforms them.
    fn to_detectors(&self, labels: &BTreeSet<Label>) -> BTreeSet<Label> {
        let detectors = |label: &Label| match self.defined.get(label) {
            Some(defined) => defined.detectors.clone(),
            None => BTreeSet::from([label.clone()]),
        };
        labels.iter().flat_map(detectors).collect()
    }
}

//! Lints of names: labels, models, collections, upstreams, and of definitions and exceptions.

use super::{Lint, Linter, meet};
use crate::action::Family;
use crate::definitions::Accepted;
use crate::document::hint::did_you_mean;
use crate::pattern::Pattern;
use crate::set::{Line, Rule};
use std::collections::BTreeSet;

impl Linter<'_> {
    pub(super) fn names(&mut self, rule: &Rule, lines: &[Line]) {
        let definitions = &self.tenant.definitions;
        let terms = &rule.terms;
        let in_terms = terms.block.iter().chain(&terms.redact).chain(&terms.pseudonymise).map(|label| label.as_str());
        let in_condition = rule.when.as_ref().and_then(|when| when.expression()).map(super::fold::labels_in);
        let mentioned: BTreeSet<String> =
            in_terms.map(str::to_owned).chain(in_condition.into_iter().flatten()).collect();
        for label in mentioned.iter().filter(|label| !definitions.labels.knows(label)) {
            let message = format!("no detector finds the label {label}, and no document defines it");
            let meant = did_you_mean(label, definitions.labels.names());
            self.about(
                Lint::UndefinedLabel,
                rule,
                message,
                format!("{meant}define it under [labels], or correct its name"),
            );
        }
        for line in lines {
            self.place(rule, &line.pattern);
        }
    }

    fn place(&mut self, rule: &Rule, pattern: &Pattern) {
        let definitions = &self.tenant.definitions;
        let text = pattern.as_str();
        let meets = |on: &[Pattern]| on.iter().any(|on| meet(on.as_str(), text).is_some());
        let depth = text.split('/').count();
        if depth >= 3 && pattern.reaches(Family::Model) && !definitions.models.is_empty() && text != "**" {
            let defined = definitions.models.iter().any(|model| meets(&model.on));
            if !defined {
                let message = format!("{text} is about no defined model");
                self.about(Lint::UndefinedModel, rule, message, "define it under [models], or correct its name");
            }
        }
        let collections = &definitions.collections;
        if depth >= 3 && pattern.reaches(Family::Vector) && !collections.is_empty() && text != "**" {
            let defined = collections.iter().any(|collection| meets(&collection.on));
            if !defined {
                let message = format!("{text} is about no defined collection");
                self.about(
                    Lint::UndefinedCollection,
                    rule,
                    message,
                    "define it under [collections], or correct its name",
                );
            }
        }
        let upstream = text.split('/').nth(1).filter(|segment| !segment.starts_with('*'));
        if let (Some(upstream), Some(known)) = (upstream, &self.surroundings.upstreams)
            && !known.iter().any(|name| name.as_str() == upstream)
        {
            let names: Vec<&str> = known.iter().map(vocab::UpstreamName::as_str).collect();
            let message = format!("no upstream {upstream} is configured");
            self.about(Lint::UnknownUpstream, rule, message, format!("known: {}", names.join(", ")));
        }
    }

    pub(super) fn definitions(&mut self) {
        let definitions = &self.tenant.definitions;
        for model in &definitions.models {
            if model.expires.is_some_and(|last| last < self.today) {
                let message = "the last day of this model is over: every call to it is denied".to_owned();
                let hint = "remove it, or set a later day".to_owned();
                self.at(Lint::ExpiredModel, (&model.file, model.line), model.name.as_str(), (message, hint));
            }
        }
        for exception in definitions.accepted.iter().chain(&definitions.waived) {
            self.exception(exception);
        }
    }

    fn exception(&mut self, exception: &Accepted) {
        let (place, subject) = ((&*exception.file, exception.line), exception.rule.as_str());
        if exception.expires < self.today {
            let message = format!("this exception ({}) is over and excepts nothing", exception.ticket);
            self.at(Lint::ExpiredException, place, subject, (message, "remove it, or have it renewed".into()));
        }
        for lint in exception.lints.iter().filter(|lint| Lint::named(lint).is_none()) {
            let known: Vec<&str> = Lint::ALL.iter().map(|lint| lint.id()).collect();
            let message = format!("there is no lint {lint}");
            self.at(Lint::UnknownLint, place, subject, (message, format!("one of: {}", known.join(", "))));
        }
    }
}

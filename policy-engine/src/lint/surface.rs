//! Lints of terms against the actions and resources that a rule is about.

use super::{Lint, Linter};
use crate::action::{Action, Family};
use crate::definitions::Model;
use crate::document::{Effect, Undefined};
use crate::names::Label;
use crate::obligations::{ObligationKind, Obligations};
use crate::pattern::Pattern;
use crate::set::{Line, Rule};
use std::collections::BTreeSet;

/// The actions whose calls can carry a term out.
const fn carries(action: Action, kind: ObligationKind) -> bool {
    match kind {
        ObligationKind::Encrypt
        | ObligationKind::PublicFields
        | ObligationKind::Filterable
        | ObligationKind::RangeBuckets => {
            matches!(action.family(), Family::Vector)
        }
        ObligationKind::MaxK => matches!(action, Action::VectorSearch),
        ObligationKind::Redact | ObligationKind::Pseudonymise | ObligationKind::Block => {
            matches!(action, Action::ModelChat | Action::ModelEmbed | Action::VectorUpsert | Action::VectorSearch)
        }
        ObligationKind::Route => matches!(action.family(), Family::Model),
        _ => true,
    }
}

fn protects(pseudonymise: &BTreeSet<Label>, redact: &BTreeSet<Label>, block: &BTreeSet<Label>) -> bool {
    !(pseudonymise.is_empty() && redact.is_empty() && block.is_empty())
}

impl Linter<'_> {
    pub(super) fn surface(&mut self, rule: &Rule, lines: &[Line]) {
        if rule.effect != Effect::Allow {
            return;
        }
        let actions: BTreeSet<Action> = lines.iter().flat_map(|line| line.actions.iter()).collect();
        let Ok(terms) = Obligations::merge(std::iter::once(&*rule.terms)) else { return };
        for kind in terms.kinds() {
            if !actions.iter().any(|action| carries(*action, kind)) {
                let message = format!("no action of this rule can carry out {kind}");
                self.about(Lint::WrongSurface, rule, message, "remove the term, or add the action that it is for");
            }
        }
        self.unprotected(rule, lines, &terms);
        self.weak(rule, lines, &terms);
    }

    /// Texts that leave for a model, and vectors that leave for a store, under terms that do not speak of them.
    fn unprotected(&mut self, rule: &Rule, lines: &[Line], terms: &Obligations) {
        let chats = |line: &&Line| line.actions.iter().any(|a| matches!(a, Action::ModelChat | Action::ModelEmbed));
        let open = lines.iter().filter(chats).any(|line| !self.protected_model(line));
        if open && !protects(&terms.pseudonymise, &terms.redact, &terms.block) && rule.when.is_none() {
            let message = "texts leave for models without pseudonymise, redact, block or a condition";
            let hint = "say how personal data is protected, or accept this by an exception";
            self.about(Lint::Unprotected, rule, message, hint);
        }
        let bare = lines.iter().any(|line| {
            let writes = line.actions.iter().any(|a| matches!(a, Action::VectorUpsert | Action::VectorSearch));
            writes && !self.defined_mode(line)
        });
        if bare && terms.encrypt.is_none() {
            let message =
                "vectors leave for a store, and neither the rule nor a collection says how they are encrypted";
            self.about(Lint::Unprotected, rule, message, "add encrypt; the proxy refuses such calls");
        }
    }

    /// The strongest of the modes that a rule and a collection set is what calls get.
    fn weak(&mut self, rule: &Rule, lines: &[Line], terms: &Obligations) {
        for collection in &self.tenant.definitions.collections {
            let meets =
                |on: &Pattern| lines.iter().any(|line| super::meet(on.as_str(), line.pattern.as_str()).is_some());
            let mode = collection.terms.encrypt.into_iter().chain(terms.encrypt).map(|encrypt| encrypt.mode).max();
            if let (Some(class), Some(mode)) = (collection.class, mode)
                && mode < class.mode()
                && collection.on.iter().any(meets)
            {
                let (name, class, wanted) = (&collection.name, class.as_str(), class.mode());
                let message = format!("the collection {name} is {class}, and its vectors leave in mode {mode}");
                self.about(
                    Lint::WeakMode,
                    rule,
                    message,
                    format!("{class} wants {wanted}, or an exception with an owner"),
                );
            }
        }
    }

    /// Whether every model that the line can be about is defined, and each definition protects texts or names a
    /// private upstream.
    fn protected_model(&self, line: &Line) -> bool {
        let definitions = &self.tenant.definitions;
        let pattern = line.pattern.as_str();
        let covered = |model: &Model| model.on.iter().any(|on| super::covers(on.as_str(), pattern));
        let meets = |model: &&Model| model.on.iter().any(|on| super::meet(on.as_str(), pattern).is_some());
        let safe = |model: &Model| {
            let is_private = model.trust.as_ref().is_some_and(|trust| trust.as_str() == "private");
            is_private || protects(&model.terms.pseudonymise, &model.terms.redact, &model.terms.block)
        };
        let all_defined = definitions.undefined_models == Undefined::Deny || definitions.models.iter().any(covered);
        all_defined && definitions.models.iter().filter(meets).all(safe)
    }

    /// Whether a defined collection covers the line and sets a mode.
    fn defined_mode(&self, line: &Line) -> bool {
        let collections = &self.tenant.definitions.collections;
        let covering = collections.iter().filter(|c| c.terms.encrypt.is_some()).flat_map(|c| &c.on);
        covering.into_iter().any(|on| super::covers(on.as_str(), line.pattern.as_str()))
    }
}

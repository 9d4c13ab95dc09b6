//! From the definitions of documents to those of a tenant: names are resolved, defects reported.

use super::labels::{DETECTORS, Defined};
use super::{Accepted, Approvers, Collection, Definitions, Model, OtherName, OwnName};
use crate::condition::{Condition, Exception};
use crate::document::hint::did_you_mean;
use crate::document::{
    ApprovalDef, CollectionDef, DefaultsDef, Defect, Defs, Excepted, ExceptionDef, LabelDef, Located, ModelDef, Place,
    Then,
};
use crate::facts::Facts;
use crate::names::{DefinitionName, RoleName};
use crate::obligations::{Beta, Encrypt, Route, Terms};
use crate::pattern::Pattern;
use crate::resource::Resource;
use crate::set::Index;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vocab::{ModelName, UpstreamName};

/// The places of roles, by name.
type Roles = BTreeMap<RoleName, Index>;

/// Builds the definitions of a tenant from those of its documents.
pub(crate) fn build(defs: Vec<Defs>, roles: &Roles, defects: &mut Vec<Defect>) -> Definitions {
    let mut building = Building { definitions: Definitions::default(), defects, named: BTreeSet::new() };
    for found in &defs {
        if let Some(defaults) = &found.defaults {
            building.defaults(defaults);
        }
    }
    let mut defs = defs;
    // Labels first: models speak of them.
    defs.iter_mut().flat_map(|found| std::mem::take(&mut found.labels)).for_each(|def| building.label(def));
    for found in defs {
        found.collections.into_iter().for_each(|def| building.collection(def));
        found.models.into_iter().for_each(|def| building.model(def));
        found.approvals.into_iter().for_each(|def| building.approval(def, roles));
        for (name, account) in found.budgets {
            if building.definitions.accounts.budgets.insert(name.value, account).is_some() {
                building.twice(&name.place, "budget");
            }
        }
    }
    building.refuse_doubtful_names();
    building.definitions.file();
    building.definitions
}

struct Building<'d> {
    definitions: Definitions,
    defects: &'d mut Vec<Defect>,
    /// Which kinds of definitions have which names.
    named: BTreeSet<(&'static str, DefinitionName)>,
}

impl Building<'_> {
    fn twice(&mut self, place: &Place, what: &str) {
        self.defects.push(place.defect(format!("this {what} is defined twice for its tenant"), ""));
    }

    /// Several documents may each set other defaults, but none the same.
    fn defaults(&mut self, found: &Located<DefaultsDef>) {
        let DefaultsDef { class, record, undefined_models, undefined_collections } = found.value;
        let mut set: Vec<&str> = Vec::new();
        let definitions = &mut self.definitions;
        class.inspect(|_| set.push("class")).into_iter().for_each(|class| definitions.labels.unlabelled = class);
        record.inspect(|_| set.push("record")).into_iter().for_each(|record| definitions.record = record);
        undefined_models.inspect(|_| set.push("undefined_models"));
        undefined_collections.inspect(|_| set.push("undefined_collections"));
        definitions.undefined_models = undefined_models.unwrap_or(definitions.undefined_models);
        definitions.undefined_collections = undefined_collections.unwrap_or(definitions.undefined_collections);
        for key in set {
            let Ok(name) = DefinitionName::new(key) else { continue };
            if !self.named.insert(("default", name)) {
                self.twice(&found.place, &format!("default {key}"));
            }
        }
    }

    fn label(&mut self, def: LabelDef) {
        let LabelDef { name, class, detectors } = def;
        let known = |label: &str| DETECTORS.contains(&label);
        let hint = |label: &str| format!("{}detectors: {}", did_you_mean(label, DETECTORS), DETECTORS.join(", "));
        match &detectors {
            None if !known(name.value.as_str()) => {
                let message = "no detector finds this label, and it names none";
                self.defects.push(name.place.defect(message, hint(name.value.as_str())));
            }
            _ => {}
        }
        for detector in detectors.iter().flatten().filter(|detector| !known(detector.value.as_str())) {
            let message = format!("there is no detector {}", detector.value);
            self.defects.push(detector.place.defect(message, hint(detector.value.as_str())));
        }
        let detectors = match detectors {
            Some(listed) => listed.into_iter().map(|located| located.value).collect(),
            None => BTreeSet::from([name.value.clone()]),
        };
        if self.definitions.labels.define(name.value, Defined { class, detectors }).is_some() {
            self.twice(&name.place, "label");
        }
    }

    fn collection(&mut self, def: CollectionDef) {
        let CollectionDef { name, on, class, mut terms } = def;
        if !self.named.insert(("collection", name.value.clone())) {
            self.twice(&name.place, "collection");
        }
        // There is no silent default: where the mode is not said, the class decides.
        let by_class = class.map(|class| Encrypt { mode: class.mode(), beta: Beta::default() });
        terms.encrypt = terms.encrypt.or(by_class);
        self.definitions.collections.push(Collection { name: name.value, on, class, terms: Arc::new(terms) });
    }

    fn model(&mut self, def: ModelDef) {
        let ModelDef { name, on, aliases, versions, expires, region, trust, mut terms } = def;
        self.definitions.labels.expand(&mut terms);
        if !self.named.insert(("model", name.value.clone())) {
            self.twice(&name.place, "model");
        }
        let mut own_name = OwnName::Callable;
        if let Some(found @ Resource::Model { upstream, model }) =
            on.first().and_then(|on| on.literal()?.parse::<Resource>().ok()).as_ref()
        {
            let target = versions.first().unwrap_or(model);
            if !versions.is_empty() && !versions.contains(model) {
                own_name = OwnName::VersionsOnly;
            }
            for version in versions.iter().filter(|version| *version != model) {
                self.other_name(&name.place, (upstream, version), OtherName { model: found.clone(), route: None });
            }
            for alias in &aliases {
                let place = Resource::Model { upstream: upstream.clone(), model: target.clone() };
                let route = Route::try_from(&place).ok();
                self.other_name(&name.place, (upstream, alias), OtherName { model: found.clone(), route });
            }
        }
        let (file, line) = (name.place.file, name.place.line);
        self.definitions.models.push(Model {
            name: name.value,
            on,
            own_name,
            expires,
            region,
            trust,
            terms: Arc::new(terms),
            file,
            line,
        });
    }

    fn other_name(&mut self, place: &Place, (upstream, name): (&UpstreamName, &ModelName), stands: OtherName) {
        let other = Resource::Model { upstream: upstream.clone(), model: name.clone() };
        if other == stands.model || self.definitions.other_names.insert(other, stands).is_some() {
            self.defects.push(place.defect(format!("the name {name} stands for two models"), "each name once"));
        }
    }

    fn approval(&mut self, def: ApprovalDef, roles: &Roles) {
        let mut held = BTreeSet::new();
        for role in def.roles {
            match roles.get(&role.value) {
                Some(at) => drop(held.insert(*at)),
                None => self.defects.push(undefined_role(&role, roles)),
            }
        }
        let approvers = Approvers { roles: held.into_iter().collect(), count: def.approvers, hours: def.hours };
        if self.definitions.approvals.insert(def.class.value, approvers).is_some() {
            self.twice(&def.class.place, "class of approvals");
        }
    }

    /// A name that stands for one model and is another model's own would make decisions ambiguous.
    fn refuse_doubtful_names(&mut self) {
        for model in &self.definitions.models {
            for literal in model.on.iter().filter_map(|on| on.literal()) {
                let is_other =
                    literal.parse().is_ok_and(|own: Resource| self.definitions.other_names.contains_key(&own));
                if is_other {
                    let place =
                        Place { file: model.file.clone(), line: model.line, key: format!("models.{}", model.name) };
                    let message = format!("{literal} is an alias or version of another model");
                    self.defects.push(place.defect(message, "rename one"));
                }
            }
        }
    }
}

pub(crate) fn undefined_role(role: &Located<RoleName>, roles: &Roles) -> Defect {
    let meant = did_you_mean(role.value.as_str(), roles.keys().map(RoleName::as_str));
    role.place.defect(format!("the role {} is not defined", role.value), format!("{meant}define it under [roles]"))
}

impl Definitions {
    /// The terms of a rule with the names in them resolved.
    pub(crate) fn resolve(&mut self, then: Then, defects: &mut Vec<Defect>) -> Terms {
        let Then { mut terms, budgets, approvals } = then;
        self.labels.expand(&mut terms);
        let windowed = terms.limits.keys().filter(|meter| meter.window != crate::state::Window::Call);
        self.accounts.meters.extend(windowed.copied());
        for budget in budgets {
            if !self.accounts.budgets.contains_key(&budget.value) {
                let meant = did_you_mean(budget.value.as_str(), self.accounts.budgets.keys().map(|b| b.as_str()));
                let message = format!("the budget {} is not defined", budget.value);
                defects.push(budget.place.defect(message, format!("{meant}define it under [budgets]")));
            }
            terms.budgets.insert(budget.value);
        }
        for class in approvals {
            if let Some(approvers) = self.approvals.get(&class.value) {
                terms.require_approval.insert(class.value, approvers.count);
                continue;
            }
            let meant = did_you_mean(class.value.as_str(), self.approvals.keys().map(|c| c.as_str()));
            let message = format!("the class of approvals {} is not defined", class.value);
            defects.push(class.place.defect(message, format!("{meant}define it under [approvals]")));
        }
        terms
    }

    /// The condition of a rule with its exceptions. Budgets that it reads must be defined.
    pub(crate) fn condition(
        &self,
        when: Option<Located<Arc<Condition>>>,
        exceptions: Vec<Exception>,
        defects: &mut Vec<Defect>,
    ) -> Option<Arc<Condition>> {
        if let Some(Located { value, place }) = &when {
            for budget in value.budgets().iter().filter(|budget| !self.accounts.budgets.contains_key(*budget)) {
                let meant = did_you_mean(budget.as_str(), self.accounts.budgets.keys().map(|b| b.as_str()));
                let message = format!("the condition reads the budget {budget}, which is not defined");
                defects.push(place.defect(message, format!("{meant}define it under [budgets]")));
            }
        }
        let when = when.map(|located| located.value);
        if exceptions.is_empty() { when } else { Some(Arc::new(Condition::excepting(when.as_deref(), exceptions))) }
    }

    /// Rules are about models by their own names: a pattern that names another would never match.
    pub(crate) fn names_other(&self, pattern: &Pattern, place: &Place) -> Option<Defect> {
        if self.other_names.is_empty() {
            return None;
        }
        let other = self.other_names.get(&pattern.literal()?.parse().ok()?)?;
        let message = format!("{} is an alias or version, and rules are about the model", pattern.as_str());
        Some(place.defect(message, format!("write {}", other.model)))
    }

    /// A test that says nothing about spend means that nothing was spent.
    pub(crate) fn complete(&self, facts: &mut Facts) {
        for budget in self.accounts.budgets.keys() {
            facts.spend.budgets.entry(budget.clone()).or_default();
        }
        for meter in &self.accounts.meters {
            facts.spend.meters.entry(*meter).or_default();
        }
    }

    /// Keeps what an exception says, for lints and explanations.
    pub(crate) fn except(&mut self, def: &ExceptionDef) {
        let (into, lints) = match &def.what {
            Excepted::Members(_) => (&mut self.waived, Vec::new()),
            Excepted::Lints(lints) => (&mut self.accepted, lints.iter().map(|lint| lint.value.clone()).collect()),
        };
        into.push(Accepted {
            rule: def.rule.value.clone(),
            lints,
            expires: def.expires,
            owner: def.owner.clone(),
            ticket: def.ticket.clone(),
            reason: def.reason.clone(),
            file: def.rule.place.file.clone(),
            line: def.rule.place.line,
        });
    }
}

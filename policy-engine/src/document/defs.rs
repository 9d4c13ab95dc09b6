//! What a document defines: labels, collections, models, budgets, approvals and defaults.

use super::parse::{Located, located};
use super::reader::{
    Found, Section, Source, choice, count, entries, list, named, one_or_more, parsed, text, wrong_type,
};
use super::rule::pattern;
use super::shapes::{APPROVAL, BUDGET, COLLECTION, DEFAULTS, LABEL, MODEL};
use super::terms::{amounts, content, keeping, protection};
use crate::action::Family;
use crate::definitions::Class;
use crate::names::{ApprovalClass, BudgetName, DefinitionName, Label, Region, RoleName, Trust};
use crate::obligations::{Record, Terms};
use crate::pattern::Pattern;
use crate::state::calendar::Day;
use crate::state::{Account, Window};
use std::num::NonZeroU32;
use std::str::FromStr;
use toml::de::DeValue;
use vocab::ModelName;

/// Everything that a document defines, besides roles and rules. Names are not resolved yet.
#[derive(Debug, Default)]
pub(crate) struct Defs {
    pub(crate) labels: Vec<LabelDef>,
    pub(crate) collections: Vec<CollectionDef>,
    pub(crate) models: Vec<ModelDef>,
    pub(crate) budgets: Vec<(Located<BudgetName>, Account)>,
    pub(crate) approvals: Vec<ApprovalDef>,
    pub(crate) defaults: Option<Located<DefaultsDef>>,
}

#[derive(Debug)]
pub(crate) struct LabelDef {
    pub(crate) name: Located<Label>,
    pub(crate) class: Option<Class>,
    /// Where the label is found; its own name if not said.
    pub(crate) detectors: Option<Vec<Located<Label>>>,
}

#[derive(Debug)]
pub(crate) struct CollectionDef {
    pub(crate) name: Located<DefinitionName>,
    pub(crate) on: Vec<Pattern>,
    pub(crate) class: Option<Class>,
    pub(crate) terms: Terms,
}

#[derive(Debug)]
pub(crate) struct ModelDef {
    pub(crate) name: Located<DefinitionName>,
    pub(crate) on: Vec<Pattern>,
    pub(crate) aliases: Vec<ModelName>,
    pub(crate) versions: Vec<ModelName>,
    pub(crate) expires: Option<Day>,
    pub(crate) region: Option<Region>,
    pub(crate) trust: Option<Trust>,
    pub(crate) terms: Terms,
}

#[derive(Debug)]
pub(crate) struct ApprovalDef {
    pub(crate) class: Located<ApprovalClass>,
    pub(crate) roles: Vec<Located<RoleName>>,
    pub(crate) approvers: NonZeroU32,
    pub(crate) hours: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DefaultsDef {
    pub(crate) class: Option<Class>,
    pub(crate) record: Option<Record>,
    pub(crate) undefined_models: Option<Undefined>,
    pub(crate) undefined_collections: Option<Undefined>,
}

/// Whether rules may allow what no document defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Undefined {
    #[default]
    Allow,
    Deny,
}

impl Undefined {
    const ALL: [Self; 2] = [Self::Allow, Self::Deny];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

pub(super) fn defs(source: &mut Source, top: &mut Section<'_>) -> Defs {
    let mut defs = Defs::default();
    let mut each =
        |source: &mut Source, key| top.optional(source, key).map(|f| entries(source, &f)).unwrap_or_default();
    let (labels, collections) = (each(source, "labels"), each(source, "collections"));
    let (models, budgets, approvals) = (each(source, "models"), each(source, "budgets"), each(source, "approvals"));
    defs.labels = labels.into_iter().filter_map(|(name, f)| label(source, name, f)).collect();
    defs.collections = collections.into_iter().filter_map(|(name, f)| collection(source, name, f)).collect();
    defs.models = models.into_iter().filter_map(|(name, f)| model(source, name, f)).collect();
    defs.budgets = budgets.into_iter().filter_map(|(name, f)| budget(source, name, f)).collect();
    defs.approvals = approvals.into_iter().filter_map(|(name, f)| approval(source, name, f)).collect();
    defs.defaults = top.optional(source, "defaults").and_then(|f| {
        let place = f.place.clone();
        Some(Located { value: Section::of(source, f, &DEFAULTS).map(|s| defaults(source, s))?, place })
    });
    defs
}

fn name<T: FromStr>(source: &mut Source, text: &str, found: &Found<'_>) -> Option<Located<T>>
where
    T::Err: std::fmt::Display,
{
    Some(Located { value: named(source, &found.place, text)?, place: found.place.clone() })
}

fn class(source: &mut Source, section: &mut Section<'_>) -> Option<Class> {
    section.optional(source, "class").and_then(|f| choice(source, &f, &Class::ALL, Class::as_str))
}

fn label(source: &mut Source, key: &str, found: Found<'_>) -> Option<LabelDef> {
    let name = name(source, key, &found);
    let mut section = Section::of(source, found, &LABEL)?;
    let class = class(source, &mut section);
    let detectors = section.optional(source, "detectors");
    let detectors = detectors.map(|f| one_or_more(source, &f, "nothing would ever find this label"));
    let detectors = detectors.map(|items| located(source, items));
    section.finish(source);
    Some(LabelDef { name: name?, class, detectors })
}

/// The patterns of a definition: each must be able to match resources of one family.
fn on(source: &mut Source, section: &mut Section<'_>, family: Family) -> Vec<Pattern> {
    let items = section.required(source, "on").map(|f| one_or_more(source, &f, "this defines nothing"));
    let mut all = Vec::new();
    for item in items.into_iter().flatten() {
        let found = text(source, &item).and_then(|text| pattern(source, &item, text));
        if found.as_ref().is_some_and(|p| !p.reaches(family)) {
            let hint = format!("patterns here start with {}/", family.as_str());
            source.report(&item.place, "such resources are not defined here", hint);
        }
        all.extend(found);
    }
    all
}

fn collection(source: &mut Source, key: &str, found: Found<'_>) -> Option<CollectionDef> {
    let name = name(source, key, &found);
    let mut section = Section::of(source, found, &COLLECTION)?;
    let on = on(source, &mut section, Family::Vector);
    let class = class(source, &mut section);
    let mut terms = Terms::default();
    protection(source, &mut section, &mut terms);
    keeping(source, &mut section, &mut terms);
    section.finish(source);
    Some(CollectionDef { name: name?, on, class, terms })
}

fn model(source: &mut Source, key: &str, found: Found<'_>) -> Option<ModelDef> {
    let name = name(source, key, &found);
    let mut section = Section::of(source, found, &MODEL)?;
    let place = section.place.clone();
    let on = on(source, &mut section, Family::Model);
    let mut listed = |source: &mut Source, key| {
        let items = section.optional(source, key).map(|f| list(source, &f)).unwrap_or_default();
        located::<ModelName>(source, items)
    };
    let (aliases, versions) = (listed(source, "aliases"), listed(source, "versions"));
    let one = matches!(on.as_slice(), [only] if only.literal().is_some());
    if !one && (!aliases.is_empty() || !versions.is_empty()) {
        source.report(
            &place,
            "aliases and versions are of one model",
            "write on = \"model/<upstream>/<model>\", without *",
        );
    }
    let expires = section.optional(source, "expires").and_then(|f| date(source, &f));
    let region = section.optional(source, "region").and_then(|f| parsed(source, &f));
    let trust = section.optional(source, "trust").and_then(|f| parsed(source, &f));
    let mut terms = Terms::default();
    content(source, &mut section, &mut terms);
    keeping(source, &mut section, &mut terms);
    section.finish(source);
    let values = |all: Vec<Located<ModelName>>| all.into_iter().map(|l| l.value).collect();
    let (aliases, versions) = (values(aliases), values(versions));
    Some(ModelDef { name: name?, on, aliases, versions, expires, region, trust, terms })
}

fn budget(source: &mut Source, key: &str, found: Found<'_>) -> Option<(Located<BudgetName>, Account)> {
    let name = name(source, key, &found);
    let section = Section::of(source, found, &BUDGET)?;
    let place = section.place.clone();
    let amounts = amounts(source, section);
    if amounts.len() > 1 {
        source.report(&place, "a budget counts one thing", "write two budgets");
    }
    let (meter, most) = amounts.into_iter().next()?;
    if meter.window == Window::Call {
        source.report(&place, "a budget is over a window of time", "use limit for single calls");
    }
    Some((name?, Account { meter, most }))
}

fn approval(source: &mut Source, key: &str, found: Found<'_>) -> Option<ApprovalDef> {
    const DAY: NonZeroU32 = NonZeroU32::MIN.saturating_add(23);
    let class = name(source, key, &found);
    let mut section = Section::of(source, found, &APPROVAL)?;
    let roles = section.required(source, "roles").map(|f| one_or_more(source, &f, "nobody could approve"));
    let roles = located(source, roles.unwrap_or_default());
    let mut number = |source: &mut Source, key| section.optional(source, key).and_then(|f| count(source, &f));
    let (approvers, hours) = (number(source, "approvers"), number(source, "hours"));
    section.finish(source);
    let (approvers, hours) = (approvers.unwrap_or(NonZeroU32::MIN), hours.unwrap_or(DAY));
    Some(ApprovalDef { class: class?, roles, approvers, hours })
}

fn defaults(source: &mut Source, mut section: Section<'_>) -> DefaultsDef {
    let class = class(source, &mut section);
    let record = section.optional(source, "record").and_then(|f| choice(source, &f, &Record::ALL, Record::as_str));
    let mut undefined = |source: &mut Source, key| {
        section.optional(source, key).and_then(|f| choice(source, &f, &Undefined::ALL, Undefined::as_str))
    };
    let (undefined_models, undefined_collections) =
        (undefined(source, "undefined_models"), undefined(source, "undefined_collections"));
    section.finish(source);
    DefaultsDef { class, record, undefined_models, undefined_collections }
}

/// A date such as 2027-01-31, without quotes, or a defect.
pub(super) fn date(source: &mut Source, found: &Found<'_>) -> Option<Day> {
    let DeValue::Datetime(stamp) = found.value else {
        source.report(&found.place, "must be a date", "write it without quotes, such as 2027-01-31");
        return None;
    };
    if stamp.time.is_some() || stamp.offset.is_some() {
        source.report(&found.place, "must be a date without a time", "it is good to the end of that day, UTC");
        return None;
    }
    let day = stamp.date.and_then(|d| Day::from_date(d.year, d.month, d.day));
    if day.is_none() {
        wrong_type(source, found, "a day of the calendar from 1970 on");
    }
    day
}

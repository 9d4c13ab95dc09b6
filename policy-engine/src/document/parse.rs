//! The shape of a document.

use super::Document;
use super::case::{TestDef, test};
use super::defect::{Defect, Place};
use super::defs::{Defs, defs};
use super::exception::{ExceptionDef, exception};
use super::hint::{lookalike, mixed_word};
use super::reader::{Found, Section, Source, entries, list, named, number, parsed, text};
use super::rule::{RuleDef, rule};
use super::shape::Shape;
use super::shapes::{DOCUMENT, EXCEPTION, ROLE, RULE, TEST};
use super::terms;
use crate::condition::Conditions;
use crate::facts::Claim;
use crate::names::{ClaimName, ClaimValue, RoleName};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use toml::de::DeTable;
use vocab::{GroupName, PrincipalId, TenantId};

/// A value with the place where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// A document whose parts are typed. Names are not resolved yet: other documents of the tenant may define them.
#[derive(Debug)]
pub(crate) struct ParsedDocument {
    pub(crate) tenant: TenantId,
    pub(crate) roles: Vec<RoleDef>,
    pub(crate) defs: Defs,
    pub(crate) rules: Vec<RuleDef>,
    pub(crate) exceptions: Vec<ExceptionDef>,
    pub(crate) tests: Vec<TestDef>,
}

#[derive(Debug)]
pub(crate) struct RoleDef {
    pub(crate) name: Located<RoleName>,
    pub(crate) members: Vec<Member>,
    pub(crate) inherits: Vec<Located<RoleName>>,
}

/// Who holds a role directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Member {
    User(PrincipalId),
    Group(GroupName),
    Claim(Claim),
}

/// Reads one document. Every defect is reported; the document is given back only if there is none.
pub(crate) fn parse(document: &Document, conditions: &Arc<Conditions>) -> Result<ParsedDocument, Vec<Defect>> {
    let mut source = Source::new(document, conditions);
    let (tree, errors) = DeTable::parse_recoverable(&document.text);
    for error in errors {
        let place = source.place(error.span().map_or(0, |s| s.start), "");
        let line = document.text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        let hint = mixed_word(line).unwrap_or_default();
        source.report(&place, format!("not valid TOML: {}", error.message().replace('\n', ", ")), hint);
    }
    if !source.defects.is_empty() {
        return Err(source.defects);
    }
    let place = source.place(0, "");
    let parsed = whole(&mut source, Section::new(tree.get_ref(), place, &DOCUMENT));
    match parsed {
        Some(parsed) if source.defects.is_empty() => Ok(parsed),
        _ => Err(source.defects),
    }
}

fn whole(source: &mut Source, mut top: Section<'_>) -> Option<ParsedDocument> {
    if let Some(found) = top.required(source, "version")
        && number(source, &found).is_some_and(|n| n != 1)
    {
        source.report(&found.place, "this version is not supported", "write version = 1");
    }
    let tenant = top.required(source, "tenant").and_then(|f| parsed(source, &f));
    let roles = top.optional(source, "roles").map(|f| entries(source, &f)).unwrap_or_default();
    let roles = roles.into_iter().filter_map(|(name, f)| role(source, name, f)).collect();
    let defs = defs(source, &mut top);
    let rules = tables(source, &mut top, "rule", &RULE);
    let rules = rules.into_iter().filter_map(|s| rule(source, s)).collect();
    let exceptions = tables(source, &mut top, "exception", &EXCEPTION);
    let exceptions = exceptions.into_iter().filter_map(|s| exception(source, s)).collect();
    let tests = tables(source, &mut top, "test", &TEST);
    let tests = tests.into_iter().filter_map(|s| test(source, s)).collect();
    top.finish(source);
    Some(ParsedDocument { tenant: tenant?, roles, defs, rules, exceptions, tests })
}

fn tables<'t>(
    source: &mut Source,
    top: &mut Section<'t>,
    key: &'static str,
    shape: &'static Shape,
) -> Vec<Section<'t>> {
    top.optional(source, key).map(|f| terms::tables(source, &f, shape)).unwrap_or_default()
}

pub(super) fn located<T: FromStr>(source: &mut Source, items: Vec<Found<'_>>) -> Vec<Located<T>>
where
    T::Err: std::fmt::Display,
{
    let located = |f: Found<'_>| Some(Located { value: parsed(source, &f)?, place: f.place });
    items.into_iter().filter_map(located).collect()
}

pub(super) fn names<T: FromStr + Ord>(source: &mut Source, found: &Found<'_>) -> BTreeSet<T>
where
    T::Err: std::fmt::Display,
{
    list(source, found).iter().filter_map(|f| parsed(source, f)).collect()
}

fn role(source: &mut Source, name: &str, found: Found<'_>) -> Option<RoleDef> {
    let place = found.place.clone();
    let name = named::<RoleName>(source, &place, name);
    if name.as_ref().is_some_and(|name| name.as_str() == EVERYONE) {
        source.report(&place, "the role everyone is built in", "each principal of the tenant holds it");
    }
    let mut section = Section::of(source, found, &ROLE)?;
    let members = section.optional(source, "members").map(|f| list(source, &f)).unwrap_or_default();
    let members = members.iter().filter_map(|f| member(source, f)).collect();
    let inherits = section.optional(source, "inherits").map(|f| list(source, &f)).unwrap_or_default();
    let inherits = located(source, inherits);
    section.finish(source);
    Some(RoleDef { name: Located { value: name?, place }, members, inherits })
}

/// The role that each verified principal of a tenant holds.
pub(crate) const EVERYONE: &str = "everyone";

pub(super) fn member(source: &mut Source, found: &Found<'_>) -> Option<Member> {
    let text = text(source, found)?;
    let member = match text.split_once(':') {
        Some(("u", name)) => PrincipalId::new(name).ok().map(Member::User),
        Some(("group", name)) => GroupName::new(name).ok().map(Member::Group),
        Some(("claim", text)) => text.split_once('=').and_then(|(name, value)| {
            Some(Member::Claim(Claim { name: ClaimName::new(name).ok()?, value: ClaimValue::new(value).ok()? }))
        }),
        _ => None,
    };
    if member.is_none() {
        let hint = "write \"u:<principal>\", \"group:<group>\" or \"claim:<name>=<value>\"";
        source.report(&found.place, "this is no member", lookalike(text).unwrap_or_else(|| hint.into()));
    }
    member
}

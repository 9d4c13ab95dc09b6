//! The shape of a document.

use super::Document;
use super::case::{TestDef, test};
use super::defect::{Defect, Place};
use super::reader::{Found, Section, Source, list, number, parsed, text};
use super::rule::{RuleDef, rule};
use crate::names::RoleName;
use std::collections::BTreeSet;
use std::str::FromStr;
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
    pub(crate) rules: Vec<RuleDef>,
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
}

/// Reads one document. Every defect is reported; the document is given back only if there is none.
pub(crate) fn parse(document: &Document) -> Result<ParsedDocument, Vec<Defect>> {
    let mut source = Source::new(document);
    let (tree, errors) = DeTable::parse_recoverable(&document.text);
    for error in errors {
        let place = source.place(error.span().map_or(0, |s| s.start), "");
        source.report(&place, format!("not valid TOML: {}", error.message().replace('\n', ", ")), "");
    }
    if !source.defects.is_empty() {
        return Err(source.defects);
    }
    let place = source.place(0, "");
    let parsed = whole(&mut source, Section::new(tree.get_ref(), place));
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
    let roles = top
        .optional(source, "roles")
        .and_then(|f| Section::of(source, f))
        .map(|section| section.entries(source))
        .unwrap_or_default();
    let roles = roles.into_iter().filter_map(|(name, f)| role(source, name, f)).collect();
    let rules = tables(source, &mut top, "rule");
    let rules = rules.into_iter().filter_map(|s| rule(source, s)).collect();
    let tests = tables(source, &mut top, "test");
    let tests = tests.into_iter().filter_map(|s| test(source, s)).collect();
    top.finish(source);
    Some(ParsedDocument { tenant: tenant?, roles, rules, tests })
}

fn tables<'t>(source: &mut Source, top: &mut Section<'t>, key: &'static str) -> Vec<Section<'t>> {
    let items = top.optional(source, key).map(|f| list(source, &f)).unwrap_or_default();
    items.into_iter().filter_map(|f| Section::of(source, f)).collect()
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
    let name = match RoleName::new(name) {
        Ok(name) if name.as_str() == EVERYONE => {
            source.report(&place, "the role everyone is built in", "each principal of the tenant holds it");
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            source.report(&place, error.to_string(), "");
            None
        }
    };
    let mut section = Section::of(source, found)?;
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
        _ => None,
    };
    if member.is_none() {
        source.report(&found.place, "this is no member", "write \"u:<principal>\" or \"group:<group>\"");
    }
    member
}

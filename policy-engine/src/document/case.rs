//! The `[[test]]` tables.

use super::defect::Place;
use super::parse::{Member, member, names};
use super::reader::{Section, Source, choice, list, number, parsed, text, wrong_type};
use super::rule::Effect;
use crate::action::Action;
use crate::facts::Facts;
use crate::names::RuleId;
use crate::resource::Resource;
use vocab::{GroupName, PrincipalId};

#[derive(Debug)]
pub(crate) struct TestDef {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) principal: PrincipalId,
    pub(crate) groups: Vec<GroupName>,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
    pub(crate) facts: Facts,
    pub(crate) expect: Expectation,
}

#[derive(Debug)]
pub(crate) struct Expectation {
    pub(crate) effect: Effect,
    pub(crate) rule: Option<RuleId>,
    pub(crate) reason: Option<String>,
    pub(crate) obligations: Vec<String>,
}

pub(super) fn test(source: &mut Source, mut section: Section<'_>) -> Option<TestDef> {
    let place = section.place.clone();
    let name = section.required(source, "name").and_then(|f| text(source, &f)).map(str::to_owned);
    let principal = section.required(source, "as").and_then(|f| match member(source, &f)? {
        Member::User(principal) => Some(principal),
        Member::Group(_) => {
            source.report(&f.place, "a test acts as one principal", "write \"u:<principal>\", and groups = [...]");
            None
        }
    });
    let groups = section.optional(source, "groups").map(|f| list(source, &f)).unwrap_or_default();
    let groups = groups.iter().filter_map(|f| parsed(source, f)).collect();
    let action = section.required(source, "do").and_then(|f| parsed::<Action>(source, &f));
    let on = section.required(source, "on");
    let resource = on.as_ref().and_then(|f| parsed::<Resource>(source, f));
    if let (Some(a), Some(r), Some(f)) = (action, &resource, &on)
        && a.family() != r.family()
    {
        source.report(&f.place, format!("the action {a} never applies to such a resource"), "");
    }
    let facts = section.optional(source, "ctx").and_then(|f| Section::of(source, f));
    let facts = facts.map(|s| facts_of(source, s)).unwrap_or_default();
    let effect = section.required(source, "expect").and_then(|f| {
        choice(source, &f, &[Effect::Allow, Effect::Deny], |e| match e {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        })
    });
    let rule = section.optional(source, "rule").and_then(|f| parsed(source, &f));
    let reason = section.optional(source, "reason").and_then(|f| text(source, &f)).map(str::to_owned);
    let obligations = section.optional(source, "obligations").map(|f| list(source, &f)).unwrap_or_default();
    let obligations = obligations.iter().filter_map(|f| text(source, f)).map(str::to_owned).collect();
    section.finish(source);
    let expect = Expectation { effect: effect?, rule, reason, obligations };
    Some(TestDef {
        name: name?,
        place,
        principal: principal?,
        groups,
        action: action?,
        resource: resource?,
        facts,
        expect,
    })
}

/// The facts of a test, under the names that conditions use.
fn facts_of(source: &mut Source, mut section: Section<'_>) -> Facts {
    let labels = section.optional(source, "labels").map(|f| names(source, &f)).unwrap_or_default();
    let mut facts = Facts { labels, ..Facts::default() };
    if let Some(n) = section.optional(source, "now").and_then(|f| number(source, &f)) {
        facts.now = n;
    }
    if let Some(mut upstream) = section.optional(source, "upstream").and_then(|f| Section::of(source, f)) {
        facts.upstream_region = upstream.optional(source, "region").and_then(|f| parsed(source, &f));
        facts.upstream_trust = upstream.optional(source, "trust").and_then(|f| parsed(source, &f));
        upstream.finish(source);
    }
    if let Some(mut call) = section.optional(source, "call").and_then(|f| Section::of(source, f)) {
        facts.workflow = call.optional(source, "workflow").and_then(|f| parsed(source, &f));
        facts.purpose = call.optional(source, "purpose").and_then(|f| parsed(source, &f));
        facts.token_estimate = call.optional(source, "tokens").and_then(|f| number(source, &f)).unwrap_or_default();
        facts.k = call.optional(source, "k").and_then(|f| {
            let k = number(source, &f).map(u32::try_from)?;
            if k.is_err() {
                wrong_type(source, &f, "at most 4294967295");
            }
            k.ok()
        });
        call.finish(source);
    }
    section.finish(source);
    facts
}

//! The `[[test]]` tables.

use super::defect::Place;
use super::parse::{Member, member, names};
use super::reader::{
    Found, Section, Source, choice, entries, list, named, number, one_or_more, parsed, text, wrong_type,
};
use super::rule::Effect;
use super::shapes::{CALL, CONTEXT, GIVEN, LIMIT, UPSTREAM};
use super::terms::{amounts, tables};
use crate::action::Action;
use crate::facts::{Claim, Facts};
use crate::names::{BudgetName, ClaimName, ClaimValue, RuleId};
use crate::resource::Resource;
use crate::state::Approval;
use crate::state::calendar::Day;
use toml::de::DeValue;
use toml::value::Offset;
use vocab::{GroupName, PrincipalId};

#[derive(Debug)]
pub(crate) struct TestDef {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) principal: PrincipalId,
    pub(crate) groups: Vec<GroupName>,
    pub(crate) claims: Vec<Claim>,
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
    /// Shadow rules that must apply.
    pub(crate) shadow: Vec<RuleId>,
}

pub(super) fn test(source: &mut Source, mut section: Section<'_>) -> Option<TestDef> {
    let place = section.place.clone();
    let name = section.required(source, "name").and_then(|f| text(source, &f)).map(str::to_owned);
    let principal = section.required(source, "as").and_then(|f| user(source, &f));
    let groups = section.optional(source, "groups").map(|f| list(source, &f)).unwrap_or_default();
    let groups = groups.iter().filter_map(|f| parsed(source, f)).collect();
    let claims = section.optional(source, "claims").map(|f| claims_of(source, &f)).unwrap_or_default();
    let action = section.required(source, "do").and_then(|f| parsed::<Action>(source, &f));
    let on = section.required(source, "on");
    let resource = on.as_ref().and_then(|f| parsed::<Resource>(source, f));
    if let (Some(a), Some(r), Some(f)) = (action, &resource, &on)
        && a.family() != r.family()
    {
        source.report(&f.place, format!("the action {a} never applies to such a resource"), "");
    }
    let facts = section.optional(source, "ctx").and_then(|f| Section::of(source, f, &CONTEXT));
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
    let shadow = section.optional(source, "shadow").map(|f| list(source, &f)).unwrap_or_default();
    let shadow = shadow.iter().filter_map(|f| parsed(source, f)).collect();
    section.finish(source);
    let expect = Expectation { effect: effect?, rule, reason, obligations, shadow };
    Some(TestDef {
        name: name?,
        place,
        principal: principal?,
        groups,
        claims,
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
    if let Some(now) = section.optional(source, "now").and_then(|f| moment(source, &f)) {
        facts.now = now;
    }
    if let Some(mut upstream) = section.optional(source, "upstream").and_then(|f| Section::of(source, f, &UPSTREAM)) {
        facts.upstream_region = upstream.optional(source, "region").and_then(|f| parsed(source, &f));
        facts.upstream_trust = upstream.optional(source, "trust").and_then(|f| parsed(source, &f));
        upstream.finish(source);
    }
    if let Some(call) = section.optional(source, "call").and_then(|f| Section::of(source, f, &CALL)) {
        call_of(source, call, &mut facts);
    }
    for (name, found) in section.optional(source, "spend").map(|f| entries(source, &f)).unwrap_or_default() {
        let name = named::<BudgetName>(source, &found.place, name);
        if let (Some(spent), Some(name)) = (number(source, &found), name) {
            facts.spend.budgets.insert(name, spent);
        }
    }
    for used in section.optional(source, "used").map(|f| tables(source, &f, &LIMIT)).unwrap_or_default() {
        facts.spend.meters.extend(amounts(source, used));
    }
    let now = facts.now;
    let given = section.optional(source, "approvals").map(|f| tables(source, &f, &GIVEN)).unwrap_or_default();
    facts.approvals = given.into_iter().filter_map(|s| approval(source, s, now)).collect();
    section.finish(source);
    facts
}

fn call_of(source: &mut Source, mut call: Section<'_>, facts: &mut Facts) {
    facts.workflow = call.optional(source, "workflow").and_then(|f| parsed(source, &f));
    facts.purpose = call.optional(source, "purpose").and_then(|f| parsed(source, &f));
    facts.token_estimate = call.optional(source, "tokens").and_then(|f| number(source, &f)).unwrap_or_default();
    facts.cost_estimate = call.optional(source, "cost").and_then(|f| number(source, &f));
    facts.k = call.optional(source, "k").and_then(|f| {
        let k = number(source, &f).map(u32::try_from)?;
        if k.is_err() {
            wrong_type(source, &f, "at most 4294967295");
        }
        k.ok()
    });
    call.finish(source);
}

fn approval(source: &mut Source, mut section: Section<'_>, now: u64) -> Option<Approval> {
    let class = section.required(source, "class").and_then(|f| parsed(source, &f));
    let by = section.required(source, "by").and_then(|f| user(source, &f));
    let groups = section.optional(source, "groups").map(|f| list(source, &f)).unwrap_or_default();
    let groups = groups.iter().filter_map(|f| parsed(source, f)).collect();
    let at = section.optional(source, "at").map_or(Some(now), |f| moment(source, &f));
    section.finish(source);
    Some(Approval { class: class?, by: by?, groups, at: at? })
}

/// One principal, as `u:<principal>`, or a defect.
fn user(source: &mut Source, found: &Found<'_>) -> Option<PrincipalId> {
    match member(source, found)? {
        Member::User(principal) => Some(principal),
        Member::Group(_) | Member::Claim(_) => {
            source.report(&found.place, "this is not one principal", "write \"u:<principal>\", and groups = [...]");
            None
        }
    }
}

/// Seconds since 1970, or a date with or without a time (UTC if it says nothing), or a defect.
fn moment(source: &mut Source, found: &Found<'_>) -> Option<u64> {
    let DeValue::Datetime(stamp) = found.value else {
        return number(source, found);
    };
    let seconds = stamp.date.and_then(|date| {
        let day = Day::from_date(date.year, date.month, date.day)?;
        let time = stamp.time.map_or(0, |t| {
            u64::from(t.hour) * 3600 + u64::from(t.minute) * 60 + u64::from(t.second.unwrap_or_default())
        });
        let minutes = match stamp.offset {
            Some(Offset::Custom { minutes }) => i64::from(minutes),
            Some(Offset::Z) | None => 0,
        };
        (day.start() + time).checked_add_signed(-minutes * 60)
    });
    if seconds.is_none() {
        wrong_type(source, found, "a time from 1970 on");
    }
    seconds
}

/// The claims of a test.
fn claims_of(source: &mut Source, found: &Found<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (name, found) in entries(source, found) {
        let name = named::<ClaimName>(source, &found.place, name);
        for item in one_or_more(source, &found, "a claim without a value is no claim") {
            let value = parsed::<ClaimValue>(source, &item);
            if let (Some(name), Some(value)) = (&name, value) {
                claims.push(Claim { name: name.clone(), value });
            }
        }
    }
    claims
}

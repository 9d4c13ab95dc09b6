//! Comparing two policies: no difference is missed, and what is said is true.

use crate::calls::compile;
use crate::small::{call, caller, pair, row_for};
use policy_engine::diff::{Calls, How, Shift};
use policy_engine::{Change, Governed, PolicySet};
use proptest::prelude::*;

const BASE: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app"] }
clerk = { members = ["u:ann"] }
[[rule]]
id = "chat"
allow = "model.*"
roles = "app"
on = "model/a/*"
then = { redact = ["pii.email"] }
"#;

fn between(before: &PolicySet, after: &PolicySet) -> String {
    before.diff(after, 1000).unwrap().to_string()
}

#[test]
fn what_decides_alike_has_no_difference() {
    let before = compile(BASE);
    let renamed = BASE.replace("\"chat\"", "\"talk\"").replace("# ", "");
    let split = renamed.replace(
        "allow = \"model.*\"",
        "allow = [\"model.chat\", \"model.embed\", \"model.list\"]\ndescription = \"another text\"",
    );
    for same in [BASE.to_owned(), renamed, split, format!("# comment\n{BASE}")] {
        assert_eq!(between(&before, &compile(&same)), "nothing changes: every call is decided as before", "{same}");
    }
}

#[test]
fn who_gains_and_who_loses_is_told() {
    let after = BASE.replace("[\"u:ann\"] }", "[\"u:ann\"], inherits = [\"app\"] }").replace("redact", "pseudonymise")
        + "[[rule]]\nid = \"no\"\ndeny = \"model.chat\"\nroles = \"everyone\"\non = \"model/a/old\"\n"
        + "[[rule]]\nid = \"late\"\ndeny = \"model.embed\"\nroles = \"app\"\non = \"model/a/*\"\nwhen = \"now > 5\"\n";
    assert_eq!(
        between(&compile(BASE), &compile(&after)),
        "\
tenant acme: changed
  anybody
    denied otherwise: model.chat on model/a/old
      before  deny   not_permitted
      after   deny   forbidden by no
  u:ann  (roles before: clerk; after: app, clerk)
    gains: model.chat, model.list on model/a/*
      before  deny   not_permitted
      after   ALLOW  chat
    may gain: model.embed on model/a/*
      before  deny   not_permitted
      after   ALLOW  chat  unless late?
    denied otherwise: model.chat on model/a/old
      before  deny   not_permitted
      after   deny   forbidden by no
    may gain: model.embed on model/a/old
      before  deny   not_permitted
      after   ALLOW  chat  unless late?
    gains: model.list on model/a/old
      before  deny   not_permitted
      after   ALLOW  chat
  u:app
    other terms: model.chat, model.list on model/a/*
      before  ALLOW  chat
      after   ALLOW  chat
      - redact:pii.email
      + pseudonymise:pii.email
    may lose, other terms: model.embed on model/a/*
      before  ALLOW  chat
      after   ALLOW  chat  unless late?
      - redact:pii.email
      + pseudonymise:pii.email
    loses: model.chat on model/a/old
      before  ALLOW  chat
      after   deny   forbidden by no
    may lose, other terms: model.embed on model/a/old
      before  ALLOW  chat
      after   ALLOW  chat  unless late?
      - redact:pii.email
      + pseudonymise:pii.email
    other terms: model.list on model/a/old
      before  ALLOW  chat
      after   ALLOW  chat
      - redact:pii.email
      + pseudonymise:pii.email

rows that gain: 4, lose: 3, with other terms: 4, denied otherwise: 2"
    );
}

#[test]
fn definitions_and_tenants_come_and_go() {
    let before = compile(BASE);
    let after = compile(&format!("{BASE}[models.m]\non = \"model/a/x\"\nexpires = 2030-01-31\naliases = [\"new\"]\n"));
    let diff = before.diff(&after, 1000).unwrap();
    let tenant = &diff.tenants[0];
    assert_eq!((tenant.definitions[0].kind, tenant.definitions[0].name.as_str()), ("model", "m"));
    assert_eq!(tenant.definitions[0].how, How::Added);
    let rows = &tenant.callers[0].rows;
    let found: Vec<&str> = rows.iter().map(|row| row.resource.as_str()).collect();
    assert_eq!(found, ["model/a/new", "model/a/x"]);
    assert_eq!(rows[1].shifts, [Shift { change: Change::NewlyDenied, calls: Calls::Some }]);

    let other = compile(&BASE.replace("acme", "globex"));
    let moved = before.diff(&other, 1000).unwrap();
    let found: Vec<(&str, How)> = moved.tenants.iter().map(|t| (t.tenant.as_str(), t.how)).collect();
    assert_eq!(found, [("acme", How::Removed), ("globex", How::Added)]);
    assert!(before.diff(&other, 1).is_err());
    let json = serde_json::to_value(&moved).unwrap();
    assert_eq!(json["tenants"][0]["callers"][0]["rows"][0]["shifts"][0]["change"], "newly_denied");
    assert_eq!(json["tenants"][0]["callers"][0]["rows"][0]["after"]["access"], "denied");
}

#[test]
fn an_exception_opens_what_a_rule_denies() {
    let base = format!(
        "{BASE}[[rule]]\nid = \"no\"\ndeny = \"model.chat\"\nroles = \"everyone\"\non = \"model/a/x\"\n\
         [[exception]]\nrule = \"no\"\nfor = \"u:bob\"\nexpires = 2030-01-31\nowner = \"o\"\nticket = \"T-1\"\n\
         reason = \"r\"\n"
    );
    let changes = |after: &str| {
        let diff = compile(&base).diff(&compile(after), 1000).unwrap();
        let rows =
            diff.tenants.iter().flat_map(|t| &t.callers).flat_map(|c| &c.rows).filter(|r| r.resource == "model/a/x");
        rows.flat_map(|row| &row.shifts).map(|shift| shift.change).collect::<Vec<_>>()
    };
    let app = base.replace("\"u:bob\"", "[\"u:bob\", \"u:app\"]");
    assert!(changes(&app).contains(&Change::NewlyAllowed), "{:?}", changes(&app));
    assert!(!changes(&base.replace("2030", "2031")).is_empty());
    assert_eq!(changes(&base.replace("T-1", "T-2")), []);
}

#[test]
fn a_new_approver_is_a_difference() {
    let base = format!(
        "{BASE}[approvals.refunds]\nroles = [\"clerk\"]\n[[rule]]\nid = \"r\"\nallow = \"vector.search\"\nroles = \"app\"\n\
         on = \"vector/a/b\"\nthen = {{ require_approval = [\"refunds\"] }}\n"
    );
    let after = base.replace("[\"u:ann\"]", "[\"u:ann\", \"u:bob\"]");
    let diff = compile(&base).diff(&compile(&after), 1000).unwrap();
    assert_eq!(diff.tenants[0].definitions[0].kind, "approval");
}

proptest! {
    /// A call that is decided otherwise is in the comparison; without a difference there is no such call.
    #[test]
    fn no_difference_is_missed((old, new) in pair(), call in call()) {
        let (before, after) = (old.compile(), new.compile());
        let diff = before.diff(&after, 10_000).unwrap();
        let decisions = (before.decide_query(&call.query()), after.decide_query(&call.query()));
        let change = match (decisions.0.verdict(), decisions.1.verdict()) {
            (Ok(_), Err(_)) => Some(Change::NewlyDenied),
            (Err(_), Ok(_)) => Some(Change::NewlyAllowed),
            (Ok(a), Ok(b)) => (a != b).then_some(Change::OtherTerms),
            (Err(a), Err(b)) => (a.code() != b.code()).then_some(Change::OtherReason),
        };
        let Some(tenant) = diff.tenants.first() else {
            prop_assert_eq!(change, None);
            return Ok(());
        };
        let known: Vec<&str> = tenant.callers.iter().flat_map(|c| &c.callers).map(String::as_str).collect();
        let named = ["u:u0", "u:u1", "group:g0"];
        let Some(name) = caller(&call, &named) else { return Ok(()) };
        // A name that neither policy uses is anybody.
        let is_named = [&before, &after].iter().any(|set| {
            let matrix = set.matrix(10_000).unwrap();
            matrix.tenants[0].callers.iter().any(|c| c.callers.contains(&name))
        });
        let name = if is_named { name } else { "anybody".to_owned() };
        let rows = match known.contains(&name.as_str()) {
            true => tenant.callers.iter().find(|c| c.callers.contains(&name)).unwrap().rows.as_slice(),
            false => &[],
        };
        let rows: Vec<_> = rows.iter().filter(|row| row.actions.contains(&call.action)).collect();
        let row = row_for(&rows, |row| &row.resource, &call.resource.to_string());
        let Some(change) = change else { return Ok(()) };
        let Some(row) = row else { return Err(TestCaseError::fail(format!("{change} is missing:\n{diff}"))) };
        let found: Vec<Change> = row.shifts.iter().map(|shift| shift.change).collect();
        let is_verdict = matches!(change, Change::NewlyAllowed | Change::NewlyDenied);
        prop_assert!(!is_verdict || found.contains(&change), "{} not in {:?}\n{}", change, found, diff);
    }

    /// What is said of all calls of a row is true of each.
    #[test]
    fn what_is_certain_happens((old, new) in pair(), call in call()) {
        let (before, after) = (old.compile(), new.compile());
        let diff = before.diff(&after, 10_000).unwrap();
        for callers in diff.tenants.iter().flat_map(|tenant| &tenant.callers) {
            let named = caller(&call, &["u:u0", "u:u1", "group:g0"]);
            let Some(name) = named.filter(|name| callers.callers.contains(name)) else { continue };
            let rows: Vec<_> = callers.rows.iter().filter(|row| row.actions.contains(&call.action)).collect();
            let path = call.resource.to_string();
            // Exact paths only: a row with * speaks about what neither policy names.
            let Some(row) = rows.iter().find(|row| row.resource == path) else { continue };
            for shift in row.shifts.iter().filter(|shift| shift.calls == Calls::All) {
                let sides = [&before, &after].map(|set| set.decide_query(&call.query()).verdict().is_ok());
                let expected = [shift.change == Change::NewlyDenied, shift.change == Change::NewlyAllowed];
                prop_assert_eq!(sides, expected, "{} {}", name, diff);
            }
        }
    }
}

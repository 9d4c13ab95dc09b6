//! Recorded decisions, decided again.

use crate::calls::{Call, call, compile};
use crate::small::{call as any_call, pair};
use policy_engine::replay::{Recorded, RecordedDecision, RecordedFacts, RecordedVerdict, Replay, ReplayReport, Why};
use policy_engine::{Change, Decision, Governed, PolicySet, RoleName};
use proptest::prelude::*;
use std::collections::BTreeSet;

const BASE: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app", "group:apps"] }
[[rule]]
id = "chat"
allow = "model.chat"
roles = "app"
on = "model/a/*"
"#;

/// The record of a call with all that it could hold.
fn recorded(call: &Call, decision: &Decision) -> RecordedDecision {
    let facts = &call.facts;
    RecordedDecision {
        record: "r-1".into(),
        tenant: call.tenant.clone(),
        principal: Recorded::Known(call.principal.clone()),
        groups: Recorded::Known(call.groups.clone()),
        claims: Recorded::Known(Vec::new()),
        roles: Recorded::Unknown,
        action: call.action.to_string(),
        resource: call.resource.to_string(),
        facts: RecordedFacts {
            now: facts.now,
            labels: Recorded::Known(facts.labels.clone()),
            upstream_region: Recorded::Known(facts.upstream_region.clone()),
            upstream_trust: Recorded::Known(facts.upstream_trust.clone()),
            workflow: Recorded::Known(facts.workflow.clone()),
            purpose: Recorded::Known(facts.purpose.clone()),
            tokens: Recorded::Known(facts.token_estimate),
            cost: Recorded::Known(facts.cost_estimate),
            k: Recorded::Known(facts.k),
        },
        policy: decision.digest().to_string(),
        verdict: match decision.verdict() {
            Ok(terms) => {
                RecordedVerdict::Allowed { obligations: terms.lines().iter().map(ToString::to_string).collect() }
            }
            Err(reason) => RecordedVerdict::Refused { code: reason.code().into() },
        },
    }
}

fn by(set: &PolicySet, call: &Call) -> RecordedDecision {
    recorded(call, &set.decide_query(&call.query()))
}

fn replayed(candidate: &PolicySet, records: &[RecordedDecision]) -> ReplayReport {
    let mut replay = Replay::new(candidate, 2, str::to_owned);
    records.iter().for_each(|record| replay.add(record));
    replay.report()
}

fn change(candidate: &str, record: &RecordedDecision) -> Result<Option<(Change, String)>, Why> {
    let report = replayed(&compile(candidate), std::slice::from_ref(record));
    assert_eq!(report.records, 1);
    match (report.changes.first(), report.not_replayable.first()) {
        (None, None) => {
            assert_eq!(report.same, 1);
            Ok(None)
        }
        (Some(changed), None) => Ok(Some((changed.change, changed.after.clone()))),
        (_, Some(not)) => Err(not.why.clone()),
    }
}

fn chat() -> Call {
    call("acme", "app", "model.chat", "model/a/x")
}

#[test]
fn what_a_candidate_changes_is_counted_with_examples() {
    let before = compile(BASE);
    let mut records: Vec<RecordedDecision> = (0..5)
        .map(|n| {
            let call = call("acme", "app", "model.chat", &format!("model/a/m{n}"));
            RecordedDecision { record: format!("r-{n}"), ..by(&before, &call) }
        })
        .collect();
    records.push(by(&before, &call("acme", "ann", "model.chat", "model/a/x")));
    records.push(RecordedDecision { action: "model.dream".into(), ..by(&before, &chat()) });
    let stricter = BASE.to_owned()
        + "[[rule]]\nid = \"no\"\ndeny = \"model.chat\"\nroles = \"everyone\"\non = [\"model/a/m1\", \"model/a/m3\", \"model/a/m4\"]\n";
    let report = replayed(&compile(&stricter), &records);
    assert_eq!(
        report.to_string(),
        "       3  newly_denied: acme model.chat: allow -> forbidden by no
            r-1 on model/a/m1
            r-3 on model/a/m3
       1  not replayed: there is no action model.dream
            r-1 on model/a/x
7 recorded decisions: 3 as they were
newly denied: 3, newly allowed: 0, other terms: 0, other reason: 0
not replayed: 1, by recorded roles: 0"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["changes"][0]["change"], "newly_denied");
    assert_eq!(json["not_replayable"][0]["why"]["reason"], "unknown_action");
}

#[test]
fn terms_are_compared_as_the_ledger_writes_them() {
    let terms = BASE.to_owned() + "then = { route = \"model/a/x@1\", record = \"none\" }\n";
    let set = compile(&terms);
    let mut record = by(&set, &chat());
    let RecordedVerdict::Allowed { obligations } = &mut record.verdict else { panic!("{record:?}") };
    assert!(obligations.remove("route:model/a/x@1"));
    obligations.insert("route:model/a/x_1".into());
    let mut replay = Replay::new(&set, 1, |line| line.replace('@', "_"));
    replay.add(&record);
    assert_eq!(replay.report().same, 1);
    let report = replayed(&compile(&terms.replace("\"none\"", "\"content\"")), &[record]);
    assert_eq!(report.changes[0].terms_gained, ["record:content", "route:model/a/x@1"]);
    assert_eq!(report.changes[0].terms_lost, ["record:none", "route:model/a/x_1"]);
}

#[test]
fn what_was_not_recorded_and_is_read_is_not_replayed() {
    let before = by(&compile(BASE), &chat());
    let without = |change: fn(&mut RecordedFacts)| {
        let mut record = before.clone();
        change(&mut record.facts);
        record
    };
    let no_labels = without(|facts| facts.labels = Recorded::Unknown);
    assert_eq!(change(BASE, &no_labels), Ok(None), "nothing reads them");
    let missing = |name: &str| Err(Why::FactNotRecorded(name.into()));
    let when = |text: &str| format!("{BASE}when = '{text}'\n");
    let then = |text: &str| format!("{BASE}then = {{ {text} }}\n");
    assert_eq!(change(&when("size(labels) == 0"), &no_labels), missing("labels"));
    assert_eq!(change(&when("data.max_class <= class.internal"), &no_labels), missing("labels"));
    assert_eq!(change(&when("data.max_class <= class.internal"), &before), Ok(None));
    assert_eq!(change(&then("block = [\"pii.card\"]"), &no_labels), missing("labels"));
    let no_k = without(|facts| facts.k = Recorded::Unknown);
    assert_eq!(change(&when("!has(call.k)"), &no_k), missing("call.k"));
    assert_eq!(change(&when("!has(call.k)"), &before), Ok(None));
    let no_region = without(|facts| facts.upstream_region = Recorded::Unknown);
    assert_eq!(change(&then("residency = [\"eu\"]"), &no_region), missing("upstream.region"));
    assert_eq!(change(&then("residency = [\"eu\"]"), &before).map(|c| c.map(|c| c.1)), Ok(Some("residency".into())));
    assert_eq!(
        change(
            &when("spend.b > 1").replace("[[rule]]", "[budgets]\nb = { tokens = 5, per = \"day\" }\n[[rule]]"),
            &before
        ),
        missing("spend")
    );
}

#[test]
fn a_caller_who_is_not_known_has_the_roles_of_the_record() {
    let mut record = by(&compile(BASE), &chat());
    record.principal = Recorded::Unknown;
    assert_eq!(change(BASE, &record), Err(Why::UnknownCaller));
    record.roles = Recorded::Known(vec![RoleName::new("app").unwrap(), RoleName::new("gone").unwrap()]);
    let report = replayed(&compile(BASE), std::slice::from_ref(&record));
    assert_eq!((report.same, report.by_recorded_roles), (1, 1));
    record.roles = Recorded::Known(Vec::new());
    assert_eq!(change(BASE, &record), Ok(Some((Change::NewlyDenied, "not_permitted".into()))));
    // The name that stands for a caller who is not known is nobody's.
    let trap = BASE.replace("u:app", "u:unknown");
    assert_eq!(change(&trap, &record), Ok(Some((Change::NewlyDenied, "not_permitted".into()))));
    record.roles = Recorded::Known(vec![RoleName::new("app").unwrap()]);
    let by_name = format!("{BASE}when = 'principal.id == \"unknown\"'\n");
    assert_eq!(change(&by_name, &record), Err(Why::FactNotRecorded("principal.id".into())));
}

#[test]
fn state_is_taken_as_it_was() {
    let approvals = "[approvals.refunds]\nroles = [\"app\"]\n[budgets]\nb = { tokens = 5, per = \"day\" }\n[[rule]]";
    let with = |then: &str| format!("{}then = {{ {then} }}\n", BASE.replace("[[rule]]", approvals));
    let allowed = by(&compile(BASE), &chat());
    let refused =
        |code: &str| RecordedDecision { verdict: RecordedVerdict::Refused { code: code.into() }, ..allowed.clone() };
    let under = |lines: &[&str]| RecordedDecision {
        verdict: RecordedVerdict::Allowed {
            obligations: lines.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        },
        ..allowed.clone()
    };
    let budget = with("budget = \"b\"");
    assert_eq!(change(&budget, &under(&["budget:b", "record:digest"])), Ok(None));
    assert_eq!(change(&budget, &refused("over_budget")), Ok(None));
    assert_eq!(change(BASE, &refused("over_budget")), Ok(Some((Change::NewlyAllowed, "allow".into()))));
    assert_eq!(change(&budget, &allowed), Ok(Some((Change::OtherTerms, "allow".into()))));
    let approval = with("require_approval = [\"refunds\"]");
    let needed = "approval_required".to_owned();
    assert_eq!(change(&approval, &under(&["require_approval:refunds:1", "record:digest"])), Ok(None));
    assert_eq!(change(&approval, &allowed), Ok(Some((Change::NewlyDenied, needed.clone()))));
    assert_eq!(change(&approval, &refused(&needed)), Ok(None));
    assert_eq!(change(&approval, &refused("not_permitted")), Ok(Some((Change::OtherReason, needed))));
    let per_call = with("limit = { tokens = 10, per = \"call\" }");
    assert_eq!(change(&per_call, &refused("over_limit")), Ok(Some((Change::NewlyAllowed, "allow".into()))));
    assert_eq!(change(BASE, &refused("kms_unavailable")), Err(Why::NotByPolicy("kms_unavailable".into())));
}

#[test]
fn records_that_cannot_tell_why_are_found_out() {
    let set = compile(BASE);
    let mut record = by(&set, &chat());
    record.groups = Recorded::Known(Vec::new());
    record.principal = Recorded::Known(vocab::PrincipalId::new("ann").unwrap());
    let report = replayed(&set, &[record]);
    assert_eq!((report.unfaithful, report.count(Change::NewlyDenied)), (1, 1));
}

proptest! {
    /// A replay says what deciding by both policies says.
    #[test]
    fn a_replay_is_a_decision((old, new) in pair(), call in any_call()) {
        let (before, after) = (old.compile(), new.compile());
        let record = by(&before, &call);
        let own = replayed(&before, std::slice::from_ref(&record));
        prop_assert_eq!((own.same, own.unfaithful), (1, 0));
        let report = replayed(&after, &[record]);
        let decisions = (before.decide_query(&call.query()), after.decide_query(&call.query()));
        let change = match (decisions.0.verdict(), decisions.1.verdict()) {
            (Ok(_), Err(_)) => Some(Change::NewlyDenied),
            (Err(_), Ok(_)) => Some(Change::NewlyAllowed),
            (Ok(a), Ok(b)) => (a != b).then_some(Change::OtherTerms),
            (Err(a), Err(b)) => (a.code() != b.code()).then_some(Change::OtherReason),
        };
        prop_assert_eq!(report.changes.first().map(|changed| changed.change), change);
    }
}

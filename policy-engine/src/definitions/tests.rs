use super::*;
use crate::decision::{Decision, ReasonCode};
use crate::facts::{Facts, Query};
use crate::state::{Approval, Meter, Unit};
use crate::{Action, Document, PolicySet};
use vocab::{GroupName, PrincipalId, TenantId};

/// A document that uses every kind of definition, with tests that say what each means.
const POLICY: &str = include_str!("tests.toml");

fn compiled(text: &str) -> Result<PolicySet, Vec<String>> {
    let document = Document { name: "p.toml".into(), text: text.into() };
    PolicySet::compile(&[document]).map_err(|defects| defects.iter().map(ToString::to_string).collect())
}

fn ask(set: &PolicySet, who: &str, action: Action, on: &str, facts: &Facts) -> Decision {
    set.decide_query(&Query {
        tenant: &TenantId::new("acme").unwrap(),
        principal: &PrincipalId::new(who).unwrap(),
        groups: &[],
        claims: &[],
        action,
        resource: &on.parse().unwrap(),
        facts,
    })
}

#[test]
fn definitions_mean_what_their_tests_say() {
    let outcomes = compiled(POLICY).unwrap().run_tests();
    assert!(outcomes.len() >= 30);
    let failed: Vec<String> = outcomes.iter().filter(|o| !o.passed()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A set that always answers the same would pass no such test: each test fails once its verdict is turned around.
#[test]
fn each_test_can_fail() {
    for turned in [
        POLICY.replace("expect = \"allow\"", "expect = \"deny\""),
        POLICY.replace("expect = \"deny\"", "expect = \"allow\""),
    ] {
        let outcomes = compiled(&turned).unwrap().run_tests();
        let turned = outcomes.iter().filter(|o| !o.passed()).count();
        let kept = outcomes.iter().filter(|o| o.passed()).count();
        assert!(turned >= 10 && kept >= 10, "{turned} {kept}");
    }
}

#[test]
fn what_is_not_known_about_money_denies() {
    let set = compiled(POLICY).unwrap();
    let budgeted = "model/eu/budgeted";
    let nothing_known = Facts::default();
    let reason = |facts: &Facts| ask(&set, "app", Action::ModelChat, budgeted, facts).verdict().err().cloned();
    assert!(matches!(reason(&nothing_known), Some(ReasonCode::OverLimit { .. })));
    let mut facts = Facts::default();
    facts.spend.meters.insert(Meter { unit: Unit::Requests, window: crate::state::Window::Minute }, 0);
    assert!(matches!(reason(&facts), Some(ReasonCode::BudgetUnknown { .. })));
    for budget in set.accounts(&TenantId::new("acme").unwrap()).unwrap().budgets.keys() {
        facts.spend.budgets.insert(budget.clone(), 0);
    }
    assert!(matches!(reason(&facts), Some(ReasonCode::OverBudget { .. })), "the cost of the call is not known");
    facts.cost_estimate = Some(1);
    assert_eq!(reason(&facts), None);
}

#[test]
fn an_approval_counts_once_and_only_from_the_right_people() {
    let set = compiled(POLICY).unwrap();
    let class = ApprovalClass::new("refunds").unwrap();
    let given = |by: &str, groups: &[&str], at| Approval {
        class: class.clone(),
        by: PrincipalId::new(by).unwrap(),
        groups: groups.iter().map(|g| GroupName::new(g).unwrap()).collect(),
        at,
    };
    let missing = |approvals: Vec<Approval>| {
        let facts = Facts { now: 100_000, approvals, ..Facts::default() };
        match ask(&set, "boss", Action::ModelChat, "model/eu/refunds", &facts).verdict() {
            Ok(_) => 0,
            Err(ReasonCode::ApprovalRequired { missing, .. }) => *missing,
            Err(other) => panic!("{other}"),
        }
    };
    let (now, bosses) = (100_000, &["bosses"][..]);
    assert_eq!(missing(vec![]), 2);
    assert_eq!(missing(vec![given("a", bosses, now), given("b", bosses, now - 3600)]), 0);
    assert_eq!(missing(vec![given("a", bosses, now), given("a", bosses, now)]), 1, "the same person twice");
    assert_eq!(missing(vec![given("a", bosses, now), given("boss", &[], now)]), 1, "the caller");
    assert_eq!(missing(vec![given("a", bosses, now), given("b", &[], now)]), 1, "no role");
    assert_eq!(missing(vec![given("a", bosses, now), given("b", bosses, now - 2 * 3600 - 1)]), 1, "too long ago");
    assert_eq!(missing(vec![given("a", bosses, now), given("b", bosses, now + 1)]), 1, "not yet");
}

#[test]
fn shadow_rules_are_reported_and_change_nothing() {
    let set = compiled(POLICY).unwrap();
    let decision = ask(&set, "app", Action::ModelChat, "model/eu/shadowed", &Facts::default());
    assert!(decision.verdict().is_ok());
    let would: Vec<_> = decision.shadow().iter().map(|s| (s.rule.as_str(), s.would)).collect();
    assert_eq!(would, [("new-deny", Would::Deny), ("new-allow", Would::Allow)]);
    assert_eq!(decision.would_be(), Some(Would::Deny));
    let decision = ask(&set, "visitor", Action::ModelChat, "model/eu/shadowed", &Facts::default());
    assert_eq!(decision.verdict(), Err(&ReasonCode::NotPermitted));
    assert_eq!(decision.would_be(), None, "the deny stands against the allow");
    let decision = ask(&set, "visitor", Action::ModelEmbed, "model/eu/shadowed", &Facts::default());
    assert_eq!((decision.verdict().is_ok(), decision.would_be()), (false, Some(Would::Allow)));
    let decision = ask(&set, "app", Action::ModelChat, "model/eu/other", &Facts::default());
    assert_eq!((decision.shadow(), decision.would_be()), (&[][..], None));
}

#[test]
fn an_alias_leads_where_the_model_is_and_passes_no_rule_by() {
    let set = compiled(POLICY).unwrap();
    let by_alias = ask(&set, "app", Action::ModelChat, "model/eu/fast", &Facts::default());
    let lines: Vec<&str> = by_alias.verdict().unwrap().lines().iter().map(AsRef::as_ref).collect();
    assert!(lines.contains(&"route:model/eu/small-2026"), "{lines:?}");
    let blocked = Facts { labels: [crate::Label::new("pii.iban").unwrap()].into(), ..Facts::default() };
    let by_alias = ask(&set, "app", Action::ModelChat, "model/eu/fast", &blocked);
    assert!(matches!(by_alias.verdict(), Err(ReasonCode::Forbidden { rule }) if rule.as_str() == "no-iban-to-small"));
}

#[test]
fn defects_of_definitions_are_told_with_their_places() {
    let text = r#"version = 1
tenant = "acme"
[roles]
app = { members = ["claim:department", "claim:department=legal"] }
[labels]
"secret" = { class = "hidden" }
"pii.emial" = {}
"personal" = { detectors = ["pii.emai"] }
[collections]
a = { on = "model/eu/x", max_k = 0, range_buckets = { year = 0 } }
[models]
m = { on = "model/eu/*", aliases = ["n"], expires = "2027-01-31" }
n = { on = "model/eu/n", aliases = ["n"], expires = 2027-01-31T10:00:00Z }
[budgets]
b = { per = "day" }
c = { tokens = 5, cost = 5, per = "call" }
[approvals]
d = { roles = ["appp"], approvers = 0 }
[defaults]
undefined_models = "refuse"
[[rule]]
id = "r"
allow = "model.chat"
roles = "app"
on = "model/eu/x"
then = { budget = "bb", require_approval = "e", route = [], limit = { requests = 1, per = "call" }, residency = "e u" }
[[rule]]
id = "s"
allow = "model.chat"
roles = "app"
on = "model/eu/x"
when = "spend.bb > 3"
[[exception]]
rule = "s"
for = "u:bob"
expires = 2027-01-31
owner = " "
ticket = "T"
reason = "r"
[[exception]]
rule = "ss"
for = "u:bob"
lint = "x"
expires = 2027-02-30
"#;
    let found = compiled(text).unwrap_err();
    let toml: Vec<_> = found.iter().filter(|d| d.contains("not valid TOML")).collect();
    assert!(toml.len() == 1 && toml[0].starts_with("p.toml:44:"), "an impossible date: {found:#?}");
    let found = compiled(&text.replace("2027-02-30", "1969-02-01")).unwrap_err();
    let expected = [
        "p.toml:4: roles.app.members[0]: this is no member",
        "p.toml:6: labels.secret.class: there is no such choice",
        "p.toml:10: collections.a.max_k: must be a whole number from 1",
        "p.toml:10: collections.a.on: such resources are not defined here (patterns here start with vector/)",
        "p.toml:10: collections.a.range_buckets.year: must be a whole number from 1",
        "p.toml:12: models.m.expires: must be a date (write it without quotes",
        "p.toml:12: models.m: aliases and versions are of one model",
        "p.toml:13: models.n.expires: must be a date without a time",
        "p.toml:15: budgets.b: nothing is counted here",
        "p.toml:16: budgets.c: a budget is over a window of time",
        "p.toml:16: budgets.c: a budget counts one thing",
        "p.toml:18: approvals.d.approvers: must be a whole number from 1",
        "p.toml:20: defaults.undefined_models: there is no such choice",
        "p.toml:26: rule[0].then.limit.requests: a call is always one request",
        "p.toml:26: rule[0].then.residency: not a valid region",
        "p.toml:26: rule[0].then.route: an empty list leaves nowhere to go",
        "p.toml:37: exception[0].owner: must say something",
        "p.toml:40: exception[1]: an exception is either for somebody or from a lint",
        "p.toml:40: exception[1]: the key owner is missing",
        "p.toml:40: exception[1]: the key reason is missing",
        "p.toml:40: exception[1]: the key ticket is missing",
        "p.toml:44: exception[1].expires: must be a day of the calendar",
    ];
    for part in expected {
        assert!(found.iter().any(|d| d.starts_with(part)), "missing {part}\nin {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn names_of_definitions_are_resolved_with_a_suggestion() {
    let text = r#"version = 1
tenant = "acme"
[roles]
app = { members = ["u:app"] }
[labels]
"pii.emial" = {}
"personal" = { detectors = ["pii.emai"] }
[models]
m = { on = "model/eu/m", aliases = ["fast"] }
n = { on = "model/eu/fast" }
[budgets]
research = { tokens = 5, per = "day" }
[approvals]
refunds = { roles = ["appp"] }
[[rule]]
id = "chat"
allow = "model.chat"
roles = "app"
on = ["model/eu/fast", "model/eu/x"]
then = { budget = "reserch", require_approval = "refund" }
when = "spend.resaerch > 3"
[[exception]]
rule = "chta"
for = "u:bob"
expires = 2027-01-31
owner = "o"
ticket = "T"
reason = "r"
[[exception]]
rule = "chat"
for = "u:bob"
expires = 2027-01-31
owner = "o"
ticket = "T"
reason = "r"
[[test]]
name = "t"
as = "u:app"
do = "model.chat"
on = "model/eu/x"
expect = "allow"
shadow = ["caht"]
"#;
    let found = compiled(text).unwrap_err();
    let expected = [
        "p.toml:6: labels.pii.emial: no detector finds this label, and it names none (did you mean pii.email?",
        "p.toml:7: labels.personal.detectors[0]: there is no detector pii.emai (did you mean pii.email?",
        "p.toml:10: models.n: model/eu/fast is an alias or version of another model",
        "p.toml:14: approvals.refunds.roles[0]: the role appp is not defined (did you mean app?",
        "p.toml:16: rule[0].id: model/eu/fast is an alias or version, and rules are about the model (write model/eu/m)",
        "p.toml:20: rule[0].then.budget: the budget reserch is not defined (did you mean research?",
        "p.toml:20: rule[0].then.require_approval: the class of approvals refund is not defined (did you mean refunds?",
        "p.toml:21: rule[0].when: the condition reads the budget resaerch, which is not defined (did you mean research?",
        "p.toml:23: exception[0].rule: the exception is from the rule chta, which does not exist (did you mean chat?)",
        "p.toml:30: exception[1].rule: an exception for somebody is from a rule that denies",
        "p.toml:36: test[0]: the test names the rule caht, which does not exist (did you mean chat?)",
    ];
    for part in expected {
        assert!(found.iter().any(|d| d.starts_with(part)), "missing {part}\nin {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

//! Explanations, for people and as JSON.

use crate::calls::{call, compile};
use policy_engine::explain::Explanation;
use policy_engine::{Governed, PolicySet, Region};

const POLICY: &str = r#"version = 1
tenant = "acme"
[roles]
viewer = { members = ["u:victor"] }
analyst = { members = ["group:analysts"], inherits = ["viewer"] }
[[rule]]
id = "look"
allow = ["model.list", "vector.read"]
roles = ["viewer"]
on = ["model/**", "vector/db/**"]
[[rule]]
id = "eu-chat"
allow = ["model.chat"]
roles = ["analyst"]
on = "model/*/gpt-4.1"
when = '''
has(upstream.region) &&
  upstream.region in ["eu"] && call.tokens < 1000'''
then = { pseudonymise = ["pii.email"] }
[[rule]]
id = "no-cards"
deny = ["model.chat"]
roles = ["everyone"]
on = "model/**"
when = '"pii.card" in labels'
[[rule]]
id = "k-search"
allow = ["vector.search"]
roles = ["viewer"]
on = "vector/db/*"
when = "call.k < 10"
then = { encrypt = "sealed" }
"#;

fn explain(set: &PolicySet, call: &crate::calls::Call) -> Explanation {
    let explanation = set.explain(&call.query());
    let decision = set.decide_query(&call.query());
    assert_eq!(explanation.verdict == "allow", decision.verdict().is_ok());
    assert_eq!(explanation.reason, decision.verdict().err().map(|reason| reason.code()));
    assert_eq!(explanation.policy, set.digest().as_str());
    let matched: Vec<&str> = decision.matched().iter().map(|rule| rule.as_str()).collect();
    assert_eq!(explanation.matched.iter().map(|m| m.at.rule.as_str()).collect::<Vec<_>>(), matched);
    explanation
}

/// The text without its line about the digest.
fn text(explanation: &Explanation) -> String {
    let lines = explanation.to_string();
    lines.lines().filter(|line| !line.starts_with("  policy ")).collect::<Vec<_>>().join("\n")
}

fn in_region(region: &str) -> crate::calls::Call {
    let mut call = call("acme", "anna", "model.chat", "model/openai/gpt-4.1").with_groups(&["analysts"]);
    call.facts.upstream_region = Some(Region::new(region).unwrap());
    call
}

#[test]
fn an_allowed_call() {
    let set = compile(POLICY);
    let explanation = explain(&set, &in_region("eu").with_labels(&["pii.email"]));
    let expected = r#"ALLOWED  by rule eu-chat (policy.toml:12)
  u:anna of acme does model.chat on model/openai/gpt-4.1
  roles:
    everyone: every verified principal > everyone
    viewer: group:analysts > analyst > viewer
    analyst: group:analysts > analyst
  matched:
    allow eu-chat (policy.toml:12)  as analyst  on model/*/gpt-4.1
      when has(upstream.region) && upstream.region in ["eu"] && call.tokens < 1000
      then pseudonymise:pii.email
  terms:
    pseudonymise:pii.email
    record:digest
  nearest rules that did not apply:
    deny no-cards (policy.toml:21): condition "pii.card" in labels
      labels = ["pii.email"]
    allow look (policy.toml:7): action model.list"#;
    assert_eq!(text(&explanation), expected);
}

#[test]
fn a_condition_that_does_not_hold_shows_its_clause_and_what_it_read() {
    let set = compile(POLICY);
    let explanation = explain(&set, &in_region("us"));
    assert_eq!(explanation.reason, Some("not_permitted"));
    let near = &explanation.near_misses[0];
    assert_eq!((near.at.rule.as_str(), near.failed.clause, near.distance), ("eu-chat", "condition", 0));
    assert_eq!(near.failed.wanted, "upstream.region in [\"eu\"]");
    assert_eq!(near.failed.read, [("upstream.region", Some("\"us\"".to_owned()))]);
    assert_eq!(explanation.would_allow[0], "upstream.region in [\"eu\"] (rule eu-chat)");
}

#[test]
fn a_denied_call_names_the_rule_and_the_way_out() {
    let set = compile(POLICY);
    let explanation = explain(&set, &in_region("eu").with_labels(&["pii.card"]));
    assert_eq!(explanation.reason, Some("forbidden"));
    let deciding = explanation.deciding.as_ref().unwrap();
    assert_eq!((deciding.rule.as_str(), deciding.line), ("no-cards", 21));
    assert_eq!(
        explanation.would_allow,
        ["an [[exception]] to rule no-cards for this caller, or a change of that rule"]
    );
    assert_eq!(explanation.obligations, Vec::<String>::new());
}

#[test]
fn a_stranger_sees_which_role_is_wanting() {
    let set = compile(POLICY);
    let explanation = explain(&set, &call("acme", "zoe", "vector.read", "vector/db/deeds"));
    assert_eq!(explanation.would_allow, ["the role viewer for this caller (rule look)"]);
    let miss = &explanation.near_misses[0];
    assert_eq!((miss.at.rule.as_str(), miss.failed.clause, miss.failed.wanted.as_str()), ("look", "role", "viewer"));
    let victor = explain(&set, &call("acme", "victor", "vector.read", "vector/other/deeds"));
    assert_eq!(victor.would_allow, ["a resource like vector/db/** (rule look)"]);
}

#[test]
fn a_condition_without_an_answer_says_what_it_lacked() {
    let set = compile(POLICY);
    let explanation = explain(&set, &call("acme", "victor", "vector.search", "vector/db/deeds"));
    assert_eq!(explanation.reason, Some("condition_error"));
    let miss = &explanation.near_misses[0];
    assert_eq!(miss.failed.read, [("call.k", None)]);
    assert_eq!(miss.failed.fault.as_deref(), Some("it reads a fact that this call does not have"));
    assert_eq!(explanation.deciding.unwrap().rule, "k-search");
    assert!(explanation.would_allow[0].contains("has(...)"), "{:?}", explanation.would_allow);
    let set = compile(&POLICY.replace("call.k < 10", "10 / call.tokens < 5"));
    let explanation = explain(&set, &call("acme", "victor", "vector.search", "vector/db/deeds"));
    assert_eq!(explanation.near_misses[0].failed.fault.as_deref(), Some("its arithmetic failed"));
    assert_eq!(explanation.would_allow, ["a condition of rule k-search that divides by no 0 and overflows nowhere"]);
}

#[test]
fn an_unknown_tenant_has_a_short_explanation() {
    let set = compile(POLICY);
    let explanation = explain(&set, &call("globex", "zoe", "model.chat", "model/a/b"));
    assert_eq!(explanation.reason, Some("unknown_tenant"));
    assert!(explanation.near_misses.is_empty() && explanation.roles.is_empty());
}

#[test]
fn rules_in_mode_shadow_are_told() {
    let rule = "[[rule]]\nid = \"soon\"\nmode = \"shadow\"\ndeny = [\"model.chat\"]\nroles = [\"analyst\"]\non = \"model/**\"\n";
    let set = compile(&format!("{POLICY}{rule}"));
    let explanation = explain(&set, &in_region("eu"));
    assert_eq!(explanation.verdict, "allow");
    assert!(text(&explanation).contains("  rules in mode shadow:\n    soon would deny"), "{explanation}");
}

#[test]
fn the_json_has_stable_names() {
    let set = compile(POLICY);
    let json = serde_json::to_value(explain(&set, &in_region("us"))).unwrap();
    assert_eq!(json["verdict"], "deny");
    assert_eq!(json["near_misses"][0]["rule"], "eu-chat");
    assert_eq!(json["near_misses"][0]["file"], "policy.toml");
    assert_eq!(json["near_misses"][0]["failed"]["read"][0][0], "upstream.region");
    assert_eq!(json["roles"][1]["path"][0], "group:analysts");
    assert!(json.get("deciding").is_none() && json.get("not_looked_at").is_none());
}

#[test]
fn very_many_rules_are_cut_and_the_cut_is_said() {
    let mut policy = String::from("version = 1\ntenant = \"acme\"\n[roles]\na = { members = [\"u:a\"] }\n");
    for n in 0..4010 {
        policy += &format!("[[rule]]\nid = \"r{n}\"\nallow = [\"model.list\"]\nroles = [\"a\"]\non = \"model/u{n}\"\n");
    }
    let set = compile(&policy);
    let explanation = explain(&set, &call("acme", "a", "model.list", "model/u4009"));
    assert_eq!((explanation.verdict, explanation.not_looked_at), ("allow", 10));
    assert_eq!(explanation.near_misses.len(), 5);
    assert!(explanation.to_string().contains("(10 more rules were not looked at)"));
}

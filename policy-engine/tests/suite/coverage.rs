//! Coverage of rules and conditions by the tests of documents, and outcomes as tables and JUnit.

use crate::calls::compile;
use policy_engine::{Covered, PolicySet, TestTable, junit};

const HEAD: &str = r#"
version = 1
tenant = "acme"
[roles]
app = { members = ["u:app"] }
clerk = { members = ["u:clerk"] }
"#;

/// A rule with this body, and tests.
fn rule(body: &str) -> String {
    format!("[[rule]]\nid = \"r\"\n{body}\n")
}

fn test(name: &str, who: &str, what: &str, on: &str, more: &str) -> String {
    format!("[[test]]\nname = \"{name}\"\nas = \"u:{who}\"\ndo = \"{what}\"\non = \"{on}\"\n{more}\n")
}

fn covered(parts: &[String]) -> (Covered, PolicySet) {
    let set = compile(&format!("{HEAD}{}", parts.concat()));
    let coverage = set.coverage();
    let found = coverage.rules.iter().find(|found| found.rule.as_str() == "r").unwrap().covered;
    (found, set)
}

const ALLOW: &str = "allow = \"model.chat\"\nroles = \"app\"\non = \"model/a/*\"";

#[test]
fn each_reason_for_a_gap_is_told() {
    let plain = rule(ALLOW);
    let conditional = rule(&format!("{ALLOW}\nwhen = 'call.k > 1'"));
    let on = "model/a/x";
    let k = |k: u32| format!("expect = \"allow\"\nctx = {{ call = {{ k = {k} }} }}");
    let deny = "[[rule]]\nid = \"no\"\ndeny = \"model.chat\"\nroles = \"everyone\"\non = \"model/**\"\n".to_owned();
    let expect = "expect = \"allow\"";
    let cases = [
        (vec![plain.clone(), test("t", "app", "model.chat", on, expect)], Covered::Fully),
        (vec![plain.clone()], Covered::Untested),
        (vec![plain.clone(), test("t", "clerk", "model.chat", on, expect)], Covered::NeverItsRoles),
        (vec![plain.clone(), test("t", "app", "model.embed", on, expect)], Covered::NeverItsActions),
        (vec![plain.clone(), test("t", "app", "model.chat", "model/b/x", expect)], Covered::NeverItsResources),
        (
            vec![
                plain.clone(),
                test("t", "app", "model.chat", "model/b/x", expect),
                test("u", "clerk", "model.chat", on, expect),
            ],
            Covered::NeverTogether,
        ),
        (vec![plain, deny, test("t", "app", "model.chat", on, expect)], Covered::ShadowedByDeny),
        (vec![conditional.clone(), test("t", "app", "model.chat", on, &k(2))], Covered::ConditionOnlyTrue),
        (vec![conditional.clone(), test("t", "app", "model.chat", on, &k(1))], Covered::ConditionOnlyFalse),
        (vec![conditional.clone(), test("t", "app", "model.chat", on, expect)], Covered::ConditionOnlyFails),
        (
            vec![conditional, test("t", "app", "model.chat", on, &k(1)), test("u", "app", "model.chat", on, &k(2))],
            Covered::Fully,
        ),
    ];
    for (parts, expected) in cases {
        let (found, _) = covered(&parts);
        assert_eq!(found, expected, "{}", parts.concat());
    }
}

#[test]
fn an_alias_covers_the_rules_of_its_model() {
    let model = "[models.x]\non = \"model/a/x\"\naliases = [\"latest\"]\n".to_owned();
    let parts = [model, rule(ALLOW), test("t", "app", "model.chat", "model/a/latest", "expect = \"allow\"")];
    assert_eq!(covered(&parts).0, Covered::Fully);
}

#[test]
fn rules_in_mode_shadow_are_covered_by_themselves() {
    let shadow = rule("deny = \"model.chat\"\nroles = \"app\"\non = \"model/**\"\nmode = \"shadow\"");
    let parts = [shadow, test("t", "app", "model.chat", "model/a/x", "expect = \"deny\"\nshadow = [\"r\"]")];
    let (found, set) = covered(&parts);
    assert_eq!(found, Covered::Fully);
    assert!(set.run_tests().iter().all(policy_engine::TestOutcome::passed));
}

#[test]
fn the_report_names_each_gap_and_counts() {
    let parts = [
        rule(&format!("{ALLOW}\nwhen = 'size(labels) == 0'")),
        test("t", "app", "model.chat", "model/a/x", "expect = \"allow\""),
        "[[rule]]\nid = \"other\"\nallow = \"vector.*\"\nroles = \"clerk\"\non = \"vector/**\"\n".to_owned(),
    ];
    let (_, set) = covered(&parts);
    let text = set.coverage().to_string();
    assert_eq!(
        text,
        "policy.toml:8: r: no test sees its condition not hold\n\
         policy.toml:20: other: no test calls as a holder of its roles\n\
         rules: 1 of 2 decide a test; conditions: 0 of 1 are tested both ways"
    );
    let json = serde_json::to_value(set.coverage()).unwrap();
    assert_eq!(json["rules"][0]["covered"], "condition_only_true");
    assert_eq!(json["rules"][1]["covered"], "never_its_roles");
}

#[test]
fn outcomes_are_a_table_and_junit() {
    let parts = [
        rule(ALLOW),
        test("allowed", "app", "model.chat", "model/a/x", "expect = \"allow\""),
        test("a <wrong> & odd\\u0001 name", "app", "model.chat", "model/a/x", "expect = \"deny\""),
    ];
    let (_, set) = covered(&parts);
    let outcomes = set.run_tests();
    let table = TestTable(&outcomes).to_string();
    assert!(table.starts_with("policy.toml      1 of     2 passed  FAILED\n"), "{table}");
    assert!(table.ends_with("expected deny, got allow by r\n\n1 of 2 tests passed"), "{table}");
    assert_eq!(
        junit(&outcomes),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="policy" tests="2" failures="1" errors="0">
  <testsuite name="policy.toml" tests="2" failures="1" errors="0">
    <testcase name="allowed" classname="acme" file="policy.toml" line="12"/>
    <testcase name="a &lt;wrong&gt; &amp; odd� name" classname="acme" file="policy.toml" line="18">
      <failure message="expected deny, got allow by r">expected deny, got allow by r</failure>
    </testcase>
  </testsuite>
</testsuites>
"#
    );
    let json = serde_json::to_value(&outcomes).unwrap();
    assert_eq!(json[0]["result"], "passed");
    assert_eq!(json[1]["result"]["failed"][0], "expected deny, got allow by r");
}

//! The starter pack: it loads, its own tests pass, and its whole table is golden.

use crate::calls::call;
use policy_engine::{Action, Governed, PolicySet, Resource};
use std::fmt::Write;
use std::path::Path;

fn pack() -> PolicySet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/starter");
    PolicySet::load_dir(path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn its_tests_pass() {
    let outcomes = pack().run_tests();
    assert!(outcomes.len() >= 20, "the pack has lost its tests");
    let failed: Vec<String> = outcomes.iter().filter(|o| !o.passed()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_rule_has_a_test_that_it_decides() {
    let pack = pack();
    for tenant in ["acme", "globex"] {
        for rule in ["models", "no-experiments", "cards-stay-home", "collections", "readers"] {
            let text = std::fs::read_to_string(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../policies/starter/{tenant}.toml")),
            );
            let named = format!("rule = \"{tenant}-{rule}\"");
            assert!(text.unwrap().contains(&named), "{tenant}-{rule} is untested");
        }
    }
    assert_eq!(pack.rule_count(), 10);
}

const CALLERS: [(&str, &[&str]); 6] = [
    ("app", &[]),
    ("service", &["apps"]),
    ("reader", &[]),
    ("clerk", &["readers"]),
    ("clerk", &["readers", "apps"]),
    ("visitor", &["guests"]),
];

const RESOURCES: [&str; 9] = [
    "model/models",
    "model/models/gpt-4.1",
    "model/models/experimental/next",
    "model/embeddings/all-minilm-l6-v2",
    "model/elsewhere/gpt-4.1",
    "vector/vectors",
    "vector/vectors/deeds",
    "vector/elsewhere/deeds",
    "ledger",
];

/// The whole table, one line per tenant, caller, resource and action.
fn matrix(pack: &PolicySet) -> String {
    let mut text = String::from(
        "# Who may do what under policies/starter. Written by a test: a change of policy is reviewed as a change\n\
         # of this file. To accept one: UPDATE_GOLDEN=1 cargo nextest run -p policy-engine matrix\n",
    );
    for tenant in pack.tenants() {
        for (principal, groups) in CALLERS {
            let _ = writeln!(text, "\n{tenant}  u:{principal}  groups: {}", groups.join(", "));
            for resource in RESOURCES {
                let family = resource.parse::<Resource>().unwrap().family();
                for action in Action::ALL.into_iter().filter(|a| a.family() == family) {
                    let call = call(tenant.as_str(), principal, action.as_str(), resource).with_groups(groups);
                    let decision = pack.decide_query(&call.query());
                    let says = match decision.verdict() {
                        Ok(_) => {
                            let rules: Vec<&str> = decision.matched().iter().map(|r| r.as_str()).collect();
                            format!("ALLOW  {}", rules.join(", "))
                        }
                        Err(reason) => format!("deny   {reason}"),
                    };
                    let _ = writeln!(text, "  {resource:34} {:14} {says}", action.as_str());
                }
            }
        }
    }
    text
}

#[test]
fn the_matrix_is_golden() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/matrix.out");
    let found = matrix(&pack());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(golden == found, "the matrix changed, first at {differs:?}; see the head of the file");
}

#[test]
fn the_examples_of_the_guide_load_and_pass() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy-guide.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let outcomes = crate::calls::compile(example).run_tests();
        assert!(!outcomes.is_empty());
        for outcome in outcomes {
            assert!(outcome.passed(), "{outcome}");
        }
    }
}

//! The starter pack: it loads, and its own tests pass.

use policy_engine::PolicySet;
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

#[test]
fn the_examples_of_the_guide_load_and_pass() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy-guide.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 8, "{}", examples.len());
    for example in examples {
        let outcomes = crate::calls::compile(example).run_tests();
        assert!(!outcomes.is_empty());
        for outcome in outcomes {
            assert!(outcome.passed(), "{outcome}");
        }
    }
}

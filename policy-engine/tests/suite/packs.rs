//! The packs: each loads, its tests pass, every rule and every kind of terms in it is decided by some test.

use policy_engine::{PolicySet, TestOutcome};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PACKS: [&str; 3] = ["law-firm", "logistics", "support"];

fn directory(pack: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(pack)
}

fn texts(pack: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory(pack)).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    documents.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn outcomes(pack: &str) -> Vec<TestOutcome> {
    PolicySet::load_dir(directory(pack)).unwrap_or_else(|error| panic!("{pack}: {error}")).run_tests()
}

#[test]
fn their_tests_pass() {
    for pack in PACKS {
        let outcomes = outcomes(pack);
        assert!(outcomes.len() >= 14, "{pack} has lost its tests");
        let failed: Vec<String> = outcomes.iter().filter(|o| !o.passed()).map(ToString::to_string).collect();
        assert!(failed.is_empty(), "{pack}:\n{}", failed.join("\n"));
    }
}

#[test]
fn every_rule_is_named_by_a_test() {
    for pack in PACKS {
        for text in texts(pack) {
            let of = |start: &str| -> BTreeSet<String> {
                let lines = text.lines().filter_map(|line| line.strip_prefix(start));
                lines.map(|rest| rest.trim_matches(|c| "\"[]".contains(c)).to_owned()).collect()
            };
            let named: BTreeSet<String> = &of("rule = ") | &of("shadow = ");
            let untested: Vec<String> = of("id = ").difference(&named).cloned().collect();
            assert_eq!(untested, [""; 0], "{pack}");
        }
    }
}

/// A pack whose rules are gone allows nothing: its tests see it.
#[test]
fn tests_see_that_a_rule_is_gone() {
    for pack in PACKS {
        for text in texts(pack) {
            let without = text.replace("allow = ", "deny = ").replace("then = ", "#");
            let document = policy_engine::Document { name: "p.toml".into(), text: without };
            let outcomes = PolicySet::compile(&[document]).unwrap().run_tests();
            let (passed, failed): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.passed());
            assert!(failed.len() > passed.len(), "{pack}");
        }
    }
}

//! The decisions that casbin's own test suites state. What casbin-rs gets right is answered the same. What it
//! gets wrong is refused at load by name, or answered as the suites state it; nothing panics.

use policy_engine::import::{Answer, Casbin, CasbinText, KeyMatch, Matching, Reason, Refused};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

struct Case {
    id: String,
    model: String,
    policy: String,
    matching: Matching,
    request: Vec<Value>,
    expect: Answer,
    /// `ok` where casbin-rs 2.20 is right; `wrong`, `error` or `panic` where it is not.
    casbin_rs: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/casbin")
}

fn text(case: &Value, key: &str) -> String {
    case[key].as_str().map_or_else(String::new, |name| {
        std::fs::read_to_string(folder().join("examples").join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    })
}

/// Applies the steps of a case that change lines, and reads those that set functions.
///
/// Removing a subject's lines was recorded as removing by column 0. Go's casbin looks for the subject in its
/// own column, which is the second where the first is the priority.
fn set_up(model: &str, policy: &str, steps: &Value) -> (String, Matching) {
    let subject = if model.contains("p = priority,") { 1 } else { 0 };
    let mut lines: Vec<Vec<String>> = policy
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(',').map(|v| v.trim().to_owned()).collect())
        .collect();
    let mut matching = Matching::default();
    for step in steps.as_array().unwrap() {
        let words: Vec<&str> = step.as_array().unwrap().iter().map(|w| w.as_str().unwrap_or_default()).collect();
        let values = |at: usize| -> Vec<String> {
            step[at].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
        };
        let row = |at: usize| -> Vec<String> { std::iter::once(words[1].to_owned()).chain(values(at)).collect() };
        match words[0] {
            "clear" => lines.clear(),
            "add" if lines.contains(&row(2)) => {}
            "add" => lines.push(row(2)),
            "remove" => lines.retain(|line| *line != row(2)),
            "remove_filtered" => {
                let first = if words[1] == "p" { subject } else { 0 };
                let from = usize::try_from(step[2].as_u64().unwrap()).unwrap() + 1 + first;
                lines.retain(|line| {
                    let hit = values(3).iter().enumerate().all(|(i, v)| v.is_empty() || line.get(from + i) == Some(v));
                    line[0] != words[1] || !hit
                });
            }
            "matching_fn" => matching.roles = KeyMatch::named(words[2]),
            "domain_matching_fn" => matching.domains = KeyMatch::named(words[2]),
            other => panic!("unknown step {other}"),
        }
    }
    let text: String = lines.iter().map(|line| format!("{}\n", line.join(", "))).collect();
    (text, matching)
}

fn cases() -> Vec<Case> {
    let all = std::fs::read_to_string(folder().join("cases.jsonl")).unwrap();
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let (policy, matching) = set_up(&text(&case, "model"), &text(&case, "policy"), &case["setup"]);
        Case {
            id: case["id"].as_str().unwrap().to_owned(),
            model: text(&case, "model"),
            policy,
            matching,
            request: case["request"].as_array().unwrap().clone(),
            expect: if case["expect"] == true { Answer::Allow } else { Answer::Deny },
            casbin_rs: case["casbin_rs_2_20_0"].as_str().unwrap().to_owned(),
        }
    };
    all.lines().map(case).collect()
}

/// What became of the cases that casbin-rs gets wrong.
#[derive(Default, Debug)]
struct Tally {
    equal: usize,
    refused: BTreeMap<Reason, usize>,
    right: usize,
    faults: Vec<String>,
}

#[test]
fn what_casbin_rs_gets_right_is_equal_and_nothing_else_is_wrong() {
    let mut tally = Tally::default();
    for case in cases() {
        let loaded = Casbin::load(CasbinText { model: &case.model, policy: &case.policy }, case.matching);
        let outcome = loaded.map(|casbin| casbin.decide(&case.request));
        // A request that cannot be evaluated is denied by whoever asks.
        match (case.casbin_rs.as_str(), outcome) {
            ("ok", Ok(answer)) if answer.unwrap_or(Answer::Deny) == case.expect => tally.equal += 1,
            ("wrong" | "error" | "panic", Ok(Ok(answer))) if answer == case.expect => tally.right += 1,
            ("wrong" | "error" | "panic", Err(Refused(why))) => *tally.refused.entry(why[0].reason).or_default() += 1,
            (was, now) => tally.faults.push(format!("{}: {was}, expected {:?}, now {now:?}", case.id, case.expect)),
        }
    }
    assert!(tally.faults.is_empty(), "{} faults:\n{}", tally.faults.len(), tally.faults.join("\n"));
    assert_eq!(tally.equal, 524);
    let refused: Vec<(Reason, usize)> = tally.refused.into_iter().collect();
    assert_eq!(refused, [(Reason::UnsupportedEffect, 4), (Reason::SingleQuotes, 35)]);
    assert_eq!(tally.right, 21, "casbin-rs gets these wrong; ours are as the public suites state");
}

//! The decisions that casbin's own test suites state. What casbin-rs gets right is answered the same. What it
//! gets wrong is refused at load by name, or answered as the suites state it and named; nothing panics.

use policy_engine::import::{Answer, Casbin, CasbinText, Departure, Fault, KeyMatch, Matching, Part, Reason, Refused};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// What becomes of a case that casbin-rs gets wrong.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    /// Its pair does not load: every refusal, by its place and name.
    Refused(&'static [(Part, usize, Reason)]),
    /// It is answered as the suites state, and the load names what casbin-rs would get wrong. casbin-rs gets other
    /// requests of this class right, so that a refusal would take these.
    Answered(Part, usize, Fault),
}

use Class::{Answered, Refused as Named};

/// Both columns of the first line hold a text in single quotes, one of the second.
const PBAC: [(Part, usize, Reason); 3] = [
    (Part::Policy, 1, Reason::SingleQuotes),
    (Part::Policy, 1, Reason::SingleQuotes),
    (Part::Policy, 2, Reason::SingleQuotes),
];

/// Every case that casbin-rs gets wrong: the first and the last of a run, and their class.
const CLASSES: [(u32, u32, Class); 15] = [
    // A matcher that reads no column, beside lines that deny.
    (8, 9, Answered(Part::Model, 11, Fault::PolicyNotRead)),
    // Domains of role lines as patterns: `*` and `domain*`.
    (79, 79, Answered(Part::Policy, 1, Fault::DomainPatterns)),
    (98, 109, Named(&[(Part::Model, 14, Reason::SingleQuotes)])),
    // Priorities by subject.
    (116, 119, Named(&[(Part::Model, 11, Reason::UnsupportedEffect)])),
    (120, 122, Answered(Part::Policy, 5, Fault::Priorities)),
    (128, 131, Answered(Part::Policy, 5, Fault::Priorities)),
    (138, 140, Named(&[(Part::Model, 11, Reason::SingleQuotes)])),
    (253, 253, Answered(Part::Policy, 2, Fault::DomainPatterns)),
    (255, 255, Answered(Part::Policy, 2, Fault::DomainPatterns)),
    (257, 257, Answered(Part::Policy, 2, Fault::DomainPatterns)),
    // `*` as the pattern of a role.
    (284, 286, Answered(Part::Model, 15, Fault::RolePatterns)),
    // `;` after a definition.
    (371, 372, Answered(Part::Model, 2, Fault::Comments)),
    (377, 378, Answered(Part::Model, 2, Fault::Comments)),
    (427, 446, Named(&PBAC)),
    (474, 474, Answered(Part::Model, 11, Fault::DottedText)),
];

/// The class of each case that has one.
fn classes() -> BTreeMap<String, &'static Class> {
    let each = |(first, last, class): &'static (u32, u32, Class)| {
        (*first..=*last).map(move |number| (format!("c{number:04}"), class))
    };
    let classes: BTreeMap<String, &Class> = CLASSES.iter().flat_map(each).collect();
    assert_eq!(classes.len(), 60);
    classes
}

#[test]
fn every_case_is_of_its_class() {
    let classes = classes();
    let (mut equal, mut refused, mut answered) = (0, 0, 0);
    // The faults that stand in pairs of which casbin-rs gets a case right.
    let mut shared = BTreeSet::new();
    let mut faults = Vec::new();
    for case in cases() {
        let loaded = Casbin::load(CasbinText { model: &case.model, policy: &case.policy }, case.matching);
        let class = classes.get(&case.id);
        let as_expected = match (case.casbin_rs.as_str(), class, &loaded) {
            // A request that cannot be evaluated is denied by whoever asks.
            ("ok", None, Ok(casbin)) => {
                equal += 1;
                shared.extend(casbin.departures().iter().map(|departure| departure.fault));
                casbin.decide(&case.request).unwrap_or(Answer::Deny) == case.expect
            }
            ("wrong" | "error" | "panic", Some(Named(wanted)), Err(Refused(why))) => {
                refused += 1;
                why.iter().map(|r| (r.part, r.line, r.reason)).eq(wanted.iter().copied())
            }
            ("wrong" | "error" | "panic", Some(Answered(part, line, fault)), Ok(casbin)) => {
                answered += 1;
                let departure = Departure { part: *part, line: *line, fault: *fault };
                casbin.departures() == [departure] && casbin.decide(&case.request) == Ok(case.expect)
            }
            _ => false,
        };
        if !as_expected {
            let now = loaded.map(|casbin| (casbin.departures().to_vec(), casbin.decide(&case.request)));
            faults.push(format!("{}: {}, {class:?}, expected {:?}, now {now:?}", case.id, case.casbin_rs, case.expect));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!((equal, refused, answered), (524, 39, 21));
    for (_, _, class) in &CLASSES {
        if let Answered(_, _, fault) = class {
            assert!(shared.contains(fault), "{fault:?} could be refused: casbin-rs gets no case of it right");
        }
    }
}

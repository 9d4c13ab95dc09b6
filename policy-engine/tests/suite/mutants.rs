//! Documents that were damaged: each loads or is refused with places, and what loads decides. More by
//! `PROPTEST_CASES=5000 cargo nextest run -p policy-engine mutants`.

use crate::calls::call;
use policy_engine::{Document, Governed, PolicySet};
use proptest::prelude::*;

const DOCUMENTS: [&str; 4] = [
    include_str!("../../src/definitions/tests.toml"),
    include_str!("../../../policies/law-firm/brandt-legal.toml"),
    include_str!("../../../policies/logistics/northsea-freight.toml"),
    include_str!("../../../policies/support/brightcart.toml"),
];

/// Words that mean something somewhere, and some that break things.
const WORDS: [&str; 24] = [
    "0",
    "-1",
    "18446744073709551616",
    "0x7fffffffffffffff",
    "1e308",
    "nan",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[[rule]]",
    "[roles]",
    "\"u:alice\"",
    "\"**\"",
    "\"everyone\"",
    "2027-02-30",
    "2027-02-28T25:00:00Z",
    "9999-12-31",
    "'''",
    "\"\"\"",
    "\\u0000",
    "а",
    "when = 'labels.exists(l, labels.exists(m, m == l))'",
    "then = { record = \"none\" }",
];

#[derive(Debug, Clone)]
enum Damage {
    DropLine(usize),
    CopyLine(usize, usize),
    Put(usize, &'static str),
    Cut(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || 0_usize..20_000;
    prop_oneof![
        at().prop_map(Damage::DropLine),
        (at(), at()).prop_map(|(from, to)| Damage::CopyLine(from, to)),
        (at(), prop::sample::select(WORDS.to_vec())).prop_map(|(at, word)| Damage::Put(at, word)),
        (at(), 1_usize..30).prop_map(|(at, len)| Damage::Cut(at, len)),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let boundary = |at: usize| (0..=at % (text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    match damage {
        Damage::DropLine(at) if !lines.is_empty() => drop(lines.remove(at % lines.len())),
        Damage::CopyLine(from, to) if !lines.is_empty() => {
            let line = lines[from % lines.len()];
            lines.insert(to % lines.len(), line);
        }
        Damage::Put(at, word) => {
            let (before, after) = text.split_at(boundary(*at));
            return format!("{before}{word}{after}");
        }
        Damage::Cut(at, len) => {
            let (from, to) = (boundary(*at), boundary((*at % (text.len() + 1)).saturating_add(*len).min(text.len())));
            return format!("{}{}", &text[..from.min(to)], &text[to.max(from)..]);
        }
        _ => {}
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.min(5000), ..ProptestConfig::default() })]
    #[test]
    fn load_or_are_refused_with_places(which in 0_usize..4, all in prop::collection::vec(damage(), 1..4)) {
        let text = all.iter().fold(DOCUMENTS[which].to_owned(), |text, damage| damaged(&text, damage));
        match PolicySet::compile(&[Document { name: "p.toml".into(), text: text.clone() }]) {
            Ok(set) => {
                for tenant in set.tenants() {
                    for (action, on) in [("model.chat", "model/eu/small"), ("vector.search", "vector/db/deeds")] {
                        let call = call(tenant.as_str(), "app", action, on);
                        let decision = set.decide_query(&call.query());
                        prop_assert!(decision.verdict().err().is_none_or(|reason| reason.code() != "internal"));
                    }
                }
                prop_assert!(set.run_tests().iter().all(|outcome| outcome.line > 0));
            }
            Err(defects) => {
                let lines = text.lines().count().max(1) + 1;
                prop_assert!(!defects.is_empty());
                prop_assert!(defects.iter().all(|d| &*d.file == "p.toml" && (1..=lines).contains(&d.line) && !d.message.is_empty()));
            }
        }
    }
}

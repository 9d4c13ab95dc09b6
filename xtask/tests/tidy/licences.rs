//! Every package of the tree, under a licence that a product may ship.

use super::{metadata, none};

/// SPDX ids that are fine without a question. `deny.toml` holds the same list.
const ALLOWED: [&str; 10] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Packages outside the list: name, licence, reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "smartstring",
    "MPL-2.0+",
    "copyleft of single files only, used unchanged; comes with casbin's expression engine",
)];

#[test]
fn every_licence_is_known_and_allowed() {
    let mut faults = Vec::new();
    for package in metadata().packages.iter().filter(|p| p.source.is_some()) {
        let name = package.name.as_str();
        let Some(licence) = package.license.as_deref() else {
            faults.push(format!("{name} {} names no licence", package.version));
            continue;
        };
        let excepted = EXCEPTIONS.iter().any(|(who, what, _)| *who == name && *what == licence);
        if !excepted && !permits(licence) {
            faults.push(format!("{name} {} is under {licence}", package.version));
        }
    }
    none("licences that are not on the list", &faults);
}

#[test]
fn every_exception_is_still_needed() {
    let unused = |(who, what, reason): &&(&str, &str, &str)| {
        assert!(!reason.is_empty());
        !metadata().packages.iter().any(|p| p.name.as_str() == *who && p.license.as_deref() == Some(*what))
    };
    let faults: Vec<String> = EXCEPTIONS.iter().filter(unused).map(|(who, ..)| (*who).to_owned()).collect();
    none("exceptions that except nothing", &faults);
}

/// Whether an SPDX expression can be met with the list: any side of an OR, both sides of an AND.
fn permits(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest);
    rest.is_empty() && verdict
}

fn either(words: &mut &[&str]) -> bool {
    let mut verdict = both(words);
    while let [first, tail @ ..] = words
        && *first == "OR"
    {
        *words = tail;
        let next = both(words);
        verdict |= next;
    }
    verdict
}

fn both(words: &mut &[&str]) -> bool {
    let mut verdict = one(words);
    while let [first, tail @ ..] = words
        && *first == "AND"
    {
        *words = tail;
        let next = one(words);
        verdict &= next;
    }
    verdict
}

fn one(words: &mut &[&str]) -> bool {
    match words {
        ["(", tail @ ..] => {
            *words = tail;
            let verdict = either(words);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            verdict && closed
        }
        [id, "WITH", exception, tail @ ..] => {
            let whole = format!("{id} WITH {exception}");
            *words = tail;
            ALLOWED.contains(&whole.as_str())
        }
        [id, tail @ ..] => {
            let allowed = ALLOWED.contains(id);
            *words = tail;
            allowed
        }
        [] => false,
    }
}

#[test]
fn expressions_are_read_as_spdx_reads_them() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("(MIT OR GPL-2.0-only) AND Unicode-3.0", true),
        ("(AGPL-3.0-only OR GPL-2.0-only) AND MIT", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("Apache-2.0 WITH Other-exception", false),
        ("", false),
    ] {
        assert_eq!(permits(expression), expected, "{expression}");
    }
}

//! Outcomes of policy tests as JUnit XML, the form that build servers read.

use crate::cases::{TestOutcome, TestResult};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The outcomes as one JUnit XML text: a suite for each document, a case for each test. It has no times: a
/// decision has none.
#[must_use]
pub fn junit(outcomes: &[TestOutcome]) -> String {
    let mut suites: BTreeMap<&str, Vec<&TestOutcome>> = BTreeMap::new();
    for outcome in outcomes {
        suites.entry(&outcome.file).or_default().push(outcome);
    }
    let failures = |outcomes: &[&TestOutcome]| outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ =
        writeln!(xml, "<testsuites name=\"policy\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">", outcomes.len());
    for (file, outcomes) in suites {
        let (file, tests, failed) = (escaped(file), outcomes.len(), failures(&outcomes));
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">");
        outcomes.into_iter().for_each(|outcome| case(&mut xml, outcome));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, outcome: &TestOutcome) {
    let (name, file) = (escaped(&outcome.name), escaped(&outcome.file));
    let (tenant, line) = (&outcome.tenant, outcome.line);
    let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{tenant}\" file=\"{file}\" line=\"{line}\"");
    match &outcome.result {
        TestResult::Passed => xml.push_str("/>\n"),
        TestResult::Failed(lines) => {
            let first = escaped(lines.first().map_or("", String::as_str));
            let all = escaped(&lines.join("\n"));
            let _ = writeln!(xml, ">\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>");
        }
    }
}

/// Text for XML 1.0, in an attribute or between tags. What no XML text can hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' | '\t' | '\r' => drop(write!(xml, "&#{};", u32::from(c))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

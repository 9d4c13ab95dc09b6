//! The `[[test]]` cases of documents.

use crate::decision::Decision;
use crate::document::{Effect, TestDef};
use crate::facts::Query;
use crate::set::PolicySet;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use vocab::TenantId;

/// How one `[[test]]` of a document went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TestOutcome {
    /// The tenant of the document.
    pub tenant: TenantId,
    /// The name of the test.
    pub name: String,
    /// The document.
    pub file: Arc<str>,
    /// The line of the test, from 1.
    pub line: usize,
    /// Whether it passed.
    pub result: TestResult,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// The decision was as expected.
    Passed,
    /// It was not; each line says one difference.
    Failed(Vec<String>),
}

impl TestOutcome {
    /// Whether the test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.result == TestResult::Passed
    }
}

impl fmt::Display for TestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed() { "ok" } else { "FAILED" };
        write!(f, "{}:{}: {}: {word}", self.file, self.line, self.name)?;
        if let TestResult::Failed(lines) = &self.result {
            for line in lines {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Outcomes as a table for people: each document with its count, then each failure.
#[derive(Debug, Clone, Copy)]
pub struct TestTable<'a>(pub &'a [TestOutcome]);

impl fmt::Display for TestTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut documents: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for outcome in self.0 {
            let (passed, all) = documents.entry(&outcome.file).or_default();
            *passed += usize::from(outcome.passed());
            *all += 1;
        }
        let width = documents.keys().map(|file| file.chars().count()).max().unwrap_or_default();
        for (file, (passed, all)) in &documents {
            let word = if passed == all { "ok" } else { "FAILED" };
            writeln!(f, "{file:width$}  {passed:>5} of {all:>5} passed  {word}")?;
        }
        let mut failed = self.0.iter().filter(|outcome| !outcome.passed());
        failed.try_for_each(|outcome| writeln!(f, "\n{outcome}"))?;
        let passed = self.0.iter().filter(|outcome| outcome.passed()).count();
        write!(f, "\n{passed} of {} tests passed", self.0.len())
    }
}

pub(crate) fn run(set: &PolicySet, tenant: &TenantId, test: &TestDef) -> TestOutcome {
    let decision = set.decide_query(&Query {
        tenant,
        principal: &test.principal,
        groups: &test.groups,
        claims: &test.claims,
        action: test.action,
        resource: &test.resource,
        facts: &test.facts,
    });
    let wrong = differences(test, &decision);
    TestOutcome {
        tenant: tenant.clone(),
        name: test.name.clone(),
        file: Arc::clone(&test.place.file),
        line: test.place.line,
        result: if wrong.is_empty() { TestResult::Passed } else { TestResult::Failed(wrong) },
    }
}

fn differences(test: &TestDef, decision: &Decision) -> Vec<String> {
    let expect = &test.expect;
    let mut wrong = Vec::new();
    let matched: Vec<&str> = decision.matched().iter().map(|rule| rule.as_str()).collect();
    match (expect.effect, decision.verdict()) {
        (Effect::Allow, Err(reason)) => {
            let why = decision.fault().map(|fault| format!(": {fault}"));
            wrong.push(format!("expected allow, got deny: {reason}{}", why.unwrap_or_default()));
        }
        (Effect::Deny, Ok(_)) => wrong.push(format!("expected deny, got allow by {}", matched.join(", "))),
        _ => {}
    }
    if let Some(rule) = &expect.rule {
        let decided = decision.verdict().err().and_then(|reason| reason.rule());
        let named = decided.map_or_else(|| decision.matched().contains(rule), |by| by == rule);
        if !named {
            wrong.push(format!("expected rule {rule}, got {}", decided.map_or(matched.join(", "), |r| r.to_string())));
        }
    }
    if let Some(reason) = &expect.reason {
        let got = decision.verdict().err().map_or("allow", |reason| reason.code());
        if got != reason {
            wrong.push(format!("expected reason {reason}, got {got}"));
        }
    }
    for rule in expect.shadow.iter().filter(|id| !decision.shadow().iter().any(|shadow| shadow.rule == **id)) {
        wrong.push(format!("expected the shadow rule {rule} to apply, and it did not"));
    }
    let lines = decision.verdict().map(|o| o.lines()).unwrap_or_default();
    for obligation in expect.obligations.iter().filter(|o| !lines.iter().any(|line| **line == ***o)) {
        wrong.push(format!("expected obligation {obligation}, got {}", lines.join(", ")));
    }
    wrong
}

//! What a verification found.

use serde::Serialize;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that the checkpoint covers is there and as it was signed.
    Sound,
    /// Something is not as it was signed.
    Tampered,
    /// Nothing contradicts the signature, but not all could be checked.
    Incomplete,
}

/// What a problem does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is not as it was signed.
    Tampered,
    /// Something is missing, so that a check could not be made.
    Incomplete,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it does to the verdict.
    pub severity: Severity,
    /// What is wrong, in words, without content of leaves.
    pub what: String,
}

/// A kind of check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, in words.
    pub what: &'static str,
    /// On how many things.
    pub count: u64,
}

/// How many leaves of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RecordCounts {
    /// Intents.
    pub intents: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Refusals.
    pub refusals: u64,
    /// Events.
    pub events: u64,
    /// Leaves of a schema version that this verifier does not know.
    pub other_schema: u64,
    /// Leaves that are no records.
    pub unreadable: u64,
}

/// An intent without an outcome: the call was in flight when the tree was signed, or the process
/// was killed during it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIntent {
    /// The index of the intent.
    pub index: u64,
    /// Its record id.
    pub record: String,
}

/// What a verification found. Serialises to JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The answer in one word.
    pub verdict: Verdict,
    /// The name of the log, once the signature is checked.
    pub origin: Option<String>,
    /// The size of the signed tree.
    pub size: u64,
    /// The signed root, in hex; empty when there is no accepted checkpoint.
    pub root: String,
    /// The keys whose signatures hold, as `name+id`.
    pub signed_by: Vec<String>,
    /// The extension lines of the checkpoint.
    pub extension: String,
    /// The kinds of leaves.
    pub records: RecordCounts,
    /// Intents without an outcome, oldest first.
    pub open_intents: Vec<OpenIntent>,
    /// Records in the write-ahead log that no checkpoint covers yet.
    pub unsigned_records: u64,
    /// What was checked.
    pub checked: Vec<Check>,
    /// What was not checked, and why.
    pub not_checked: Vec<String>,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

/// Problems that are listed one by one; more are counted.
const LISTED: usize = 200;

impl Report {
    pub(super) fn new() -> Self {
        Self {
            verdict: Verdict::Sound,
            origin: None,
            size: 0,
            root: String::new(),
            signed_by: Vec::new(),
            extension: String::new(),
            records: RecordCounts::default(),
            open_intents: Vec::new(),
            unsigned_records: 0,
            checked: Vec::new(),
            not_checked: Vec::new(),
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    pub(super) fn problem(&mut self, severity: Severity, what: String) {
        self.verdict = match (severity, self.verdict) {
            (Severity::Tampered, _) | (_, Verdict::Tampered) => Verdict::Tampered,
            (Severity::Incomplete, _) => Verdict::Incomplete,
        };
        self.problem_count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(Problem { severity, what });
        }
    }

    pub(super) fn tampered(&mut self, what: String) {
        self.problem(Severity::Tampered, what);
    }

    pub(super) fn incomplete(&mut self, what: String) {
        self.problem(Severity::Incomplete, what);
    }

    /// Counts a check.
    pub(super) fn count(&mut self, what: &'static str, more: u64) {
        match self.checked.iter_mut().find(|check| check.what == what) {
            Some(check) => check.count += more,
            None => self.checked.push(Check { what, count: more }),
        }
    }
}

//! Recorded decisions, decided again by a candidate policy: what would change, for how many calls.
//!
//! The state of a moment (what was spent, who had approved) is in no record. It is taken to be as it was: a call that
//! fitted its budgets and limits fits them again, and one that did not does not. An approval that the candidate newly
//! requires was not given. A budget or limit that it newly sets is a change of terms; whether there would have been
//! room is not known.

mod record;
mod report;

pub use record::{Recorded, RecordedDecision, RecordedFacts, RecordedVerdict};
pub use report::{Changed, Example, NotReplayed, ReplayReport, Why};

use crate::action::Action;
use crate::condition::Reads;
use crate::decision::{Decision, ReasonCode};
use crate::definitions::{State, decide_by};
use crate::engine::Roles;
use crate::facts::Query;
use crate::matrix::fitting;
use crate::names::ApprovalClass;
use crate::obligations::{ObligationKind, Obligations};
use crate::resource::Resource;
use crate::set::{Index, PolicySet, Tenant};
use crate::staged::Change;
use crate::state::{Unit, Window};
use std::collections::{BTreeMap, BTreeSet};
use vocab::PrincipalId;

/// A replay under way. It keeps counts and a few examples, never the records.
pub struct Replay<'s> {
    candidate: &'s PolicySet,
    examples: usize,
    as_recorded: fn(&str) -> String,
    /// Stands for callers who are not known. No condition reads it: then the record is not replayed.
    nobody: Option<PrincipalId>,
    report: ReplayReport,
    changes: BTreeMap<Key, (u64, Vec<Example>)>,
    not_replayable: BTreeMap<Why, (u64, Vec<Example>)>,
}

/// What makes two changes one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    change: Change,
    tenant: String,
    action: String,
    before: String,
    after: String,
    terms_lost: Vec<String>,
    terms_gained: Vec<String>,
}

impl<'s> Replay<'s> {
    /// A replay that shows so many examples of each change. Terms are compared after they were written as the
    /// records write them: `as_recorded` is the ledger's way of writing one of [`Obligations::lines`].
    #[must_use]
    pub fn new(candidate: &'s PolicySet, examples: usize, as_recorded: fn(&str) -> String) -> Self {
        let report = ReplayReport {
            policy: candidate.digest().clone(),
            records: 0,
            same: 0,
            by_recorded_roles: 0,
            unfaithful: 0,
            changes: Vec::new(),
            not_replayable: Vec::new(),
        };
        let (changes, not_replayable) = (BTreeMap::new(), BTreeMap::new());
        let nobody = PrincipalId::new("unknown").ok();
        Self { candidate, examples, as_recorded, nobody, report, changes, not_replayable }
    }

    /// Decides one recorded question again.
    pub fn add(&mut self, record: &RecordedDecision) {
        self.report.records += 1;
        let example = || Example { record: record.record.clone(), resource: record.resource.clone() };
        let most = self.examples;
        let count = |(count, examples): &mut (u64, Vec<Example>)| {
            *count += 1;
            if examples.len() < most {
                examples.push(example());
            }
        };
        match self.decide(record) {
            Err(why) => count(self.not_replayable.entry(why).or_default()),
            Ok(decision) => match self.difference(record, &decision) {
                None => self.report.same += 1,
                Some(key) => {
                    self.report.unfaithful += u64::from(record.policy == self.candidate.digest().as_str());
                    count(self.changes.entry(key).or_default());
                }
            },
        }
    }

    /// What was found.
    #[must_use]
    pub fn report(self) -> ReplayReport {
        let mut report = self.report;
        let changed = |(key, (count, examples)): (Key, (u64, Vec<Example>))| {
            let Key { change, tenant, action, before, after, terms_lost, terms_gained } = key;
            Changed { change, tenant, action, before, after, terms_lost, terms_gained, count, examples }
        };
        report.changes = self.changes.into_iter().map(changed).collect();
        report.changes.sort_by_key(|changed| std::cmp::Reverse(changed.count));
        let not = |(why, (count, examples))| NotReplayed { why, count, examples };
        report.not_replayable = self.not_replayable.into_iter().map(not).collect();
        report.not_replayable.sort_by_key(|not| std::cmp::Reverse(not.count));
        report
    }

    fn decide(&mut self, record: &RecordedDecision) -> Result<Decision, Why> {
        if let RecordedVerdict::Refused { code } = &record.verdict
            && !ReasonCode::CODES.contains(&code.as_str())
        {
            return Err(Why::NotByPolicy(code.clone()));
        }
        let action = record.action.parse::<Action>().map_err(|_| Why::UnknownAction(record.action.clone()))?;
        let resource = record.resource.parse::<Resource>().map_err(|_| Why::UnknownResource)?;
        if action.family() != resource.family() {
            return Err(Why::ActionAndResource);
        }
        let facts = record.facts.facts();
        let query = Query {
            tenant: &record.tenant,
            principal: record.principal.known().or(self.nobody.as_ref()).ok_or(Why::UnknownCaller)?,
            groups: record.groups.known().map(Vec::as_slice).unwrap_or_default(),
            claims: record.claims.known().map(Vec::as_slice).unwrap_or_default(),
            action,
            resource: &resource,
            facts: &facts,
        };
        let Some(tenant) = self.candidate.tenants.get(&record.tenant) else {
            return Ok(decide_by(self.candidate, &query, Roles::OfCaller, State::Unknown));
        };
        let (roles, from) = roles(tenant, record, &query)?;
        if let Some(missing) = missing(tenant, record, &query, &roles) {
            return Err(Why::FactNotRecorded(missing.to_owned()));
        }
        self.report.by_recorded_roles += u64::from(from == Source::Record);
        Ok(decide_by(self.candidate, &query, Roles::These(&roles), State::Unknown))
    }

    /// How the decision differs from the recorded one.
    fn difference(&self, record: &RecordedDecision, decision: &Decision) -> Option<Key> {
        let key = |change, before: &str, after: String| Key {
            change,
            tenant: record.tenant.to_string(),
            action: record.action.clone(),
            before: before.to_owned(),
            after,
            terms_lost: Vec::new(),
            terms_gained: Vec::new(),
        };
        match (&record.verdict, decision.verdict()) {
            (RecordedVerdict::Allowed { .. }, Err(reason)) => {
                Some(key(Change::NewlyDenied, "allow", reason.to_string()))
            }
            (RecordedVerdict::Refused { code }, Err(reason)) => {
                (reason.code() != code).then(|| key(Change::OtherReason, code, reason.to_string()))
            }
            (RecordedVerdict::Refused { code }, Ok(terms)) if is_still_refused(code, terms) => None,
            (RecordedVerdict::Refused { code }, Ok(terms)) => Some(match terms.require_approval.is_empty() {
                true => key(Change::NewlyAllowed, code, "allow".into()),
                false => key(Change::OtherReason, code, APPROVAL_REQUIRED.into()),
            }),
            (RecordedVerdict::Allowed { obligations }, Ok(terms)) => {
                let is_given = |class: &ApprovalClass| {
                    let given = format!("{}:{class}:", ObligationKind::RequireApproval);
                    obligations.iter().any(|line| line.starts_with(&given))
                };
                if !terms.require_approval.keys().all(is_given) {
                    return Some(key(Change::NewlyDenied, "allow", APPROVAL_REQUIRED.into()));
                }
                let now: BTreeSet<String> = terms.lines().iter().map(|line| (self.as_recorded)(line)).collect();
                let lines = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
                let (terms_lost, terms_gained) = (lines(obligations, &now), lines(&now, obligations));
                let differs = !terms_lost.is_empty() || !terms_gained.is_empty();
                let key = key(Change::OtherTerms, "allow", "allow".into());
                differs.then_some(Key { terms_lost, terms_gained, ..key })
            }
        }
    }
}

const APPROVAL_REQUIRED: &str = "approval_required";

/// Whether a call that was refused for money, use or approvals is under such terms again.
fn is_still_refused(code: &str, terms: &Obligations) -> bool {
    match code {
        "over_limit" => terms.limits.keys().any(|meter| meter.window != Window::Call),
        "over_budget" | "budget_unknown" => !terms.budgets.is_empty(),
        APPROVAL_REQUIRED => !terms.require_approval.is_empty(),
        _ => false,
    }
}

/// Where roles come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Caller,
    Record,
}

/// The roles that the caller has under the candidate.
fn roles(tenant: &Tenant, record: &RecordedDecision, query: &Query<'_>) -> Result<(Vec<Index>, Source), Why> {
    let mut held = Vec::new();
    tenant.roles_into((query.principal, query.groups, query.claims), &mut held);
    let is_whole = (record.principal.is_known() || tenant.users.is_empty())
        && (record.groups.is_known() || tenant.groups.is_empty())
        && (record.claims.is_known() || tenant.claims.is_empty());
    if is_whole {
        return Ok((held, Source::Caller));
    }
    let Recorded::Known(names) = &record.roles else { return Err(Why::UnknownCaller) };
    // The name that stands for an unknown caller must not be taken for somebody's.
    if !record.principal.is_known() {
        held.clear();
        held.push(crate::set::EVERYONE_AT);
    }
    held.extend((0..).zip(&tenant.roles).filter(|(_, name)| names.contains(name)).map(|(at, _)| at));
    held.sort_unstable();
    held.dedup();
    Ok((held, Source::Record))
}

/// The first fact that the candidate reads for such a call and that the record does not hold.
fn missing(tenant: &Tenant, record: &RecordedDecision, query: &Query<'_>, roles: &[Index]) -> Option<&'static str> {
    let definitions = &tenant.definitions;
    let resource = definitions.other_names.get(query.resource).map_or(query.resource, |other| &other.model);
    let path = resource.to_string();
    let rules = fitting((&tenant.trie, &tenant.lines), (query.action, &path), roles);
    let rules: Vec<_> = rules.into_iter().filter_map(|at| tenant.rule(at)).collect();
    let conditions = rules.iter().filter_map(|rule| rule.when.as_ref());
    let reads = conditions.fold(Reads::default(), |all, when| all.and(when.reads()));
    if let Some(missing) = reads.names().find(|name| !record.holds(name)) {
        return Some(missing);
    }
    let own = definitions.collections_at(&path).map(|collection| &*collection.terms);
    let facts = &record.facts;
    rules.iter().map(|rule| &*rule.terms).chain(own).find_map(|terms| {
        let per_call = |unit| terms.limits.keys().any(|m| m.window == Window::Call && m.unit == unit);
        let needs = [
            (!terms.block.is_empty(), facts.labels.is_known(), "labels"),
            (terms.residency.is_some(), facts.upstream_region.is_known(), "upstream.region"),
            (terms.max_k.is_some(), facts.k.is_known(), "call.k"),
            (per_call(Unit::Tokens), facts.tokens.is_known(), "call.tokens"),
            (per_call(Unit::Cost), facts.cost.is_known(), "call.cost"),
        ];
        needs.into_iter().find(|(needed, known, _)| *needed && !*known).map(|(.., name)| name)
    })
}

//! One decision, on the thread that asks.

use super::memo::{Memo, Question};
use super::referee::{Referee, RefereeFault, Request, Row, UNCONDITIONAL};
use crate::decision::{Outcome, ReasonCode};
use crate::document::Effect;
use crate::facts::Query;
use crate::names::RuleId;
use crate::obligations::Obligations;
use crate::set::{EVERYONE_AT, Index, Line, PolicySet, Rule, Tenant};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::default());
}

/// What a thread keeps between decisions.
#[derive(Default)]
struct Worker {
    referee: Option<Referee>,
    memo: Memo,
}

/// Decides. Whatever fails, denies.
pub(crate) fn decide(set: &PolicySet, query: &Query<'_>) -> Arc<Outcome> {
    let Some(tenant) = set.tenants.get(query.tenant) else {
        return Arc::new(Outcome::denied(ReasonCode::UnknownTenant));
    };
    let outcome = WORKER.try_with(|worker| {
        let mut worker = worker.try_borrow_mut().map_err(|_| RefereeFault)?;
        worker.decide(set, tenant, query)
    });
    match outcome {
        Ok(Ok(outcome)) => outcome,
        _ => Arc::new(Outcome::denied(ReasonCode::Internal)),
    }
}

impl Worker {
    fn decide(&mut self, set: &PolicySet, tenant: &Tenant, query: &Query<'_>) -> Result<Arc<Outcome>, RefereeFault> {
        let roles = tenant.roles_of(query.principal, query.groups);
        let key = (query.tenant, roles.as_slice(), query.action, query.resource);
        let question = self.memo.question(&set.digest, key, || tenant.question(query, &roles)).ok_or(RefereeFault)?;
        let context = match tenant.evaluate(&question.fitting, query) {
            Ok(context) => context,
            Err(outcome) => return Ok(Arc::new(outcome)),
        };
        if let Some(known) = question.outcome(&context) {
            return Ok(known);
        }
        let referee = match &mut self.referee {
            Some(referee) => referee,
            none => none.insert(Referee::new()?),
        };
        let allowed = tenant.ask(referee, query, &question.candidates, &context)?;
        let outcome = Arc::new(tenant.outcome(&question.fitting, &context, allowed)?);
        question.keep(&context, &outcome);
        Ok(outcome)
    }
}

/// The name of a rule's condition in casbin's `cond` and `ctx`.
fn condition_name(rule: Index) -> String {
    format!("c{rule}")
}

/// Whether the rule applies, given which conditions hold.
fn applies(rule: &Rule, at: Index, context: &str) -> bool {
    rule.when.is_none() || context.split(';').any(|held| held == condition_name(at))
}

impl Tenant {
    fn rule(&self, at: Index) -> Option<&Rule> {
        self.rules.get(usize::try_from(at).ok()?)
    }

    fn line(&self, at: Index) -> Option<&Line> {
        self.lines.get(usize::try_from(at).ok()?)
    }

    /// What does not depend on conditions. INVARIANT: `candidates` holds every line whose role the caller
    /// has, with this action and a pattern that matches. Were it to hold more, casbin would sort them out.
    fn question(&self, query: &Query<'_>, roles: &[Index]) -> Question {
        let path = query.resource.to_string();
        let by_role = roles.iter().filter_map(|role| self.index.get(&(*role, query.action)));
        let matches = |at: &Index| self.line(*at).is_some_and(|line| line.pattern.matches(&path));
        let candidates: Vec<Index> = by_role.flatten().copied().filter(matches).collect();
        let mut fitting: Vec<Index> = candidates.iter().filter_map(|at| self.line(*at)).map(|line| line.rule).collect();
        fitting.sort_unstable();
        fitting.dedup();
        Question::new(candidates, fitting)
    }

    /// Which conditions of the fitting rules hold, as casbin's `ctx`; or the denial by one that failed.
    fn evaluate(&self, fitting: &[Index], query: &Query<'_>) -> Result<String, Outcome> {
        let mut context = String::new();
        for at in fitting {
            let Some(rule) = self.rule(*at) else { continue };
            let Some(condition) = &rule.when else {
                continue;
            };
            match condition.evaluate(query) {
                Ok(true) => {
                    let _ = write!(context, ";c{at}");
                }
                Ok(false) => {}
                Err(fault) => {
                    let rule = rule.id.clone();
                    let denied = Outcome::denied(ReasonCode::ConditionError { rule });
                    return Err(Outcome { fault: Some(fault), ..denied });
                }
            }
        }
        Ok(context)
    }

    fn ask(
        &self,
        referee: &mut Referee,
        query: &Query<'_>,
        candidates: &[Index],
        context: &str,
    ) -> Result<bool, RefereeFault> {
        let subject = format!("u:{}", query.principal);
        let object = query.resource.to_string();
        let lines = || candidates.iter().filter_map(|at| self.line(*at));
        let wanted: BTreeSet<Index> = lines().map(|line| line.role).collect();
        let rows = lines().filter_map(|line| self.row(query.tenant.as_str(), line));
        let held = self.held(query, &wanted);
        let links = held.iter().filter_map(|at| Some((subject.clone(), self.role(*at)?)));
        let request = Request {
            tenant: query.tenant.as_str(),
            subject: &subject,
            object: &object,
            action: query.action.as_str(),
            context,
        };
        referee.enforce(rows, links, request)
    }

    /// Those of the wanted roles that the caller holds, by name, by group or as everyone: one `g` row each,
    /// since groups and inheritance are expanded.
    fn held(&self, query: &Query<'_>, wanted: &BTreeSet<Index>) -> BTreeSet<Index> {
        let by_name = self.users.get(query.principal).into_iter();
        let by_group = query.groups.iter().filter_map(|g| self.groups.get(g));
        let held = by_name.chain(by_group).flatten().chain([&EVERYONE_AT]);
        held.filter(|role| wanted.contains(role)).copied().collect()
    }

    /// A role as casbin reads it: the prefix keeps a role from being taken for a user of the same name.
    fn role(&self, at: Index) -> Option<String> {
        self.roles.get(usize::try_from(at).ok()?).map(|role| format!("role:{role}"))
    }

    /// The outcome that casbin's verdict means. A verdict that the index does not explain is a fault.
    fn outcome(&self, fitting: &[Index], context: &str, allowed: bool) -> Result<Outcome, RefereeFault> {
        let (mut matched, mut unmet) = (Vec::new(), Vec::new());
        for at in fitting {
            let rule = self.rule(*at).ok_or(RefereeFault)?;
            if applies(rule, *at, context) { matched.push(rule) } else { unmet.push(rule) }
        }
        let deny = matched.iter().find(|rule| rule.effect == Effect::Deny);
        let verdict = match deny {
            Some(rule) => Err(ReasonCode::Forbidden { rule: rule.id.clone() }),
            None if matched.is_empty() => Err(ReasonCode::NotPermitted),
            None => Obligations::merge(matched.iter().map(|rule| &rule.terms))
                .map(Arc::new)
                .map_err(|_| ReasonCode::ObligationConflict),
        };
        let expected = deny.is_none() && !matched.is_empty();
        if expected != allowed {
            return Err(RefereeFault);
        }
        let ids = |rules: Vec<&Rule>| -> Arc<[RuleId]> { rules.iter().map(|r| r.id.clone()).collect() };
        Ok(Outcome { verdict, matched: ids(matched), unmet: ids(unmet), fault: None })
    }

    /// A line as casbin reads it.
    pub(crate) fn row(&self, tenant: &str, line: &Line) -> Option<Row> {
        let rule = self.rule(line.rule)?;
        let role = self.role(line.role)?;
        let condition = match rule.when {
            Some(_) => condition_name(line.rule),
            None => UNCONDITIONAL.to_owned(),
        };
        let effect = match rule.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        Some(vec![
            rule.id.as_str().to_owned(),
            tenant.to_owned(),
            role,
            line.pattern.as_str().to_owned(),
            line.action.as_str().to_owned(),
            condition,
            effect.to_owned(),
        ])
    }
}

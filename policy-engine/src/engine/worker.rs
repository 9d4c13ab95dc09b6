//! One decision, on the thread that asks.

use super::audit::Asked;
use super::health::Way;
use super::memo::{Entry, Memos};
use super::merged::Merged;
use super::question::Question;
use super::referee::{Referee, RefereeFault};
use super::verdict::Failed;
use crate::decision::{Outcome, ReasonCode};
use crate::facts::Query;
use crate::set::{Index, PolicySet, Tenant};
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::default());
}

/// What a thread keeps between decisions.
#[derive(Default)]
struct Worker {
    referee: Option<Referee>,
    memos: Memos,
    merged: Merged,
    /// How many decisions the thread made: one in so many is checked.
    made: u32,
    roles: Vec<Index>,
    path: String,
    facts: Vec<u8>,
}

/// Which roles a caller holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Roles<'r> {
    /// Those that its name, groups and claims give it.
    OfCaller,
    /// These, sorted: of a call of the past, whose caller is not known.
    These(&'r [Index]),
}

/// Decides about a call of a tenant. Whatever fails, denies.
pub(crate) fn decide_in(set: &PolicySet, tenant: &Tenant, query: &Query<'_>, roles: Roles<'_>) -> Arc<Outcome> {
    let outcome = WORKER.try_with(|worker| {
        let mut worker = worker.try_borrow_mut().map_err(|_| RefereeFault)?;
        worker.decide(set, tenant, query, roles)
    });
    match outcome {
        Ok(Ok(outcome)) => outcome,
        _ => Arc::new(Outcome::denied(ReasonCode::Internal)),
    }
}

/// Runs some work with the casbin of this thread.
pub(super) fn with_referee<R>(work: impl FnOnce(&mut Referee) -> Result<R, RefereeFault>) -> Result<R, RefereeFault> {
    let done = WORKER.try_with(|worker| {
        let mut worker = worker.try_borrow_mut().map_err(|_| RefereeFault)?;
        work(ready(&mut worker.referee)?)
    });
    done.map_err(|_| RefereeFault)?
}

fn ready(referee: &mut Option<Referee>) -> Result<&mut Referee, RefereeFault> {
    match referee {
        Some(referee) => Ok(referee),
        none => Ok(none.insert(Referee::new()?)),
    }
}

impl Worker {
    fn decide(
        &mut self,
        set: &PolicySet,
        tenant: &Tenant,
        query: &Query<'_>,
        roles: Roles<'_>,
    ) -> Result<Arc<Outcome>, RefereeFault> {
        match roles {
            Roles::OfCaller => tenant.roles_into((query.principal, query.groups, query.claims), &mut self.roles),
            Roles::These(held) => {
                self.roles.clear();
                self.roles.extend_from_slice(held);
            }
        }
        self.path.clear();
        query.resource.write_path(&mut self.path);
        self.made = self.made.wrapping_add(1);
        let way = set.health.way(set.options.engine);
        let outcome = self.kept_or_new(set, tenant, query, way)?;
        if way == Way::Scan || self.made % set.options.live_check != 0 {
            return Ok(outcome);
        }
        // The same call, decided without the trie and by casbin.
        let scanned = self.scanned(tenant, query);
        if scanned.as_ref() == Ok(&*outcome) {
            return Ok(outcome);
        }
        set.health.disagreed();
        scanned.map(Arc::new)
    }

    fn kept_or_new(
        &mut self,
        set: &PolicySet,
        tenant: &Tenant,
        query: &Query<'_>,
        way: Way,
    ) -> Result<Arc<Outcome>, RefereeFault> {
        let (path, roles) = (self.path.as_str(), self.roles.as_slice());
        let fill = |question: &mut Question| match way {
            Way::Scan => *question = tenant.scan(path, query.action, roles),
            Way::Index | Way::Slice => tenant.look_up_into(path, query.action, roles, question),
        };
        let of = (&set.digest, way);
        let entry = self.memos.of(of).entry(of, (query, path, roles), tenant, fill).ok_or(RefereeFault)?;
        let is_key = entry.write_facts(query, &mut self.facts).is_some();
        if is_key && let Some(known) = entry.outcome(&self.facts) {
            return Ok(Arc::clone(known));
        }
        let outcome = Arc::new(match way {
            Way::Index => by_lines(tenant, query, (entry, path), &mut self.merged)?,
            Way::Slice | Way::Scan => {
                let asked = asked(query, path);
                let question = entry.question();
                let with = (ready(&mut self.referee)?, &mut self.merged);
                by_casbin(tenant, query, with, (asked, roles, question))?
            }
        });
        if is_key {
            entry.keep(&self.facts, &outcome);
        }
        Ok(outcome)
    }

    fn scanned(&mut self, tenant: &Tenant, query: &Query<'_>) -> Result<Outcome, RefereeFault> {
        let question = tenant.scan(&self.path, query.action, &self.roles);
        let asked = asked(query, &self.path);
        let with = (ready(&mut self.referee)?, &mut self.merged);
        by_casbin(tenant, query, with, (asked, &self.roles, &question))
    }
}

fn asked<'a>(query: &Query<'a>, path: &'a str) -> Asked<'a> {
    Asked { tenant: query.tenant.as_str(), principal: query.principal.as_str(), action: query.action, path }
}

fn by_lines(
    tenant: &Tenant,
    query: &Query<'_>,
    (entry, path): (&Entry, &str),
    merged: &mut Merged,
) -> Result<Outcome, RefereeFault> {
    let fitting = &entry.question().fitting;
    match tenant.evaluate(fitting, query) {
        Ok(held) => tenant.settle((fitting, &held), path, merged),
        Err(failed) => tenant.failed(failed),
    }
    .map_err(|_| RefereeFault)
}

fn by_casbin(
    tenant: &Tenant,
    query: &Query<'_>,
    (referee, merged): (&mut Referee, &mut Merged),
    (asked, roles, question): (Asked<'_>, &[Index], &Question),
) -> Result<Outcome, RefereeFault> {
    match tenant.evaluate(&question.fitting, query) {
        Ok(held) => tenant.confirmed(referee, asked, roles, (question, &held), merged),
        Err(failed @ Failed { .. }) => tenant.failed(failed).map_err(|_| RefereeFault),
    }
}

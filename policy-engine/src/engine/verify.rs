//! The check of a tenant before its set is used: the trie against a scan, the lines against casbin.

use super::audit::Asked;
use super::merged::Merged;
use super::question::Question;
use super::referee::{Referee, RefereeFault};
use super::sample::{Dice, Sampler};
use super::trie::Candidate;
use super::verdict::expects_allow;
use super::worker::with_referee;
use crate::action::Action;
use crate::document::{Defect, Place, TestDef};
use crate::set::{Index, PolicyDigest, Tenant};
use std::sync::Arc;
use vocab::{GroupName, PrincipalId, TenantId};

/// How many generated requests a set is checked with, shared by its tenants; each tenant has between `FEWEST` and
/// `MOST`.
const REQUESTS: usize = 4096;
const FEWEST: usize = 4;
const MOST: usize = 64;

/// A tenant of few lines has few different questions.
const MOST_PER_LINE: usize = 4;

/// How many lines that do not match casbin is given beside those that do: it must sort them out.
const DISTRACTORS: usize = 8;

/// A request that was generated or that a test asks.
pub(super) struct Asker {
    pub(super) principal: PrincipalId,
    pub(super) groups: Vec<GroupName>,
    pub(super) action: Action,
    pub(super) path: String,
}

/// How many requests each of so many tenants is checked with.
pub(crate) fn share(tenants: usize) -> usize {
    REQUESTS.checked_div(tenants).unwrap_or(MOST).clamp(FEWEST, MOST)
}

/// Asks the questions of all tests and `requests` generated ones, which depend on nothing but the tenant and the
/// digest.
///
/// # Errors
/// A defect that names the tenant, if the index and casbin disagree.
pub(crate) fn verify(id: &TenantId, tenant: &Tenant, requests: usize, digest: &PolicyDigest) -> Result<(), Defect> {
    let sampler = Sampler::new(tenant);
    let mut dice = Dice::new(digest.as_str(), id.as_str());
    let wrong = with_referee(|referee| {
        let mut merged = Merged::default();
        let mut check = |asker: &Asker, dice: &mut Dice| agrees((id, tenant), (referee, &mut merged), asker, dice);
        for test in &tenant.tests {
            let asker = of_test(test);
            if !check(&asker, &mut dice)? {
                return Ok(Some(asker));
            }
        }
        for _ in 0..requests.min(MOST_PER_LINE * tenant.lines.len()) {
            let Some(asker) = sampler.request(&mut dice) else { continue };
            if !check(&asker, &mut dice)? {
                return Ok(Some(asker));
            }
        }
        Ok(None)
    });
    match wrong {
        Ok(None) => Ok(()),
        Ok(Some(asker)) => Err(refused(id, &format!("about {} on {}", asker.action, asker.path))),
        Err(RefereeFault) => Err(refused(id, "since casbin failed")),
    }
}

fn refused(id: &TenantId, about: &str) -> Defect {
    let place = Place { file: Arc::from("policies"), line: 0, key: String::new() };
    let message = format!("tenant {id}: the index and casbin disagree {about}");
    place.defect(message, "this is a fault of this program")
}

fn of_test(test: &TestDef) -> Asker {
    Asker {
        principal: test.principal.clone(),
        groups: test.groups.clone(),
        action: test.action,
        path: test.resource.to_string(),
    }
}

/// Whether the trie finds what a scan finds, and casbin says what the lines say, whichever conditions hold.
fn agrees(
    (id, tenant): (&TenantId, &Tenant),
    (referee, merged): (&mut Referee, &mut Merged),
    asker: &Asker,
    dice: &mut Dice,
) -> Result<bool, RefereeFault> {
    let roles = tenant.roles_of(&asker.principal, &asker.groups);
    let question = tenant.look_up(&asker.path, asker.action, &roles);
    if question != tenant.scan(&asker.path, asker.action, &roles) {
        return Ok(false);
    }
    let conditional = question.fitting.iter().filter(|at| tenant.rule(**at).is_some_and(|rule| rule.when.is_some()));
    let held: Vec<Index> = conditional.filter(|_| dice.roll(2) == 0).copied().collect();
    let outcome = tenant.settle((&question.fitting, &held), &asker.path, merged).map_err(|_| RefereeFault)?;
    let asked =
        Asked { tenant: id.as_str(), principal: asker.principal.as_str(), action: asker.action, path: &asker.path };
    let lines = with_distractors(tenant, &question, dice);
    Ok(tenant.ask(referee, asked, &roles, &lines, &held)? == expects_allow(&outcome))
}

/// The candidates and some other lines of the tenant.
fn with_distractors(tenant: &Tenant, question: &Question, dice: &mut Dice) -> Vec<Candidate> {
    let mut lines = question.candidates.to_vec();
    for _ in 0..DISTRACTORS.min(tenant.lines.len()) {
        let Ok(line) = Index::try_from(dice.roll(tenant.lines.len())) else { continue };
        let Some(rule) = tenant.line(line).map(|line| line.rule) else { continue };
        let Some(role) = tenant.rule(rule).and_then(|rule| dice.one_of(&rule.roles)) else { continue };
        lines.push(Candidate { rule, line, role: *role });
    }
    lines
}

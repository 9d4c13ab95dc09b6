//! A decision: what the rules say, then what the definitions and the facts about money and people say.

use super::{Definitions, OwnName};
use crate::decision::{Decision, Outcome, ReasonCode};
use crate::document::Undefined;
use crate::engine::{self, Roles};
use crate::facts::{Facts, Query};
use crate::names::{ApprovalClass, Region};
use crate::obligations::{Obligations, Route};
use crate::resource::Resource;
use crate::set::{PolicySet, Tenant};
use crate::state::calendar::Day;
use crate::state::{Unit, Window, fits};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Decides. A name that stands for a model is decided as that model, so that no alias passes by a rule.
pub(crate) fn decide(set: &PolicySet, query: &Query<'_>) -> Decision {
    decide_by(set, query, Roles::OfCaller, State::Counts)
}

/// Whether money, use and approvals can deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Counts,
    /// They are not known any more: for calls of the past.
    Unknown,
}

/// Decides by roles that are given, or without what only the moment of the call knew.
pub(crate) fn decide_by(set: &PolicySet, query: &Query<'_>, roles: Roles<'_>, state: State) -> Decision {
    let digest = set.digest.clone();
    let Some(tenant) = set.tenants.get(query.tenant) else {
        let outcome = Arc::new(Outcome::denied(ReasonCode::UnknownTenant));
        return Decision { outcome, digest, shadow: Arc::default() };
    };
    let definitions = &tenant.definitions;
    let other = definitions.other_names.get(query.resource);
    let named = Query { resource: other.map_or(query.resource, |other| &other.model), ..*query };
    let outcome = engine::decide_in(set, tenant, &named, roles);
    let shadow = tenant.shadow.ask(tenant, &named);
    let Ok(allowed) = &outcome.verdict else { return Decision { outcome, digest, shadow } };
    let asked = if other.is_some() { Asked::ByOtherName } else { Asked::ByOwnName };
    let route = other.and_then(|other| other.route.as_ref());
    let stateless;
    let upheld = match state {
        State::Counts => allowed,
        State::Unknown => {
            stateless = allowed.without_state();
            &stateless
        }
    };
    let outcome = match uphold(tenant, &named, asked, upheld).and_then(|()| routed(allowed, route)) {
        Ok(None) => outcome,
        Ok(Some(obligations)) => Arc::new(Outcome { verdict: Ok(Arc::new(obligations)), ..(*outcome).clone() }),
        Err(reason) => Arc::new(Outcome { verdict: Err(reason), ..(*outcome).clone() }),
    };
    Decision { outcome, digest, shadow }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByOwnName,
    ByOtherName,
}

fn routed(allowed: &Obligations, route: Option<&Route>) -> Result<Option<Obligations>, ReasonCode> {
    let routed = route.map(|route| allowed.routed(route.clone()));
    routed.transpose().map_err(|_| ReasonCode::ObligationConflict)
}

/// Everything that can deny a call that the rules allow, in a fixed order.
fn uphold(tenant: &Tenant, query: &Query<'_>, asked: Asked, terms: &Obligations) -> Result<(), ReasonCode> {
    let (definitions, facts) = (&tenant.definitions, query.facts);
    let region = definitions.uphold_definitions(query, asked)?;
    if terms.are_for_others() {
        return Ok(());
    }
    if let Some(label) = terms.block.iter().find(|label| definitions.labels.holds(label.as_str(), &facts.labels)) {
        return Err(ReasonCode::Blocked { label: label.clone() });
    }
    if let Some(regions) = &terms.residency {
        // What is known must agree, and something must be known.
        let mut known = region.into_iter().chain(&facts.upstream_region).peekable();
        if known.peek().is_none() || !known.all(|region| regions.contains(region)) {
            return Err(ReasonCode::Residency);
        }
    }
    if let (Some(max), Some(k)) = (terms.max_k, facts.k)
        && k > max
    {
        return Err(ReasonCode::OverMaxK { max });
    }
    uphold_amounts(definitions, facts, terms)?;
    for (class, count) in &terms.require_approval {
        let missing = count.get().saturating_sub(tenant.approvers(class, query));
        if missing > 0 {
            return Err(ReasonCode::ApprovalRequired { class: class.clone(), missing });
        }
    }
    Ok(())
}

fn uphold_amounts(definitions: &Definitions, facts: &Facts, terms: &Obligations) -> Result<(), ReasonCode> {
    let amount = |unit| match unit {
        Unit::Requests => Some(1),
        Unit::Tokens => Some(facts.token_estimate),
        Unit::Cost => facts.cost_estimate,
    };
    for (meter, most) in &terms.limits {
        let spent = if meter.window == Window::Call { Some(0) } else { facts.spend.meters.get(meter).copied() };
        if !fits(spent, amount(meter.unit), *most) {
            return Err(ReasonCode::OverLimit { meter: *meter });
        }
    }
    for name in &terms.budgets {
        let known = definitions.accounts.budgets.get(name).zip(facts.spend.budgets.get(name));
        let Some((account, spent)) = known else { return Err(ReasonCode::BudgetUnknown { budget: name.clone() }) };
        if !fits(Some(*spent), amount(account.meter.unit), account.most) {
            return Err(ReasonCode::OverBudget { budget: name.clone() });
        }
    }
    Ok(())
}

impl Definitions {
    /// Denies what the definitions rule out, and gives the region that they name.
    fn uphold_definitions<'d>(&'d self, query: &Query<'_>, asked: Asked) -> Result<Option<&'d Region>, ReasonCode> {
        let denied = |undefined, is_defined: bool| undefined == Undefined::Deny && !is_defined;
        match query.resource {
            Resource::Model { .. } if !self.models.is_empty() || self.undefined_models == Undefined::Deny => {
                let path = query.resource.to_string();
                let mut region = None;
                let mut is_defined = false;
                for model in self.models_at(&path) {
                    is_defined = true;
                    Self::callable(model, query.facts.now, asked)?;
                    region = region.or(model.region.as_ref());
                }
                if denied(self.undefined_models, is_defined) { Err(ReasonCode::NotDefined) } else { Ok(region) }
            }
            Resource::Collection { .. } if self.undefined_collections == Undefined::Deny => {
                let path = query.resource.to_string();
                let is_defined = self.collections_at(&path).next().is_some();
                if is_defined { Ok(None) } else { Err(ReasonCode::NotDefined) }
            }
            _ => Ok(None),
        }
    }

    fn callable(model: &super::Model, now: u64, asked: Asked) -> Result<(), ReasonCode> {
        let name = || model.name.clone();
        if model.expires.is_some_and(|last| Day::of(now) > last) {
            return Err(ReasonCode::ModelExpired { model: name() });
        }
        if model.own_name == OwnName::VersionsOnly && asked == Asked::ByOwnName {
            return Err(ReasonCode::ModelVersion { model: name() });
        }
        Ok(())
    }
}

impl Tenant {
    /// How many different people gave a valid approval of a class.
    fn approvers(&self, class: &ApprovalClass, query: &Query<'_>) -> u32 {
        const HOUR: u64 = 3600;
        let Some(approvers) = self.definitions.approvals.get(class) else { return 0 };
        let now = query.facts.now;
        let valid = query.facts.approvals.iter().filter(|approval| {
            let age = now.checked_sub(approval.at);
            approval.class == *class
                && approval.by != *query.principal
                && age.is_some_and(|age| age <= u64::from(approvers.hours.get()) * HOUR)
                && self.roles_of(&approval.by, &approval.groups).iter().any(|role| approvers.roles.contains(role))
        });
        let people: BTreeSet<&str> = valid.map(|approval| approval.by.as_str()).collect();
        u32::try_from(people.len()).unwrap_or(u32::MAX)
    }
}

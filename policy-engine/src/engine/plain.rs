//! A whole set as casbin alone would hold it.

use super::audit::{Asked, context};
use super::referee::{Referee, RefereeFault};
use super::trie::Candidate;
use super::verdict::Failed;
use crate::facts::Query;
use crate::set::{PolicySet, Tenant};

/// Every line of every tenant in one casbin enforcer, without an index: slow, and what decisions mean. It is here
/// for comparison.
pub struct PlainCasbin<'s> {
    set: &'s PolicySet,
    referee: Referee,
}

/// Casbin gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("casbin gave no answer")]
pub struct PlainFault;

impl PolicySet {
    /// Gives casbin the whole set.
    ///
    /// # Errors
    /// [`PlainFault`] when casbin does not take it.
    pub fn plain_casbin(&self) -> Result<PlainCasbin<'_>, PlainFault> {
        let mut referee = Referee::new().map_err(|RefereeFault| PlainFault)?;
        let tenants = self.tenants().into_iter().filter_map(|id| Some((id, self.tenants.get(id)?)));
        let rows = tenants.flat_map(|(id, tenant)| {
            let lines = (0..).zip(&tenant.lines);
            lines.flat_map(move |(at, line)| {
                let roles = tenant.rule(line.rule).map(|rule| &*rule.roles).unwrap_or_default();
                let pairs = roles.iter().flat_map(move |role| line.actions.iter().map(move |action| (*role, action)));
                pairs.filter_map(move |(role, action)| {
                    let asked = Asked { tenant: id.as_str(), principal: "", action, path: "" };
                    tenant.row(asked, Candidate { rule: line.rule, line: at, role })
                })
            })
        });
        referee.rows(rows).map_err(|RefereeFault| PlainFault)?;
        Ok(PlainCasbin { set: self, referee })
    }
}

impl PlainCasbin<'_> {
    /// Casbin's verdict over all lines. Conditions are evaluated here, since casbin cannot; one that fails denies.
    ///
    /// # Errors
    /// [`PlainFault`] when casbin fails.
    pub fn allows(&mut self, query: &Query<'_>) -> Result<bool, PlainFault> {
        let Some(tenant) = self.set.tenants.get(query.tenant) else { return Ok(false) };
        let mut roles = Vec::new();
        tenant.roles_into((query.principal, query.groups, query.claims), &mut roles);
        let path = query.resource.to_string();
        let fitting = tenant.scan(&path, query.action, &roles).fitting;
        let held = match tenant.evaluate(&fitting, query) {
            Ok(held) => held,
            Err(Failed { .. }) => return Ok(false),
        };
        let asked = Asked {
            tenant: query.tenant.as_str(),
            principal: query.principal.as_str(),
            action: query.action,
            path: &path,
        };
        self.ask(tenant, asked, &roles, &held).map_err(|RefereeFault| PlainFault)
    }

    fn ask(&mut self, tenant: &Tenant, asked: Asked<'_>, roles: &[u32], held: &[u32]) -> Result<bool, RefereeFault> {
        let subject = format!("u:{}", asked.principal);
        let links = roles.iter().filter_map(|role| Some((subject.clone(), tenant.role_name(*role)?)));
        self.referee.links(asked.tenant, links);
        self.referee.verdict(asked.request(&subject, &context(held)))
    }
}

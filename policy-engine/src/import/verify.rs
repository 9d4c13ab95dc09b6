//! The proof of a conversion: casbin and the documents answer the same requests alike.

use super::convert::{Role, Shape};
use super::engine::{Answer, Casbin};
use super::write::{Names, RuleLine};
use super::{Part, Reason, Refusal};
use crate::action::Action;
use crate::document::Document;
use crate::facts::{Facts, Query};
use crate::resource::Resource;
use crate::set::PolicySet;
use serde_json::Value;
use std::collections::BTreeMap;
use vocab::{PrincipalId, TenantId};

pub(super) struct Questions<'q> {
    pub(super) shape: &'q Shape,
    pub(super) lines: &'q [RuleLine],
    pub(super) names: &'q BTreeMap<TenantId, Names>,
    pub(super) words: &'q [(String, Action)],
}

/// How often casbin may evaluate its matcher in one comparison: some seconds' worth.
const MAX_EVALUATIONS: usize = 4_000_000;

/// Differences that are shown; more are counted.
const MAX_SHOWN: usize = 10;

/// One request in both vocabularies.
struct Request<'q> {
    tenant: &'q TenantId,
    principal: PrincipalId,
    object: String,
    resource: Resource,
    word: &'q str,
    action: Action,
}

/// Gives how many requests were compared, and how many there are.
pub(super) fn compare(
    casbin: &Casbin,
    documents: &[Document],
    questions: &Questions<'_>,
) -> Result<(usize, usize), Vec<Refusal>> {
    let set = PolicySet::compile(documents).map_err(|defects| {
        let refusal =
            |defect: &crate::document::Defect| Refusal::new(Part::Policy, 0, Reason::Internal, defect.to_string());
        defects.iter().map(refusal).collect::<Vec<_>>()
    })?;
    let requests = questions.requests();
    let budget = MAX_EVALUATIONS / questions.lines.len().max(1);
    let step = requests.len().div_ceil(budget.max(1)).max(1);
    let mut differing = Vec::new();
    let mut compared = 0_usize;
    for request in requests.iter().step_by(step) {
        compared += 1;
        let theirs = casbin.decide(&questions.values(request)).unwrap_or(Answer::Deny);
        let query = Query {
            tenant: request.tenant,
            principal: &request.principal,
            groups: &[],
            claims: &[],
            action: request.action,
            resource: &request.resource,
            facts: &Facts::default(),
        };
        let ours = if set.decide_query(&query).verdict().is_ok() { Answer::Allow } else { Answer::Deny };
        if ours != theirs {
            differing.push(format!(
                "{} does {} on {} in {}: casbin {theirs:?}, documents {ours:?}",
                request.principal, request.word, request.object, request.tenant
            ));
        }
    }
    if differing.is_empty() {
        return Ok((compared, requests.len()));
    }
    let more = differing.len().saturating_sub(MAX_SHOWN);
    differing.truncate(MAX_SHOWN);
    if more > 0 {
        differing.push(format!("and {more} more"));
    }
    Err(differing.into_iter().map(|d| Refusal::new(Part::Policy, 0, Reason::Differs, d)).collect())
}

impl Questions<'_> {
    fn values(&self, request: &Request<'_>) -> Vec<Value> {
        let value = |role: &Role| match role {
            Role::Subject => request.principal.as_str(),
            Role::Domain => request.tenant.as_str(),
            Role::Object => &request.object,
            Role::Action => request.word,
        };
        self.shape.tokens.iter().map(|role| value(role).into()).collect()
    }

    /// Every caller, and a stranger, with every object of the policy, its wildcards filled in, and every action.
    fn requests(&self) -> Vec<Request<'_>> {
        let mut all = Vec::new();
        for (tenant, names) in self.names {
            let callers = names.callers().into_iter().filter_map(|name| PrincipalId::new(name).ok());
            let callers: Vec<PrincipalId> = callers.chain(PrincipalId::new("a-stranger")).collect();
            for (object, resource) in self.objects() {
                for (word, action) in self.words.iter().filter(|(_, a)| a.family() == resource.family()) {
                    for principal in &callers {
                        let (principal, object, resource) = (principal.clone(), object.clone(), resource.clone());
                        all.push(Request { tenant, principal, object, resource, word, action: *action });
                    }
                }
            }
        }
        all
    }

    /// Objects as casbin and as we write them.
    fn objects(&self) -> Vec<(String, Resource)> {
        let mut found = BTreeMap::new();
        for line in self.lines {
            for path in samples(&line.pattern) {
                if let Ok(resource) = path.parse::<Resource>() {
                    let object = if line.is_mapped { line.object.clone() } else { path.clone() };
                    found.insert((object, path), resource);
                }
            }
        }
        found.into_iter().map(|((object, _), resource)| (object, resource)).collect()
    }
}

/// Paths that a pattern matches, and some that it nearly matches: wildcards filled by names that no line has.
fn samples(pattern: &str) -> Vec<String> {
    let base: Vec<&str> = pattern.split('/').map(|s| if s == "*" { "any" } else { s }).collect();
    match base.split_last() {
        Some((&"**", [])) => ["model/any", "model/any/x", "vector/any/x", "ledger"].map(String::from).to_vec(),
        Some((&"**", head)) => {
            let head = head.join("/");
            vec![head.clone(), format!("{head}/any"), format!("{head}/any/more")]
        }
        _ => vec![base.join("/"), format!("{}/more", base.join("/"))],
    }
}

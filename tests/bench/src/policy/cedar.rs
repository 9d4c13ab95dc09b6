//! Cedar on the same rules: one policy set per tenant.
//!
//! Everything that can be made ready is: policies are parsed, and each request's entities (the user with all of its
//! roles, the resource with its attributes) are built before the clock starts.

use super::workload::{Ask, CONDITIONS, RuleSpec, TenantSpec};
use super::{Sets, agree, failed, since};
use crate::error::BenchError;
use crate::stats::Samples;
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

/// How many tenants get a policy set: each takes a megabyte and more.
const MOST_TENANTS: usize = 50;

/// How many questions a round asks.
const QUESTIONS: usize = 500;

/// The policy sets of the first tenants.
pub(super) struct Cedar<'t> {
    tenants: &'t [TenantSpec],
    sets: Vec<PolicySet>,
}

impl<'t> Cedar<'t> {
    pub(super) fn new(tenants: &'t [TenantSpec]) -> Result<Self, BenchError> {
        let sets = tenants.iter().take(MOST_TENANTS).map(|tenant| {
            let text: String = tenant.rules.iter().map(policy).collect();
            text.parse::<PolicySet>().map_err(|e| failed("cedar", &e))
        });
        Ok(Self { tenants, sets: sets.collect::<Result<_, _>>()? })
    }

    /// Asks some questions and compares the answers.
    pub(super) fn round(&self, sets: &Sets, questions: &[Ask], samples: &mut Samples) -> Result<(), BenchError> {
        let authorizer = Authorizer::new();
        for ask in questions.iter().filter(|ask| ask.at < self.sets.len()).take(QUESTIONS) {
            let (Some(policies), Some(tenant)) = (self.sets.get(ask.at), self.tenants.get(ask.at)) else { continue };
            let (request, entities) = (request(ask)?, entities(tenant, ask)?);
            let start = Instant::now();
            let answer = black_box(authorizer.is_authorized(black_box(&request), policies, &entities));
            samples.push(since(start));
            agree("cedar", sets, ask, answer.decision() == Decision::Allow)?;
        }
        Ok(())
    }
}

fn policy(rule: &RuleSpec) -> String {
    let effect = if rule.effect == "allow" { "permit" } else { "forbid" };
    let actions: Vec<String> = rule.actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let mut clauses = Vec::new();
    let mut scope = "resource".to_owned();
    let mut segments = rule.on.splitn(3, '/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(family), Some("*"), Some(rest)) => {
            clauses.push(format!("resource.family == \"{family}\" && resource.rest == \"{rest}\""));
        }
        (Some(family), Some(upstream), Some(rest)) if rest.contains('*') => {
            clauses.push(format!("resource.family == \"{family}\" && resource.upstream == \"{upstream}\""));
            match rest.strip_suffix("/**") {
                Some(team) => {
                    clauses.push(format!("(resource.rest == \"{team}\" || resource.rest like \"{team}/*\")"));
                }
                None if rest == "*" => clauses.push("resource.single".to_owned()),
                None => {}
            }
        }
        _ => scope = format!("resource == Resource::\"{}\"", rule.on),
    }
    clauses.extend(rule.condition.and_then(|at| CONDITIONS.get(at)).map(|(_, cedar)| format!("({cedar})")));
    let mut text =
        format!("{effect}(principal in Role::\"r{}\", action in [{}], {scope})", rule.role, actions.join(", "));
    if !clauses.is_empty() {
        let _ = write!(text, " when {{ {} }}", clauses.join(" && "));
    }
    text + ";\n"
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, BenchError> {
    format!("{kind}::\"{id}\"").parse().map_err(|e| failed("cedar", &e))
}

fn request(ask: &Ask) -> Result<Request, BenchError> {
    let labels: Vec<&str> = ask.facts.labels.iter().map(|label| label.as_str()).collect();
    let context = json!({ "labels": labels, "tokens": ask.facts.token_estimate, "now": ask.facts.now });
    let context = Context::from_json_value(context, None).map_err(|e| failed("cedar", &e))?;
    let (user, action) = (uid("User", ask.principal.as_str())?, uid("Action", ask.action.as_str())?);
    let resource = uid("Resource", &ask.resource.to_string())?;
    Request::new(user, action, resource, context, None).map_err(|e| failed("cedar", &e))
}

fn entities(tenant: &TenantSpec, ask: &Ask) -> Result<Entities, BenchError> {
    let mut roles = BTreeSet::new();
    if let Some((own, by_group)) = tenant.users.get(ask.user) {
        for role in own.iter().chain(by_group) {
            let mut next = Some(*role);
            while let Some(role) = next.filter(|role| roles.insert(*role)) {
                next = tenant.inherits.get(role).copied().flatten();
            }
        }
    }
    let path = ask.resource.to_string();
    let mut segments = path.splitn(3, '/');
    let (family, upstream) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let rest = segments.next().unwrap_or_default();
    let parents: Vec<_> = roles.iter().map(|role| json!({ "type": "Role", "id": format!("r{role}") })).collect();
    let attributes = json!({
        "family": family, "upstream": upstream, "rest": rest, "single": !rest.is_empty() && !rest.contains('/'),
    });
    let all = json!([
        { "uid": { "type": "User", "id": ask.principal.as_str() }, "attrs": {}, "parents": parents },
        { "uid": { "type": "Resource", "id": path }, "attrs": attributes, "parents": [] },
    ]);
    Entities::from_json_value(all, None).map_err(|e| failed("cedar", &e))
}

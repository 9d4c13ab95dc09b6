//! Casbin, asked about an imported pair.

use super::check::check;
use super::departure::Departure;
use super::functions::FUNCTIONS;
use super::plan::{MATCHES_ROLE, Plan};
use super::{CasbinText, KeyMatch, Matching, Part, Reason, Refusal, Refused};
use casbin::rhai::{Dynamic, Map};
use casbin::{CoreApi, DefaultModel, Enforcer, Model};
use serde_json::Value;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// An imported casbin pair: it decides as casbin does, and can be converted to documents.
pub struct Casbin {
    enforcer: Enforcer,
    plan: Plan,
}

impl std::fmt::Debug for Casbin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Casbin").field("lines", &self.plan.rows.len()).finish_non_exhaustive()
    }
}

/// Why a request has no answer. Whoever asks must deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// The request has another number of values than the model defines.
    #[error("the request has another number of values than the model defines")]
    Values,
    /// A value is neither a text, a whole number of 32 bits, true or false, nor a list or an object of such.
    #[error("a value of the request is of a kind that casbin does not take")]
    Kind,
    /// The matcher could not be evaluated for this request: an attribute is missing, types do not fit, or a
    /// pattern that the request brought does not compile.
    #[error("the matcher could not be evaluated for this request")]
    Matcher,
}

/// What casbin answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

impl Casbin {
    /// Checks a pair and gives it to casbin. Nothing that casbin-rs is known to get wrong gets that far.
    ///
    /// # Errors
    /// [`Refused`] with every reason, each with its line.
    pub fn load(text: CasbinText<'_>, matching: Matching) -> Result<Self, Refused> {
        let plan = check(text, matching).map_err(Refused)?;
        let fault = || Refused(vec![Refusal::new(Part::Model, 0, Reason::Internal, "casbin does not take the model")]);
        let enforcer = build(&plan).ok_or_else(fault)?;
        Ok(Self { enforcer, plan })
    }

    /// Asks casbin. The values stand in the order of the model's request definition.
    ///
    /// # Errors
    /// [`Undecided`] when there is no answer; whoever asks must deny then.
    pub fn decide(&self, request: &[Value]) -> Result<Answer, Undecided> {
        if request.len() != self.plan.tokens.len() {
            return Err(Undecided::Values);
        }
        let values: Vec<Dynamic> = request.iter().map(dynamic).collect::<Option<_>>().ok_or(Undecided::Kind)?;
        match self.enforcer.enforce(values) {
            Ok(true) => Ok(Answer::Allow),
            Ok(false) => Ok(Answer::Deny),
            Err(_) => Err(Undecided::Matcher),
        }
    }

    /// Where casbin-rs would answer some requests otherwise than [`Casbin::decide`] does, in the order of the texts.
    #[must_use]
    pub fn departures(&self) -> &[Departure] {
        &self.plan.departures
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }
}

fn dynamic(value: &Value) -> Option<Dynamic> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => i32::try_from(number.as_i64()?).ok()?.into(),
        Value::String(text) => text.clone().into(),
        Value::Array(items) => items.iter().map(dynamic).collect::<Option<Vec<_>>>()?.into(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.as_str().into(), dynamic(value)?)));
            Dynamic::from_map(fields.collect::<Option<Map>>()?)
        }
    })
}

/// `None` when casbin refuses what passed the checks, which is a fault of the checks.
fn build(plan: &Plan) -> Option<Enforcer> {
    let mut model = DefaultModel::default();
    let definitions = [
        ("r", plan.tokens.join(", ")),
        ("p", plan.columns.join(", ")),
        ("e", plan.effect.definition().to_owned()),
        ("m", plan.for_casbin(&plan.matcher)),
    ];
    for (key, definition) in definitions {
        model.add_def(key, key, &definition).then_some(())?;
    }
    for kind in &plan.roles {
        model.add_def("g", &kind.key, kind.scope.definition()).then_some(())?;
    }
    for row in &plan.rows {
        model.add_policy("p", "p", row.values.clone());
    }
    for row in &plan.links {
        model.add_policy("g", &row.kind, row.values.clone());
    }
    let mut enforcer = at_once(Enforcer::new_raw(model, ()))?;
    for function in &FUNCTIONS {
        enforcer.add_function(function.name, function.call);
    }
    let roles = plan.matching.roles.map(KeyMatch::matching);
    if let Some(roles) = plan.matching.roles {
        enforcer.add_function(MATCHES_ROLE, roles.function());
    }
    let domains = plan.matching.domains.map(KeyMatch::matching);
    enforcer.get_role_manager().write().matching_fn(roles, domains);
    enforcer.build_role_links().ok()?;
    Some(enforcer)
}

/// The result of a future that never waits: there is no adapter, so that nothing is read.
fn at_once<T, E>(future: impl Future<Output = Result<T, E>>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.ok(),
        Poll::Pending => None,
    }
}

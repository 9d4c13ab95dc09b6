//! Casbin. The only file that talks to it.
//!
//! The pitfalls of casbin-rs 2.20 that shape this file: its cached enforcer serves stale allows, `keyMatch2`
//! is a leaky regular expression, long role chains are cut off in silence, an unknown effect text panics
//! late, one malformed row breaks every decision, `eval` is unbounded, and a switched-off enforcer allows
//! everything. So: a plain `Enforcer`, matching and conditions by native functions, roles expanded before
//! they get here, rows made by code only, and a probe of the whole model before a set is used.

use crate::pattern::path_matches;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, Model, function_map::OperatorFunction};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The model. A row is one (rule, role, action, pattern); `cond` names the rule's condition, or
/// [`UNCONDITIONAL`]; a request's `ctx` lists the conditions that hold.
const MODEL: [(&str, &str); 5] = [
    ("r", "tenant, sub, obj, act, ctx"),
    ("p", "id, tenant, sub, obj, act, cond, eft"),
    ("g", "_, _, _"),
    ("e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))"),
    (
        "m",
        "r.tenant == p.tenant && r.act == p.act && objMatch(r.obj, p.obj) && cond(r.ctx, p.cond) \
         && g(r.sub, p.sub, r.tenant)",
    ),
];

/// The `cond` of a row without a condition.
pub(crate) const UNCONDITIONAL: &str = "always";

/// A policy line in the order of the model: id, tenant, sub, obj, act, cond, eft.
pub(crate) type Row = Vec<String>;

/// What casbin is asked: r.sub, r.obj, r.act, r.ctx within a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) object: &'a str,
    pub(crate) action: &'a str,
    pub(crate) context: &'a str,
}

/// Casbin failed: a fault of ours or of casbin's, never of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the casbin engine failed")]
pub(crate) struct RefereeFault;

/// A casbin enforcer that is given, for each question, exactly the lines that may matter.
pub(crate) struct Referee {
    enforcer: Enforcer,
}

impl Referee {
    pub(crate) fn new() -> Result<Self, RefereeFault> {
        let mut model = DefaultModel::default();
        for (section, definition) in MODEL {
            if !model.add_def(section, section, definition) {
                return Err(RefereeFault);
            }
        }
        let mut enforcer = at_once(Enforcer::new_raw(model, ())).ok_or(RefereeFault)?;
        enforcer.add_function("objMatch", OperatorFunction::Arg2(object_matches));
        enforcer.add_function("cond", OperatorFunction::Arg2(condition_holds));
        Ok(Self { enforcer })
    }

    /// Gives casbin these lines, and no others.
    pub(super) fn rows(&mut self, rows: impl Iterator<Item = Row>) -> Result<(), RefereeFault> {
        let model = self.enforcer.get_mut_model().get_mut_model();
        let lines = model.get_mut("p").and_then(|p| p.get_mut("p")).ok_or(RefereeFault)?;
        let policy = lines.get_mut_policy();
        policy.clear();
        policy.extend(rows);
        Ok(())
    }

    /// Gives casbin these `g` rows (holder, held) of a tenant, and no others.
    pub(super) fn links(&mut self, tenant: &str, links: impl Iterator<Item = (String, String)>) {
        let roles = self.enforcer.get_role_manager();
        let mut roles = roles.write();
        roles.clear();
        for (holder, held) in links {
            roles.add_link(&holder, &held, Some(tenant));
        }
    }

    /// Asks casbin.
    pub(super) fn verdict(&self, request: Request<'_>) -> Result<bool, RefereeFault> {
        let Request { tenant, subject, object, action, context } = request;
        let values = [tenant, subject, object, action, context].map(String::from).to_vec();
        self.enforcer.enforce(values).map_err(|_| RefereeFault)
    }
}

/// The result of a future that never waits. Building an enforcer without an adapter does no I/O.
fn at_once<T, E>(future: impl Future<Output = Result<T, E>>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.ok(),
        Poll::Pending => None,
    }
}

fn object_matches(object: Dynamic, pattern: Dynamic) -> Dynamic {
    both(object, pattern, |object, pattern| path_matches(pattern, object))
}

fn condition_holds(context: Dynamic, wanted: Dynamic) -> Dynamic {
    both(context, wanted, |context, wanted| {
        wanted == UNCONDITIONAL || (!wanted.is_empty() && context.split(';').any(|held| held == wanted))
    })
}

fn both(a: Dynamic, b: Dynamic, test: impl Fn(&str, &str) -> bool) -> Dynamic {
    let (a, b) = (a.into_immutable_string(), b.into_immutable_string());
    Dynamic::from(matches!((a, b), (Ok(a), Ok(b)) if test(&a, &b)))
}

/// Asks questions with known answers, each of which needs a different part of the model. Casbin accepts a
/// model with a missing section or an unknown function, and fails only when asked.
pub(crate) fn probe() -> Result<(), RefereeFault> {
    let mut referee = Referee::new()?;
    let row = |tenant: &str, object: &str, cond: &str, eft: &str| -> Row {
        ["probe", tenant, "role:r", object, "model.chat", cond, eft].map(String::from).to_vec()
    };
    let allow = row("t", "model/*/m", UNCONDITIONAL, "allow");
    let cases: [(&[Row], &str, &str, bool); 8] = [
        (&[], "u:a", "", false),
        (std::slice::from_ref(&allow), "u:a", "", true),
        (std::slice::from_ref(&allow), "u:stranger", "", false),
        (&[row("other", "model/*/m", UNCONDITIONAL, "allow")], "u:a", "", false),
        (&[row("t", "model/u/x", UNCONDITIONAL, "allow")], "u:a", "", false),
        (&[row("t", "**", "c1", "allow")], "u:a", "c2;c11", false),
        (&[row("t", "**", "c1", "allow")], "u:a", "c2;c1", true),
        (&[allow.clone(), row("t", "**", "c1", "deny")], "u:a", "c1", false),
    ];
    for (rows, subject, context, expected) in cases {
        let links = [("u:a", "group:g"), ("group:g", "role:r")];
        let request = Request { tenant: "t", subject, object: "model/u/m", action: "model.chat", context };
        referee.rows(rows.iter().cloned())?;
        referee.links("t", links.map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter());
        if referee.verdict(request)? != expected {
            return Err(RefereeFault);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Plain casbin over every rule of every tenant is the oracle: roles are casbin's own graph, unexpanded;
//! patterns and conditions are matched by other code. Whatever it says, the set must say.

use crate::calls::{Call, call};
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, Model, function_map::OperatorFunction};
use policy_engine::{Document, Governed, PolicySet};
use proptest::prelude::*;
use std::fmt::Write;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const TENANTS: [&str; 3] = ["t1", "t2", "t3"];
const ROLES: [&str; 5] = ["a", "b", "c", "d", "everyone"];
const MEMBERS: [&str; 6] = ["u:u1", "u:u2", "u:a", "group:g1", "group:g2", "group:a"];
const USERS: [&str; 4] = ["u1", "u2", "u3", "a"];
const GROUPS: [&str; 4] = ["g1", "g2", "a", "b"];
const LABELS: [&str; 2] = ["l.one", "l.two"];
const MODEL_ACTIONS: [&str; 2] = ["model.chat", "model.embed"];
const PATTERNS: [&str; 9] =
    ["**", "model/**", "model/x/**", "model/*/m", "model/x/m", "model/x/m.1", "model/*/*", "model/*/m/**", "model/x"];
const RESOURCES: [&str; 7] =
    ["model/x/m", "model/y/m", "model/x/m.1", "model/x/m11", "model/x", "model/y/m/n", "model/x/**"];

#[derive(Debug, Clone)]
struct RuleSpec {
    allow: bool,
    actions: Vec<&'static str>,
    roles: Vec<&'static str>,
    on: Vec<&'static str>,
    label: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct TenantSpec {
    members: Vec<(&'static str, &'static str)>,
    /// (heir, heritage): indexes into the first four roles, heir before heritage, so that there is no cycle.
    inherits: Vec<(usize, usize)>,
    rules: Vec<RuleSpec>,
}

#[derive(Debug, Clone)]
struct CallSpec {
    tenant: &'static str,
    user: &'static str,
    action: &'static str,
    resource: &'static str,
    labels: Vec<&'static str>,
}

fn some_of(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(all, 1..=most)
}

fn rule_spec() -> impl Strategy<Value = RuleSpec> {
    let parts = (
        prop::bool::weighted(0.75),
        some_of(&MODEL_ACTIONS, 2),
        some_of(&ROLES, 2),
        some_of(&PATTERNS, 2),
        prop::option::of(prop::sample::select(&LABELS[..])),
    );
    parts.prop_map(|(allow, actions, roles, on, label)| RuleSpec { allow, actions, roles, on, label })
}

fn tenant_spec() -> impl Strategy<Value = TenantSpec> {
    let member = (prop::sample::select(&ROLES[..4]), prop::sample::select(&MEMBERS[..]));
    let edge = (0..3_usize).prop_flat_map(|heir| (Just(heir), heir + 1..4));
    (prop::collection::vec(member, 0..6), prop::collection::vec(edge, 0..4), prop::collection::vec(rule_spec(), 0..6))
        .prop_map(|(members, inherits, rules)| TenantSpec { members, inherits, rules })
}

fn call_spec() -> impl Strategy<Value = CallSpec> {
    let parts = (
        prop::sample::select(&TENANTS[..]),
        prop::sample::select(&USERS[..]),
        prop::sample::select(&MODEL_ACTIONS[..]),
        prop::sample::select(&RESOURCES[..6]),
        prop::sample::subsequence(&LABELS[..], 0..=2),
    );
    parts.prop_map(|(tenant, user, action, resource, labels)| CallSpec { tenant, user, action, resource, labels })
}

/// What the credential of each user vouches for.
type Vouched = Vec<(usize, Vec<&'static str>)>;

fn vouched() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    prop::collection::vec(prop::sample::subsequence(&GROUPS[..], 0..=3), USERS.len())
}

fn quoted(all: &[&str]) -> String {
    format!("{all:?}")
}

fn document(name: &str, tenant: &TenantSpec) -> Document {
    let mut text = format!("version = 1\ntenant = \"{name}\"\n[roles]\n");
    for (at, role) in ROLES[..4].iter().enumerate() {
        let members: Vec<&str> = tenant.members.iter().filter(|(r, _)| r == role).map(|(_, m)| *m).collect();
        let inherits: Vec<&str> =
            tenant.inherits.iter().filter(|(heir, _)| *heir == at).map(|(_, from)| ROLES[*from]).collect();
        let _ = writeln!(text, "{role} = {{ members = {}, inherits = {} }}", quoted(&members), quoted(&inherits));
    }
    for (at, rule) in tenant.rules.iter().enumerate() {
        let effect = if rule.allow { "allow" } else { "deny" };
        let (actions, roles, on) = (quoted(&rule.actions), quoted(&rule.roles), quoted(&rule.on));
        let _ = writeln!(text, "[[rule]]\nid = \"r{at}\"\n{effect} = {actions}\nroles = {roles}\non = {on}");
        if let Some(label) = rule.label {
            let _ = writeln!(text, "when = '\"{label}\" in labels'");
        }
    }
    Document { name: format!("{name}.toml"), text }
}

fn at_once<T>(future: impl Future<Output = casbin::Result<T>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("casbin waits"),
    }
}

fn glob(object: Dynamic, pattern: Dynamic) -> Dynamic {
    fn rest(pattern: &[&str], path: &[&str]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((&"**", _)) => true,
            Some((want, pattern)) => {
                path.split_first().is_some_and(|(have, path)| (*want == "*" || want == have) && rest(pattern, path))
            }
        }
    }
    let (object, pattern) = (object.into_string().unwrap(), pattern.into_string().unwrap());
    let path: Vec<&str> = object.split('/').collect();
    let pattern: Vec<&str> = pattern.split('/').collect();
    rest(&pattern, &path).into()
}

fn labelled(labels: Dynamic, wanted: Dynamic) -> Dynamic {
    let (labels, wanted) = (labels.into_string().unwrap(), wanted.into_string().unwrap());
    (wanted.is_empty() || labels.split(' ').any(|l| l == wanted)).into()
}

fn oracle(tenants: &[TenantSpec], vouched: &[Vec<&'static str>]) -> Enforcer {
    let mut model = DefaultModel::default();
    model.add_def("r", "r", "tenant, sub, obj, act, labels");
    model.add_def("p", "p", "id, tenant, sub, obj, act, label, eft");
    model.add_def("g", "g", "_, _, _");
    model.add_def("e", "e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))");
    let matcher = "g(r.sub, p.sub, r.tenant) && r.tenant == p.tenant && glob(r.obj, p.obj) \
                   && r.act == p.act && labelled(r.labels, p.label)";
    model.add_def("m", "m", matcher);
    let add = |model: &mut DefaultModel, kind: &str, row: &[&str]| {
        model.add_policy(kind, kind, row.iter().map(ToString::to_string).collect());
    };
    for (name, tenant) in TENANTS.iter().zip(tenants) {
        for (role, member) in &tenant.members {
            add(&mut model, "g", &[member, &format!("role:{role}"), name]);
        }
        for (heir, from) in &tenant.inherits {
            let (heir, from) = (format!("role:{}", ROLES[*heir]), format!("role:{}", ROLES[*from]));
            add(&mut model, "g", &[&heir, &from, name]);
        }
        for (user, groups) in USERS.iter().zip(vouched) {
            let user = format!("u:{user}");
            add(&mut model, "g", &[&user, "role:everyone", name]);
            for group in groups {
                add(&mut model, "g", &[&user, &format!("group:{group}"), name]);
            }
        }
        for (at, rule) in tenant.rules.iter().enumerate() {
            let (id, effect) = (format!("r{at}"), if rule.allow { "allow" } else { "deny" });
            for (role, on) in rule.roles.iter().flat_map(|r| rule.on.iter().map(move |o| (r, o))) {
                for action in &rule.actions {
                    let (role, label) = (format!("role:{role}"), rule.label.unwrap_or_default());
                    add(&mut model, "p", &[&id, name, &role, on, action, label, effect]);
                }
            }
        }
    }
    let mut enforcer = at_once(Enforcer::new_raw(model, ()));
    enforcer.add_function("glob", OperatorFunction::Arg2(glob));
    enforcer.add_function("labelled", OperatorFunction::Arg2(labelled));
    enforcer.build_role_links().unwrap();
    enforcer
}

fn of(spec: &CallSpec, vouched: &Vouched) -> Call {
    let at = USERS.iter().position(|u| *u == spec.user).unwrap();
    let groups = &vouched[at].1;
    call(spec.tenant, spec.user, spec.action, spec.resource).with_labels(&spec.labels).with_groups(groups)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_set_says_what_plain_casbin_says(
        tenants in prop::collection::vec(tenant_spec(), TENANTS.len() - 1),
        vouched in vouched(),
        calls in prop::collection::vec(call_spec(), 8),
    ) {
        // The last tenant has no document.
        let documents: Vec<Document> =
            TENANTS.iter().zip(&tenants).map(|(name, tenant)| document(name, tenant)).collect();
        let set = PolicySet::compile(&documents).unwrap_or_else(|d| panic!("{d:#?}\n{documents:#?}"));
        let oracle = oracle(&tenants, &vouched);
        let vouched: Vouched = vouched.into_iter().enumerate().collect();
        for spec in calls.iter().chain(&calls) {
            let request: Vec<String> = [
                spec.tenant, &format!("u:{}", spec.user), spec.resource, spec.action, &spec.labels.join(" "),
            ].map(String::from).to_vec();
            let expected = oracle.enforce(request).unwrap();
            let call = of(spec, &vouched);
            let decision = set.decide_query(&call.query());
            prop_assert_eq!(decision.verdict().is_ok(), expected, "{:?}\n{:?}\n{:?}", spec, decision, documents);
            prop_assert_eq!(set.decide(call).is_ok(), expected);
        }
    }
}

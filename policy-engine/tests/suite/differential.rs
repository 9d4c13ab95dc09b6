//! Plain casbin over every rule of every tenant is the oracle: roles are casbin's own graph, unexpanded;
//! patterns and conditions are matched by other code. Whatever it says, the set must say, under both engines.
//!
//! `AIOS_DIFFERENTIAL_CASES=17000 cargo nextest run --release -p policy-engine differential` compares more than a
//! million decisions.

use crate::calls::{Call, call};
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, Model, function_map::OperatorFunction};
use policy_engine::{Document, Engine, Governed, Options, PolicySet};
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
const ACTIONS: [&str; 4] = ["model.chat", "model.embed", "vector.search", "vector.read"];
const PATTERNS: [&str; 18] = [
    "**",
    "model/**",
    "model/x/**",
    "model/*/m",
    "model/x/m",
    "model/x/m.1",
    "model/*/*",
    "model/*/m/**",
    "model/x",
    "model/*",
    "model/x/*/n",
    "model/*/*/n/**",
    "model/x/m/n",
    "vector/**",
    "vector/x/*",
    "vector/*/m",
    "vector/x/m",
    "vector/y/**",
];
const FAMILIES: [&str; 2] = ["model", "vector"];
const UPSTREAMS: [&str; 3] = ["x", "y", "z"];
const SEGMENTS: [&str; 4] = ["m", "n", "m.1", "m11"];
/// Each condition with the text by which the oracle's request says that it holds.
const CONDITIONS: [(&str, &str); 5] = [
    ("\"l.one\" in labels", "l.one"),
    ("\"l.two\" in labels", "l.two"),
    ("call.tokens < 5", "few"),
    ("\"l.one\" in labels && call.tokens >= 5", "l.one&many"),
    // It fails where the call has no k.
    ("call.k > 3", FAILS),
];
const FAILS: &str = "k>3";

#[derive(Debug, Clone)]
struct RuleSpec {
    allow: bool,
    actions: Vec<&'static str>,
    roles: Vec<&'static str>,
    on: Vec<&'static str>,
    when: Option<(&'static str, &'static str)>,
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
    resource: String,
    labels: Vec<&'static str>,
    tokens: u64,
    k: Option<u32>,
}

fn some_of(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(all, 1..=most)
}

/// Whether a pattern is about resources of an action's family: a row of casbin's is of no other pair.
fn meet(action: &str, pattern: &str) -> bool {
    pattern == "**" || action.split_once('.').unwrap().0 == pattern.split_once('/').unwrap().0
}

/// A rule whose actions and patterns go together: what applies to nothing does not load.
fn rule_spec() -> impl Strategy<Value = RuleSpec> {
    let parts = (
        prop::bool::weighted(0.75),
        some_of(&ACTIONS, 3),
        some_of(&ROLES, 2),
        some_of(&PATTERNS, 2),
        prop::option::weighted(0.4, prop::sample::select(&CONDITIONS[..])),
    );
    parts.prop_filter_map("an action or a pattern would apply to nothing", |(allow, actions, roles, on, when)| {
        let all = actions.iter().all(|a| on.iter().any(|p| meet(a, p)));
        let all = all && on.iter().all(|p| actions.iter().any(|a| meet(a, p)));
        all.then_some(RuleSpec { allow, actions, roles, on, when })
    })
}

fn tenant_spec() -> impl Strategy<Value = TenantSpec> {
    let member = (prop::sample::select(&ROLES[..4]), prop::sample::select(&MEMBERS[..]));
    let edge = (0..3_usize).prop_flat_map(|heir| (Just(heir), heir + 1..4));
    (prop::collection::vec(member, 0..6), prop::collection::vec(edge, 0..4), prop::collection::vec(rule_spec(), 0..6))
        .prop_map(|(members, inherits, rules)| TenantSpec { members, inherits, rules })
}

fn resource() -> impl Strategy<Value = String> {
    let parts = (
        prop::sample::select(&FAMILIES[..]),
        prop::sample::select(&UPSTREAMS[..]),
        prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..4),
    );
    parts.prop_map(|(family, upstream, rest)| {
        let most = if family == "vector" { 1 } else { 3 };
        let rest = rest.into_iter().take(most);
        [family, upstream].into_iter().chain(rest).collect::<Vec<_>>().join("/")
    })
}

fn call_spec() -> impl Strategy<Value = CallSpec> {
    let parts = (
        prop::sample::select(&TENANTS[..]),
        prop::sample::select(&USERS[..]),
        prop::sample::select(&ACTIONS[..]),
        resource(),
        prop::sample::subsequence(&LABELS[..], 0..=2),
        0..10_u64,
        prop::option::of(0..8_u32),
    );
    parts.prop_map(|(tenant, user, action, resource, labels, tokens, k)| CallSpec {
        tenant,
        user,
        action,
        resource,
        labels,
        tokens,
        k,
    })
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
        if let Some((source, _)) = rule.when {
            let _ = writeln!(text, "when = '{source}'");
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

/// Casbin with the rows of all rules, or with those of the rules that fail as if these allowed everything.
fn oracle(tenants: &[TenantSpec], vouched: &[Vec<&'static str>], only_failing: bool) -> Enforcer {
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
            let condition = rule.when.map_or("", |(_, name)| name);
            let (mut effect, mut condition) = (if rule.allow { "allow" } else { "deny" }, condition);
            if only_failing {
                if condition != FAILS {
                    continue;
                }
                (effect, condition) = ("allow", "");
            }
            let id = format!("r{at}");
            for (role, on) in rule.roles.iter().flat_map(|r| rule.on.iter().map(move |o| (r, o))) {
                for action in rule.actions.iter().filter(|action| meet(action, on)) {
                    let role = format!("role:{role}");
                    add(&mut model, "p", &[&id, name, &role, on, action, condition, effect]);
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
    let mut call = call(spec.tenant, spec.user, spec.action, &spec.resource);
    call.facts.token_estimate = spec.tokens;
    call.facts.k = spec.k;
    call.with_labels(&spec.labels).with_groups(groups)
}

/// The oracle's request: `labels` are the conditions that hold.
fn request(spec: &CallSpec) -> Vec<String> {
    let few = spec.tokens < 5;
    let mut held = spec.labels.clone();
    held.push(if few { "few" } else { "many" });
    held.extend((spec.labels.contains(&"l.one") && !few).then_some("l.one&many"));
    held.extend(spec.k.is_some_and(|k| k > 3).then_some(FAILS));
    [spec.tenant, &format!("u:{}", spec.user), &spec.resource, spec.action, &held.join(" ")].map(String::from).to_vec()
}

fn cases() -> u32 {
    let wanted = std::env::var("AIOS_DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok());
    wanted.unwrap_or(if cfg!(debug_assertions) { 40 } else { 400 })
}

/// Questions of each case: with 400 cases, 24,000 of them, each answered by three.
const CALLS: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_local_rejects: u32::MAX,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_engines_say_what_plain_casbin_says(
        tenants in prop::collection::vec(tenant_spec(), TENANTS.len() - 1),
        vouched in vouched(),
        calls in prop::collection::vec(call_spec(), CALLS),
    ) {
        // The last tenant has no document.
        let documents: Vec<Document> =
            TENANTS.iter().zip(&tenants).map(|(name, tenant)| document(name, tenant)).collect();
        let sets = [Engine::Slice, Engine::Index].map(|engine| {
            let options = Options { engine, ..Options::default() };
            PolicySet::compile_with(&documents, options).unwrap_or_else(|d| panic!("{d:#?}\n{documents:#?}"))
        });
        let (whole, failing) = (oracle(&tenants, &vouched, false), oracle(&tenants, &vouched, true));
        let vouched: Vouched = vouched.into_iter().enumerate().collect();
        let expected = calls.iter().map(|spec| {
            let fails = spec.k.is_none() && failing.enforce(request(spec)).unwrap();
            whole.enforce(request(spec)).unwrap() && !fails
        });
        let expected: Vec<bool> = expected.collect();
        for set in &sets {
            // Twice: the second time from what was kept.
            for (spec, expected) in calls.iter().zip(&expected).chain(calls.iter().zip(&expected)) {
                let call = of(spec, &vouched);
                let decision = set.decide_query(&call.query());
                prop_assert_eq!(decision.verdict().is_ok(), *expected, "{:?}\n{:?}\n{:?}", spec, decision, documents);
                prop_assert_eq!(set.decide(call).is_ok(), *expected);
            }
            prop_assert_eq!(set.alarms().disagreements, 0);
        }
        // Not only the verdicts: the rules and terms too.
        for spec in &calls {
            let call = of(spec, &vouched);
            let [slice, index] = [0, 1].map(|at: usize| sets[at].decide_query(&call.query()));
            prop_assert_eq!(slice, index);
        }
    }
}

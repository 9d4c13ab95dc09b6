use super::health::Way;
use super::verify::verify;
use super::*;
use crate::action::Action;
use crate::decision::ReasonCode;
use crate::document::{Document, Effect};
use crate::facts::{Facts, Query};
use crate::names::RuleId;
use crate::obligations::Terms;
use crate::pattern::Pattern;
use crate::resource::Resource;
use crate::set::{Index, Line, PolicySet, Rule, Tenant};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use vocab::{PrincipalId, TenantId};

const POLICY: &str = r#"
version = 1
tenant = "acme"
[roles]
analyst = { members = ["u:alice"] }
[[rule]]
id = "chat"
allow = ["model.chat"]
roles = ["analyst"]
on = "model/**"
[[rule]]
id = "not-there"
deny = ["model.chat"]
roles = ["everyone"]
on = "model/secret/*"
"#;

fn set(live_check: u32) -> PolicySet {
    let document = Document { name: "acme.toml".into(), text: POLICY.into() };
    let options = Options { engine: Engine::Index, live_check: NonZeroU32::new(live_check).unwrap() };
    PolicySet::compile_with(&[document], options).unwrap()
}

/// A set whose index has lost the lines of the rule that denies.
fn broken(live_check: u32) -> PolicySet {
    let mut set = set(live_check);
    let tenant = Arc::get_mut(set.tenants.get_mut(&TenantId::new("acme").unwrap()).unwrap()).unwrap();
    tenant.trie = Trie::build(&tenant.rules, &tenant.lines[..1]).unwrap();
    set
}

fn ask(set: &PolicySet, path: &str) -> Result<(), ReasonCode> {
    let (tenant, principal) = (TenantId::new("acme").unwrap(), PrincipalId::new("alice").unwrap());
    let (resource, facts): (Resource, _) = (path.parse().unwrap(), Facts::default());
    let query = Query {
        tenant: &tenant,
        principal: &principal,
        groups: &[],
        claims: &[],
        action: Action::ModelChat,
        resource: &resource,
        facts: &facts,
    };
    decide_in(set, &set.tenants[&tenant], &query, Roles::OfCaller).verdict.as_ref().map(|_| ()).map_err(Clone::clone)
}

fn forbidden() -> Result<(), ReasonCode> {
    Err(ReasonCode::Forbidden { rule: RuleId::new("not-there").unwrap() })
}

/// Each test counts decisions, so each has a thread of its own.
fn alone(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(test).join().unwrap());
}

#[test]
fn a_wrong_index_does_not_load() {
    let set = broken(1);
    let id = TenantId::new("acme").unwrap();
    let defect = verify(&id, &set.tenants[&id], 64, &set.digest).unwrap_err();
    assert!(defect.message.starts_with("tenant acme: the index and casbin disagree about model."), "{defect}");
    assert_eq!(verify(&id, &super::tests::set(1).tenants[&id], 64, &set.digest), Ok(()));
}

#[test]
fn a_wrong_answer_is_seen_when_it_is_checked_and_casbin_decides_from_then_on() {
    alone(|| {
        let set = broken(3);
        assert_eq!(set.alarms(), Alarms { disagreements: 0, engine: Engine::Index });
        assert_eq!(ask(&set, "model/secret/a"), Ok(()), "this is the fault");
        assert_eq!(ask(&set, "model/secret/a"), Ok(()));
        assert_eq!(ask(&set, "model/secret/a"), forbidden(), "one in three is checked, though it is known");
        assert_eq!(set.alarms(), Alarms { disagreements: 1, engine: Engine::Slice });
        for path in ["model/secret/a", "model/secret/b", "model/secret/a"] {
            assert_eq!(ask(&set, path), forbidden(), "nothing that was kept is believed");
        }
        assert_eq!(ask(&set, "model/open/a"), Ok(()));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(ask(&set, "model/secret/a"), forbidden(), "for every thread")).join().unwrap();
        });
        assert_eq!(set.alarms().disagreements, 1);
    });
}

#[test]
fn a_right_index_raises_no_alarm() {
    alone(|| {
        let set = set(1);
        for n in 0..50 {
            assert_eq!(ask(&set, &format!("model/secret/{n}")), forbidden());
            assert_eq!(ask(&set, &format!("model/open/{}", n % 3)), Ok(()));
        }
        assert_eq!(set.alarms(), Alarms { disagreements: 0, engine: Engine::Index });
        assert_eq!(set.health.way(Engine::Slice), Way::Slice);
    });
}

const SEGMENTS: [&str; 4] = ["a", "b", "cc", "*"];

fn pattern() -> impl Strategy<Value = Pattern> {
    let parts = (prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..5), prop::bool::ANY);
    parts.prop_filter_map("no pattern", |(middle, open)| {
        let segments = ["model"].into_iter().chain(middle).chain(open.then_some("**"));
        Pattern::parse(&segments.collect::<Vec<_>>().join("/")).ok()
    })
}

/// The roles of a rule, and its lines.
type Spec = (BTreeSet<Index>, Vec<(Pattern, Vec<Action>)>);

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let actions = prop::sample::subsequence(&Action::ALL[..3], 1..=3);
    let roles = prop::collection::btree_set(0..5_u32, 1..4);
    prop::collection::vec((roles, prop::collection::vec((pattern(), actions), 1..4)), 0..12)
}

fn tenant(specs: Vec<Spec>) -> Tenant {
    let mut tenant = Tenant::default();
    for (at, (roles, lines)) in (0..).zip(specs) {
        for (pattern, actions) in lines {
            let actions = actions.into_iter().collect();
            tenant.lines.push(Line { rule: at, actions, pattern: Arc::new(pattern) });
        }
        tenant.rules.push(rule(at, roles.into_iter().collect()));
    }
    tenant.trie = Trie::build(&tenant.rules, &tenant.lines).unwrap();
    tenant
}

fn rule(at: Index, roles: Box<[Index]>) -> Rule {
    let id = RuleId::new(&format!("r{at}")).unwrap();
    let (file, terms) = ("acme.toml".into(), Arc::new(Terms::default()));
    Rule { id, effect: Effect::Allow, roles, when: None, terms, file, line: 1 }
}

/// The table is what makes look-ups fast: a large tenant of plain patterns has one, and many shapes do without.
#[test]
fn large_tenants_have_a_table_and_many_shapes_a_trie() {
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    let plain = (0..20_000).flat_map(|n| {
        let (upstream, name) = (n % 40, n / 40);
        [format!("model/u{upstream}/m{name}"), format!("model/*/m{name}"), format!("vector/u{upstream}/**")]
    });
    let plain: Vec<(Pattern, Vec<Action>)> = plain.map(|text| (pattern(&text), vec![Action::ModelChat])).collect();
    let plain = tenant(vec![([0].into(), plain)]);
    assert!(plain.trie.has_table());
    for path in ["model/u7/m3", "model/u7/m501", "model/other/m3", "model/u7", "model/u7/m3/x", "vector/u1/x"] {
        assert_eq!(plain.look_up(path, Action::ModelChat, &[0]), plain.scan(path, Action::ModelChat, &[0]), "{path}");
    }
    let shapes = (0..32_u32).map(|n| {
        let segments = (0..5).map(|at| if n >> at & 1 == 1 { "*" } else { "a" });
        (pattern(&format!("model/{}", segments.collect::<Vec<_>>().join("/"))), vec![Action::ModelChat])
    });
    let shapes = tenant(vec![([0].into(), shapes.collect())]);
    assert!(!shapes.trie.has_table());
    for path in ["model/a/a/a/a/a", "model/a/b/a/b/a", "model/a/a/a/a", "model/a/a/a/a/a/a", "model/b/b/b/b/b"] {
        assert_eq!(shapes.look_up(path, Action::ModelChat, &[0]), shapes.scan(path, Action::ModelChat, &[0]), "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_trie_finds_what_a_scan_finds(
        specs in specs(),
        asks in prop::collection::vec((
            prop::collection::vec(prop::sample::select(&["a", "b", "cc", "d"][..]), 0..6),
            prop::sample::select(&Action::ALL[..3]),
            prop::collection::btree_set(0..6_u32, 0..4),
        ), 40),
    ) {
        let tenant = tenant(specs);
        for (path, action, roles) in asks {
            let path = ["model"].into_iter().chain(path).collect::<Vec<_>>().join("/");
            let roles: Vec<Index> = roles.into_iter().collect();
            prop_assert_eq!(tenant.look_up(&path, action, &roles), tenant.scan(&path, action, &roles), "{}", path);
        }
    }
}

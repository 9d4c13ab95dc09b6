//! Casbin pairs that become documents, and those that cannot.

use policy_engine::import::{Answer, Casbin, CasbinText, Conversion, Matching, Reason, Vocabulary};
use policy_engine::{Action, PolicySet};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use vocab::TenantId;

use crate::calls::call;
use policy_engine::Governed;

fn model(matcher: &str, effect: &str) -> String {
    let eft = if effect.contains("deny") { ", eft" } else { "" };
    format!(
        "[request_definition]\nr = sub, dom, obj, act\n[policy_definition]\np = sub, dom, obj, act{eft}\n\
         [role_definition]\ng = _, _, _\n[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )
}

const ALLOW: &str = "some(where (p.eft == allow))";
const DENY_WINS: &str = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";
const DOMAINS: &str = "g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act";

fn vocabulary(actions: &[(&str, Action)], objects: &[(&str, &str)]) -> Vocabulary {
    Vocabulary {
        tenant: TenantId::new("acme").unwrap(),
        actions: actions.iter().map(|(word, action)| ((*word).to_owned(), *action)).collect(),
        objects: objects.iter().map(|(word, path)| ((*word).to_owned(), (*path).to_owned())).collect(),
    }
}

fn convert(model: &str, policy: &str, vocabulary: &Vocabulary) -> Result<Conversion, Vec<(usize, Reason)>> {
    let casbin = Casbin::load(CasbinText { model, policy }, Matching::default()).unwrap();
    casbin.convert(vocabulary).map_err(|refused| refused.0.iter().map(|r| (r.line, r.reason)).collect())
}

#[test]
fn roles_within_domains_become_tenants_with_roles() {
    let policy = "p, admin, acme, data1, read\np, admin, globex, data2, write\ng, alice, admin, acme\n\
                  g, boss, admin, globex\ng, admin, root, globex\np, root, globex, data1, read\np, carol, acme, data2, read\n";
    let words = vocabulary(
        &[("read", Action::VectorRead), ("write", Action::VectorUpsert)],
        &[("data1", "vector/db/data1"), ("data2", "vector/db/data2")],
    );
    let converted = convert(&model(DOMAINS, ALLOW), policy, &words).unwrap();
    assert_eq!(converted.compared, converted.possible);
    assert!(converted.compared > 50, "{}", converted.compared);
    let names: Vec<&str> = converted.documents.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["acme.toml", "globex.toml"]);
    assert!(converted.notes.iter().any(|n| n.contains("a caller named admin")), "{:?}", converted.notes);
    let set = PolicySet::compile(&converted.documents).unwrap();
    let may = |tenant: &str, who: &str, action: &str, on: &str| {
        set.decide_query(&call(tenant, who, action, on).query()).verdict().is_ok()
    };
    assert!(may("acme", "alice", "vector.read", "vector/db/data1"));
    assert!(!may("globex", "alice", "vector.read", "vector/db/data1"));
    assert!(may("globex", "boss", "vector.read", "vector/db/data1"), "by inheritance");
    assert!(may("acme", "carol", "vector.read", "vector/db/data2"), "named in a line");
    assert!(!may("acme", "carol", "vector.read", "vector/db/data1"));
}

#[test]
fn patterns_and_denies_are_kept() {
    let matcher = "g(r.sub, p.sub, r.dom) && r.dom == p.dom && keyMatch(r.obj, p.obj) && regexMatch(r.act, p.act)";
    let policy = "p, app, acme, model/openai/*, model\\.(chat|embed), allow\n\
                  p, app, acme, model/openai/secret*, model.chat, deny\n";
    let refused = convert(&model(matcher, DENY_WINS), policy, &vocabulary(&[], &[])).unwrap_err();
    assert_eq!(refused, [(2, Reason::UnmappedObject)], "a prefix within a segment");
    let policy = "p, app, acme, model/openai/*, model\\.(chat|embed), allow\n\
                  p, app, acme, model/openai/secret/*, .*, deny\ng, svc, app, acme\n";
    let converted = convert(&model(matcher, DENY_WINS), policy, &vocabulary(&[], &[])).unwrap();
    let text = &converted.documents[0].text;
    assert!(text.contains("allow = [\"model.chat\", \"model.embed\"]"), "{text}");
    assert!(text.contains("on = \"model/openai/secret/*/**\""), "{text}");
}

#[test]
fn what_cannot_be_converted_is_named() {
    let none = vocabulary(&[], &[]);
    let line = "p, a, acme, vector/db/x, vector.read\n";
    let of = |matcher: &str, policy: &str| convert(&model(matcher, ALLOW), policy, &none).unwrap_err();
    assert_eq!(of(&format!("{DOMAINS} || r.sub == \"root\""), line), [(10, Reason::NotConvertibleMatcher)]);
    assert_eq!(of(&format!("{DOMAINS} && r.sub != \"x\""), line), [(10, Reason::NotConvertibleMatcher)]);
    assert_eq!(of("r.sub == p.sub && r.dom == p.dom && r.act == p.act", line), [(10, Reason::NotConvertibleMatcher)]);
    assert_eq!(of(DOMAINS, "p, a, acme, data1, read\n"), [(1, Reason::UnmappedObject), (1, Reason::UnmappedAction)]);
    assert_eq!(of(DOMAINS, "p, a, Acme, vector/db/x, vector.read\n"), [(1, Reason::BadName)]);
    assert_eq!(of(DOMAINS, "p, a b, acme, vector/db/x, vector.read\n"), [(1, Reason::BadName)]);
    assert_eq!(of(DOMAINS, "p, a, acme, vector/db/x, model.chat\n"), [(1, Reason::ActionAndObject)]);
    let first =
        convert(&model(DOMAINS, "priority(p.eft) || deny"), "p, a, acme, vector/db/x, vector.read, allow\n", &none);
    assert_eq!(first.unwrap_err(), [(8, Reason::NotConvertibleEffect)]);
}

#[test]
fn what_casbin_rs_would_decide_otherwise_is_noted() {
    let line = "p, a, acme, vector/db/x, vector.read\n";
    let notes = |matcher: &str| convert(&model(matcher, ALLOW), line, &vocabulary(&[], &[])).unwrap().notes;
    assert!(notes(DOMAINS).is_empty());
    let noted = notes(&format!("{DOMAINS} ; the usual one"));
    assert_eq!(noted, ["model:10: comments: casbin-rs keeps what follows a ;, and cuts texts at a #"]);
}

#[test]
fn a_mapping_that_would_change_decisions_is_refused() {
    // Two objects that mean one collection: whoever may read the one could read the other.
    let policy = "p, alice, acme, data1, vector.read\np, bob, acme, data2, vector.read\n";
    let words = vocabulary(&[], &[("data1", "vector/db/x"), ("data2", "vector/db/x")]);
    let refused = convert(&model(DOMAINS, ALLOW), policy, &words).unwrap_err();
    assert!(!refused.is_empty() && refused.iter().all(|(_, reason)| *reason == Reason::Differs), "{refused:?}");
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ann", "bob", "cat", "admin", "root", "ops"])
}

proptest! {
    /// Beyond the requests that conversion itself compares: names and paths that no line holds.
    #[test]
    fn converted_documents_decide_as_casbin(
        lines in prop::collection::vec((names(), 0..2_usize, 0..5_usize, 0..3_usize, any::<bool>()), 1..12),
        links in prop::collection::vec((names(), names(), 0..2_usize), 0..8),
    ) {
        let tenants = ["acme", "globex"];
        let objects = ["model/u/m", "model/u/*", "model/*", "vector/db/*", "vector/db/x"];
        let actions = ["model.chat", "vector.read", "(model.chat)|(vector.read)"];
        let matcher = "g(r.sub, p.sub, r.dom) && r.dom == p.dom && keyMatch(r.obj, p.obj) && regexMatch(r.act, p.act)";
        let mut policy = String::new();
        for (who, tenant, object, action, allow) in lines {
            let effect = if allow { "allow" } else { "deny" };
            policy += &format!("p, {who}, {}, {}, {}, {effect}\n", tenants[tenant], objects[object], actions[action]);
        }
        let rank = |name: &str| ["ann", "bob", "cat", "ops", "admin", "root"].iter().position(|n| *n == name);
        for (holder, role, tenant) in links.into_iter().filter(|(a, b, _)| rank(a) < rank(b)) {
            policy += &format!("g, {holder}, {role}, {}\n", tenants[tenant]);
        }
        let model = model(matcher, DENY_WINS);
        let casbin = Casbin::load(CasbinText { model: &model, policy: &policy }, Matching::default()).unwrap();
        let converted = match casbin.convert(&vocabulary(&[], &[])) {
            Ok(converted) => converted,
            Err(refused) => {
                prop_assert!(refused.0.iter().all(|r| r.reason == Reason::ActionAndObject), "{policy}\n{refused}");
                return Ok(());
            }
        };
        let set = PolicySet::compile(&converted.documents).unwrap();
        for tenant in tenants {
            for who in ["ann", "bob", "cat", "ops", "admin", "root", "zed"] {
                for (on, action) in [
                    ("model/u/m", "model.chat"), ("model/u/other/deep", "model.chat"), ("model/w/m", "model.chat"),
                    ("vector/db/x", "vector.read"), ("vector/db/y", "vector.read"), ("vector/db", "vector.read"),
                ] {
                    let ours = set.decide_query(&call(tenant, who, action, on).query()).verdict().is_ok();
                    let theirs = casbin.decide(&[json!(who), json!(tenant), json!(on), json!(action)]);
                    prop_assert_eq!(ours, theirs == Ok(Answer::Allow), "{} {} {} {}\n{}", tenant, who, action, on, policy);
                }
            }
        }
    }
}

#[test]
fn the_public_pairs_convert_or_say_why_not() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/casbin/examples");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let words = vocabulary(
        &[("read", Action::VectorRead), ("write", Action::VectorUpsert)],
        &[("data1", "vector/db/data1"), ("data2", "vector/db/data2")],
    );
    let mut outcomes = BTreeMap::new();
    for (model, policy) in [
        ("go/basic_model.conf", "go/basic_policy.csv"),
        ("go/rbac_model.conf", "go/rbac_policy.csv"),
        ("go/rbac_with_deny_model.conf", "go/rbac_with_deny_policy.csv"),
        ("go/rbac_with_domains_model.conf", "go/rbac_with_domains_policy.csv"),
        ("go/priority_model.conf", "go/priority_policy.csv"),
        ("go/rbac_with_resource_roles_model.conf", "go/rbac_with_resource_roles_policy.csv"),
        ("go/abac_rule_model.conf", "go/abac_rule_policy.csv"),
        ("go/keymatch_model.conf", "go/keymatch_policy.csv"),
    ] {
        let converted = convert(&read(model), &read(policy), &words);
        let says = match converted {
            Ok(converted) => format!("{} of {}", converted.compared, converted.possible),
            Err(refused) => format!("{:?}", refused[0].1),
        };
        outcomes.insert(model, says);
    }
    let says: Vec<(&str, &str)> = outcomes.iter().map(|(model, says)| (*model, says.as_str())).collect();
    let expected = [
        ("go/abac_rule_model.conf", "NotConvertibleMatcher"),
        // 2 callers and a stranger, 2 objects, 5 actions.
        ("go/basic_model.conf", "30 of 30"),
        ("go/keymatch_model.conf", "UnmappedObject"),
        ("go/priority_model.conf", "NotConvertibleEffect"),
        // The role is a caller too, for casbin. With domains: three in each of two.
        ("go/rbac_model.conf", "40 of 40"),
        ("go/rbac_with_deny_model.conf", "40 of 40"),
        ("go/rbac_with_domains_model.conf", "60 of 60"),
        ("go/rbac_with_resource_roles_model.conf", "NotConvertibleRoles"),
    ];
    assert_eq!(says, expected);
}

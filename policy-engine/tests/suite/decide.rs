//! What decisions say, case by case.

use crate::calls::{Call, call, compile, lines};
use policy_engine::{ConditionFault, Document, LoadError, Mode, PolicySet, ReasonCode, Record, Region, RuleId};

const POLICY: &str = r#"
version = 1
tenant = "acme"

[roles]
viewer = { members = ["u:victor"] }
analyst = { members = ["u:alice", "group:analysts"], inherits = ["viewer"] }
chief = { members = ["group:chiefs"], inherits = ["analyst"] }

[[rule]]
id = "chat"
allow = ["model.chat"]
roles = ["analyst"]
on = "model/openai/gpt-4.1"
then = { pseudonymise = ["pii.email"], record = "none" }

[[rule]]
id = "chat-eu"
allow = ["model.chat"]
roles = ["chief"]
on = "model/*/gpt-4.1"
when = 'upstream.region in ["eu"]'
then = { pseudonymise = ["pii.phone"], record = "content" }

[[rule]]
id = "no-cards"
deny = ["model.chat"]
roles = ["everyone"]
on = "model/**"
when = '"pii.card" in labels'

[[rule]]
id = "read"
allow = ["vector.read", "vector.search"]
roles = ["viewer"]
on = "vector/db/**"
then = { encrypt = { mode = "preserving", beta = 1.5 }, filterable = ["lang", "year"] }

[[rule]]
id = "read-deeds"
allow = ["vector.read"]
roles = ["analyst"]
on = "vector/db/deeds"
then = { encrypt = "sealed", filterable = ["year"] }

[[rule]]
id = "read-odd"
allow = ["vector.search"]
roles = ["analyst"]
on = "vector/db/odd"
then = { filterable = ["colour"] }

[[rule]]
id = "small-searches"
deny = ["vector.search"]
roles = ["viewer"]
on = "vector/db/small"
when = "call.k > 10"
"#;

const CHAT: &str = "model/openai/gpt-4.1";

fn ids(rules: &[RuleId]) -> Vec<&str> {
    rules.iter().map(RuleId::as_str).collect()
}

fn denied(set: &PolicySet, call: Call) -> ReasonCode {
    set.decide(call).map(|permit| ids(permit.matched()).join(",")).unwrap_err().denial.reason
}

fn forbidden(rule: &str) -> ReasonCode {
    ReasonCode::Forbidden { rule: RuleId::new(rule).unwrap() }
}

fn broken(rule: &str) -> ReasonCode {
    ReasonCode::ConditionError { rule: RuleId::new(rule).unwrap() }
}

#[test]
fn an_allow_gives_a_permit_that_names_its_rule_and_terms() {
    let set = compile(POLICY);
    let permit = set.decide(call("acme", "alice", "model.chat", CHAT)).unwrap();
    assert_eq!(ids(permit.matched()), ["chat"]);
    assert_eq!(lines(permit.obligations()), ["pseudonymise:pii.email", "record:none"]);
    assert_eq!(permit.digest(), set.digest());
    assert_eq!(permit.digest().as_str().len(), 64);
    let (call, grant) = permit.into_call();
    assert_eq!(call.principal.as_str(), "alice");
    assert_eq!(ids(grant.matched()), ["chat"]);
}

#[test]
fn what_no_rule_allows_is_not_permitted() {
    let set = compile(POLICY);
    for call in [
        call("acme", "mallory", "model.chat", CHAT),
        call("acme", "victor", "model.chat", CHAT),
        call("acme", "alice", "model.embed", CHAT),
        call("acme", "alice", "model.chat", "model/openai/gpt-4x1"),
        call("acme", "alice", "model.chat", "model/openai/gpt-4.1/x"),
        call("acme", "alice", "model.chat", "model/openai"),
        call("acme", "alice", "vector.read", "vector/other/deeds"),
        call("acme", "alice", "vector.upsert", "vector/db/deeds"),
        call("acme", "alice", "audit.read", "ledger"),
        call("acme", "alice", "vector.read", CHAT),
    ] {
        assert_eq!(denied(&set, call.clone()), ReasonCode::NotPermitted, "{call:?}");
    }
}

#[test]
fn a_role_is_held_by_name_by_group_and_by_inheritance_only() {
    let set = compile(POLICY);
    let read = |who: &str, groups: &[&str]| {
        set.decide(call("acme", who, "vector.read", "vector/db/x").with_groups(groups)).is_ok()
    };
    assert!(read("victor", &[]) && read("alice", &[]));
    assert!(read("bob", &["analysts"]) && read("bob", &["x", "chiefs", "y"]));
    assert!(!read("bob", &["viewer"]), "a group named like a role is not that role");
    assert!(!read("viewer", &[]), "a user named like a role is not that role");
    assert!(!read("analysts", &[]), "a user named like a group is not in it");
    assert!(!read("group:analysts", &[]) && !read("u:alice", &[]) && !read("bob", &["u:alice"]));
    assert!(!read("role:viewer", &["role:viewer", "alice"]));
}

#[test]
fn a_deny_overrides_every_allow_and_is_named() {
    let set = compile(POLICY);
    let carded = || call("acme", "alice", "model.chat", CHAT).with_labels(&["pii.card", "pii.email"]);
    let refused = set.decide(carded()).unwrap_err();
    assert_eq!(refused.denial.reason, forbidden("no-cards"));
    assert_eq!(ids(&refused.denial.matched), ["chat", "no-cards"]);
    assert_eq!(refused.denial.to_string(), "rule no-cards of the policy denies this call");
    assert_eq!(refused.call.principal.as_str(), "alice");
    let fine = set.decide(call("acme", "alice", "model.chat", CHAT).with_labels(&["pii.email"])).unwrap();
    assert_eq!(ids(fine.matched()), ["chat"]);
    assert_eq!(denied(&set, carded()), forbidden("no-cards"), "the kept allow is another question");
}

#[test]
fn a_condition_that_fails_denies_whether_its_rule_allows_or_denies() {
    let set = compile(POLICY);
    let chief = || call("acme", "eve", "model.chat", CHAT).with_groups(&["chiefs"]);
    assert_eq!(denied(&set, chief()), broken("chat-eu"), "an allow, though another rule allows");
    assert_eq!(denied(&set, call("acme", "alice", "vector.search", "vector/db/small")), broken("small-searches"));
    let decision = set.decide_query(&policy_engine::Governed::query(&chief()));
    assert_eq!(decision.fault(), Some(ConditionFault::MissingFact));
    let mut eu = chief();
    eu.facts.upstream_region = Some(Region::new("eu").unwrap());
    let permit = set.decide(eu).unwrap();
    assert_eq!(ids(permit.matched()), ["chat", "chat-eu"]);
    assert_eq!(permit.obligations().record, Record::Content, "the most complete record wins");
    assert_eq!(permit.obligations().pseudonymise.len(), 2, "labels join");
    let mut us = chief();
    us.facts.upstream_region = Some(Region::new("us").unwrap());
    let decision = set.decide_query(&policy_engine::Governed::query(&us));
    assert_eq!((ids(decision.matched()), ids(decision.unmet())), (vec!["chat"], vec!["chat-eu", "no-cards"]));
}

#[test]
fn a_rule_that_does_not_fit_is_not_evaluated() {
    let set = compile(POLICY);
    let read = call("acme", "alice", "vector.search", "vector/db/other");
    assert!(set.decide(read).is_ok(), "small-searches would fail to evaluate, but is about another collection");
}

#[test]
fn terms_of_all_matching_rules_merge_to_the_strictest() {
    let set = compile(POLICY);
    let permit = set.decide(call("acme", "alice", "vector.read", "vector/db/deeds")).unwrap();
    assert_eq!(ids(permit.matched()), ["read", "read-deeds"]);
    assert_eq!(permit.obligations().encrypt.unwrap().mode, Mode::Sealed);
    assert_eq!(lines(permit.obligations()), ["encrypt:sealed", "filterable:year", "record:digest"]);
    let victor = set.decide(call("acme", "victor", "vector.read", "vector/db/deeds")).unwrap();
    let encrypt = victor.obligations().encrypt.unwrap();
    assert_eq!((encrypt.mode, encrypt.beta.get()), (Mode::Preserving, 1.5));
    assert_eq!(denied(&set, call("acme", "alice", "vector.search", "vector/db/odd")), ReasonCode::ObligationConflict);
}

#[test]
fn a_tenant_without_a_document_has_nothing_at_all() {
    let set = compile(POLICY);
    let refused = set.decide(call("globex", "alice", "model.chat", CHAT)).unwrap_err();
    assert_eq!(refused.denial.reason, ReasonCode::UnknownTenant);
    let none = PolicySet::compile(&[]).unwrap();
    assert_eq!(denied(&none, call("acme", "alice", "model.chat", CHAT)), ReasonCode::UnknownTenant);
    let empty = compile("version = 1\ntenant = \"acme\"\n");
    assert_eq!(denied(&empty, call("acme", "alice", "model.chat", CHAT)), ReasonCode::NotPermitted);
}

/// Pitfall 3: casbin drops chains of ten edges. Here chains of any length hold, for allows and denies.
#[test]
fn role_chains_of_any_length_hold() {
    let roles: String = (0..40).map(|n| format!("r{n} = {{ inherits = [\"r{}\"] }}\n", n + 1)).collect();
    let text = format!(
        "version = 1\ntenant = \"acme\"\n[roles]\nr40 = {{}}\ntop = {{ members = [\"u:a\"], inherits = [\"r0\"] }}\n{roles}\
         [[rule]]\nid = \"far\"\nallow = [\"model.chat\"]\nroles = [\"r40\"]\non = \"model/**\"\n\
         [[rule]]\nid = \"far-no\"\ndeny = [\"model.chat\"]\nroles = [\"r40\"]\non = \"model/x/**\"\n"
    );
    let set = compile(&text);
    assert!(set.decide(call("acme", "a", "model.chat", CHAT)).is_ok());
    assert_eq!(denied(&set, call("acme", "a", "model.chat", "model/x/y")), forbidden("far-no"));
}

/// Pitfalls 1 and 5: a new set never answers with what an old one said, on the same thread, back and forth.
#[test]
fn decisions_never_mix_two_sets() {
    let old = compile(POLICY);
    let new = compile(&POLICY.replace("members = [\"u:alice\", \"group:analysts\"]", "members = []"));
    assert_ne!(old.digest(), new.digest());
    for _ in 0..3 {
        assert!(old.decide(call("acme", "alice", "model.chat", CHAT)).is_ok());
        assert_eq!(denied(&new, call("acme", "alice", "model.chat", CHAT)), ReasonCode::NotPermitted);
    }
    let globex = POLICY.replace("acme", "globex").replace("u:alice", "u:zoe");
    let documents =
        [("acme", POLICY.to_owned()), ("globex", globex)].map(|(name, text)| Document { name: name.into(), text });
    let both = PolicySet::compile(&documents).unwrap();
    for _ in 0..2 {
        assert!(both.decide(call("acme", "alice", "model.chat", CHAT)).is_ok());
        assert_eq!(denied(&both, call("globex", "alice", "model.chat", CHAT)), ReasonCode::NotPermitted);
        assert!(both.decide(call("globex", "zoe", "model.chat", CHAT)).is_ok());
    }
}

#[test]
fn the_digest_covers_names_and_texts_but_not_the_order() {
    let a = || Document { name: "a".into(), text: "version = 1\ntenant = \"a\"\n".into() };
    let b = || Document { name: "b".into(), text: "version = 1\ntenant = \"b\"\n".into() };
    let digest = |documents: &[Document]| PolicySet::compile(documents).unwrap().digest().to_string();
    assert_eq!(digest(&[a(), b()]), digest(&[b(), a()]));
    assert_ne!(digest(&[a(), b()]), digest(&[a()]));
    let mut c = b();
    c.text.push('#');
    assert_ne!(digest(&[a(), b()]), digest(&[a(), c]));
}

#[test]
fn a_set_is_shared_by_threads() {
    let set = std::sync::Arc::new(compile(POLICY));
    let threads = (0..4).map(|_| {
        let set = std::sync::Arc::clone(&set);
        std::thread::spawn(move || {
            for _ in 0..50 {
                assert!(set.decide(call("acme", "alice", "model.chat", CHAT)).is_ok());
                assert!(set.decide(call("acme", "bob", "model.chat", CHAT)).is_err());
            }
        })
    });
    threads.for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_directory_loads_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(PolicySet::load_dir(dir.path()), Err(LoadError::Empty { .. })));
    assert!(matches!(PolicySet::load_dir(dir.path().join("no")), Err(LoadError::Unreadable { .. })));
    std::fs::write(dir.path().join("acme.toml"), POLICY).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "not a policy").unwrap();
    let set = PolicySet::load_dir(dir.path()).unwrap();
    assert_eq!(set.tenants().iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["acme"]);
    assert_eq!(set.rule_count(), 7);
    std::fs::write(dir.path().join("bad.toml"), "version = 1\ntenant = \"b\"\nx = 1\n").unwrap();
    let error = PolicySet::load_dir(dir.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the policy has 1 defect(s):\n  bad.toml:3: x: there is no such key (known here: version, tenant, roles, labels, \
         collections, models, budgets, approvals, defaults, rule, exception, test)"
    );
    std::fs::write(dir.path().join("bad.toml"), [0xff, 0xfe]).unwrap();
    assert!(matches!(PolicySet::load_dir(dir.path()), Err(LoadError::Unreadable { .. })));
}

#[test]
fn tests_of_documents_say_what_differs() {
    let text = format!(
        "{POLICY}
[[test]]\nname = 'right'\nas = 'u:alice'\ndo = 'model.chat'\non = '{CHAT}'\nexpect = 'allow'\nrule = 'chat'
[[test]]\nname = 'wrong verdict'\nas = 'u:bob'\ndo = 'model.chat'\non = '{CHAT}'\nexpect = 'allow'
[[test]]\nname = 'wrong rule and terms'\nas = 'u:alice'\ndo = 'model.chat'\non = '{CHAT}'\nexpect = 'allow'
rule = 'no-cards'\nobligations = ['record:digest', 'pseudonymise:pii.email']
[[test]]\nname = 'wrong reason'\nas = 'u:alice'\ndo = 'model.chat'\non = '{CHAT}'\nexpect = 'deny'
ctx = {{ labels = ['pii.card'] }}\nreason = 'not_permitted'\n"
    );
    let outcomes = compile(&text).run_tests();
    let shown: Vec<String> = outcomes.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "policy.toml:60: right: ok",
            "policy.toml:67: wrong verdict: FAILED\n    expected allow, got deny: not_permitted",
            "policy.toml:73: wrong rule and terms: FAILED\n    expected rule no-cards, got chat\n    \
             expected obligation record:digest, got pseudonymise:pii.email, record:none",
            "policy.toml:81: wrong reason: FAILED\n    expected reason not_permitted, got forbidden",
        ]
    );
}

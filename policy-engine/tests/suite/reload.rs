//! Sets that follow one another: taken over in part, never mixed.

use crate::calls::call;
use policy_engine::{Document, Engine, Governed, Options, PolicySet};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

fn document(name: &str, tenant: &str, rule: &str, effect: &str) -> Document {
    let text = format!(
        "version = 1\ntenant = \"{tenant}\"\n[[rule]]\nid = \"{rule}\"\n{effect} = [\"model.chat\"]\n\
         roles = [\"everyone\"]\non = \"model/**\"\n"
    );
    Document { name: name.into(), text }
}

fn allowed(set: &PolicySet, tenant: &str) -> Vec<String> {
    let call = call(tenant, "alice", "model.chat", "model/openai/gpt-4.1");
    let decision = set.decide_query(&call.query());
    let shown = decision.verdict().map_or_else(ToString::to_string, |_| "allow".to_owned());
    [shown].into_iter().chain(decision.matched().iter().map(ToString::to_string)).collect()
}

#[test]
fn a_set_that_follows_another_keeps_its_options_and_decides_by_its_own_documents() {
    let options = Options { engine: Engine::Slice, ..Options::default() };
    let old = [document("a", "acme", "a1", "allow"), document("g", "globex", "g1", "allow")];
    let old = PolicySet::compile_with(&old, options).unwrap();
    let new = [document("a", "acme", "a2", "deny"), document("g", "globex", "g1", "allow")];
    let new = old.recompile(&new).unwrap();
    assert_eq!(new.options(), options);
    assert_eq!(allowed(&new, "acme"), ["forbidden by a2", "a2"]);
    assert_eq!(allowed(&new, "globex"), ["allow", "g1"]);
    assert_eq!(allowed(&old, "acme"), ["allow", "a1"]);
    let gone = new.recompile(&[document("g", "globex", "g1", "allow")]).unwrap();
    assert_eq!(allowed(&gone, "acme"), ["unknown_tenant"]);
    assert_eq!(allowed(&gone, "globex"), ["allow", "g1"]);
}

#[test]
fn a_second_document_about_a_tenant_that_did_not_change_joins_it() {
    let first = document("a", "acme", "a1", "allow");
    let old = PolicySet::compile(std::slice::from_ref(&first)).unwrap();
    let new = old.recompile(&[first.clone(), document("b", "acme", "b1", "deny")]).unwrap();
    assert_eq!(allowed(&new, "acme"), ["forbidden by b1", "a1", "b1"]);
    let twin = old.recompile(&[first, document("b", "acme", "a1", "deny")]).unwrap_err();
    assert_eq!(twin.len(), 1, "{twin:?}");
    assert!(twin[0].to_string().contains("two rules of the tenant have this id"), "{twin:?}");
}

#[test]
fn a_bad_document_leaves_the_old_set_as_it_is() {
    let old = PolicySet::compile(&[document("a", "acme", "a1", "allow")]).unwrap();
    let bad = Document { name: "a".into(), text: "version = 1\ntenant = \"acme\"\nx = 1\n".into() };
    assert_eq!(old.recompile(&[bad]).unwrap_err().len(), 1);
    assert_eq!(allowed(&old, "acme"), ["allow", "a1"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Documents come, go, change and move between tenants; each set is what it would be if compiled alone.
    #[test]
    fn a_set_that_follows_another_is_the_set_that_its_documents_make(
        steps in prop::collection::vec(
            prop::collection::btree_map(
                0..5_u8,
                (prop::sample::select(&["acme", "globex"][..]), 0..2_u8, prop::sample::select(&["allow", "deny"][..])),
                0..5,
            ),
            2..5,
        ),
    ) {
        let mut before = PolicySet::compile(&[]).unwrap();
        for step in steps {
            let documents = step.iter().map(|(name, (tenant, rule, effect))| {
                document(&format!("d{name}"), tenant, &format!("r{name}-{rule}"), effect)
            });
            let documents: Vec<Document> = documents.collect();
            let alone = PolicySet::compile(&documents).unwrap();
            let follows = before.recompile(&documents).unwrap();
            prop_assert_eq!(alone.digest(), follows.digest());
            prop_assert_eq!(alone.tenants(), follows.tenants());
            prop_assert_eq!(alone.rule_count(), follows.rule_count());
            // The digests are the same, so the memo would answer for both: ask on threads of their own.
            for tenant in ["acme", "globex"] {
                let of = |set: &PolicySet| std::thread::scope(|s| s.spawn(|| allowed(set, tenant)).join().unwrap());
                prop_assert_eq!(of(&alone), of(&follows));
            }
            before = follows;
        }
    }
}

/// Threads decide while another swaps: each decision is wholly of the set that its digest names.
#[test]
fn a_decision_never_mixes_two_sets() {
    let set = |rule: &str, effect: &str| {
        let documents = [document("a", "acme", rule, effect), document("g", "globex", rule, effect)];
        Arc::new(PolicySet::compile(&documents).unwrap())
    };
    let sets = [set("one", "allow"), set("two", "deny")];
    let current = RwLock::new(Arc::clone(&sets[0]));
    let done = AtomicBool::new(false);
    let decided = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut of_each = [0_u32; 2];
                    while !done.load(Ordering::Relaxed) || of_each.contains(&0) {
                        let set = Arc::clone(&current.read().unwrap());
                        let decision = set.decide_query(&call("acme", "a", "model.chat", "model/x/y").query());
                        let at = sets.iter().position(|s| s.digest() == decision.digest()).unwrap();
                        assert_eq!(decision.digest(), set.digest());
                        assert_eq!(decision.verdict().is_ok(), at == 0);
                        assert_eq!(decision.matched()[0].as_str(), ["one", "two"][at]);
                        of_each[at] += 1;
                    }
                    of_each
                })
            })
            .collect();
        // Until every thread has seen both sets, and a while longer.
        for turn in 0..20_000 {
            *current.write().unwrap() = Arc::clone(&sets[turn % 2]);
        }
        done.store(true, Ordering::Relaxed);
        let mut turn = 0;
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            *current.write().unwrap() = Arc::clone(&sets[turn % 2]);
            turn += 1;
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(decided.iter().all(|of_each| of_each[0] > 0 && of_each[1] > 0));
}

//! What a decision costs: repeated, fresh (casbin decides), and fresh with a condition.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use policy_engine::{Action, Document, Facts, Label, PolicySet, Query, Resource};
use std::fmt::Write;
use std::hint::black_box;
use vocab::{GroupName, PrincipalId, TenantId};

/// A tenant with 1,000 rules over 50 roles; the caller holds three of them and `everyone`.
fn policy() -> PolicySet {
    let mut text = String::from("version = 1\ntenant = \"acme\"\n[roles]\n");
    for role in 0..50 {
        let _ = writeln!(text, "r{role} = {{ members = [\"group:g{role}\"] }}");
    }
    for rule in 0..1000 {
        let (role, model) = (rule % 50, rule / 50);
        let _ = writeln!(
            text,
            "[[rule]]\nid = \"rule-{rule}\"\nallow = [\"model.chat\"]\nroles = [\"r{role}\"]\n\
             on = \"model/u{model}/**\"\nthen = {{ pseudonymise = [\"pii.email\"] }}"
        );
    }
    text.push_str(
        "[[rule]]\nid = \"no-cards\"\ndeny = [\"model.chat\"]\nroles = [\"everyone\"]\non = \"model/u7/**\"\n\
         when = '\"pii.card\" in labels && has(upstream.trust) && upstream.trust == \"hosted\"'\n",
    );
    let name = "acme.toml".to_owned();
    PolicySet::compile(&[Document { name, text }]).expect("the policy compiles")
}

fn decide(c: &mut Criterion) {
    let set = policy();
    let tenant = TenantId::new("acme").unwrap();
    let principal = PrincipalId::new("alice").unwrap();
    let groups = ["g3", "g14", "g15", "unknown"].map(|g| GroupName::new(g).unwrap());
    let facts = Facts { labels: [Label::new("pii.email").unwrap()].into(), ..Facts::default() };
    let ask = |resource: &Resource| {
        let action = Action::ModelChat;
        let decision = set.decide_query(&Query {
            tenant: &tenant,
            principal: &principal,
            groups: &groups,
            action,
            resource,
            facts: &facts,
        });
        assert!(decision.verdict().is_ok());
    };
    let known: Resource = "model/u3/gpt-4.1".parse().unwrap();
    c.bench_function("repeated", |b| b.iter(|| ask(black_box(&known))));
    let conditional: Resource = "model/u7/gpt-4.1".parse().unwrap();
    c.bench_function("repeated, one condition", |b| b.iter(|| ask(black_box(&conditional))));
    for (name, upstream) in [("fresh", "u3"), ("fresh, one condition", "u7")] {
        let mut n = 0_u64;
        c.bench_function(name, |b| {
            b.iter_batched(
                || {
                    n += 1;
                    format!("model/{upstream}/m{n}").parse::<Resource>().unwrap()
                },
                |resource| ask(&resource),
                criterion::BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);

//! What a decision costs at 100,000 rules, by engine: fresh, repeated, and beside plain casbin over one tenant.
//!
//! `fresh` asks questions that no thread has kept; `cargo xtask bench policy` adds percentiles, Cedar, reloads and
//! memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

#[allow(dead_code, reason = "the bench of all engines reads more of it")]
mod workload;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use policy_engine::{Document, Engine, Options, PolicySet};
use std::hint::black_box;
use workload::{Size, asks, document, tenants};

fn decide(c: &mut Criterion) {
    for size in [Size { rules: 100_000, tenants: 1000 }, Size { rules: 100_000, tenants: 10 }] {
        let tenants = tenants(size);
        let documents: Vec<Document> = tenants.iter().map(document).collect();
        let mut group = c.benchmark_group(format!("{} rules, {} tenants", size.rules, size.tenants));
        group.throughput(Throughput::Elements(1));
        let mut questions = asks(&tenants, 200_000).into_iter().cycle();
        for engine in [Engine::Slice, Engine::Index] {
            let options = Options { engine, ..Options::default() };
            let set = PolicySet::compile_with(&documents, options).expect("the policy compiles");
            group.bench_function(format!("{engine}, fresh"), |b| {
                b.iter_batched(
                    || questions.next().unwrap(),
                    |ask| (set.decide_query(black_box(&ask.query())), ask),
                    BatchSize::SmallInput,
                );
            });
            let known = asks(&tenants, 64);
            let mut again = known.iter().cycle();
            group.bench_function(format!("{engine}, repeated"), |b| {
                b.iter(|| set.decide_query(black_box(&again.next().unwrap().query())));
            });
        }
        let set = PolicySet::compile(&documents[..1]).expect("the policy compiles");
        let mut plain = set.plain_casbin().expect("casbin takes it");
        let mut own = asks(&tenants[..1], 1000).into_iter().cycle();
        group.sample_size(10);
        group.bench_function("plain casbin, one tenant alone", |b| {
            b.iter(|| plain.allows(black_box(&own.next().unwrap().query())).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);

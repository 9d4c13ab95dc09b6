//! What sealing costs beside plain AES-256-GCM of `ring` on the same bytes, and what a cache hit costs.
//!
//! `ring_*` has the key set up once and copies its input, as sealing does.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench")]

use std::{
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use kms_bridge::{
    CacheConfig, DekScope, Header, KekPer, KeyBridge, LocalKeyring, MemoryRegistry, ProviderName, Providers, Purpose,
    SealContext, Unlock, open, seal,
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::SystemRandom,
};
use tokio::runtime::Builder;
use vocab::{CollectionName, TenantId, UpstreamName};

/// The result of a call that has nothing to wait for, without the price of entering a runtime.
fn hit<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a miss"),
    }
}

fn benches(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let home = tempfile::TempDir::new().unwrap();
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    let keyring = LocalKeyring::open(&home.path().join("keyring"), &unlock).unwrap();
    let ttl = Duration::from_secs(86_400);
    let bridge = KeyBridge::new(
        Providers::single(ProviderName::local(), Arc::new(keyring)),
        Arc::new(MemoryRegistry::new()),
        KekPer::Tenant,
        CacheConfig { ttl, ..CacheConfig::default() },
    );
    let scope = DekScope {
        tenant: TenantId::new("acme").unwrap(),
        purpose: Purpose::Payload,
        collection: Some(CollectionName::new("documents").unwrap()),
    };
    let dek = runtime.block_on(bridge.sealing(&scope)).unwrap();
    let upstream = UpstreamName::new("contracts-db").unwrap();
    let context = SealContext {
        tenant: &scope.tenant,
        upstream: &upstream,
        collection: scope.collection.as_ref(),
        record: "5c56c793-69f3-4fbf-87e6-c4bf54c28c26",
        field: "payload",
        purpose: scope.purpose,
    };
    let rng = SystemRandom::new();
    let plain_ring = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());

    for (name, size) in [("1k", 1024), ("6k", 6 * 1024)] {
        let plaintext = vec![0x61; size];
        c.bench_function(&format!("seal_{name}"), |b| {
            b.iter(|| seal(&dek, &context, black_box(&plaintext), &rng).unwrap());
        });
        c.bench_function(&format!("ring_{name}"), |b| {
            b.iter(|| {
                let mut bytes = Vec::with_capacity(size + 16);
                bytes.extend_from_slice(black_box(&plaintext));
                let nonce = Nonce::assume_unique_for_key([0; 12]);
                plain_ring.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).unwrap();
                bytes
            });
        });
        let sealed = seal(&dek, &context, &plaintext, &rng).unwrap();
        c.bench_function(&format!("open_{name}"), |b| {
            b.iter(|| open(&dek, &context, black_box(sealed.as_bytes())).unwrap());
        });
    }

    let sealed = seal(&dek, &context, b"x", &rng).unwrap();
    let header = Header::parse(sealed.as_bytes()).unwrap();
    c.bench_function("cache_hit_sealing", |b| {
        b.iter(|| hit(bridge.sealing(black_box(&scope))).unwrap());
    });
    c.bench_function("cache_hit_opening", |b| {
        b.iter(|| hit(bridge.opening(black_box(&scope), &header)).unwrap());
    });
    c.bench_function("derive", |b| b.iter(|| dek.derive(black_box(b"blind index v1"))));
}

criterion_group!(all, benches);
criterion_main!(all);

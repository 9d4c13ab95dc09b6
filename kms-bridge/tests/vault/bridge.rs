//! The whole bridge over a real server: how often it is asked, and how soon it is used again.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use kms_bridge::{
    CacheConfig, DekScope, GuardConfig, Guarded, Header, KekPer, KeyBridge, MemoryRegistry, ProviderName, Providers,
    Purpose, SealContext, seal,
};
use ring::rand::SystemRandom;
use vocab::{CollectionName, TenantId, UpstreamName};

use crate::support::bao::Bao;

fn scope(collection: usize) -> DekScope {
    DekScope {
        tenant: TenantId::new("acme").unwrap(),
        purpose: Purpose::Payload,
        collection: Some(CollectionName::new(&format!("c{collection}")).unwrap()),
    }
}

/// Room for all keys of these tests.
fn config() -> CacheConfig {
    let bytes = NonZeroUsize::new(16 << 20).unwrap();
    CacheConfig { bytes, tenant_bytes: bytes, ..CacheConfig::default() }
}

/// A bridge of its own on the server, as another process would have it.
fn bridge(bao: &Bao, registry: &Arc<MemoryRegistry>, config: CacheConfig) -> KeyBridge {
    let guarded = Guarded::new(Arc::new(bao.transit(&bao.root)), GuardConfig::default());
    let providers = Providers::single(ProviderName::new("bao").unwrap(), Arc::new(guarded));
    KeyBridge::new(providers, Arc::clone(registry) as _, KekPer::Tenant, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_seals_over_a_hundred_keys_are_few_calls() {
    let Some(bao) = Bao::on_disk().await else { return };
    let registry = Arc::new(MemoryRegistry::new());
    let bridge = bridge(&bao, &registry, config());
    let scopes: Vec<_> = (0..100).map(scope).collect();
    let (upstream, rng) = (UpstreamName::new("db").unwrap(), SystemRandom::new());
    let before = bao.audited().len();
    for n in 0..1_000_000_usize {
        let scope = &scopes[n % scopes.len()];
        let dek = bridge.sealing(scope).await.unwrap();
        let context = SealContext {
            tenant: &scope.tenant,
            upstream: &upstream,
            collection: scope.collection.as_ref(),
            record: "1",
            field: "f",
            purpose: scope.purpose,
        };
        std::hint::black_box(seal(&dek, &context, b"rent", &rng).unwrap());
    }
    let calls = bao.audited().len() - before;
    assert!((100..=110).contains(&calls), "{calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_after_a_restart_are_few_calls_and_ten_thousand_misses_are_one_unwrap() {
    let Some(bao) = Bao::on_disk().await else { return };
    let registry = Arc::new(MemoryRegistry::new());
    let first = bridge(&bao, &registry, config());
    for n in 0..1_000 {
        // Slower than the guard's rate of 200 a second: this is not what is tested.
        while first.sealing(&scope(n)).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    let restarted = bridge(&bao, &registry, config());
    let before = bao.audited().len();
    let calls = (0..1_000).map(|n| {
        let bridge = restarted.clone();
        tokio::spawn(async move { bridge.sealing(&scope(n)).await.unwrap().key_id() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let calls = bao.audited().split_off(before);
    assert!(calls.len() <= 10, "{calls:?}");

    let dek = restarted.sealing(&scope(0)).await.unwrap();
    let context = SealContext {
        tenant: &dek.scope().tenant,
        upstream: &UpstreamName::new("db").unwrap(),
        collection: dek.scope().collection.as_ref(),
        record: "1",
        field: "f",
        purpose: Purpose::Payload,
    };
    let sealed = seal(&dek, &context, b"rent", &SystemRandom::new()).unwrap();
    let header = Header::parse(sealed.as_bytes()).unwrap();
    let again = bridge(&bao, &registry, config());
    let before = bao.audited().len();
    let misses = (0..10_000).map(|_| {
        let bridge = again.clone();
        tokio::spawn(async move { bridge.opening(&scope(0), &header).await.unwrap().key_id() })
    });
    for miss in misses.collect::<Vec<_>>() {
        assert_eq!(miss.await.unwrap(), dek.key_id());
    }
    let calls = bao.audited().split_off(before);
    assert_eq!(calls.iter().filter(|(_, path)| path.starts_with("transit/decrypt/")).count(), 1, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_back_is_used_within_two_seconds_and_nothing_is_served_past_the_grace() {
    let Some(bao) = Bao::dev().await else { return };
    let registry = Arc::new(MemoryRegistry::new());
    let short = CacheConfig { ttl: Duration::from_secs(1), grace: Duration::from_secs(2), ..config() };
    let bridge = bridge(&bao, &registry, short);
    let confirmed = Instant::now();
    bridge.sealing(&scope(0)).await.unwrap();
    bao.signal("STOP");
    let mut served = Instant::now();
    while bridge.sealing(&scope(0)).await.is_ok() {
        served = Instant::now();
        assert!(confirmed.elapsed() < Duration::from_secs(30), "a key is served for ever");
        tokio::task::yield_now().await;
    }
    let served = served - confirmed;
    assert!((Duration::from_secs(1)..=Duration::from_secs(4)).contains(&served), "{served:?}");

    bao.signal("CONT");
    let back = Instant::now();
    while bridge.sealing(&scope(0)).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(back.elapsed() <= Duration::from_secs(2), "{:?}", back.elapsed());
}

//! A key service or a registry that is out, and many keys at once.

use super::*;
use crate::registry::{FenceNumber, KeyRegistry as _};

/// Lets the tasks run that were spawned.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_outage_is_survived_for_the_grace_and_then_fails_closed() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    let sealed = sealed_with(&bridge.sealing(&docs).await.unwrap());
    let header = Header::parse(&sealed).unwrap();
    world.service.is_down.store(true, Ordering::SeqCst);
    for _ in 0..29 {
        world.pass(1);
        assert!(bridge.sealing(&docs).await.is_ok());
        assert!(bridge.opening(&docs, &header).await.is_ok());
        bridge.purge_expired();
        settle().await;
    }
    assert_eq!(bridge.in_grace(), 1);
    world.pass(1);
    assert!(bridge.sealing(&docs).await.unwrap_err().is_outage());
    assert!(bridge.opening(&docs, &header).await.unwrap_err().is_outage());
    bridge.purge_expired();
    assert_eq!(bridge.resident(), 0);

    world.service.is_down.store(false, Ordering::SeqCst);
    assert!(bridge.sealing(&docs).await.is_ok());
    assert_eq!(bridge.in_grace(), 0);
}

#[tokio::test]
async fn a_key_in_use_is_refreshed_before_its_time_and_its_callers_do_not_wait() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    let first = bridge.sealing(&docs).await.unwrap();
    for _ in 0..100 {
        world.pass(1);
        let mut call = std::pin::pin!(bridge.sealing(&docs));
        let ready = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
        let std::task::Poll::Ready(Ok(dek)) = ready else { panic!("a caller waits") };
        assert!(Arc::ptr_eq(&dek, &first), "what was derived from it stays valid");
        settle().await;
    }
    assert!((11..=14).contains(&world.unwraps()), "{} unwraps in ten times of a key", world.unwraps());
}

#[tokio::test]
async fn a_refused_refresh_ends_the_key_at_once() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    bridge.sealing(&docs).await.unwrap();
    world.service.keks.lock().unwrap().clear();
    world.pass(8);
    assert!(bridge.sealing(&docs).await.is_ok(), "the last use, which has it refreshed");
    settle().await;
    assert!(matches!(bridge.sealing(&docs).await, Err(KeyError::KekLost)));
}

#[tokio::test]
async fn a_thousand_keys_after_a_restart_are_few_calls() {
    let world = World::new();
    let plenty = CacheConfig { ttl: Duration::from_secs(10), ..CacheConfig::default() };
    let roomy = CacheConfig { tenant_bytes: plenty.bytes, ..plenty };
    let before = world.bridge_with(KekPer::Tenant, roomy);
    for n in 0..1000 {
        before.sealing(&scope("acme", &format!("c{n}"))).await.unwrap();
    }
    let after = world.bridge_with(KekPer::Tenant, roomy);
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let after = after.clone();
            tokio::spawn(async move { after.sealing(&scope("acme", &format!("c{n}"))).await.unwrap().key_id() })
        })
        .collect();
    let mut ids = HashSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    let batches = world.service.batches.lock().unwrap().clone();
    assert_eq!((ids.len(), batches.iter().sum::<usize>()), (1000, 1000));
    assert!(batches.len() <= 10, "{batches:?}");
}

#[tokio::test]
async fn a_fence_reaches_every_replica_and_is_reported_once_no_call_holds_a_key() {
    let world = World::new();
    let (docs, bridge) = (scope("acme", "docs"), world.bridge());
    let mut watch = bridge.watch_fences().unwrap();
    let held = bridge.sealing(&docs).await.unwrap();
    bridge.sealing(&scope("rival", "docs")).await.unwrap();
    bridge.notice_fences(&mut watch).await.unwrap();

    let fence = world.registry.fence(&tenant("acme")).await.unwrap();
    bridge.notice_fences(&mut watch).await.unwrap();
    assert!(matches!(bridge.sealing(&docs).await, Err(KeyError::Shredded)));
    assert_eq!(bridge.resident(), 1, "the rival's key stays");
    let seen = |replicas: Vec<crate::registry::Replica>| replicas[0].seen;
    assert_eq!(seen(world.registry.replicas().await.unwrap()), FenceNumber(0), "a call still holds a key");
    drop(held);
    bridge.notice_fences(&mut watch).await.unwrap();
    assert_eq!(seen(world.registry.replicas().await.unwrap()), fence);
}

#[tokio::test]
async fn a_key_service_that_hangs_holds_nobody_up_who_has_a_key() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    let sealed = sealed_with(&bridge.sealing(&docs).await.unwrap());
    world.service.hangs.store(true, Ordering::SeqCst);
    world.pass(11);
    let began = std::time::Instant::now();
    for _ in 0..100 {
        bridge.sealing(&docs).await.unwrap();
        bridge.opening(&docs, &Header::parse(&sealed).unwrap()).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(bridge.in_grace(), 1);
    world.pass(19);
    let closed = tokio::time::timeout(Duration::from_secs(1), bridge.sealing(&docs)).await;
    assert!(!matches!(closed, Ok(Ok(_))), "not beyond the grace");
}

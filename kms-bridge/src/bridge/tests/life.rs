//! Rotation and shredding.

use super::*;
use crate::{
    provider::Destruction,
    registry::{KekState, KeyRegistry as _},
};

async fn sealed_in(bridge: &KeyBridge, scope: &DekScope) -> Vec<u8> {
    sealed_with(&bridge.sealing(scope).await.unwrap())
}

async fn opens(bridge: &KeyBridge, scope: &DekScope, sealed: &[u8]) -> Result<(), KeyError> {
    let dek = bridge.opening(scope, &Header::parse(sealed).unwrap()).await?;
    let upstream = UpstreamName::new("db").unwrap();
    assert_eq!(open(&dek, &context(&dek, &upstream), sealed).unwrap().expose(), b"text");
    Ok(())
}

#[tokio::test]
async fn a_kek_without_versions_is_rotated_to_another_name_and_data_keys_follow() {
    let world = World::new();
    let bridge = world.bridge();
    let scopes: Vec<_> = (0..5).map(|n| scope("acme", &format!("c{n}"))).collect();
    let mut values = Vec::new();
    for scope in &scopes {
        values.push(sealed_in(&bridge, scope).await);
    }
    sealed_in(&bridge, &scope("rival", "docs")).await;
    let KekRotation::Name { old, new } = bridge.rotate_kek(&tenant("acme")).await.unwrap() else { panic!() };
    assert_ne!(old.name, new.name);
    let acme = TenantId::new("acme").unwrap();
    let mut pages = 0;
    let report = bridge.rewrap(Some(&acme), |_| pages += 1).await.unwrap();
    assert_eq!((report.seen, report.rewrapped, report.failed.len(), pages), (5, 5, 0, 1));
    let again = bridge.rewrap(None, |_| ()).await.unwrap();
    assert_eq!((again.seen, again.fine), (6, 6), "what is done is found done");

    world.service.keks.lock().unwrap().retain(|kek| *kek != old.name);
    let after = world.bridge();
    for (scope, value) in scopes.iter().zip(&values) {
        opens(&after, scope, value).await.unwrap();
    }
    let states: Vec<_> = world.registry.keks().await.unwrap().into_iter().map(|e| (e.state, e.deks)).collect();
    assert_eq!(states, [(KekState::Retired, 0), (KekState::Active, 1), (KekState::Active, 5)]);
}

#[tokio::test]
async fn a_new_version_of_a_kek_is_noticed_and_data_keys_in_use_are_rewrapped() {
    let world = World::new();
    world.service.version.store(1, Ordering::SeqCst);
    let (docs, mail) = (scope("acme", "docs"), scope("acme", "mail"));
    let bridge = world.bridge();
    sealed_in(&bridge, &docs).await;
    sealed_in(&bridge, &mail).await;
    // As an operator does it at the key service.
    world.service.version.store(2, Ordering::SeqCst);
    let versions = |world: &World| -> Vec<_> {
        let deks = world.registry.wrapped_deks();
        let mut of: Vec<_> = deks.iter().map(|d| (d.scope.clone(), world.service.version_of(&d.wrapped))).collect();
        of.sort_by_key(|(scope, _)| scope.collection.clone().map(|c| c.as_str().to_owned()));
        of.into_iter().map(|(_, version)| version.unwrap().0).collect()
    };
    let other = world.bridge();
    sealed_in(&other, &docs).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(versions(&world), [2, 1], "the one in use");
    let report = other.rewrap(None, |_| ()).await.unwrap();
    assert_eq!((report.fine, report.rewrapped), (1, 1));
    assert_eq!(versions(&world), [2, 2]);

    assert_eq!(other.rotate_kek(&tenant("acme")).await.unwrap(), KekRotation::Version(KekVersion(3)));
    assert_eq!(other.rewrap(None, |_| ()).await.unwrap().rewrapped, 2);
}

#[tokio::test]
async fn racing_processes_open_one_epoch_and_old_values_still_open() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridges: Vec<_> = (0..4).map(|_| world.bridge()).collect();
    let old = sealed_in(&bridges[0], &docs).await;
    let calls: Vec<_> = bridges
        .iter()
        .map(|bridge| {
            let (bridge, docs) = (bridge.clone(), docs.clone());
            tokio::spawn(async move { bridge.open_epoch(&docs).await.unwrap().epoch().get() })
        })
        .collect();
    let mut epochs = Vec::new();
    for call in calls {
        epochs.push(call.await.unwrap());
    }
    epochs.sort_unstable();
    assert!(epochs.iter().all(|epoch| (2..=5).contains(epoch)), "{epochs:?}");
    for bridge in &bridges {
        opens(bridge, &docs, &old).await.unwrap();
        world.pass(0);
    }
    world.pass(10);
    let newest: HashSet<_> = {
        let mut newest = HashSet::new();
        for bridge in &bridges {
            newest.insert(bridge.sealing(&docs).await.unwrap().epoch());
        }
        newest
    };
    assert_eq!(newest.len(), 1, "all seal in the newest epoch when the time of their caches is over");
}

#[tokio::test]
async fn a_rewrapping_that_another_process_overtakes_changes_nothing() {
    let world = World::new();
    world.service.version.store(1, Ordering::SeqCst);
    let docs = scope("acme", "docs");
    sealed_in(&world.bridge(), &docs).await;
    let old = world.registry.wrapped_deks().remove(0);
    let mut newer = old.clone();
    newer.wrapped = vec![1, 2, 3];
    assert_eq!(world.registry.replace_wrapping(&old, &newer).await.unwrap(), crate::registry::Rewrapping::Stored);
    assert_eq!(world.registry.replace_wrapping(&old, &old).await.unwrap(), crate::registry::Rewrapping::Overtaken);
    assert_eq!(world.registry.wrapped_deks().remove(0).wrapped, [1, 2, 3]);
}

/// The longest life of a key, in real time: these tests wait for it.
const HARD: Duration = Duration::from_millis(400);

fn shredder(world: &World) -> Shredder {
    Shredder::new(Arc::clone(&world.registry) as _, world.providers(), world.providers(), HARD)
}

#[tokio::test]
async fn a_shredded_tenant_is_gone_everywhere_and_does_not_come_back() {
    let world = World::new();
    let (docs, bridge) = (scope("acme", "docs"), world.bridge());
    let sealed = sealed_in(&bridge, &docs).await;
    sealed_in(&bridge, &scope("rival", "docs")).await;
    bridge.rotate_kek(&tenant("acme")).await.unwrap();
    sealed_in(&bridge, &scope("acme", "mail")).await;
    let replica = tokio::spawn(bridge.clone().follow_fences(Duration::from_millis(20)));
    while world.registry.replicas().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }

    let mut steps = Vec::new();
    let evidence = shredder(&world).shred(&tenant("acme"), |step| steps.push(step.clone())).await.unwrap();
    assert_eq!((evidence.keks.len(), evidence.canaries, evidence.forgotten), (2, 2, 2));
    assert_eq!((evidence.acknowledged, evidence.presumed_dead.len()), (1, 0));
    assert!(steps.contains(&ShredStep::Waiting { replicas: 1 }), "{steps:?}");
    assert!(evidence.keks.iter().all(|kek| kek.destruction == Some(Destruction::Done)));
    assert_eq!(evidence.remains().len(), 3);
    for bridge in [bridge, world.bridge()] {
        let header = Header::parse(&sealed).unwrap();
        assert!(matches!(bridge.opening(&docs, &header).await, Err(KeyError::Shredded)));
        assert!(matches!(bridge.sealing(&scope("acme", "new")).await, Err(KeyError::Shredded)));
        assert!(bridge.sealing(&scope("rival", "docs")).await.is_ok());
    }
    let again = shredder(&world).shred(&tenant("acme"), |_| ()).await.unwrap();
    assert_eq!(again.fence, evidence.fence);
    assert!(again.keks.iter().all(|kek| kek.destruction.is_none()), "there is nothing left to destroy");
    replica.abort();
}

#[tokio::test]
async fn a_silent_replica_is_waited_for_until_it_cannot_use_a_key_any_more() {
    let world = World::new();
    let bridge = world.bridge();
    sealed_in(&bridge, &scope("acme", "docs")).await;
    let mut watch = bridge.watch_fences().unwrap();
    bridge.notice_fences(&mut watch).await.unwrap();
    let began = std::time::Instant::now();
    let evidence = shredder(&world).shred(&tenant("acme"), |_| ()).await.unwrap();
    assert!(began.elapsed() >= HARD);
    assert_eq!((evidence.acknowledged, evidence.presumed_dead.len()), (0, 1));
}

#[tokio::test]
async fn a_key_service_that_is_out_proves_nothing() {
    let world = World::new();
    sealed_in(&world.bridge(), &scope("acme", "docs")).await;
    world.service.is_down.store(true, Ordering::SeqCst);
    let refused = shredder(&world).shred(&tenant("acme"), |_| ()).await.unwrap_err();
    assert!(matches!(refused, ShredError::NotDestroyed { .. }), "{refused:?}");
    world.service.is_down.store(false, Ordering::SeqCst);
    assert!(matches!(world.bridge().sealing(&scope("acme", "docs")).await, Err(KeyError::Shredded)), "it stays fenced");
    shredder(&world).shred(&tenant("acme"), |_| ()).await.unwrap();
}

#[tokio::test]
async fn a_collection_is_shredded_alone_only_with_a_kek_of_its_own() {
    let world = World::new();
    let (docs, mail) = (scope("acme", "docs"), scope("acme", "mail"));
    let of_docs = KekOwner { collection: docs.collection.clone(), ..tenant("acme") };
    let shared = world.bridge();
    sealed_in(&shared, &docs).await;
    let refused = shredder(&world).shred(&of_docs, |_| ()).await.unwrap_err();
    assert!(matches!(refused, ShredError::NoOwnKek), "{refused:?}");
    assert!(world.bridge().sealing(&docs).await.is_ok(), "a refused shredding does nothing");

    let world = World::new();
    let bridge = world.bridge_with(KekPer::Collection, config());
    sealed_in(&bridge, &docs).await;
    let kept = sealed_in(&bridge, &mail).await;
    let evidence = shredder(&world).shred(&of_docs, |_| ()).await.unwrap();
    assert_eq!((evidence.keks.len(), evidence.canaries), (1, 1));
    let after = world.bridge_with(KekPer::Collection, config());
    assert!(matches!(after.sealing(&docs).await, Err(KeyError::Shredded)));
    opens(&after, &mail, &kept).await.unwrap();
}

#[tokio::test]
async fn a_use_limit_asks_the_key_service_again() {
    let world = World::new();
    let uses = NonZeroU64::new(100).unwrap();
    let bridge = world.bridge_with(KekPer::Tenant, CacheConfig { uses, ..config() });
    for _ in 0..1000 {
        bridge.sealing(&scope("acme", "docs")).await.unwrap();
    }
    assert!((8..=10).contains(&world.unwraps()), "{}", world.unwraps());
}

use crate::Bench;
use control_plane::Store;
use kms_bridge::{DekScope, Epoch, KekName, KeyId, KeyRegistry, Purpose, Registration, RegistryError, WrappedDek};
use ring::rand::SystemRandom;
use std::collections::BTreeSet;
use vocab::{CollectionName, TenantId};

fn tenant(text: &str) -> TenantId {
    TenantId::new(text).unwrap()
}

fn scope(of: &str, collection: Option<&str>) -> DekScope {
    DekScope {
        tenant: tenant(of),
        purpose: Purpose::Payload,
        collection: collection.map(|c| CollectionName::new(c).unwrap()),
    }
}

async fn kek_of(store: &Store, of: &str) -> KekName {
    store.register_kek(&tenant(of), &KekName::random(&SystemRandom::new()).unwrap()).await.unwrap()
}

fn dek(scope: DekScope, epoch: u32, kek: &KekName) -> WrappedDek {
    WrappedDek {
        key_id: KeyId::random(&SystemRandom::new()).unwrap(),
        scope,
        epoch: Epoch::new(epoch).unwrap(),
        kek: kek.clone(),
        wrapped: vec![7; 60],
    }
}

#[tokio::test]
async fn keys_outlive_the_process_and_the_highest_epoch_is_current() {
    let bench = Bench::new();
    let store = bench.store().await;
    let acme = scope("acme", Some("docs"));
    assert_eq!(store.tenant_kek(&tenant("acme")).await.unwrap(), None);
    assert_eq!(store.current(&acme).await.unwrap(), None);
    let kek = kek_of(&store, "acme").await;
    assert_eq!(kek_of(&store, "acme").await, kek, "the first one wins");
    assert_eq!(store.current(&acme).await.unwrap(), None, "a tenant without such a key");

    let (first, tenth) = (dek(acme.clone(), 1, &kek), dek(acme.clone(), 10, &kek));
    let second = dek(acme.clone(), 2, &kek);
    let tenant_wide = dek(scope("acme", None), 1, &kek);
    for key in [&first, &tenth, &second, &tenant_wide] {
        assert_eq!(store.register(key.clone()).await.unwrap(), Registration::Stored);
    }
    store.close().await;

    let reopened = bench.store().await;
    assert_eq!(reopened.tenant_kek(&tenant("acme")).await.unwrap(), Some(kek));
    assert_eq!(reopened.current(&acme).await.unwrap(), Some(tenth));
    assert_eq!(reopened.current(&scope("acme", None)).await.unwrap(), Some(tenant_wide));
    assert_eq!(reopened.current(&scope("acme", Some("other"))).await.unwrap(), None);
    assert_eq!(reopened.current(&DekScope { purpose: Purpose::Vector, ..acme }).await.unwrap(), None);
    assert_eq!(reopened.find(first.key_id).await.unwrap(), Some(first));
    assert_eq!(reopened.find(KeyId::from_bytes([0; 16])).await.unwrap(), None);
}

#[tokio::test]
async fn a_key_id_and_an_epoch_belong_to_one_key() {
    let bench = Bench::new();
    let store = bench.store().await;
    let kek = kek_of(&store, "acme").await;
    let first = dek(scope("acme", Some("docs")), 1, &kek);
    store.register(first.clone()).await.unwrap();
    let rival = dek(scope("acme", Some("docs")), 1, &kek);
    assert_eq!(store.register(rival.clone()).await.unwrap(), Registration::Lost(first.clone()));
    assert_eq!(store.find(rival.key_id).await.unwrap(), None);
    let same_id = WrappedDek { key_id: first.key_id, ..dek(scope("acme", Some("docs")), 2, &kek) };
    assert!(matches!(store.register(same_id).await, Err(RegistryError::Corrupt(_))));
    let unknown_kek = KekName::random(&SystemRandom::new()).unwrap();
    let orphan = dek(scope("acme", Some("docs")), 2, &unknown_kek);
    assert!(matches!(store.register(orphan).await, Err(RegistryError::Corrupt(_))));
}

#[tokio::test]
async fn a_kek_name_serves_one_tenant() {
    let bench = Bench::new();
    let store = bench.store().await;
    let kek = kek_of(&store, "acme").await;
    assert!(matches!(store.register_kek(&tenant("globex"), &kek).await, Err(RegistryError::Corrupt(_))));
    assert_eq!(store.tenant_kek(&tenant("globex")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_and_many_tasks_agree_on_one_kek_and_one_key() {
    let bench = Bench::new();
    let stores = [bench.store().await, bench.store().await];
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                let kek = kek_of(&store, "acme").await;
                let offered = dek(scope("acme", Some("docs")), 1, &kek);
                match store.register(offered.clone()).await.unwrap() {
                    Registration::Stored => (kek, offered.key_id, 1),
                    Registration::Lost(winner) => (kek, winner.key_id, 0),
                }
            })
        })
        .collect();
    let (mut keks, mut keys, mut stored) = (BTreeSet::new(), BTreeSet::new(), 0);
    for task in tasks {
        let (kek, key, won) = task.await.unwrap();
        keks.insert(kek);
        keys.insert(key);
        stored += won;
    }
    assert_eq!((keks.len(), keys.len(), stored), (1, 1, 1));
}

#[tokio::test]
async fn nothing_of_a_shredded_tenant_is_given_or_taken() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (acme, globex) = (kek_of(&store, "acme").await, kek_of(&store, "globex").await);
    let (lost, kept) = (dek(scope("acme", None), 1, &acme), dek(scope("globex", None), 1, &globex));
    store.register(lost.clone()).await.unwrap();
    store.register(kept.clone()).await.unwrap();
    store.mark_shredded(&tenant("acme")).await.unwrap();
    for store in [store, bench.store().await] {
        assert!(matches!(store.tenant_kek(&tenant("acme")).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.register_kek(&tenant("acme"), &acme).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.current(&lost.scope).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.find(lost.key_id).await, Err(RegistryError::Shredded)));
        let next = dek(scope("acme", None), 2, &acme);
        assert!(matches!(store.register(next).await, Err(RegistryError::Shredded)));
        assert_eq!(store.current(&kept.scope).await.unwrap(), Some(kept.clone()), "others are untouched");
    }
}

#[tokio::test]
async fn an_unreachable_store_is_unavailable() {
    let bench = Bench::new();
    let store = bench.store().await;
    store.close().await;
    assert!(matches!(store.tenant_kek(&tenant("acme")).await, Err(RegistryError::Unavailable(_))));
}

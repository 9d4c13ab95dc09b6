use crate::Bench;
use control_plane::Store;
use kms_bridge::{
    DekScope, Epoch, FenceNumber, Kek, KekName, KekOwner, KekState, KeyId, KeyRegistry, ProviderName, Purpose,
    Registration, RegistryError, ReplicaId, Rewrapping, WrappedDek,
};
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

fn owner(of: &str) -> KekOwner {
    KekOwner::tenant(tenant(of))
}

fn fresh(provider: &str) -> Kek {
    Kek { name: KekName::random(&SystemRandom::new()).unwrap(), provider: ProviderName::new(provider).unwrap() }
}

async fn kek_of(store: &Store, of: &str) -> Kek {
    store.register_kek(&owner(of), &fresh("local")).await.unwrap()
}

fn dek(scope: DekScope, epoch: u32, kek: &Kek) -> WrappedDek {
    WrappedDek {
        key_id: KeyId::random(&SystemRandom::new()).unwrap(),
        scope,
        epoch: Epoch::new(epoch).unwrap(),
        kek: kek.name.clone(),
        provider: kek.provider.clone(),
        wrapped: vec![7; 60],
    }
}

#[tokio::test]
async fn keys_outlive_the_process_and_the_highest_epoch_is_current() {
    let bench = Bench::new();
    let store = bench.store().await;
    let acme = scope("acme", Some("docs"));
    assert_eq!(store.kek(&owner("acme")).await.unwrap(), None);
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
    assert_eq!(reopened.kek(&owner("acme")).await.unwrap(), Some(kek));
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
    let unknown_kek = fresh("local");
    let orphan = dek(scope("acme", Some("docs")), 2, &unknown_kek);
    assert!(matches!(store.register(orphan).await, Err(RegistryError::Corrupt(_))));
}

#[tokio::test]
async fn a_kek_name_serves_one_tenant() {
    let bench = Bench::new();
    let store = bench.store().await;
    let kek = kek_of(&store, "acme").await;
    assert!(matches!(store.register_kek(&owner("globex"), &kek).await, Err(RegistryError::Corrupt(_))));
    assert_eq!(store.kek(&owner("globex")).await.unwrap(), None);
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
        keks.insert(kek.name);
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
        assert!(matches!(store.kek(&owner("acme")).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.register_kek(&owner("acme"), &acme).await, Err(RegistryError::Shredded)));
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
    assert!(matches!(store.kek(&owner("acme")).await, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn a_replaced_kek_is_retired_and_the_first_replacement_wins() {
    let bench = Bench::new();
    let store = bench.store().await;
    let first = kek_of(&store, "acme").await;
    let key = dek(scope("acme", Some("docs")), 1, &first);
    store.register(key.clone()).await.unwrap();
    let (second, rival) = (fresh("bao"), fresh("bao"));
    assert_eq!(store.replace_kek(&owner("acme"), &first.name, &second).await.unwrap(), second);
    assert_eq!(store.replace_kek(&owner("acme"), &first.name, &rival).await.unwrap(), second);
    assert_eq!(store.kek(&owner("acme")).await.unwrap(), Some(second.clone()));
    assert_eq!(store.find(key.key_id).await.unwrap(), Some(key.clone()), "it still unwraps with the old one");

    let moved =
        WrappedDek { kek: second.name.clone(), provider: second.provider.clone(), wrapped: vec![8; 9], ..key.clone() };
    assert_eq!(store.replace_wrapping(&key, &moved).await.unwrap(), Rewrapping::Stored);
    assert_eq!(store.replace_wrapping(&key, &moved).await.unwrap(), Rewrapping::Overtaken);
    assert_eq!(store.find(key.key_id).await.unwrap(), Some(moved));
    let keks = store.keks().await.unwrap();
    let shown: Vec<_> = keks.iter().map(|e| (e.kek.clone(), e.state, e.deks)).collect();
    assert_eq!(shown, [(first.clone(), KekState::Retired, 0), (second, KekState::Active, 1)]);
    assert!(matches!(store.register_kek(&owner("globex"), &first).await, Err(RegistryError::Corrupt(_))));
}

#[tokio::test]
async fn pages_hold_every_living_key_once() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (acme, globex) = (kek_of(&store, "acme").await, kek_of(&store, "globex").await);
    for n in 1..=25 {
        store.register(dek(scope("acme", Some("docs")), n, &acme)).await.unwrap();
    }
    store.register(dek(scope("acme", Some("gone")), 1, &acme)).await.unwrap();
    store.register(dek(scope("globex", None), 1, &globex)).await.unwrap();
    let gone = KekOwner { collection: scope("acme", Some("gone")).collection, ..owner("acme") };
    store.fence(&gone).await.unwrap();
    let (mut ids, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.page(Some(&tenant("acme")), after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key_id);
        ids.extend(page.iter().map(|dek| dek.key_id));
    }
    assert_eq!(ids.len(), 25);
    assert_eq!(store.page(None, None, 100).await.unwrap().len(), 26);
}

#[tokio::test]
async fn a_fence_is_for_ever_and_concerns_its_owner_only() {
    let bench = Bench::new();
    let store = bench.store().await;
    let acme = kek_of(&store, "acme").await;
    let own = KekOwner { collection: scope("acme", Some("docs")).collection, ..owner("acme") };
    let of_docs = store.register_kek(&own, &fresh("local")).await.unwrap();
    let docs = dek(scope("acme", Some("docs")), 1, &of_docs);
    let mail = dek(scope("acme", Some("mail")), 1, &acme);
    store.register(docs.clone()).await.unwrap();
    store.register(mail.clone()).await.unwrap();
    assert!(matches!(store.forget(&own).await, Err(RegistryError::Corrupt(_))), "not before the fence");
    assert_eq!(store.fence(&own).await.unwrap(), FenceNumber(1));
    assert_eq!(store.fence(&own).await.unwrap(), FenceNumber(1));

    for store in [store.clone(), bench.store().await] {
        assert!(matches!(store.kek(&own).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.register_kek(&own, &fresh("local")).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.replace_kek(&own, &of_docs.name, &fresh("x")).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.current(&docs.scope).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.find(docs.key_id).await, Err(RegistryError::Shredded)));
        let next = dek(docs.scope.clone(), 2, &of_docs);
        assert!(matches!(store.register(next).await, Err(RegistryError::Shredded)));
        assert!(matches!(store.replace_wrapping(&docs, &docs).await, Err(RegistryError::Shredded)));
        assert_eq!(store.find(mail.key_id).await.unwrap(), Some(mail.clone()));
    }
    assert_eq!(store.canaries(&own).await.unwrap(), std::slice::from_ref(&docs));
    assert_eq!(store.forget(&own).await.unwrap(), 1);
    assert!(store.canaries(&own).await.unwrap().is_empty());
    assert_eq!(store.fence(&owner("acme")).await.unwrap(), FenceNumber(2));
    assert_eq!(store.fence(&owner("never-seen")).await.unwrap(), FenceNumber(3));
    assert_eq!(store.fences(FenceNumber(1)).await.unwrap().len(), 2);
    assert!(matches!(store.find(mail.key_id).await, Err(RegistryError::Shredded)));
    assert_eq!(store.canaries(&owner("acme")).await.unwrap().len(), 1, "what is fenced can still be tried");
}

#[tokio::test]
async fn replicas_are_known_by_their_last_report() {
    let bench = Bench::new();
    let store = bench.store().await;
    let replica = |n: u8| ReplicaId(KeyId::from_bytes([n; 16]));
    store.report(&replica(1), FenceNumber(0)).await.unwrap();
    store.report(&replica(2), FenceNumber(0)).await.unwrap();
    store.report(&replica(1), FenceNumber(7)).await.unwrap();
    let mut replicas = store.replicas().await.unwrap();
    replicas.sort_by_key(|replica| replica.seen);
    assert_eq!(
        replicas.iter().map(|r| (r.id.clone(), r.seen)).collect::<Vec<_>>(),
        [(replica(2), FenceNumber(0)), (replica(1), FenceNumber(7))]
    );
    assert!(replicas.iter().all(|replica| replica.silent_for.as_secs() < 60));
}

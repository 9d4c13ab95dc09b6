use crate::{Bench, HOSTILE};
use control_plane::{
    Advance, CollectionKey, CollectionSpec, CollectionState, Creation, Distance, Mode, PhysicalName, StoreError,
};
use std::collections::BTreeSet;
use vocab::{CollectionName, PrincipalId, TenantId, UpstreamName};

fn key(tenant: &str, name: &str) -> CollectionKey {
    CollectionKey {
        tenant: TenantId::new(tenant).unwrap(),
        upstream: UpstreamName::new("docs-db").unwrap(),
        name: CollectionName::new(name).unwrap(),
    }
}

fn physical(n: usize) -> PhysicalName {
    PhysicalName::new(&format!("c-{n:08}")).unwrap()
}

fn spec() -> CollectionSpec {
    CollectionSpec {
        dimensions: 384,
        distance: Distance::Dot,
        mode: Mode::Preserving,
        beta: Some(2.0),
        filterable: HOSTILE.iter().map(|&t| t.to_owned()).collect(),
        created_by: PrincipalId::new("alice").unwrap(),
    }
}

#[tokio::test]
async fn a_collection_lives_and_dies_in_order() {
    let bench = Bench::new();
    let store = bench.store().await;
    let docs = key("acme", "docs");
    let Creation::Created(row) = store.create_collection(&docs, &physical(1), &spec()).await.unwrap() else {
        panic!("the name was free");
    };
    assert_eq!((row.state, &row.spec), (CollectionState::Creating, &spec()));

    assert_eq!(store.advance_collection(&docs, &physical(2), Advance::Ready).await.unwrap(), None, "another one");
    let ready = store.advance_collection(&docs, &physical(1), Advance::Ready).await.unwrap().unwrap();
    assert_eq!(ready.state, CollectionState::Ready);
    assert!(
        store.advance_collection(&docs, &physical(1), Advance::Ready).await.unwrap().is_some(),
        "twice is no error"
    );
    store.remove_collection(&docs, &physical(1)).await.unwrap();
    assert!(store.find_collection(&docs).await.unwrap().is_some(), "only what is being deleted is removed");

    let deleting = store.advance_collection(&docs, &physical(1), Advance::Deleting).await.unwrap().unwrap();
    assert_eq!(deleting.state, CollectionState::Deleting);
    assert_eq!(store.advance_collection(&docs, &physical(1), Advance::Ready).await.unwrap(), None, "no way back");
    store.close().await;

    let reopened = bench.store().await;
    assert_eq!(reopened.find_collection(&docs).await.unwrap(), Some(deleting), "a crash here loses nothing");
    reopened.remove_collection(&docs, &physical(1)).await.unwrap();
    reopened.remove_collection(&docs, &physical(1)).await.unwrap();
    assert_eq!(reopened.find_collection(&docs).await.unwrap(), None);
    assert_eq!(reopened.advance_collection(&docs, &physical(1), Advance::Deleting).await.unwrap(), None);
}

#[tokio::test]
async fn tenants_do_not_see_each_others_collections() {
    let bench = Bench::new();
    let store = bench.store().await;
    store.create_collection(&key("acme", "docs"), &physical(1), &spec()).await.unwrap();
    store.create_collection(&key("globex", "docs"), &physical(2), &spec()).await.unwrap();
    let upstream = UpstreamName::new("docs-db").unwrap();
    for (tenant, expected) in [("acme", physical(1)), ("globex", physical(2))] {
        let listed = store.collections(&TenantId::new(tenant).unwrap(), &upstream).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].physical, expected);
        assert_eq!(store.find_collection(&key(tenant, "docs")).await.unwrap().unwrap().physical, expected);
    }
    let moved = store.advance_collection(&key("globex", "docs"), &physical(1), Advance::Deleting).await.unwrap();
    assert_eq!(moved, None);
    let elsewhere = UpstreamName::new("other-db").unwrap();
    assert!(store.collections(&TenantId::new("acme").unwrap(), &elsewhere).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_physical_name_is_not_used_twice_in_a_store() {
    let bench = Bench::new();
    let store = bench.store().await;
    store.create_collection(&key("acme", "docs"), &physical(1), &spec()).await.unwrap();
    let clash = store.create_collection(&key("globex", "docs"), &physical(1), &spec()).await;
    assert!(matches!(clash, Err(StoreError::Internal(_))), "{clash:?}");
    assert!(PhysicalName::new("../x").is_err() && PhysicalName::new("").is_err() && PhysicalName::new("A").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_and_many_tasks_create_one_collection() {
    let bench = Bench::new();
    let stores = [bench.store().await, bench.store().await];
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move { store.create_collection(&key("acme", "docs"), &physical(n), &spec()).await })
        })
        .collect();
    let (mut created, mut names) = (0, BTreeSet::new());
    for task in tasks {
        match task.await.unwrap().unwrap() {
            Creation::Created(row) => {
                created += 1;
                names.insert(row.physical);
            }
            Creation::Taken(row) => {
                names.insert(row.physical);
            }
        }
    }
    assert_eq!((created, names.len()), (1, 1), "one winner, and everyone was told the same name");
}

#[tokio::test]
async fn a_shredded_tenant_makes_no_collection() {
    let bench = Bench::new();
    let store = bench.store().await;
    store.mark_shredded(&TenantId::new("acme").unwrap()).await.unwrap();
    let refused = store.create_collection(&key("acme", "docs"), &physical(1), &spec()).await;
    assert!(matches!(refused, Err(StoreError::Shredded)));
}

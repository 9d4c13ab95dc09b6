use crate::{Bench, HOSTILE};
use control_plane::{
    KeyLabel, KeyRequest, MintError, PresentedKey, Revocation, Shredding, Store, StoreError, VIRTUAL_KEY_PREFIX,
    VirtualKeyId,
};
use std::time::Duration;
use vocab::{GroupName, PrincipalId, TenantId};

fn tenant(text: &str) -> TenantId {
    TenantId::new(text).unwrap()
}

fn request(of: &str) -> KeyRequest {
    KeyRequest {
        tenant: tenant(of),
        principal: PrincipalId::new("ingest@acme.example").unwrap(),
        groups: vec![GroupName::new("writers").unwrap(), GroupName::new("readers").unwrap()],
        label: KeyLabel::new("ingest job").unwrap(),
        expires_at: Some(2_000_000_000),
    }
}

async fn mint(store: &Store, of: &str) -> (VirtualKeyId, PresentedKey) {
    let (id, text) = store.mint_key(&request(of)).await.unwrap();
    (id, PresentedKey::parse(text.expose()).unwrap())
}

#[tokio::test]
async fn a_minted_key_is_found_with_all_that_it_vouches_for() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (id, text) = store.mint_key(&request("acme")).await.unwrap();
    assert!(text.expose().starts_with(VIRTUAL_KEY_PREFIX));
    store.close().await;

    let reopened = bench.store().await;
    let found = reopened.find_key(&PresentedKey::parse(text.expose()).unwrap()).await.unwrap().unwrap();
    assert_eq!(found.id, id);
    assert_eq!(found.revoked_at, None);
    let KeyRequest { tenant, principal, groups, label, expires_at } = request("acme");
    assert_eq!(
        (found.tenant, found.principal, found.groups, found.label, found.expires_at),
        (tenant, principal, groups, label, expires_at)
    );
}

#[tokio::test]
async fn the_key_itself_is_nowhere_on_disk() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (_, text) = store.mint_key(&request("acme")).await.unwrap();
    store.close().await;
    let secret = &text.expose()[VIRTUAL_KEY_PREFIX.len()..];
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, secret).unwrap();
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|w| w == &secret.as_bytes()[..16]));
        assert!(!bytes.windows(16).any(|w| w == &decoded[..16]));
    }
}

#[tokio::test]
async fn a_key_that_was_never_minted_is_unknown() {
    let (here, there) = (Bench::new(), Bench::new());
    let (_, foreign) = mint(&there.store().await, "acme").await;
    assert_eq!(here.store().await.find_key(&foreign).await.unwrap(), None);
}

#[tokio::test]
async fn a_revoked_key_stays_revoked_and_the_generation_has_moved() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (id, presented) = mint(&store, "acme").await;
    let mut watched = store.revocations();
    let before = store.revocation_generation();
    assert_eq!(store.revoke_key(&tenant("acme"), &id).await.unwrap(), Revocation::Revoked);
    assert_ne!(store.revocation_generation(), before);
    assert!(watched.has_changed().unwrap());
    watched.mark_unchanged();

    let first = store.find_key(&presented).await.unwrap().unwrap().revoked_at;
    assert!(first.is_some());
    assert_eq!(store.revoke_key(&tenant("acme"), &id).await.unwrap(), Revocation::AlreadyRevoked);
    store.close().await;
    let reopened = bench.store().await;
    assert_eq!(reopened.find_key(&presented).await.unwrap().unwrap().revoked_at, first);
}

#[tokio::test]
async fn another_tenant_cannot_revoke_or_see_a_key() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (id, presented) = mint(&store, "acme").await;
    assert_eq!(store.revoke_key(&tenant("globex"), &id).await.unwrap(), Revocation::Unknown);
    assert_eq!(store.find_key(&presented).await.unwrap().unwrap().revoked_at, None);
    assert!(store.keys_of(&tenant("globex")).await.unwrap().is_empty());
    assert_eq!(store.keys_of(&tenant("acme")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_process_on_the_file_notices_a_revocation() {
    let bench = Bench::new();
    let (here, there) = (bench.store().await, bench.store().await);
    let (id, _) = mint(&here, "acme").await;
    there.notice_revocations().await.unwrap();
    let before = there.revocation_generation();
    there.notice_revocations().await.unwrap();
    assert_eq!(there.revocation_generation(), before, "nothing happened, so caches stay");

    let mut told = there.revocations();
    told.mark_unchanged();
    let follower = tokio::spawn(there.clone().follow_revocations(Duration::from_millis(5)));
    here.revoke_key(&tenant("acme"), &id).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), told.changed()).await.unwrap().unwrap();
    assert_ne!(there.revocation_generation(), before);
    there.close().await;
    tokio::time::timeout(Duration::from_secs(20), follower).await.unwrap().unwrap();
}

/// What a cache does that keeps the rule of `find_key`: many lookups race one revocation, and none
/// that began after it may end with a valid key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_lookup_in_flight_puts_a_revoked_key_back() {
    use std::sync::{Arc, Mutex};
    let bench = Bench::new();
    let store = bench.store().await;
    for _ in 0..20 {
        let (id, presented) = mint(&store, "acme").await;
        let cached: Arc<Mutex<Option<u64>>> = Arc::default();
        let lookups: Vec<_> = (0..8)
            .map(|_| {
                let (store, presented, cached) = (store.clone(), presented.clone(), Arc::clone(&cached));
                tokio::spawn(async move {
                    let stamp = store.revocation_generation();
                    let valid = store.find_key(&presented).await.unwrap().unwrap().revoked_at.is_none();
                    if valid {
                        *cached.lock().unwrap() = Some(stamp);
                    }
                })
            })
            .collect();
        store.revoke_key(&tenant("acme"), &id).await.unwrap();
        for lookup in lookups {
            lookup.await.unwrap();
        }
        let stamp = *cached.lock().unwrap();
        assert_ne!(stamp, Some(store.revocation_generation()), "a stale entry passed for a fresh one");
    }
}

#[tokio::test]
async fn a_shredded_tenant_has_no_valid_key_and_gets_none() {
    let bench = Bench::new();
    let store = bench.store().await;
    let (_, presented) = mint(&store, "acme").await;
    let before = store.revocation_generation();
    assert_eq!(store.mark_shredded(&tenant("acme")).await.unwrap(), Shredding::Marked);
    assert_ne!(store.revocation_generation(), before);
    assert_eq!(store.mark_shredded(&tenant("acme")).await.unwrap(), Shredding::AlreadyMarked);
    assert!(store.find_key(&presented).await.unwrap().unwrap().revoked_at.is_some());
    let refused = store.mint_key(&request("acme")).await;
    assert!(matches!(refused, Err(MintError::Store(StoreError::Shredded))));
    assert!(matches!(store.ensure_tenant(&tenant("acme")).await, Err(StoreError::Shredded)));
    assert_eq!(store.mark_shredded(&tenant("unseen")).await.unwrap(), Shredding::Marked);
    assert!(matches!(store.ensure_tenant(&tenant("unseen")).await, Err(StoreError::Shredded)));
}

#[tokio::test]
async fn hostile_labels_are_stored_as_they_are() {
    let bench = Bench::new();
    let store = bench.store().await;
    for text in HOSTILE {
        let label = KeyLabel::new(text).unwrap();
        store.mint_key(&KeyRequest { label, ..request("acme") }).await.unwrap();
    }
    let labels: Vec<String> =
        store.keys_of(&tenant("acme")).await.unwrap().iter().map(|k| k.label.as_str().to_owned()).collect();
    assert_eq!(labels, HOSTILE);
    assert_eq!(store.tenants().await.unwrap().len(), 1, "no table was dropped");
}

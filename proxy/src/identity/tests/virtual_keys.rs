//! Virtual keys: found, remembered, revoked at once.

use super::*;
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
use tokio::sync::Notify;
use vocab::{GroupName, PrincipalId, TenantId};

/// A stand-in for the state store that keeps the contract of `VirtualKeys`.
#[derive(Default)]
struct Keys {
    key: Mutex<Option<VirtualKey>>,
    generation: AtomicU64,
    lookups: AtomicU32,
    broken: Mutex<bool>,
    /// When set, a lookup reads, then tells `read`, then waits for `go`.
    held: Mutex<Option<Arc<(Notify, Notify)>>>,
}

impl Keys {
    fn change(&self, change: impl FnOnce(&mut VirtualKey)) {
        change(self.key.lock().unwrap().as_mut().unwrap());
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn revoke(&self) {
        self.change(|key| key.status = KeyStatus::Revoked);
    }
}

#[async_trait]
impl VirtualKeys for Keys {
    fn recognises(&self, credential: &str) -> bool {
        credential.starts_with("aios_sk_")
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    async fn lookup(&self, credential: &str) -> Result<Option<VirtualKey>, VirtualKeysUnavailable> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        if *self.broken.lock().unwrap() {
            return Err(VirtualKeysUnavailable(Arc::new(std::io::Error::other("disk on fire"))));
        }
        let found = if credential == "aios_sk_good" { self.key.lock().unwrap().clone() } else { None };
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            held.0.notify_one();
            held.1.notified().await;
        }
        Ok(found)
    }
}

fn set_up() -> (Arc<Keys>, Arc<Authenticator>) {
    let keys = Arc::new(Keys::default());
    *keys.key.lock().unwrap() = Some(VirtualKey {
        id: "vk-1".into(),
        tenant: TenantId::new("acme").unwrap(),
        principal: PrincipalId::new("ingest").unwrap(),
        groups: vec![GroupName::new("writers").unwrap()],
        expires_at: Some(UnixSeconds::new(NOW + 100)),
        status: KeyStatus::Active,
    });
    let shared: Arc<dyn VirtualKeys> = Arc::clone(&keys) as Arc<dyn VirtualKeys>;
    let authenticator = Authenticator::new(Vec::new(), Some(shared), TenantPin::Any, Settings::default()).unwrap();
    (keys, Arc::new(authenticator))
}

async fn check(authenticator: &Authenticator, key: &str, after: u64) -> Result<Caller, AuthError> {
    let mut headers = HeaderMap::new();
    headers.insert("api-key", HeaderValue::from_str(key).unwrap());
    authenticator.authenticate(&headers, UnixSeconds::new(NOW + after)).await
}

#[tokio::test]
async fn a_key_is_looked_up_once_and_remembered_for_a_while() {
    let (keys, authenticator) = set_up();
    for _ in 0..10 {
        let caller = check(&authenticator, "aios_sk_good", 0).await.unwrap();
        assert_eq!(caller.credential(), &CredentialKind::VirtualKey { id: "vk-1".into() });
        assert_eq!((caller.tenant().as_str(), caller.principal().as_str()), ("acme", "ingest"));
        assert_eq!(caller.groups()[0].as_str(), "writers");
    }
    assert_eq!(keys.lookups.load(Ordering::SeqCst), 1);
    check(&authenticator, "aios_sk_good", 60).await.unwrap();
    assert_eq!(keys.lookups.load(Ordering::SeqCst), 2, "after the cache's time it is looked up again");
    assert!(matches!(check(&authenticator, "aios_sk_good", 100).await, Err(AuthError::Expired)));
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_next_call() {
    let (keys, authenticator) = set_up();
    check(&authenticator, "aios_sk_good", 0).await.unwrap();
    keys.revoke();
    assert!(matches!(check(&authenticator, "aios_sk_good", 0).await, Err(AuthError::Revoked)));
}

#[tokio::test]
async fn a_lookup_in_flight_does_not_put_a_revoked_key_back() {
    let (keys, authenticator) = set_up();
    let held = Arc::new((Notify::new(), Notify::new()));
    *keys.held.lock().unwrap() = Some(Arc::clone(&held));
    let shared = Arc::clone(&authenticator);
    let in_flight = tokio::spawn(async move { check(&shared, "aios_sk_good", 0).await });
    held.0.notified().await;
    // The lookup has read the key as active; now it is revoked, and only then does the lookup end.
    *keys.held.lock().unwrap() = None;
    keys.revoke();
    held.1.notify_one();
    let _ = in_flight.await.unwrap();
    assert!(matches!(check(&authenticator, "aios_sk_good", 0).await, Err(AuthError::Revoked)));
}

#[tokio::test]
async fn unknown_keys_and_texts_that_are_no_keys() {
    let (keys, authenticator) = set_up();
    assert!(matches!(check(&authenticator, "aios_sk_bad", 0).await, Err(AuthError::UnknownVirtualKey)));
    assert_eq!(keys.lookups.load(Ordering::SeqCst), 1);
    assert!(matches!(check(&authenticator, "sk-other", 0).await, Err(AuthError::Malformed(_))));
    assert_eq!(keys.lookups.load(Ordering::SeqCst), 1, "what has not the form is not looked up");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_our_fault() {
    let (keys, authenticator) = set_up();
    check(&authenticator, "aios_sk_good", 0).await.unwrap();
    *keys.broken.lock().unwrap() = true;
    check(&authenticator, "aios_sk_good", 1).await.unwrap();
    let failed = check(&authenticator, "aios_sk_good", 60).await.err().unwrap();
    assert!(matches!(failed, AuthError::VirtualKeysUnavailable(_)));
    assert_eq!((failed.status().as_u16(), failed.aios_code()), (503, "api_keys_unavailable"));
}

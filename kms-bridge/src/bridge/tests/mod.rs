//! The bridge between a key service that counts and fails on demand, and a registry in memory.

use std::{
    collections::{HashMap, HashSet},
    num::{NonZeroU64, NonZeroUsize},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use vocab::{CollectionName, TenantId, UpstreamName};

mod life;
mod memory;
mod outage;

use super::*;
use crate::{
    memory_registry::MemoryRegistry,
    names::{KekName, Purpose},
    provider::{DekBytes, Destruction, Finding, KekProvider, KekVersion, KekVersions, ProviderError},
    registry::Registration,
    scope::{WrapContext, WrappedDek},
    value::{SealContext, open, seal},
};

/// A data key, and what it was wrapped for.
struct Held {
    context: WrapContext,
    bytes: [u8; 32],
}

/// Holds the keys themselves in place of wrapping them.
#[derive(Default)]
struct Service {
    deks: Mutex<HashMap<Vec<u8>, Held>>,
    keks: Mutex<Vec<KekName>>,
    unwraps: AtomicUsize,
    /// Data keys in each call.
    batches: Mutex<Vec<usize>>,
    is_down: AtomicBool,
    answers_nothing: AtomicBool,
    hangs: AtomicBool,
    /// 0: one version under each name.
    version: AtomicU32,
}

impl Service {
    fn check(&self, kek: &KekName) -> Result<(), ProviderError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(ProviderError::Unavailable(Arc::new(std::io::Error::other("down"))));
        }
        let is_there = self.keks.lock().unwrap().contains(kek);
        if is_there { Ok(()) } else { Err(ProviderError::UnknownKek) }
    }
}

#[async_trait]
impl KekProvider for Service {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        tokio::task::yield_now().await;
        self.keks.lock().unwrap().push(kek.clone());
        Ok(())
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.check(kek)?;
        tokio::task::yield_now().await;
        let mut deks = self.deks.lock().unwrap();
        let version = self.version.load(Ordering::SeqCst);
        let handle = [&version.to_be_bytes()[..], &deks.len().to_be_bytes()].concat();
        deks.insert(handle.clone(), Held { context: context.clone(), bytes: *dek.expose() });
        Ok(handle)
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        self.batches.lock().unwrap().push(deks.len());
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        if self.answers_nothing.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        let known = self.deks.lock().unwrap();
        let one = |dek: &WrappedDek| {
            self.check(&dek.kek)?;
            let held = known.get(&dek.wrapped).ok_or(ProviderError::Corrupt)?;
            let fits = held.context == dek.context();
            if fits { Ok(DekBytes::copied(&held.bytes).unwrap()) } else { Err(ProviderError::ContextMismatch) }
        };
        Ok(deks.iter().map(one).collect())
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.check(kek)?;
        self.keks.lock().unwrap().retain(|k| k != kek);
        Ok(Destruction::Done)
    }

    async fn versions(&self, kek: &KekName) -> Result<KekVersions, ProviderError> {
        self.check(kek)?;
        let newest = KekVersion(self.version.load(Ordering::SeqCst));
        Ok(KekVersions { newest, oldest_usable: KekVersion(1) })
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        let version = u32::from_be_bytes(*wrapped.first_chunk()?);
        (version > 0).then_some(KekVersion(version))
    }

    async fn rotate(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.check(kek)?;
        if self.version.load(Ordering::SeqCst) == 0 {
            return Err(ProviderError::Unsupported);
        }
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn rewrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<Vec<u8>, ProviderError>>, ProviderError> {
        let mut wrapped = Vec::new();
        for (dek, bytes) in deks.iter().zip(self.unwrap(deks).await?) {
            wrapped.push(match bytes {
                Ok(bytes) => self.wrap(&dek.kek, &bytes, &dek.context()).await,
                Err(error) => Err(error),
            });
        }
        Ok(wrapped)
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

struct World {
    service: Arc<Service>,
    registry: Arc<MemoryRegistry>,
    seconds: Arc<AtomicU64>,
}

/// 8 keys for 10 seconds, and 20 of grace.
fn config() -> CacheConfig {
    CacheConfig {
        bytes: NonZeroUsize::new(8 * CacheConfig::KEY_BYTES).unwrap(),
        tenant_bytes: NonZeroUsize::new(8 * CacheConfig::KEY_BYTES).unwrap(),
        ttl: Duration::from_secs(10),
        grace: Duration::from_secs(20),
        ..CacheConfig::default()
    }
}

fn tenant(name: &str) -> KekOwner {
    KekOwner::tenant(TenantId::new(name).unwrap())
}

impl World {
    fn new() -> Self {
        Self { service: Arc::default(), registry: Arc::default(), seconds: Arc::default() }
    }

    /// A bridge of its own, as another process would have it: 8 keys for 10 seconds.
    fn bridge(&self) -> KeyBridge {
        self.bridge_with(KekPer::Tenant, config())
    }

    fn bridge_with(&self, keks: KekPer, config: CacheConfig) -> KeyBridge {
        let seconds = Arc::clone(&self.seconds);
        KeyBridge::with_clock(
            self.providers(),
            Arc::clone(&self.registry) as _,
            keks,
            config,
            Clock::from_fn(move || Duration::from_secs(seconds.load(Ordering::SeqCst))),
        )
    }

    fn providers(&self) -> Providers {
        Providers::single(ProviderName::local(), Arc::clone(&self.service) as _)
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn unwraps(&self) -> usize {
        self.service.unwraps.load(Ordering::SeqCst)
    }
}

fn scope(tenant: &str, collection: &str) -> DekScope {
    DekScope {
        tenant: TenantId::new(tenant).unwrap(),
        purpose: Purpose::Payload,
        collection: Some(CollectionName::new(collection).unwrap()),
    }
}

fn sealed_with(dek: &Dek) -> Vec<u8> {
    let upstream = UpstreamName::new("db").unwrap();
    seal(dek, &context(dek, &upstream), b"text", &SystemRandom::new()).unwrap().into_bytes()
}

fn context<'a>(dek: &'a Dek, upstream: &'a UpstreamName) -> SealContext<'a> {
    SealContext {
        tenant: &dek.scope().tenant,
        upstream,
        collection: dek.scope().collection.as_ref(),
        record: "1",
        field: "f",
        purpose: dek.scope().purpose,
    }
}

#[tokio::test]
async fn what_one_process_seals_another_opens() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let sealed = sealed_with(&world.bridge().sealing(&docs).await.unwrap());

    let other = world.bridge();
    let dek = other.opening(&docs, &Header::parse(&sealed).unwrap()).await.unwrap();
    let upstream = UpstreamName::new("db").unwrap();
    assert_eq!(open(&dek, &context(&dek, &upstream), &sealed).unwrap().expose(), b"text");
}

#[tokio::test]
async fn scopes_have_different_keys_and_tenants_different_keks() {
    let world = World::new();
    let bridge = world.bridge();
    let mut of_purpose = scope("acme", "docs");
    of_purpose.purpose = Purpose::Vector;
    let scopes = [scope("acme", "docs"), scope("acme", "mail"), of_purpose, scope("rival", "docs")];
    for scope in &scopes {
        bridge.sealing(scope).await.unwrap();
    }
    let records = world.registry.wrapped_deks();
    assert_eq!(records.len(), 4);
    for record in &records {
        let is_acme = record.scope.tenant.as_str() == "acme";
        let acme = world.registry.kek(&tenant("acme")).await.unwrap().unwrap();
        assert_eq!(record.kek == acme.name, is_acme);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_processes_agree_on_one_kek_and_one_dek() {
    for _ in 0..50 {
        let world = World::new();
        let bridges: Vec<_> = (0..4).map(|_| Arc::new(world.bridge())).collect();
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let bridge = Arc::clone(&bridges[n % 4]);
                tokio::spawn(async move { bridge.sealing(&scope("acme", "docs")).await })
            })
            .collect();
        let mut ids = Vec::new();
        for call in calls {
            ids.push(call.await.unwrap().unwrap().key_id());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(world.registry.wrapped_deks().len(), 1);
        assert_eq!(world.service.keks.lock().unwrap().len(), 1, "losers remove their KEKs");
    }
}

#[tokio::test]
async fn ten_thousand_misses_are_one_unwrap() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let sealed = sealed_with(&world.bridge().sealing(&docs).await.unwrap());
    let header = Header::parse(&sealed).unwrap();

    let bridge = Arc::new(world.bridge());
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let (bridge, docs) = (Arc::clone(&bridge), docs.clone());
            tokio::spawn(async move { bridge.opening(&docs, &header).await.unwrap().key_id() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), header.key_id());
    }
    assert_eq!(world.unwraps(), 1);
}

#[tokio::test]
async fn a_key_of_another_scope_is_refused_cached_or_not() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let sealed = sealed_with(&world.bridge().sealing(&docs).await.unwrap());
    let header = Header::parse(&sealed).unwrap();

    let bridge = world.bridge();
    for foreign in [scope("rival", "docs"), scope("acme", "mail")] {
        let refused = bridge.opening(&foreign, &header).await.unwrap_err();
        assert!(matches!(refused, KeyError::OtherScope), "{refused:?}");
    }
    assert_eq!(world.unwraps(), 0, "a foreign value costs no call to the key service");
    bridge.opening(&docs, &header).await.unwrap();
    let refused = bridge.opening(&scope("rival", "docs"), &header).await.unwrap_err();
    assert!(matches!(refused, KeyError::OtherScope));

    let mut next_epoch = sealed.clone();
    next_epoch[27] = 2;
    let refused = bridge.opening(&docs, &Header::parse(&next_epoch).unwrap()).await.unwrap_err();
    assert!(matches!(refused, KeyError::OtherScope));
}

#[tokio::test]
async fn unknown_ids_leave_nothing_behind() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let sealed = sealed_with(&world.bridge().sealing(&docs).await.unwrap());
    let bridge = world.bridge();
    for n in 0..100 {
        let mut foreign = sealed.clone();
        foreign[8..24].fill(n);
        let refused = bridge.opening(&docs, &Header::parse(&foreign).unwrap()).await.unwrap_err();
        assert!(matches!(refused, KeyError::UnknownKey));
    }
    assert_eq!((bridge.resident(), world.unwraps()), (0, 0));
}

#[tokio::test]
async fn a_lost_kek_is_an_error_and_is_not_made_again() {
    let world = World::new();
    let (docs, mail) = (scope("acme", "docs"), scope("acme", "mail"));
    let sealed = sealed_with(&world.bridge().sealing(&docs).await.unwrap());
    world.service.keks.lock().unwrap().clear();

    let bridge = world.bridge();
    let header = Header::parse(&sealed).unwrap();
    assert!(matches!(bridge.opening(&docs, &header).await, Err(KeyError::KekLost)));
    assert!(matches!(bridge.sealing(&docs).await, Err(KeyError::KekLost)));
    assert!(matches!(bridge.sealing(&mail).await, Err(KeyError::KekLost)), "a new scope neither");
    assert!(world.service.keks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_destroyed_kek_is_noticed_when_the_time_is_over() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    bridge.sealing(&docs).await.unwrap();
    world.service.keks.lock().unwrap().clear();
    world.pass(7);
    assert!(bridge.sealing(&docs).await.is_ok());
    world.pass(3);
    assert!(matches!(bridge.sealing(&docs).await, Err(KeyError::KekLost)));
    assert_eq!(bridge.resident(), 0, "a refused key does not stay in memory");
}

#[tokio::test]
async fn hits_cost_no_call_and_failures_are_not_remembered() {
    let world = World::new();
    let docs = scope("acme", "docs");
    world.bridge().sealing(&docs).await.unwrap();

    let bridge = world.bridge();
    world.service.is_down.store(true, Ordering::SeqCst);
    let refused = bridge.sealing(&docs).await.unwrap_err();
    assert!(matches!(refused, KeyError::Provider(ProviderError::Unavailable(_))));
    world.service.is_down.store(false, Ordering::SeqCst);
    let first = bridge.sealing(&docs).await.unwrap();
    let before = world.unwraps();
    world.service.is_down.store(true, Ordering::SeqCst);
    assert!(Arc::ptr_eq(&first, &bridge.sealing(&docs).await.unwrap()));
    assert_eq!(world.unwraps(), before);
}

#[tokio::test]
async fn a_shredded_tenant_gets_no_key_and_no_new_one() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    let sealed = sealed_with(&bridge.sealing(&docs).await.unwrap());
    world.registry.fence(&tenant("acme")).await.unwrap();
    bridge.evict(&tenant("acme"));
    let header = Header::parse(&sealed).unwrap();
    assert!(matches!(bridge.sealing(&docs).await, Err(KeyError::Shredded)));
    assert!(matches!(bridge.sealing(&scope("acme", "new")).await, Err(KeyError::Shredded)));
    assert!(matches!(bridge.opening(&docs, &header).await, Err(KeyError::Shredded)));
    assert!(bridge.sealing(&scope("rival", "docs")).await.is_ok());
}

#[tokio::test]
async fn a_service_that_breaks_the_contract_is_told_so() {
    let world = World::new();
    let docs = scope("acme", "docs");
    world.bridge().sealing(&docs).await.unwrap();
    world.service.answers_nothing.store(true, Ordering::SeqCst);
    let refused = world.bridge().sealing(&docs).await.unwrap_err();
    assert!(matches!(refused, KeyError::Provider(ProviderError::BadAnswer)));
}

#[tokio::test]
async fn a_new_epoch_is_sealed_with_and_the_old_one_still_opens() {
    let world = World::new();
    let docs = scope("acme", "docs");
    let bridge = world.bridge();
    let old = sealed_with(&bridge.sealing(&docs).await.unwrap());

    // As a rotation in another process would do it.
    let mut next = world.registry.wrapped_deks().remove(0);
    next.key_id = KeyId::from_bytes([9; 16]);
    next.epoch = Epoch::new(2).unwrap();
    let bytes = DekBytes::copied(&[9; 32]).unwrap();
    next.wrapped = world.service.wrap(&next.kek, &bytes, &next.context()).await.unwrap();
    assert_eq!(world.registry.register(next).await.unwrap(), Registration::Stored);

    world.pass(10);
    assert_eq!(bridge.sealing(&docs).await.unwrap().epoch().get(), 2);
    let opened = bridge.opening(&docs, &Header::parse(&old).unwrap()).await.unwrap();
    assert_eq!(opened.epoch(), Epoch::FIRST);
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let world = World::new();
    let bridge = world.bridge();
    for n in 0..50 {
        bridge.sealing(&scope("acme", &format!("c{n}"))).await.unwrap();
    }
    assert_eq!(bridge.resident(), 8);
    assert!(format!("{bridge:?}").contains("resident: 8"));
}

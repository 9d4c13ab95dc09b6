use super::*;
use crate::{
    names::{Epoch, KekName, ProviderName, Purpose},
    provider::DekBytes,
    scope::WrappedDek,
};

const TTL: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    // The clock of a machine that has run for a while.
    Duration::from_secs(1000 + seconds)
}

fn cache(keys: usize, of_tenant: usize) -> Cache {
    let bytes = |keys: usize| NonZeroUsize::new(keys * CacheConfig::KEY_BYTES).unwrap();
    Cache::new(CacheConfig {
        bytes: bytes(keys),
        tenant_bytes: bytes(of_tenant),
        ttl: TTL,
        grace: TTL,
        ..CacheConfig::default()
    })
}

fn dek(tenant: &str, id: u8, epoch: u32) -> Arc<Dek> {
    let record = WrappedDek {
        key_id: KeyId::from_bytes([id; 16]),
        scope: DekScope { tenant: TenantId::new(tenant).unwrap(), purpose: Purpose::Payload, collection: None },
        epoch: Epoch::new(epoch).unwrap(),
        kek: KekName::new("k-aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap(),
        provider: ProviderName::local(),
        wrapped: Vec::new(),
    };
    Arc::new(Dek::new(&record, &DekBytes::copied(&[id; 32]).unwrap()))
}

fn id(byte: u8) -> KeyId {
    KeyId::from_bytes([byte; 16])
}

impl Found {
    fn given(self) -> bool {
        matches!(self, Self::Fresh(_) | Self::Refresh(_))
    }
}

#[test]
fn a_key_is_used_for_its_time_and_no_longer() {
    let cache = cache(4, 4);
    let key = dek("a", 1, 1);
    let generation = cache.generation();
    cache.insert_current(&key, at(0), generation).unwrap();
    assert!(matches!(cache.current(key.scope(), at(7)), Found::Fresh(_)));
    assert!(matches!(cache.current(key.scope(), at(8)), Found::Refresh(_)), "refreshed before its time is over");
    assert!(matches!(cache.current(key.scope(), at(9)), Found::Fresh(_)), "by one caller");
    assert!(matches!(cache.current(key.scope(), at(10)), Found::Stale(_)));
    assert!(matches!(cache.by_id(id(1), at(19)), Found::Stale(_)));
    assert!(matches!(cache.by_id(id(1), at(20)), Found::Missing));
    cache.purge(at(19));
    assert_eq!(cache.len(), 1, "it is kept for its grace");
    cache.purge(at(20));
    assert_eq!((cache.len(), cache.read().current.len()), (0, 0));
    assert_eq!(Arc::strong_count(&key), 1, "the cache holds no key whose time is over");
}

#[test]
fn grace_is_counted_from_the_last_success_and_never_prolongs_itself() {
    let cache = cache(4, 4);
    let key = dek("a", 1, 1);
    let scope = key.scope();
    let generation = cache.generation();
    cache.insert_current(&key, at(0), generation).unwrap();
    for second in 10..20 {
        assert!(cache.grace(Some(scope), None, at(second)).is_some(), "{second}");
        assert!(cache.current(scope, at(second)).given());
        assert_eq!(cache.in_grace(at(second)), 1);
    }
    assert!(cache.grace(Some(scope), None, at(20)).is_none());
    assert!(!cache.current(scope, at(20)).given());

    cache.insert_current(&key, at(21), generation).unwrap();
    assert!(matches!(cache.current(scope, at(22)), Found::Fresh(_)));
    assert_eq!(cache.in_grace(at(22)), 0);
}

#[test]
fn in_grace_one_caller_a_second_is_to_try_again() {
    let cache = cache(4, 4);
    let key = dek("a", 1, 1);
    let generation = cache.generation();
    cache.insert_current(&key, at(0), generation).unwrap();
    cache.grace(Some(key.scope()), None, at(11)).unwrap();
    assert!(matches!(cache.current(key.scope(), at(11)), Found::Fresh(_)));
    assert!(matches!(cache.current(key.scope(), at(12)), Found::Refresh(_)));
    assert!(matches!(cache.current(key.scope(), at(12)), Found::Fresh(_)));
}

#[test]
fn opening_does_not_prolong_which_key_is_current() {
    let cache = cache(4, 4);
    let key = dek("a", 1, 1);
    let generation = cache.generation();
    cache.insert_current(&key, at(0), generation).unwrap();
    cache.insert(&key, at(9), generation).unwrap();
    assert!(cache.by_id(id(1), at(15)).given());
    assert!(!cache.current(key.scope(), at(15)).given());
}

#[test]
fn a_key_that_is_confirmed_again_stays_the_same_object() {
    let cache = cache(4, 4);
    let (first, again) = (dek("a", 1, 1), dek("a", 1, 1));
    let generation = cache.generation();
    cache.insert_current(&first, at(0), generation).unwrap();
    let kept = cache.insert_current(&again, at(9), generation).unwrap();
    assert!(Arc::ptr_eq(&kept, &first));
    assert_eq!(Arc::strong_count(&again), 1);
}

#[test]
fn the_least_recently_used_key_makes_room() {
    let cache = cache(2, 2);
    let generation = cache.generation();
    for n in [1, 2] {
        cache.insert_current(&dek("a", n, u32::from(n)), at(0), generation).unwrap();
    }
    assert!(cache.by_id(id(1), at(1)).given());
    cache.insert(&dek("b", 3, 1), at(1), generation).unwrap();
    assert_eq!(cache.len(), 2);
    assert!(!cache.by_id(id(2), at(1)).given());
    assert!(cache.by_id(id(1), at(1)).given() && cache.by_id(id(3), at(1)).given());
    assert!(cache.read().current.is_empty(), "a scope points at no evicted key");
}

#[test]
fn one_tenant_does_not_push_out_the_others() {
    let cache = cache(4, 2);
    let generation = cache.generation();
    cache.insert(&dek("quiet", 1, 1), at(0), generation).unwrap();
    for n in 2..50 {
        cache.insert(&dek("loud", n, u32::from(n)), at(1), generation).unwrap();
    }
    assert_eq!(cache.len(), 3);
    assert!(cache.by_id(id(1), at(2)).given());
}

#[test]
fn a_load_under_way_does_not_undo_an_eviction() {
    let cache = cache(4, 4);
    let (mine, other) = (dek("a", 1, 1), dek("b", 2, 1));
    let before = cache.generation();
    cache.insert_current(&mine, at(0), before).unwrap();
    cache.insert_current(&other, at(0), before).unwrap();
    let held = cache.evict(&KekOwner::tenant(mine.scope().tenant.clone()));
    assert_eq!(held.len(), 1);
    assert!(held[0].upgrade().is_some(), "this test still holds it");
    assert!(!cache.by_id(id(1), at(0)).given() && cache.by_id(id(2), at(0)).given());

    assert!(cache.insert_current(&mine, at(0), before).is_none());
    assert!(!cache.by_id(id(1), at(0)).given());
    assert!(!cache.current(mine.scope(), at(0)).given());
    drop(mine);
    assert!(held[0].upgrade().is_none());
}

#[test]
fn a_key_is_given_out_so_often_and_no_more() {
    let config = CacheConfig { uses: NonZeroU64::new(3).unwrap(), ttl: TTL, ..CacheConfig::default() };
    let cache = Cache::new(config);
    let key = dek("a", 1, 1);
    let generation = cache.generation();
    cache.insert_current(&key, at(0), generation).unwrap();
    let given = (0..5).filter(|_| cache.current(key.scope(), at(1)).given()).count();
    assert_eq!(given, 3);
    assert!(cache.grace(Some(key.scope()), None, at(1)).is_none(), "an outage does not lift the limit");
    cache.insert_current(&key, at(1), generation).unwrap();
    assert!(cache.current(key.scope(), at(1)).given());
}

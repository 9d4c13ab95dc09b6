//! Data keys in memory: bounded in number and in time. Pure; the time is an argument.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use vocab::TenantId;

use crate::{dek::Dek, names::KeyId, scope::DekScope};

/// The bounds of the key cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// How many data keys stay in memory. Beyond it the one that was unused for longest goes.
    pub entries: NonZeroUsize,
    /// How long a key is used before the registry and the key service are asked again, and so how
    /// long a key of a destroyed KEK may go on being used here.
    pub ttl: Duration,
}

impl Default for CacheConfig {
    /// 4096 keys, 5 minutes.
    fn default() -> Self {
        Self { entries: NonZeroUsize::MIN.saturating_add(4095), ttl: Duration::from_secs(300) }
    }
}

/// Which evictions a loaded key must not undo: taken before the load, given back with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

#[derive(Debug)]
pub(crate) struct Cache {
    config: CacheConfig,
    keys: HashMap<KeyId, Entry>,
    /// INVARIANT: each value is a key of `keys`.
    current: HashMap<DekScope, Current>,
    generation: u64,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    dek: Arc<Dek>,
    until: Duration,
    last_use: u64,
}

/// Apart from the entry's own time: opening old values renews a key, but does not tell whether
/// another process has opened a new epoch since.
#[derive(Debug)]
struct Current {
    key_id: KeyId,
    until: Duration,
}

impl Cache {
    pub(crate) fn new(config: CacheConfig) -> Self {
        Self { config, keys: HashMap::new(), current: HashMap::new(), generation: 0, uses: 0 }
    }

    pub(crate) const fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// The fresh current key of a scope.
    pub(crate) fn current(&mut self, scope: &DekScope, now: Duration) -> Option<Arc<Dek>> {
        let current = self.current.get(scope).filter(|current| now < current.until)?;
        let key_id = current.key_id;
        self.by_id(key_id, now)
    }

    /// The fresh key of that id.
    pub(crate) fn by_id(&mut self, key_id: KeyId, now: Duration) -> Option<Arc<Dek>> {
        let entry = self.keys.get_mut(&key_id).filter(|entry| now < entry.until)?;
        self.uses = self.uses.saturating_add(1);
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.dek))
    }

    /// Keeps a key that was loaded at `now`, unless keys were evicted since `generation`.
    pub(crate) fn insert(&mut self, dek: &Arc<Dek>, now: Duration, generation: Generation) {
        if generation != self.generation() {
            return;
        }
        self.purge(now);
        if !self.keys.contains_key(&dek.key_id()) && self.keys.len() >= self.config.entries.get() {
            self.evict_least_recent();
        }
        self.uses = self.uses.saturating_add(1);
        let until = now.saturating_add(self.config.ttl);
        let entry = Entry { dek: Arc::clone(dek), until, last_use: self.uses };
        self.keys.insert(dek.key_id(), entry);
    }

    /// Like [`Cache::insert`], for a key that the registry has just called current.
    pub(crate) fn insert_current(&mut self, dek: &Arc<Dek>, now: Duration, generation: Generation) {
        self.insert(dek, now, generation);
        if self.keys.contains_key(&dek.key_id()) && generation == self.generation() {
            let until = now.saturating_add(self.config.ttl);
            self.current.insert(dek.scope().clone(), Current { key_id: dek.key_id(), until });
        }
    }

    /// Drops all keys of a tenant; loads that are under way do not put them back.
    pub(crate) fn evict_tenant(&mut self, tenant: &TenantId) {
        self.generation = self.generation.saturating_add(1);
        self.keys.retain(|_, entry| entry.dek.scope().tenant != *tenant);
        self.forget_evicted();
    }

    /// Drops the keys whose time is over.
    pub(crate) fn purge(&mut self, now: Duration) {
        let before = self.keys.len();
        self.keys.retain(|_, entry| now < entry.until);
        if self.keys.len() < before {
            self.forget_evicted();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    fn evict_least_recent(&mut self) {
        let oldest = self.keys.iter().min_by_key(|(_, entry)| entry.last_use).map(|(id, _)| *id);
        if let Some(entry) = oldest.and_then(|id| self.keys.remove(&id)) {
            let scope = entry.dek.scope();
            if self.current.get(scope).is_some_and(|c| c.key_id == entry.dek.key_id()) {
                self.current.remove(scope);
            }
        }
    }

    fn forget_evicted(&mut self) {
        self.current.retain(|_, current| self.keys.contains_key(&current.key_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        names::{Epoch, KekName, Purpose},
        provider::DekBytes,
        scope::WrappedDek,
    };
    use vocab::Plain;

    const TTL: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn cache(entries: usize) -> Cache {
        Cache::new(CacheConfig { entries: NonZeroUsize::new(entries).unwrap(), ttl: TTL })
    }

    fn dek(tenant: &str, id: u8, epoch: u32) -> Arc<Dek> {
        let record = WrappedDek {
            key_id: KeyId::from_bytes([id; 16]),
            scope: DekScope { tenant: TenantId::new(tenant).unwrap(), purpose: Purpose::Payload, collection: None },
            epoch: Epoch::new(epoch).unwrap(),
            kek: KekName::new("k-aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap(),
            wrapped: Vec::new(),
        };
        Arc::new(Dek::new(&record, &DekBytes::new(Plain::new([id; 32]))))
    }

    fn id(byte: u8) -> KeyId {
        KeyId::from_bytes([byte; 16])
    }

    #[test]
    fn a_key_is_used_for_its_time_and_no_longer() {
        let mut cache = cache(4);
        let key = dek("a", 1, 1);
        let generation = cache.generation();
        cache.insert_current(&key, at(0), generation);
        assert!(cache.current(key.scope(), at(9)).is_some());
        assert!(cache.current(key.scope(), at(10)).is_none());
        assert!(cache.by_id(id(1), at(10)).is_none());
        cache.purge(at(10));
        assert_eq!((cache.len(), cache.current.len()), (0, 0));
        assert_eq!(Arc::strong_count(&key), 1, "the cache holds no key whose time is over");
    }

    #[test]
    fn opening_does_not_prolong_which_key_is_current() {
        let mut cache = cache(4);
        let key = dek("a", 1, 1);
        let generation = cache.generation();
        cache.insert_current(&key, at(0), generation);
        cache.insert(&key, at(9), generation);
        assert!(cache.by_id(id(1), at(15)).is_some());
        assert!(cache.current(key.scope(), at(15)).is_none());
    }

    #[test]
    fn the_least_recently_used_key_makes_room() {
        let mut cache = cache(2);
        let generation = cache.generation();
        for n in [1, 2] {
            cache.insert_current(&dek("a", n, u32::from(n)), at(0), generation);
        }
        assert!(cache.by_id(id(1), at(1)).is_some());
        cache.insert(&dek("b", 3, 1), at(1), generation);
        assert_eq!(cache.len(), 2);
        assert!(cache.by_id(id(2), at(1)).is_none());
        assert!(cache.by_id(id(1), at(1)).is_some() && cache.by_id(id(3), at(1)).is_some());
        assert!(cache.current.is_empty(), "a scope points at no evicted key");
    }

    #[test]
    fn a_load_under_way_does_not_undo_an_eviction() {
        let mut cache = cache(4);
        let (mine, other) = (dek("a", 1, 1), dek("b", 2, 1));
        let before = cache.generation();
        cache.insert_current(&mine, at(0), before);
        cache.insert_current(&other, at(0), before);
        cache.evict_tenant(&mine.scope().tenant);
        assert!(cache.by_id(id(1), at(0)).is_none() && cache.by_id(id(2), at(0)).is_some());

        cache.insert_current(&mine, at(0), before);
        assert!(cache.by_id(id(1), at(0)).is_none());
        assert!(cache.current(mine.scope(), at(0)).is_none());
    }
}

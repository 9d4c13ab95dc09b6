//! Data keys in memory: bounded in number, in time and in use. Pure; the time is an argument.

use std::{
    collections::HashMap,
    num::{NonZeroU64, NonZeroUsize},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use vocab::TenantId;

use crate::{
    dek::Dek,
    locked::PAGE_BYTES,
    names::KeyId,
    scope::{DekScope, KekOwner},
};

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The bounds of the key cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// How many bytes of memory data keys may take; each takes [`CacheConfig::KEY_BYTES`]. Beyond it the
    /// key that was unused for longest goes.
    pub bytes: NonZeroUsize,
    /// The same for the keys of one tenant, so that one cannot push out all others.
    pub tenant_bytes: NonZeroUsize,
    /// How long a key is used before the registry and the key service must have agreed to it again,
    /// and so how long a key of a destroyed KEK may go on being used here. A key in use is refreshed
    /// in the background before.
    pub ttl: Duration,
    /// How much longer a key is used while the registry or the key service cannot be reached. Counted
    /// from the last time that both agreed: grace never prolongs itself.
    pub grace: Duration,
    /// How often a key is given out before the key service must have agreed to it again.
    pub uses: NonZeroU64,
    /// What to do with a key whose memory the system does not lock.
    pub memory: MemoryLock,
}

/// What to do where memory for keys cannot be kept out of swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLock {
    /// Use it all the same.
    Preferred,
    /// Refuse the key.
    Required,
}

impl CacheConfig {
    /// Bytes that one data key is counted for: its locked page and what is kept about it.
    pub const KEY_BYTES: usize = PAGE_BYTES + 512;

    /// Keys that fit.
    fn keys(&self) -> usize {
        (self.bytes.get() / Self::KEY_BYTES).max(1)
    }

    fn tenant_keys(&self) -> usize {
        (self.tenant_bytes.get() / Self::KEY_BYTES).max(1)
    }

    /// How long a key may be used at most after the key service last agreed to it.
    pub(crate) const fn hard(&self) -> Duration {
        self.ttl.saturating_add(self.grace)
    }
}

impl Default for CacheConfig {
    /// About 1,400 keys in all and 700 of one tenant, which stay below the usual limit of locked memory;
    /// 5 minutes and 10 of grace; no limit of uses that would be reached; locking preferred.
    fn default() -> Self {
        Self {
            bytes: NonZeroUsize::MIN.saturating_add(6 << 20),
            tenant_bytes: NonZeroUsize::MIN.saturating_add(3 << 20),
            ttl: Duration::from_secs(300),
            grace: Duration::from_secs(600),
            uses: NonZeroU64::MAX,
            memory: MemoryLock::Preferred,
        }
    }
}

/// Which evictions a loaded key must not undo: taken before the load, given back with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// What the cache has to say to a caller.
pub(crate) enum Found {
    /// The key, to be used.
    Fresh(Arc<Dek>),
    /// The key, to be used; and this caller is the one to have it refreshed in the background.
    Refresh(Arc<Dek>),
    /// The key, whose time is over: to be used only where it cannot be confirmed soon.
    Stale(Arc<Dek>),
    /// The key must be loaded.
    Missing,
}

/// How long failed refreshes wait for the next, while old keys are in use.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Cache {
    config: CacheConfig,
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: Map<KeyId, Arc<Entry>>,
    /// INVARIANT: each value is a value of `by_id`.
    current: Map<DekScope, Arc<Entry>>,
    per_tenant: Map<TenantId, usize>,
    generation: u64,
}

/// Times are nanoseconds of the cache's clock. They change while many read: no lock is needed, since each
/// is written by whoever just learned better.
struct Entry {
    dek: Arc<Dek>,
    /// When the load began that last confirmed the key, and that last confirmed it as current.
    confirmed: AtomicU64,
    current: AtomicU64,
    /// Whether a refresh is under way.
    refreshes: AtomicBool,
    /// After a refresh that failed for an outage: when to try again. 0 when the last one succeeded.
    retry: AtomicU64,
    used: AtomicU64,
    uses: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Entry {
    /// What to do with the key, when the load that last confirmed it began at `since`.
    fn found(&self, config: &CacheConfig, since: u64, now: Duration) -> Found {
        let (at, ttl) = (nanos(now), nanos(config.ttl));
        let age = at.saturating_sub(since);
        if age >= nanos(config.hard()) || self.uses.load(Relaxed) >= config.uses.get() {
            return Found::Missing;
        }
        let retry = self.retry.load(Relaxed);
        // A quarter before its time a key is refreshed, so that callers do not wait for it.
        let due = match retry {
            0 if age < ttl - ttl / 4 => false,
            0 if age >= ttl => return Found::Stale(Arc::clone(&self.dek)),
            retry => at >= retry,
        };
        if config.uses != NonZeroU64::MAX {
            self.uses.fetch_add(1, Relaxed);
        }
        self.used.store(at, Relaxed);
        let dek = Arc::clone(&self.dek);
        if due && !self.refreshes.swap(true, Relaxed) { Found::Refresh(dek) } else { Found::Fresh(dek) }
    }

    fn confirm(&self, at: u64) {
        self.confirmed.fetch_max(at, Relaxed);
        self.uses.store(0, Relaxed);
        self.retry.store(0, Relaxed);
        self.refreshes.store(false, Relaxed);
    }
}

impl Cache {
    pub(crate) fn new(config: CacheConfig) -> Self {
        Self { config, keys: RwLock::default() }
    }

    pub(crate) const fn config(&self) -> &CacheConfig {
        &self.config
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation(self.read().generation)
    }

    /// The current key of a scope.
    pub(crate) fn current(&self, scope: &DekScope, now: Duration) -> Found {
        let keys = self.read();
        let Some(entry) = keys.current.get(scope) else { return Found::Missing };
        let since = entry.current.load(Relaxed).min(entry.confirmed.load(Relaxed));
        entry.found(&self.config, since, now)
    }

    /// The key of that id.
    pub(crate) fn by_id(&self, key_id: KeyId, now: Duration) -> Found {
        let keys = self.read();
        let Some(entry) = keys.by_id.get(&key_id) else { return Found::Missing };
        entry.found(&self.config, entry.confirmed.load(Relaxed), now)
    }

    /// Keeps a key that a load confirmed which began at `now`, unless keys were evicted since
    /// `generation`. Gives the one to use: an earlier copy of the same key stays, with what was derived
    /// from it. `None` when it was not kept.
    pub(crate) fn insert(&self, dek: &Arc<Dek>, now: Duration, generation: Generation) -> Option<Arc<Dek>> {
        self.keep(dek, now, generation).map(|entry| Arc::clone(&entry.dek))
    }

    /// Like [`Cache::insert`], for a key that the registry has just called current.
    pub(crate) fn insert_current(&self, dek: &Arc<Dek>, now: Duration, generation: Generation) -> Option<Arc<Dek>> {
        let entry = self.keep(dek, now, generation)?;
        entry.current.fetch_max(nanos(now), Relaxed);
        let mut keys = self.write();
        if keys.generation == generation.0 && keys.by_id.contains_key(&dek.key_id()) {
            keys.current.insert(dek.scope().clone(), Arc::clone(&entry));
        }
        Some(Arc::clone(&entry.dek))
    }

    fn keep(&self, dek: &Arc<Dek>, now: Duration, generation: Generation) -> Option<Arc<Entry>> {
        let mut keys = self.write();
        if keys.generation != generation.0 {
            return None;
        }
        if let Some(entry) = keys.by_id.get(&dek.key_id()) {
            entry.confirm(nanos(now));
            return Some(Arc::clone(entry));
        }
        keys.purge(&self.config, now);
        let tenant = &dek.scope().tenant;
        if keys.per_tenant.get(tenant).is_some_and(|count| *count >= self.config.tenant_keys()) {
            keys.evict_least_recent(Some(tenant));
        } else if keys.by_id.len() >= self.config.keys() {
            keys.evict_least_recent(None);
        }
        let entry = Arc::new(Entry {
            dek: Arc::clone(dek),
            confirmed: AtomicU64::new(nanos(now)),
            current: AtomicU64::new(0),
            refreshes: AtomicBool::new(false),
            retry: AtomicU64::new(0),
            used: AtomicU64::new(nanos(now)),
            uses: AtomicU64::new(0),
        });
        keys.by_id.insert(dek.key_id(), Arc::clone(&entry));
        let count = keys.per_tenant.entry(tenant.clone()).or_default();
        *count = count.saturating_add(1);
        Some(entry)
    }

    /// Notes that a key could not be confirmed because registry or key service cannot be reached. Gives
    /// the key while its grace lasts.
    pub(crate) fn grace(&self, scope: Option<&DekScope>, key_id: Option<KeyId>, now: Duration) -> Option<Arc<Dek>> {
        let keys = self.read();
        let (entry, since) = match (scope, key_id) {
            (Some(scope), None) => {
                let entry = keys.current.get(scope)?;
                (entry, entry.current.load(Relaxed).min(entry.confirmed.load(Relaxed)))
            }
            (_, Some(key_id)) => keys.by_id.get(&key_id).map(|entry| (entry, entry.confirmed.load(Relaxed)))?,
            (None, None) => return None,
        };
        entry.retry.store(nanos(now.saturating_add(RETRY)).max(1), Relaxed);
        entry.refreshes.store(false, Relaxed);
        let age = nanos(now).saturating_sub(since);
        let usable = age < nanos(self.config.hard()) && entry.uses.load(Relaxed) < self.config.uses.get();
        usable.then(|| Arc::clone(&entry.dek))
    }

    /// Drops the key that a load refused.
    pub(crate) fn drop_refused(&self, scope: Option<&DekScope>, key_id: Option<KeyId>) {
        let mut keys = self.write();
        let of_scope = scope.and_then(|scope| keys.current.get(scope)).map(|entry| entry.dek.key_id());
        if let Some(key_id) = key_id.or(of_scope) {
            keys.remove(key_id);
        }
    }

    /// Drops all keys that the owner covers; loads that are under way do not put them back. Gives what
    /// tells whether calls under way still hold them.
    pub(crate) fn evict(&self, owner: &KekOwner) -> Vec<Weak<Dek>> {
        let mut keys = self.write();
        keys.generation = keys.generation.saturating_add(1);
        let covered = |dek: &Dek| {
            let DekScope { tenant, collection, .. } = dek.scope();
            owner.tenant == *tenant && (owner.collection.is_none() || owner.collection == *collection)
        };
        let gone: Vec<_> =
            keys.by_id.values().filter(|entry| covered(&entry.dek)).map(|e| Arc::clone(&e.dek)).collect();
        for dek in &gone {
            keys.remove(dek.key_id());
        }
        gone.iter().map(Arc::downgrade).collect()
    }

    /// Drops the keys whose time is over.
    pub(crate) fn purge(&self, now: Duration) {
        self.write().purge(&self.config, now);
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// How many keys are used beyond their time, because they cannot be confirmed.
    pub(crate) fn in_grace(&self, now: Duration) -> usize {
        let ttl = nanos(self.config.ttl);
        let late = |entry: &&Arc<Entry>| nanos(now).saturating_sub(entry.confirmed.load(Relaxed)) >= ttl;
        self.read().by_id.values().filter(|entry| entry.retry.load(Relaxed) != 0).filter(late).count()
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn remove(&mut self, key_id: KeyId) {
        let Some(entry) = self.by_id.remove(&key_id) else { return };
        let scope = entry.dek.scope();
        if self.current.get(scope).is_some_and(|current| current.dek.key_id() == key_id) {
            self.current.remove(scope);
        }
        if let Some(count) = self.per_tenant.get_mut(&scope.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_tenant.remove(&scope.tenant);
            }
        }
    }

    /// A key stays until its grace would be over too, used or not: whether it is needed in an outage is
    /// not known before.
    fn purge(&mut self, config: &CacheConfig, now: Duration) {
        let hard = nanos(config.hard());
        let over = |entry: &&Arc<Entry>| nanos(now).saturating_sub(entry.confirmed.load(Relaxed)) >= hard;
        let gone: Vec<_> = self.by_id.values().filter(over).map(|entry| entry.dek.key_id()).collect();
        for key_id in gone {
            self.remove(key_id);
        }
    }

    fn evict_least_recent(&mut self, of: Option<&TenantId>) {
        let mine = |entry: &&Arc<Entry>| of.is_none_or(|tenant| entry.dek.scope().tenant == *tenant);
        let oldest = self.by_id.values().filter(mine).min_by_key(|entry| entry.used.load(Relaxed));
        if let Some(key_id) = oldest.map(|entry| entry.dek.key_id()) {
            self.remove(key_id);
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("config", &self.config).field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;

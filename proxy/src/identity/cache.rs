//! Verified credentials, kept for a short time.

use super::caller::{Caller, UnixSeconds};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

/// SHA-256 of the *whole* credential: two tokens with a common prefix share nothing.
pub(super) type Fingerprint = [u8; 32];

/// What a remembered caller depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Keys of the issuer at this place, at this generation.
    Issuer { index: usize, generation: u64 },
    /// The virtual keys at this revocation generation, read *before* the lookup.
    VirtualKeys { generation: u64 },
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) caller: Caller,
    pub(super) source: Source,
    /// The first second at which the entry is no longer used.
    pub(super) until: UnixSeconds,
}

/// A bounded map in two halves. When the young half is full it becomes the old one, and what was old
/// is forgotten; a hit in the old half moves to the young one. So what is used stays, at the cost of
/// one read lock a hit, and a flood of new credentials costs no more than the bound.
#[derive(Debug)]
pub(super) struct Cache {
    half: usize,
    halves: RwLock<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Fingerprint, Entry>,
    old: HashMap<Fingerprint, Entry>,
}

impl Cache {
    /// Holds at most `entries`, at least two.
    pub(super) fn new(entries: usize) -> Self {
        Self { half: entries.div_euclid(2).max(1), halves: RwLock::default() }
    }

    /// The entry, unless its time is over. Whether its source still stands is the caller's to check.
    pub(super) fn find(&self, fingerprint: &Fingerprint, now: UnixSeconds) -> Option<Entry> {
        let old = {
            let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
            match (halves.young.get(fingerprint), halves.old.get(fingerprint)) {
                (Some(entry), _) => return (now < entry.until).then(|| entry.clone()),
                (None, Some(entry)) => entry.clone(),
                (None, None) => return None,
            }
        };
        if now >= old.until {
            return None;
        }
        self.insert(*fingerprint, old.clone());
        Some(old)
    }

    pub(super) fn insert(&self, fingerprint: Fingerprint, entry: Entry) {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        if halves.young.len() >= self.half && !halves.young.contains_key(&fingerprint) {
            halves.old = core::mem::take(&mut halves.young);
        }
        halves.young.insert(fingerprint, entry);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let halves = self.halves.read().unwrap();
        halves.young.len() + halves.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::caller::{CredentialKind, Verified};
    use vocab::{PrincipalId, TenantId};

    fn entry(until: u64) -> Entry {
        let verified = Verified {
            tenant: TenantId::new("acme").unwrap(),
            principal: PrincipalId::new("p").unwrap(),
            groups: Vec::new(),
            claims: Vec::new(),
            credential: CredentialKind::VirtualKey { id: "vk".into() },
        };
        Entry {
            caller: Caller::new(verified),
            source: Source::VirtualKeys { generation: 0 },
            until: UnixSeconds::new(until),
        }
    }

    fn print(n: u32) -> Fingerprint {
        let mut print = [0; 32];
        print[..4].copy_from_slice(&n.to_be_bytes());
        print
    }

    #[test]
    fn a_flood_stays_in_bounds_and_what_is_used_stays() {
        let cache = Cache::new(100);
        cache.insert(print(0), entry(10));
        for n in 1..10_000 {
            cache.insert(print(n), entry(10));
            assert!(cache.len() <= 100, "{}", cache.len());
            assert!(cache.find(&print(0), UnixSeconds::new(5)).is_some(), "after {n}");
        }
        assert!(cache.find(&print(1), UnixSeconds::new(5)).is_none(), "what is not used goes");
    }

    #[test]
    fn an_entry_ends_in_time() {
        let cache = Cache::new(2);
        cache.insert(print(1), entry(10));
        assert!(cache.find(&print(1), UnixSeconds::new(9)).is_some());
        assert!(cache.find(&print(1), UnixSeconds::new(10)).is_none());
        cache.insert(print(2), entry(10));
        assert!(cache.find(&print(1), UnixSeconds::new(10)).is_none(), "in the old half too");
    }
}

//! The keys and ciphers of one collection.

use super::{CollectionEntry, PhysicalName, VectorError};
use embedding_cipher::{BlindIndex, PreservingCipher};
use kms_bridge::{Dek, DekScope, KeyBridge, Purpose};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// At most so many collections have their ciphers in memory.
const RESIDENT: usize = 1024;

/// What sealing and opening in one collection needs.
pub(crate) struct CollectionKeys {
    pub(crate) payload: Arc<Dek>,
    pub(crate) cipher: Arc<PreservingCipher>,
    pub(crate) index: Arc<BlindIndex>,
}

/// Ciphers derived from keys that the key bridge still holds. A cipher is used only while the very key
/// that it was derived from is given out, so that it never outlives a shredded or expired key.
pub(crate) struct Derived(Mutex<HashMap<PhysicalName, Ciphers>>);

struct Ciphers {
    vector: Weak<Dek>,
    blind: Weak<Dek>,
    cipher: Arc<PreservingCipher>,
    index: Arc<BlindIndex>,
}

impl Derived {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The keys of a collection; they are made with its first use.
    ///
    /// INVARIANT: the keys of vectors and tokens are not rotated within a collection (`sealing` gives the same
    /// key for its whole life): another key would make what is stored unsearchable.
    pub(crate) async fn keys(
        &self,
        bridge: &KeyBridge,
        entry: &CollectionEntry,
    ) -> Result<CollectionKeys, VectorError> {
        let payload = bridge.sealing(&scope(entry, Purpose::Payload)).await?;
        let vector = bridge.sealing(&scope(entry, Purpose::Vector)).await?;
        let blind = bridge.sealing(&scope(entry, Purpose::BlindIndex)).await?;
        if let Some((cipher, index)) = self.resident(&entry.physical, &vector, &blind) {
            return Ok(CollectionKeys { payload, cipher, index });
        }
        let fault = |source| VectorError::Vector { at: 0, source };
        let key = vector.derive(b"aios preserving v1");
        let cipher = Arc::new(PreservingCipher::new(&key, entry.dimensions, entry.beta).map_err(fault)?);
        let index = Arc::new(BlindIndex::new(&blind.derive(b"aios blind index v1")).map_err(fault)?);
        let ciphers = Ciphers {
            vector: Arc::downgrade(&vector),
            blind: Arc::downgrade(&blind),
            cipher: Arc::clone(&cipher),
            index: Arc::clone(&index),
        };
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= RESIDENT {
            map.retain(|_, c| c.vector.strong_count() > 0 && c.blind.strong_count() > 0);
        }
        if map.len() >= RESIDENT {
            let any = map.keys().next().cloned();
            any.map(|name| map.remove(&name));
        }
        map.insert(entry.physical.clone(), ciphers);
        drop(map);
        Ok(CollectionKeys { payload, cipher, index })
    }

    fn resident(
        &self,
        physical: &PhysicalName,
        vector: &Arc<Dek>,
        blind: &Arc<Dek>,
    ) -> Option<(Arc<PreservingCipher>, Arc<BlindIndex>)> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = map.get(physical)?;
        let same = core::ptr::eq(found.vector.as_ptr(), Arc::as_ptr(vector))
            && core::ptr::eq(found.blind.as_ptr(), Arc::as_ptr(blind));
        // A weak pointer keeps its address from being used again, so that equal means the same key.
        same.then(|| (Arc::clone(&found.cipher), Arc::clone(&found.index)))
    }
}

/// The scope of a collection's keys: bound to the store's name, which never comes twice.
pub(crate) fn scope(entry: &CollectionEntry, purpose: Purpose) -> DekScope {
    DekScope { tenant: entry.key.tenant.clone(), purpose, collection: Some(entry.physical.as_collection().clone()) }
}

//! A registry that lives as long as its process.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use vocab::TenantId;

use crate::{
    names::{KekName, KeyId},
    registry::{KeyRegistry, Registration, RegistryError},
    scope::{DekScope, WrappedDek},
};

/// Keeps all keys in memory: for tests, demonstrations and documentation. Everything sealed with
/// keys that only it knows is lost with it.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keks: HashMap<TenantId, KekName>,
    deks: HashMap<KeyId, WrappedDek>,
    shredded: HashSet<TenantId>,
}

impl MemoryRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks a tenant as shredded, for good.
    pub fn shred(&self, tenant: &TenantId) {
        self.state().shredded.insert(tenant.clone());
    }

    /// Every wrapped data key, in no order.
    #[must_use]
    pub fn wrapped_deks(&self) -> Vec<WrappedDek> {
        self.state().deks.values().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse_shredded(&self, tenant: &TenantId) -> Result<(), RegistryError> {
        if self.shredded.contains(tenant) { Err(RegistryError::Shredded) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyRegistry for MemoryRegistry {
    async fn tenant_kek(&self, tenant: &TenantId) -> Result<Option<KekName>, RegistryError> {
        let state = self.state();
        state.refuse_shredded(tenant)?;
        Ok(state.keks.get(tenant).cloned())
    }

    async fn register_kek(&self, tenant: &TenantId, kek: &KekName) -> Result<KekName, RegistryError> {
        let mut state = self.state();
        state.refuse_shredded(tenant)?;
        Ok(state.keks.entry(tenant.clone()).or_insert_with(|| kek.clone()).clone())
    }

    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError> {
        let state = self.state();
        state.refuse_shredded(&scope.tenant)?;
        let of_scope = state.deks.values().filter(|dek| dek.scope == *scope);
        Ok(of_scope.max_by_key(|dek| dek.epoch).cloned())
    }

    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError> {
        let state = self.state();
        let Some(dek) = state.deks.get(&key_id) else {
            return Ok(None);
        };
        state.refuse_shredded(&dek.scope.tenant)?;
        Ok(Some(dek.clone()))
    }

    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError> {
        let mut state = self.state();
        state.refuse_shredded(&dek.scope.tenant)?;
        let mut known = state.deks.values();
        if let Some(winner) = known.find(|d| d.scope == dek.scope && d.epoch == dek.epoch) {
            return Ok(Registration::Lost(winner.clone()));
        }
        if state.deks.contains_key(&dek.key_id) {
            return Err(RegistryError::Corrupt("two data keys have one id"));
        }
        state.deks.insert(dek.key_id, dek);
        Ok(Registration::Stored)
    }
}

//! A registry that lives as long as its process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use vocab::TenantId;

use crate::{
    names::{KekName, KeyId},
    registry::{
        Fence, FenceNumber, KekEntry, KekState, KeyRegistry, Registration, RegistryError, Replica, ReplicaId,
        Rewrapping,
    },
    scope::{DekScope, Kek, KekOwner, WrappedDek},
};

/// Keeps all keys in memory: for tests, demonstrations and documentation. Everything sealed with
/// keys that only it knows is lost with it.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The owner's KEKs in the order in which they were active; the last one is.
    keks: Vec<(KekOwner, Kek)>,
    deks: BTreeMap<KeyId, WrappedDek>,
    fences: Vec<Fence>,
    replicas: HashMap<ReplicaId, (FenceNumber, Instant)>,
}

impl MemoryRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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
    fn is_fenced(&self, owner: &KekOwner) -> bool {
        self.fences.iter().any(|fence| fence.owner.covers(owner))
    }

    fn refuse_fenced(&self, owner: &KekOwner) -> Result<(), RegistryError> {
        if self.is_fenced(owner) { Err(RegistryError::Shredded) } else { Ok(()) }
    }

    fn active(&self, owner: &KekOwner) -> Option<Kek> {
        self.keks.iter().rev().find(|(of, _)| of == owner).map(|(_, kek)| kek.clone())
    }

    fn add(&mut self, owner: &KekOwner, kek: &Kek) -> Result<Kek, RegistryError> {
        if self.keks.iter().any(|(_, known)| known.name == kek.name) {
            return Err(RegistryError::Corrupt("a KEK name was used before"));
        }
        self.keks.push((owner.clone(), kek.clone()));
        Ok(kek.clone())
    }

    fn owner_of(&self, kek: &KekName) -> Option<&KekOwner> {
        self.keks.iter().find(|(_, known)| known.name == *kek).map(|(owner, _)| owner)
    }
}

/// The owner whose fence concerns a scope's keys, whoever's KEK wraps them.
fn place(scope: &DekScope) -> KekOwner {
    KekOwner { tenant: scope.tenant.clone(), collection: scope.collection.clone() }
}

#[async_trait]
impl KeyRegistry for MemoryRegistry {
    async fn kek(&self, owner: &KekOwner) -> Result<Option<Kek>, RegistryError> {
        let state = self.state();
        state.refuse_fenced(owner)?;
        Ok(state.active(owner))
    }

    async fn register_kek(&self, owner: &KekOwner, kek: &Kek) -> Result<Kek, RegistryError> {
        let mut state = self.state();
        state.refuse_fenced(owner)?;
        match state.active(owner) {
            Some(winner) => Ok(winner),
            None => state.add(owner, kek),
        }
    }

    async fn replace_kek(&self, owner: &KekOwner, old: &KekName, new: &Kek) -> Result<Kek, RegistryError> {
        let mut state = self.state();
        state.refuse_fenced(owner)?;
        match state.active(owner) {
            Some(winner) if winner.name != *old => Ok(winner),
            _ => state.add(owner, new),
        }
    }

    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError> {
        let state = self.state();
        state.refuse_fenced(&place(scope))?;
        let of_scope = state.deks.values().filter(|dek| dek.scope == *scope);
        Ok(of_scope.max_by_key(|dek| dek.epoch).cloned())
    }

    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError> {
        let state = self.state();
        let Some(dek) = state.deks.get(&key_id) else {
            return Ok(None);
        };
        state.refuse_fenced(&place(&dek.scope))?;
        Ok(Some(dek.clone()))
    }

    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError> {
        let mut state = self.state();
        state.refuse_fenced(&place(&dek.scope))?;
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

    async fn replace_wrapping(&self, old: &WrappedDek, new: &WrappedDek) -> Result<Rewrapping, RegistryError> {
        let mut state = self.state();
        state.refuse_fenced(&place(&old.scope))?;
        match state.deks.get_mut(&old.key_id) {
            Some(stored) if stored.wrapped == old.wrapped => {
                stored.wrapped.clone_from(&new.wrapped);
                stored.kek = new.kek.clone();
                stored.provider = new.provider.clone();
                Ok(Rewrapping::Stored)
            }
            _ => Ok(Rewrapping::Overtaken),
        }
    }

    async fn page(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<WrappedDek>, RegistryError> {
        let state = self.state();
        let wanted = |dek: &&WrappedDek| {
            after.is_none_or(|after| after < dek.key_id)
                && tenant.is_none_or(|tenant| dek.scope.tenant == *tenant)
                && !state.is_fenced(&place(&dek.scope))
        };
        Ok(state.deks.values().filter(wanted).take(limit).cloned().collect())
    }

    async fn keks(&self) -> Result<Vec<KekEntry>, RegistryError> {
        let state = self.state();
        let entry = |(owner, kek): &(KekOwner, Kek)| KekEntry {
            owner: owner.clone(),
            kek: kek.clone(),
            state: if state.active(owner).as_ref() == Some(kek) { KekState::Active } else { KekState::Retired },
            deks: u64::try_from(state.deks.values().filter(|dek| dek.kek == kek.name).count()).unwrap_or(u64::MAX),
        };
        Ok(state.keks.iter().map(entry).collect())
    }

    async fn fence(&self, owner: &KekOwner) -> Result<FenceNumber, RegistryError> {
        let mut state = self.state();
        if let Some(raised) = state.fences.iter().find(|fence| fence.owner == *owner) {
            return Ok(raised.number);
        }
        let number = FenceNumber(state.fences.last().map_or(1, |last| last.number.0.saturating_add(1)));
        state.fences.push(Fence { number, owner: owner.clone() });
        Ok(number)
    }

    async fn fences(&self, after: FenceNumber) -> Result<Vec<Fence>, RegistryError> {
        Ok(self.state().fences.iter().filter(|fence| fence.number > after).cloned().collect())
    }

    async fn report(&self, replica: &ReplicaId, seen: FenceNumber) -> Result<(), RegistryError> {
        self.state().replicas.insert(replica.clone(), (seen, Instant::now()));
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, RegistryError> {
        let one = |(id, (seen, at)): (&ReplicaId, &(FenceNumber, Instant))| Replica {
            id: id.clone(),
            seen: *seen,
            silent_for: at.elapsed(),
        };
        Ok(self.state().replicas.iter().map(one).collect())
    }

    async fn canaries(&self, owner: &KekOwner) -> Result<Vec<WrappedDek>, RegistryError> {
        let state = self.state();
        let mut by_kek = HashMap::new();
        for dek in state.deks.values() {
            if state.owner_of(&dek.kek).is_some_and(|of| owner.covers(of)) && !dek.wrapped.is_empty() {
                by_kek.entry(&dek.kek).or_insert(dek);
            }
        }
        Ok(by_kek.into_values().cloned().collect())
    }

    async fn forget(&self, owner: &KekOwner) -> Result<u64, RegistryError> {
        let mut state = self.state();
        if !state.is_fenced(owner) {
            return Err(RegistryError::Corrupt("the owner is not fenced"));
        }
        let mut forgotten: u64 = 0;
        for dek in state.deks.values_mut().filter(|dek| owner.covers(&place(&dek.scope))) {
            dek.wrapped.clear();
            forgotten = forgotten.saturating_add(1);
        }
        Ok(forgotten)
    }
}

//! Keys that must not be used any more: dropped here, and reported once no call holds them.

use std::{sync::Weak, time::Duration};

use super::{KeyBridge, KeyError};
use crate::{
    dek::Dek,
    names::KeyId,
    registry::{FenceNumber, RegistryError, ReplicaId},
    scope::KekOwner,
};

/// Follows the fences of the registry for one process.
#[derive(Debug)]
pub struct FenceWatch {
    id: ReplicaId,
    seen: FenceNumber,
    /// No key of an owner fenced up to this number is held any more.
    clear: FenceNumber,
    /// Keys that were dropped and that calls under way may still hold.
    held: Vec<Weak<Dek>>,
}

impl KeyBridge {
    /// Drops all keys that the owner covers from memory, at once. Keys that are still in use by calls under
    /// way go when those calls end; loads under way do not put keys back.
    pub fn evict(&self, owner: &KekOwner) {
        drop(self.0.cache.evict(owner));
    }

    /// Follows the fences of the registry: what is fenced is dropped here, and reported. Looks every
    /// `every`; runs until it is dropped. Where the registry cannot be reached, keys end with their time.
    pub async fn follow_fences(self, every: Duration) {
        let mut watch = match self.watch_fences() {
            Ok(watch) => watch,
            Err(error) => return tracing::error!(%error, "fences are not followed: keys end with their time only"),
        };
        let mut tick = tokio::time::interval(every);
        loop {
            tick.tick().await;
            if let Err(error) = self.notice_fences(&mut watch).await {
                tracing::warn!(%error, "fences cannot be looked up");
            }
        }
    }

    /// One look of [`KeyBridge::follow_fences`].
    ///
    /// # Errors
    /// [`RegistryError`]; what was noticed before the error stays noticed.
    pub async fn notice_fences(&self, watch: &mut FenceWatch) -> Result<(), RegistryError> {
        for fence in self.0.registry.fences(watch.seen).await? {
            let dropped = self.0.cache.evict(&fence.owner);
            tracing::warn!(owner = %fence.owner, keys = dropped.len(), "keys are fenced");
            watch.held.extend(dropped);
            watch.seen = fence.number;
        }
        watch.held.retain(|key| key.strong_count() > 0);
        if watch.held.is_empty() {
            watch.clear = watch.seen;
        }
        self.0.registry.report(&watch.id, watch.clear).await
    }

    /// A watch that has seen nothing yet.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when the system gives none for its id.
    pub fn watch_fences(&self) -> Result<FenceWatch, KeyError> {
        let id = KeyId::random(&self.0.rng).map_err(|_| KeyError::NoRandomness)?;
        let (seen, clear) = (FenceNumber::default(), FenceNumber::default());
        Ok(FenceWatch { id: ReplicaId(id), seen, clear, held: Vec::new() })
    }
}

//! Locks that keep a read-modify-write of a record's payload whole within this sidecar.

use super::PointId;
use std::{
    collections::{BTreeSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::PhysicalName;

const STRIPES: usize = 64;

/// A fixed number of async locks, each for the records that hash to it.
///
/// Plain writes share a record's lock; a read-modify-write holds it alone. Locks are taken in one order,
/// so that no two calls wait for each other. Another sidecar is not held off: of two sidecars that change
/// one record's payload at the same time, the later write wins.
pub(crate) struct RecordLocks {
    stripes: Vec<Arc<RwLock<()>>>,
    hasher: RandomState,
}

/// Held while records are written.
pub(crate) enum RecordGuard {
    Shared { _held: Vec<OwnedRwLockReadGuard<()>> },
    Alone { _held: Vec<OwnedRwLockWriteGuard<()>> },
}

impl RecordLocks {
    pub(crate) fn new() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Arc::default()).collect(), hasher: RandomState::new() }
    }

    /// For writes that do not depend on what is stored.
    pub(crate) async fn shared(&self, physical: &PhysicalName, ids: impl IntoIterator<Item = PointId>) -> RecordGuard {
        let mut held = Vec::new();
        for stripe in self.chosen(physical, ids) {
            held.push(stripe.read_owned().await);
        }
        RecordGuard::Shared { _held: held }
    }

    /// For writes whose records are not known before the store answers.
    pub(crate) async fn shared_all(&self) -> RecordGuard {
        let mut held = Vec::new();
        for stripe in &self.stripes {
            held.push(Arc::clone(stripe).read_owned().await);
        }
        RecordGuard::Shared { _held: held }
    }

    /// For a read-modify-write of these records.
    pub(crate) async fn alone(&self, physical: &PhysicalName, ids: impl IntoIterator<Item = PointId>) -> RecordGuard {
        let mut held = Vec::new();
        for stripe in self.chosen(physical, ids) {
            held.push(stripe.write_owned().await);
        }
        RecordGuard::Alone { _held: held }
    }

    fn chosen(&self, physical: &PhysicalName, ids: impl IntoIterator<Item = PointId>) -> Vec<Arc<RwLock<()>>> {
        let places: BTreeSet<usize> = ids
            .into_iter()
            .map(|id| usize::try_from(self.hasher.hash_one((physical, id)) % 64).unwrap_or_default())
            .collect();
        places.into_iter().filter_map(|place| self.stripes.get(place).map(Arc::clone)).collect()
    }
}

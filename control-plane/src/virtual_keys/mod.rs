//! Virtual API keys: minted here, stored as hashes, revocable at once.

mod row;
mod secret;

use crate::{
    store::{Store, StoreError, parsed},
    tenants::ensure_alive,
};
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::SqliteConnection;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::sync::watch;
use vocab::{Plain, TenantId};

pub use row::{BadLabel, KeyLabel, KeyRequest, VirtualKey, VirtualKeyId};
pub use secret::{PresentedKey, VIRTUAL_KEY_PREFIX};

/// Why a key was not minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The operating system gave no random bytes.
    #[error("no random bytes could be had")]
    NoRandomness,
    /// The database refused; [`StoreError::Shredded`] when the tenant is no more.
    #[error("the key could not be stored")]
    Store(#[source] StoreError),
}

/// What revoking a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The key is no longer valid.
    Revoked,
    /// It had been revoked before; the first time stands.
    AlreadyRevoked,
    /// The tenant has no such key.
    Unknown,
}

impl Store {
    /// Makes a key for a principal. The text is returned once and is not stored: only its hash is.
    ///
    /// # Errors
    /// [`MintError`]; no key exists then.
    pub async fn mint_key(&self, request: &KeyRequest) -> Result<(VirtualKeyId, Plain<String>), MintError> {
        let mut random = [0_u8; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| MintError::NoRandomness)?;
        let id = VirtualKeyId::from_random(random);
        let (text, hash) = secret::generate().map_err(|_| MintError::NoRandomness)?;
        row::insert(self, request, &id, &hash).await.map_err(MintError::Store)?;
        Ok((id, text))
    }

    /// The key that a caller presented, valid or not: the caller of this function compares
    /// [`VirtualKey::revoked_at`] and [`VirtualKey::expires_at`] with its clock. `None` when no such
    /// key was ever minted. Keys of a shredded tenant count as revoked.
    ///
    /// A cache of the answer must be stamped with the [`Store::revocation_generation`] that was read
    /// *before* this call, and used only while the generation is still the same.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_key(&self, presented: &PresentedKey) -> Result<Option<VirtualKey>, StoreError> {
        row::by_hash(self, presented.hash()).await
    }

    /// Every key of a tenant, oldest first, revoked and expired ones too. Never the key itself.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keys_of(&self, tenant: &TenantId) -> Result<Vec<VirtualKey>, StoreError> {
        row::of_tenant(self, tenant).await
    }

    /// Revokes a key of a tenant. When this returns, the revocation is on disk and
    /// [`Store::revocation_generation`] has moved on, so no cache that keeps the rule of
    /// [`Store::find_key`] answers with the key any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the key may then be valid still.
    pub async fn revoke_key(&self, tenant: &TenantId, id: &VirtualKeyId) -> Result<Revocation, StoreError> {
        let outcome = self.revoke_row(tenant, id).await;
        // Whatever the outcome, caches look again: the commit may have happened before the error.
        self.announce_revocation();
        outcome
    }

    async fn revoke_row(&self, tenant: &TenantId, id: &VirtualKeyId) -> Result<Revocation, StoreError> {
        let mut tx = self.write().await?;
        let revoked = row::revoke(&mut tx, tenant, id).await?;
        if revoked == Revocation::Revoked {
            count_revocation(&mut tx).await?;
        }
        tx.commit().await.map_err(StoreError::from_sqlx)?;
        Ok(revoked)
    }

    /// A number that changes with every revocation that this process made or noticed. Reading it
    /// costs no I/O.
    #[must_use]
    pub fn revocation_generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells each change of [`Store::revocation_generation`].
    #[must_use]
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Looks whether another process has revoked keys, and moves the generation on if so.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. The generation moves on then too, so that caches ask
    /// the database and find out.
    pub async fn notice_revocations(&self) -> Result<(), StoreError> {
        let counted: Result<i64, _> =
            sqlx::query_scalar("SELECT generation FROM revocations WHERE one = 1").fetch_one(self.pool()).await;
        match counted {
            Ok(counted) => {
                if self.seen.swap(counted, Ordering::AcqRel) != counted {
                    self.announce_revocation();
                }
                Ok(())
            }
            Err(e) => {
                self.announce_revocation();
                Err(StoreError::from_sqlx(e))
            }
        }
    }

    /// Calls [`Store::notice_revocations`] for ever, at this interval: the bound within which a
    /// revocation by another process takes hold here. Ends when the store is closed.
    pub async fn follow_revocations(self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if matches!(self.notice_revocations().await, Err(StoreError::Closed)) {
                return;
            }
        }
    }

    pub(crate) fn announce_revocation(&self) {
        self.generation.send_modify(|generation| *generation = generation.wrapping_add(1));
    }
}

/// Within a write transaction: counts a revocation for the other processes on this database.
pub(crate) async fn count_revocation(tx: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("UPDATE revocations SET generation = generation + 1 WHERE one = 1")
        .execute(tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    Ok(())
}

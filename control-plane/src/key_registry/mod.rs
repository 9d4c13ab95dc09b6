//! The registry of wrapped keys, as the key bridge asks for it.

mod rows;

use crate::{
    store::Store,
    tenants::{ensure_alive, insert_tenant},
};
use async_trait::async_trait;
use kms_bridge::{
    DekScope, Fence, FenceNumber, Kek, KekEntry, KekName, KekOwner, KekState, KeyId, KeyRegistry, Registration,
    RegistryError, Replica, ReplicaId, Rewrapping, WrappedDek,
};
use rows::{
    active_kek, deks_where, fault, fence_number, fence_of, insert_kek, kek, living_dek, of_epoch, owner, place,
    refuse_fenced, refused_insert, select_deks, stored_collection, wrapped_dek,
};
use std::time::Duration;
use vocab::TenantId;

pub(crate) use rows::raise_fence;

#[async_trait]
impl KeyRegistry for Store {
    async fn kek(&self, owner: &KekOwner) -> Result<Option<Kek>, RegistryError> {
        // One statement, so that an owner fenced meanwhile is not answered from before.
        let found: Option<(Option<i64>, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT COALESCE(t.shredded_at, f.raised_at), k.name, k.provider
             FROM tenants t
             LEFT JOIN keks k ON k.tenant = t.id AND k.collection = ?2 AND k.retired_at IS NULL
             LEFT JOIN fences f ON f.tenant = t.id AND f.collection = ?2
             WHERE t.id = ?1",
        )
        .bind(owner.tenant.as_str())
        .bind(stored_collection(owner.collection.as_ref()))
        .fetch_optional(self.pool())
        .await
        .map_err(fault)?;
        match found {
            Some((Some(_), ..)) => Err(RegistryError::Shredded),
            Some((None, Some(name), Some(provider))) => Ok(Some(kek(&name, &provider)?)),
            Some(_) | None => Ok(None),
        }
    }

    async fn register_kek(&self, owner: &KekOwner, kek: &Kek) -> Result<Kek, RegistryError> {
        let mut tx = self.write().await?;
        ensure_alive(&mut tx, &owner.tenant).await?;
        refuse_fenced(&mut tx, owner).await?;
        insert_kek(&mut tx, owner, kek).await?;
        // Not stored and no other there: the name was used before, by this owner or another.
        let winner = active_kek(&mut tx, owner).await?;
        let winner = winner.ok_or(RegistryError::Corrupt("a KEK name was used before"))?;
        tx.commit().await.map_err(fault)?;
        Ok(winner)
    }

    async fn replace_kek(&self, owner: &KekOwner, old: &KekName, new: &Kek) -> Result<Kek, RegistryError> {
        let mut tx = self.write().await?;
        refuse_fenced(&mut tx, owner).await?;
        match active_kek(&mut tx, owner).await? {
            Some(active) if active.name != *old => return Ok(active),
            _ => {}
        }
        sqlx::query("UPDATE keks SET retired_at = unixepoch() WHERE name = ?1")
            .bind(old.as_str())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        insert_kek(&mut tx, owner, new).await?;
        let active = active_kek(&mut tx, owner).await?;
        let active = active.ok_or(RegistryError::Corrupt("a KEK name was used before"))?;
        tx.commit().await.map_err(fault)?;
        Ok(active)
    }

    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError> {
        let found = sqlx::query(select_deks!(
            "FROM tenants t
             LEFT JOIN deks d ON d.tenant = t.id AND d.purpose = ?2 AND d.collection = ?3
             LEFT JOIN keks k ON k.name = d.kek
             LEFT JOIN fences f ON f.tenant = t.id AND f.collection = ?3
             WHERE t.id = ?1
             ORDER BY d.epoch DESC LIMIT 1"
        ))
        .bind(scope.tenant.as_str())
        .bind(scope.purpose.as_str())
        .bind(stored_collection(scope.collection.as_ref()))
        .fetch_optional(self.pool())
        .await
        .map_err(fault)?;
        Ok(living_dek(found.as_ref())?)
    }

    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError> {
        let found = sqlx::query(deks_where!("d.key_id = ?1"))
            .bind(key_id.to_bytes().as_slice())
            .fetch_optional(self.pool())
            .await
            .map_err(fault)?;
        Ok(living_dek(found.as_ref())?)
    }

    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError> {
        let mut tx = self.write().await?;
        refuse_fenced(&mut tx, &place(&dek.scope)).await?;
        if let Some(winner) = of_epoch(&mut tx, &dek.scope, dek.epoch).await? {
            return Ok(Registration::Lost(winner));
        }
        sqlx::query(
            "INSERT INTO deks (key_id, tenant, purpose, collection, epoch, kek, wrapped, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, unixepoch())",
        )
        .bind(dek.key_id.to_bytes().as_slice())
        .bind(dek.scope.tenant.as_str())
        .bind(dek.scope.purpose.as_str())
        .bind(stored_collection(dek.scope.collection.as_ref()))
        .bind(i64::from(dek.epoch.get()))
        .bind(dek.kek.as_str())
        .bind(dek.wrapped)
        .execute(&mut *tx)
        .await
        .map_err(refused_insert)?;
        // INVARIANT: the caller uses the key only after this commit is on disk.
        tx.commit().await.map_err(fault)?;
        Ok(Registration::Stored)
    }

    async fn replace_wrapping(&self, old: &WrappedDek, new: &WrappedDek) -> Result<Rewrapping, RegistryError> {
        let mut tx = self.write().await?;
        refuse_fenced(&mut tx, &place(&old.scope)).await?;
        let changed = sqlx::query("UPDATE deks SET wrapped = ?3, kek = ?4 WHERE key_id = ?1 AND wrapped = ?2")
            .bind(old.key_id.to_bytes().as_slice())
            .bind(old.wrapped.as_slice())
            .bind(new.wrapped.as_slice())
            .bind(new.kek.as_str())
            .execute(&mut *tx)
            .await
            .map_err(refused_insert)?
            .rows_affected();
        tx.commit().await.map_err(fault)?;
        Ok(if changed == 1 { Rewrapping::Stored } else { Rewrapping::Overtaken })
    }

    async fn page(
        &self,
        tenant: Option<&TenantId>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<WrappedDek>, RegistryError> {
        let rows = sqlx::query(deks_where!(
            "d.key_id > ?1 AND (?2 IS NULL OR d.tenant = ?2) AND t.shredded_at IS NULL AND f.number IS NULL
             ORDER BY d.key_id LIMIT ?3"
        ))
        .bind(after.map_or(Vec::new(), |id| id.to_bytes().to_vec()))
        .bind(tenant.map(TenantId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await
        .map_err(fault)?;
        Ok(rows.iter().map(wrapped_dek).collect::<Result<_, _>>()?)
    }

    async fn keks(&self) -> Result<Vec<KekEntry>, RegistryError> {
        let rows: Vec<(String, String, String, String, Option<i64>, i64)> = sqlx::query_as(
            "SELECT k.tenant, k.collection, k.name, k.provider, k.retired_at,
                    (SELECT count(*) FROM deks d WHERE d.kek = k.name)
             FROM keks k ORDER BY k.tenant, k.collection, k.created_at, k.rowid",
        )
        .fetch_all(self.pool())
        .await
        .map_err(fault)?;
        let entry = |(tenant, collection, name, provider, retired, deks): (
            String,
            String,
            String,
            String,
            Option<i64>,
            i64,
        )| {
            Ok(KekEntry {
                owner: owner(&tenant, &collection, "keks")?,
                kek: kek(&name, &provider)?,
                state: if retired.is_none() { KekState::Active } else { KekState::Retired },
                deks: u64::try_from(deks).unwrap_or(0),
            })
        };
        rows.into_iter().map(entry).collect()
    }

    async fn fence(&self, owner: &KekOwner) -> Result<FenceNumber, RegistryError> {
        if owner.collection.is_none() {
            self.mark_shredded(&owner.tenant).await?;
        }
        let mut tx = self.write().await?;
        insert_tenant(&mut tx, &owner.tenant).await?;
        let number = raise_fence(&mut tx, owner).await?;
        tx.commit().await.map_err(fault)?;
        Ok(number)
    }

    async fn fences(&self, after: FenceNumber) -> Result<Vec<Fence>, RegistryError> {
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT number, tenant, collection FROM fences WHERE number > ?1 ORDER BY number")
                .bind(i64::try_from(after.0).unwrap_or(i64::MAX))
                .fetch_all(self.pool())
                .await
                .map_err(fault)?;
        let fence = |(number, tenant, collection): (i64, String, String)| {
            Ok(Fence { number: fence_number(number), owner: owner(&tenant, &collection, "fences")? })
        };
        rows.into_iter().map(fence).collect()
    }

    async fn report(&self, replica: &ReplicaId, seen: FenceNumber) -> Result<(), RegistryError> {
        sqlx::query(
            "INSERT INTO replicas (id, fence, reported_at) VALUES (?1, ?2, unixepoch())
             ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, reported_at = excluded.reported_at",
        )
        .bind(replica.0.to_bytes().as_slice())
        .bind(i64::try_from(seen.0).unwrap_or(i64::MAX))
        .execute(self.pool())
        .await
        .map_err(fault)?;
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, RegistryError> {
        // One that was silent for a day is long over: it holds no key that it may use.
        sqlx::query("DELETE FROM replicas WHERE reported_at < unixepoch() - 86400")
            .execute(self.pool())
            .await
            .map_err(fault)?;
        let rows: Vec<(Vec<u8>, i64, i64)> =
            sqlx::query_as("SELECT id, fence, max(0, unixepoch() - reported_at) FROM replicas ORDER BY reported_at")
                .fetch_all(self.pool())
                .await
                .map_err(fault)?;
        let replica = |(id, fence, silent): (Vec<u8>, i64, i64)| {
            let id: [u8; 16] = id.try_into().map_err(|_| RegistryError::Corrupt("a replica's id"))?;
            Ok(Replica {
                id: ReplicaId(KeyId::from_bytes(id)),
                seen: fence_number(fence),
                silent_for: Duration::from_secs(u64::try_from(silent).unwrap_or(0)),
            })
        };
        rows.into_iter().map(replica).collect()
    }

    async fn canaries(&self, owner: &KekOwner) -> Result<Vec<WrappedDek>, RegistryError> {
        let rows = sqlx::query(deks_where!(
            "k.tenant = ?1 AND (?2 = '' OR k.collection = ?2) AND length(d.wrapped) > 0
             GROUP BY d.kek"
        ))
        .bind(owner.tenant.as_str())
        .bind(stored_collection(owner.collection.as_ref()))
        .fetch_all(self.pool())
        .await
        .map_err(fault)?;
        Ok(rows.iter().map(wrapped_dek).collect::<Result<_, _>>()?)
    }

    async fn forget(&self, owner: &KekOwner) -> Result<u64, RegistryError> {
        let mut tx = self.write().await?;
        if fence_of(&mut tx, owner).await?.is_none() {
            return Err(RegistryError::Corrupt("the owner is not fenced"));
        }
        let done = sqlx::query("UPDATE deks SET wrapped = x'' WHERE tenant = ?1 AND (?2 = '' OR collection = ?2)")
            .bind(owner.tenant.as_str())
            .bind(stored_collection(owner.collection.as_ref()))
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        tx.commit().await.map_err(fault)?;
        Ok(done.rows_affected())
    }
}

//! Tenants: they appear with their first key or collection, and once shredded stay shredded.

use crate::store::{Store, StoreError, parsed, whole};
use kms_bridge::KekOwner;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use vocab::TenantId;

/// What the store knows of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// When it was first seen, in seconds since the Unix epoch.
    pub created_at: u64,
    /// When it was shredded, in seconds since the Unix epoch.
    pub shredded_at: Option<u64>,
}

/// What marking a tenant as shredded did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shredding {
    /// The tenant is shredded from now on.
    Marked,
    /// It was shredded before; the first time stands.
    AlreadyMarked,
}

impl Store {
    /// Makes the tenant known. Does nothing when it is.
    ///
    /// # Errors
    /// [`StoreError::Shredded`] when it was shredded: it does not come back by being created again.
    pub async fn ensure_tenant(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        ensure_alive(&mut tx, tenant).await?;
        tx.commit().await.map_err(StoreError::from_sqlx)
    }

    /// One tenant; `None` when it was never seen.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRow>, StoreError> {
        sqlx::query("SELECT id, created_at, shredded_at FROM tenants WHERE id = ?1")
            .bind(tenant.as_str())
            .fetch_optional(self.pool())
            .await
            .map_err(StoreError::from_sqlx)?
            .map(|row| tenant_row(&row))
            .transpose()
    }

    /// Every tenant, by id, the shredded ones too.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        sqlx::query("SELECT id, created_at, shredded_at FROM tenants ORDER BY id")
            .fetch_all(self.pool())
            .await
            .map_err(StoreError::from_sqlx)?
            .iter()
            .map(tenant_row)
            .collect()
    }

    /// Marks a tenant as shredded, for ever. Its keys are neither found nor registered from then on,
    /// and its virtual keys are no longer valid. Destroying the KEK itself is the key bridge's work.
    /// A tenant that was never seen is marked too.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn mark_shredded(&self, tenant: &TenantId) -> Result<Shredding, StoreError> {
        let outcome = self.mark_shredded_row(tenant).await;
        // Whatever the outcome, caches look again: the commit may have happened before the error.
        self.announce_revocation();
        outcome
    }

    async fn mark_shredded_row(&self, tenant: &TenantId) -> Result<Shredding, StoreError> {
        let mut tx = self.write().await?;
        insert_tenant(&mut tx, tenant).await?;
        let marked = sqlx::query("UPDATE tenants SET shredded_at = unixepoch() WHERE id = ?1 AND shredded_at IS NULL")
            .bind(tenant.as_str())
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from_sqlx)?
            .rows_affected();
        crate::key_registry::raise_fence(&mut tx, &KekOwner::tenant(tenant.clone())).await?;
        crate::virtual_keys::count_revocation(&mut tx).await?;
        tx.commit().await.map_err(StoreError::from_sqlx)?;
        Ok(if marked == 1 { Shredding::Marked } else { Shredding::AlreadyMarked })
    }
}

/// Within a write transaction: the tenant is known and alive, or the call ends.
pub(crate) async fn ensure_alive(tx: &mut SqliteConnection, tenant: &TenantId) -> Result<(), StoreError> {
    insert_tenant(tx, tenant).await?;
    refuse_shredded(tx, tenant).await
}

/// Ends the call when the tenant was shredded. An unknown tenant passes.
pub(crate) async fn refuse_shredded(tx: &mut SqliteConnection, tenant: &TenantId) -> Result<(), StoreError> {
    let shredded: Option<i64> = sqlx::query_scalar("SELECT 1 FROM tenants WHERE id = ?1 AND shredded_at IS NOT NULL")
        .bind(tenant.as_str())
        .fetch_optional(tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    if shredded.is_some() { Err(StoreError::Shredded) } else { Ok(()) }
}

pub(crate) async fn insert_tenant(tx: &mut SqliteConnection, tenant: &TenantId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tenants (id, created_at) VALUES (?1, unixepoch()) ON CONFLICT DO NOTHING")
        .bind(tenant.as_str())
        .execute(tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    Ok(())
}

fn tenant_row(row: &SqliteRow) -> Result<TenantRow, StoreError> {
    const TABLE: &str = "tenants";
    let id: String = parsed(row.try_get("id"), TABLE, "id")?;
    let created_at: i64 = parsed(row.try_get("created_at"), TABLE, "created_at")?;
    let shredded_at: Option<i64> = parsed(row.try_get("shredded_at"), TABLE, "shredded_at")?;
    Ok(TenantRow {
        id: parsed(TenantId::new(&id), TABLE, "id")?,
        created_at: whole(created_at, TABLE, "created_at")?,
        shredded_at: shredded_at.map(|at| whole(at, TABLE, "shredded_at")).transpose()?,
    })
}

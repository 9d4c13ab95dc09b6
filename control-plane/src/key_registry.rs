//! The registry of wrapped keys, as the key bridge asks for it.

use crate::{
    store::{Store, StoreError, parsed},
    tenants::{ensure_alive, refuse_shredded},
};
use async_trait::async_trait;
use kms_bridge::{DekScope, Epoch, KekName, KeyId, KeyRegistry, Registration, RegistryError, WrappedDek};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::sync::Arc;
use vocab::{CollectionName, TenantId};

const TABLE: &str = "deks";

#[async_trait]
impl KeyRegistry for Store {
    async fn tenant_kek(&self, tenant: &TenantId) -> Result<Option<KekName>, RegistryError> {
        let mut connection = self.pool().acquire().await.map_err(fault)?;
        // One statement, so that a tenant shredded meanwhile is not answered from before.
        let found: Option<(Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT t.shredded_at, k.name
             FROM tenants t LEFT JOIN keks k ON k.tenant = t.id AND k.retired_at IS NULL
             WHERE t.id = ?1",
        )
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(fault)?;
        match found {
            Some((Some(_), _)) => Err(RegistryError::Shredded),
            Some((None, Some(name))) => kek_name(&name).map(Some).map_err(RegistryError::from),
            Some((None, None)) | None => Ok(None),
        }
    }

    async fn register_kek(&self, tenant: &TenantId, kek: &KekName) -> Result<KekName, RegistryError> {
        let mut tx = self.write().await?;
        ensure_alive(&mut tx, tenant).await?;
        sqlx::query(
            "INSERT INTO keks (name, tenant, created_at) VALUES (?1, ?2, unixepoch())
             ON CONFLICT DO NOTHING",
        )
        .bind(kek.as_str())
        .bind(tenant.as_str())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let winner: Option<String> =
            sqlx::query_scalar("SELECT name FROM keks WHERE tenant = ?1 AND retired_at IS NULL")
                .bind(tenant.as_str())
                .fetch_optional(&mut *tx)
                .await
                .map_err(fault)?;
        // Not stored and no other there: the name was used before, by this tenant or another.
        let winner = winner.ok_or(RegistryError::Corrupt("a KEK name was used before"))?;
        let winner = kek_name(&winner)?;
        tx.commit().await.map_err(fault)?;
        Ok(winner)
    }

    async fn current(&self, scope: &DekScope) -> Result<Option<WrappedDek>, RegistryError> {
        let found = sqlx::query(
            "SELECT t.shredded_at, d.key_id, d.tenant, d.purpose, d.collection, d.epoch, d.kek, d.wrapped
             FROM tenants t
             LEFT JOIN deks d ON d.tenant = t.id AND d.purpose = ?2 AND d.collection = ?3
             WHERE t.id = ?1
             ORDER BY d.epoch DESC LIMIT 1",
        )
        .bind(scope.tenant.as_str())
        .bind(scope.purpose.as_str())
        .bind(stored_collection(scope))
        .fetch_optional(self.pool())
        .await
        .map_err(fault)?;
        Ok(living_dek(found.as_ref())?)
    }

    async fn find(&self, key_id: KeyId) -> Result<Option<WrappedDek>, RegistryError> {
        let found = sqlx::query(
            "SELECT t.shredded_at, d.key_id, d.tenant, d.purpose, d.collection, d.epoch, d.kek, d.wrapped
             FROM deks d JOIN tenants t ON t.id = d.tenant
             WHERE d.key_id = ?1",
        )
        .bind(key_id.to_bytes().as_slice())
        .fetch_optional(self.pool())
        .await
        .map_err(fault)?;
        Ok(living_dek(found.as_ref())?)
    }

    async fn register(&self, dek: WrappedDek) -> Result<Registration, RegistryError> {
        let mut tx = self.write().await?;
        refuse_shredded(&mut tx, &dek.scope.tenant).await?;
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
        .bind(stored_collection(&dek.scope))
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
}

fn fault(error: sqlx::Error) -> RegistryError {
    StoreError::from_sqlx(error).into()
}

/// Scope and epoch were free, so a broken constraint is about the id or the KEK.
fn refused_insert(error: sqlx::Error) -> RegistryError {
    match error.as_database_error() {
        Some(e) if e.is_unique_violation() => RegistryError::Corrupt("two data keys have one id"),
        Some(e) if e.is_foreign_key_violation() => {
            RegistryError::Corrupt("a data key names a KEK that was never registered")
        }
        _ => fault(error),
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Shredded => Self::Shredded,
            StoreError::BadRow { column, .. } => Self::Corrupt(column),
            other => Self::Unavailable(Arc::new(other)),
        }
    }
}

fn stored_collection(scope: &DekScope) -> &str {
    scope.collection.as_ref().map_or("", CollectionName::as_str)
}

fn kek_name(text: &str) -> Result<KekName, StoreError> {
    parsed(KekName::new(text), "keks", "name")
}

async fn of_epoch(tx: &mut SqliteConnection, scope: &DekScope, epoch: Epoch) -> Result<Option<WrappedDek>, StoreError> {
    sqlx::query(
        "SELECT key_id, tenant, purpose, collection, epoch, kek, wrapped FROM deks
         WHERE tenant = ?1 AND purpose = ?2 AND collection = ?3 AND epoch = ?4",
    )
    .bind(scope.tenant.as_str())
    .bind(scope.purpose.as_str())
    .bind(stored_collection(scope))
    .bind(i64::from(epoch.get()))
    .fetch_optional(tx)
    .await
    .map_err(StoreError::from_sqlx)?
    .map(|row| wrapped_dek(&row))
    .transpose()
}

/// The key of a row that may be absent, may be of a shredded tenant, or may be that of a tenant
/// without such a key.
fn living_dek(row: Option<&SqliteRow>) -> Result<Option<WrappedDek>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let shredded: Option<i64> = parsed(row.try_get("shredded_at"), "tenants", "shredded_at")?;
    if shredded.is_some() {
        return Err(StoreError::Shredded);
    }
    let key_id: Option<Vec<u8>> = parsed(row.try_get("key_id"), TABLE, "key_id")?;
    key_id.map(|_| wrapped_dek(row)).transpose()
}

fn wrapped_dek(row: &SqliteRow) -> Result<WrappedDek, StoreError> {
    let text = |column: &'static str| -> Result<String, StoreError> { parsed(row.try_get(column), TABLE, column) };
    let key_id: Vec<u8> = parsed(row.try_get("key_id"), TABLE, "key_id")?;
    let collection = text("collection")?;
    let epoch: i64 = parsed(row.try_get("epoch"), TABLE, "epoch")?;
    let epoch = u32::try_from(epoch).ok().and_then(Epoch::new);
    Ok(WrappedDek {
        key_id: KeyId::from_bytes(parsed(key_id.try_into().map_err(|_| "length"), TABLE, "key_id")?),
        scope: DekScope {
            tenant: parsed(TenantId::new(&text("tenant")?), TABLE, "tenant")?,
            purpose: parsed(text("purpose")?.parse(), TABLE, "purpose")?,
            collection: match collection.as_str() {
                "" => None,
                name => Some(parsed(CollectionName::new(name), TABLE, "collection")?),
            },
        },
        epoch: epoch.ok_or(StoreError::BadRow { table: TABLE, column: "epoch" })?,
        kek: kek_name(&text("kek")?)?,
        wrapped: parsed(row.try_get("wrapped"), TABLE, "wrapped")?,
    })
}

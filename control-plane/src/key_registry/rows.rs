//! Rows of the key registry, and the statements that several of its operations share.

use crate::{
    store::{StoreError, parsed},
    tenants::refuse_shredded,
};
use kms_bridge::{
    DekScope, Epoch, FenceNumber, Kek, KekName, KekOwner, KeyId, ProviderName, RegistryError, WrappedDek,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::sync::Arc;
use vocab::{CollectionName, TenantId};

const TABLE: &str = "deks";

/// A query of wrapped keys, each with the key service of its KEK and when its owner was fenced: the tail
/// names the tables (`t` tenants, `d` deks, `k` keks, `f` fences) and says which rows. A macro, so that the
/// statement is static.
macro_rules! select_deks {
    ($tail:literal) => {
        concat!(
            "SELECT COALESCE(t.shredded_at, f.raised_at) AS shredded_at,
                    d.key_id, d.tenant, d.purpose, d.collection, d.epoch, d.kek, d.wrapped, k.provider ",
            $tail
        )
    };
}

/// [`select_deks`] over all of them.
macro_rules! deks_where {
    ($condition:literal) => {
        concat!(
            select_deks!(
                "FROM deks d JOIN tenants t ON t.id = d.tenant JOIN keks k ON k.name = d.kek
             LEFT JOIN fences f ON f.tenant = d.tenant AND f.collection = d.collection WHERE "
            ),
            $condition
        )
    };
}

pub(super) use {deks_where, select_deks};

/// The owner whose fence concerns a scope's keys, whoever's KEK wraps them.
pub(super) fn place(scope: &DekScope) -> KekOwner {
    KekOwner { tenant: scope.tenant.clone(), collection: scope.collection.clone() }
}

pub(super) async fn insert_kek(tx: &mut SqliteConnection, owner: &KekOwner, kek: &Kek) -> Result<(), RegistryError> {
    sqlx::query(
        "INSERT INTO keks (name, tenant, collection, provider, created_at) VALUES (?1, ?2, ?3, ?4, unixepoch())
         ON CONFLICT DO NOTHING",
    )
    .bind(kek.name.as_str())
    .bind(owner.tenant.as_str())
    .bind(stored_collection(owner.collection.as_ref()))
    .bind(kek.provider.as_str())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

pub(super) async fn active_kek(tx: &mut SqliteConnection, owner: &KekOwner) -> Result<Option<Kek>, RegistryError> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT name, provider FROM keks WHERE tenant = ?1 AND collection = ?2 AND retired_at IS NULL")
            .bind(owner.tenant.as_str())
            .bind(stored_collection(owner.collection.as_ref()))
            .fetch_optional(tx)
            .await
            .map_err(fault)?;
    Ok(found.map(|(name, provider)| kek(&name, &provider)).transpose()?)
}

/// Ends the call when the owner's tenant or collection was fenced.
pub(super) async fn refuse_fenced(tx: &mut SqliteConnection, owner: &KekOwner) -> Result<(), RegistryError> {
    refuse_shredded(tx, &owner.tenant).await?;
    if fence_of(tx, owner).await?.is_some() { Err(RegistryError::Shredded) } else { Ok(()) }
}

pub(super) async fn fence_of(tx: &mut SqliteConnection, owner: &KekOwner) -> Result<Option<FenceNumber>, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT number FROM fences WHERE tenant = ?1 AND collection = ?2")
        .bind(owner.tenant.as_str())
        .bind(stored_collection(owner.collection.as_ref()))
        .fetch_optional(tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    Ok(found.map(fence_number))
}

/// Raises the fence unless it is raised.
pub(crate) async fn raise_fence(tx: &mut SqliteConnection, owner: &KekOwner) -> Result<FenceNumber, StoreError> {
    if let Some(raised) = fence_of(tx, owner).await? {
        return Ok(raised);
    }
    sqlx::query("INSERT INTO fences (tenant, collection, raised_at) VALUES (?1, ?2, unixepoch())")
        .bind(owner.tenant.as_str())
        .bind(stored_collection(owner.collection.as_ref()))
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    fence_of(tx, owner).await?.ok_or(StoreError::BadRow { table: "fences", column: "number" })
}

pub(super) fn fence_number(number: i64) -> FenceNumber {
    FenceNumber(u64::try_from(number).unwrap_or(0))
}

pub(super) fn fault(error: sqlx::Error) -> RegistryError {
    StoreError::from_sqlx(error).into()
}

/// Scope and epoch were free, so a broken constraint is about the id or the KEK.
pub(super) fn refused_insert(error: sqlx::Error) -> RegistryError {
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

pub(super) fn stored_collection(collection: Option<&CollectionName>) -> &str {
    collection.map_or("", CollectionName::as_str)
}

pub(super) fn kek(name: &str, provider: &str) -> Result<Kek, StoreError> {
    Ok(Kek {
        name: parsed(KekName::new(name), "keks", "name")?,
        provider: parsed(ProviderName::new(provider), "keks", "provider")?,
    })
}

pub(super) fn owner(tenant: &str, collection: &str, table: &'static str) -> Result<KekOwner, StoreError> {
    Ok(KekOwner {
        tenant: parsed(TenantId::new(tenant), table, "tenant")?,
        collection: read_collection(collection, table)?,
    })
}

fn read_collection(stored: &str, table: &'static str) -> Result<Option<CollectionName>, StoreError> {
    match stored {
        "" => Ok(None),
        name => parsed(CollectionName::new(name), table, "collection").map(Some),
    }
}

pub(super) async fn of_epoch(
    tx: &mut SqliteConnection,
    scope: &DekScope,
    epoch: Epoch,
) -> Result<Option<WrappedDek>, StoreError> {
    sqlx::query(deks_where!("d.tenant = ?1 AND d.purpose = ?2 AND d.collection = ?3 AND d.epoch = ?4"))
        .bind(scope.tenant.as_str())
        .bind(scope.purpose.as_str())
        .bind(stored_collection(scope.collection.as_ref()))
        .bind(i64::from(epoch.get()))
        .fetch_optional(tx)
        .await
        .map_err(StoreError::from_sqlx)?
        .map(|row| wrapped_dek(&row))
        .transpose()
}

/// The key of a row that may be absent, may be of a shredded tenant, or may be that of a tenant
/// without such a key.
pub(super) fn living_dek(row: Option<&SqliteRow>) -> Result<Option<WrappedDek>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let shredded: Option<i64> = parsed(row.try_get("shredded_at"), "tenants", "shredded_at")?;
    if shredded.is_some() {
        return Err(StoreError::Shredded);
    }
    let key_id: Option<Vec<u8>> = parsed(row.try_get("key_id"), TABLE, "key_id")?;
    key_id.map(|_| wrapped_dek(row)).transpose()
}

pub(super) fn wrapped_dek(row: &SqliteRow) -> Result<WrappedDek, StoreError> {
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
            collection: read_collection(&collection, TABLE)?,
        },
        epoch: epoch.ok_or(StoreError::BadRow { table: TABLE, column: "epoch" })?,
        kek: parsed(KekName::new(&text("kek")?), TABLE, "kek")?,
        provider: parsed(ProviderName::new(&text("provider")?), "keks", "provider")?,
        wrapped: parsed(row.try_get("wrapped"), TABLE, "wrapped")?,
    })
}

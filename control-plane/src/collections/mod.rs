//! Which physical collection of a store holds a tenant's logical one, and what was frozen when it was
//! made.
//!
//! Life of an entry: `creating` (before the store is asked) -> `ready` (the store has it) ->
//! `deleting` (before the store is asked) -> gone. A crash leaves `creating` or `deleting` behind; the
//! next create or delete of the same name finds the entry and finishes the work under the same
//! physical name.

mod types;

use crate::{
    store::{Store, StoreError, parsed, whole},
    tenants::ensure_alive,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use vocab::{CollectionName, PrincipalId, TenantId, UpstreamName};

pub use types::{
    Advance, CollectionKey, CollectionRow, CollectionSpec, CollectionState, Creation, Distance, Mode, PhysicalName,
    UnknownWord,
};

const TABLE: &str = "collections";

impl Store {
    /// Enters a collection in the state `creating`, unless the name is taken: the first writer wins,
    /// between processes too.
    ///
    /// # Errors
    /// [`StoreError::Shredded`] when the tenant is no more; else when the database fails.
    pub async fn create_collection(
        &self,
        key: &CollectionKey,
        physical: &PhysicalName,
        spec: &CollectionSpec,
    ) -> Result<Creation, StoreError> {
        let filterable = parsed(serde_json::to_string(&spec.filterable), TABLE, "filterable")?;
        let mut tx = self.write().await?;
        ensure_alive(&mut tx, &key.tenant).await?;
        if let Some(taken) = find(&mut tx, key).await? {
            return Ok(Creation::Taken(taken));
        }
        sqlx::query(
            "INSERT INTO collections (tenant, upstream, name, physical, state, dimensions, distance, mode, beta,
                                      filterable, created_by, created_at)
             VALUES (?1, ?2, ?3, ?4, 'creating', ?5, ?6, ?7, ?8, ?9, ?10, unixepoch())",
        )
        .bind(key.tenant.as_str())
        .bind(key.upstream.as_str())
        .bind(key.name.as_str())
        .bind(physical.as_str())
        .bind(i64::from(spec.dimensions))
        .bind(spec.distance.as_str())
        .bind(spec.mode.as_str())
        .bind(spec.beta)
        .bind(filterable)
        .bind(spec.created_by.as_str())
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from_sqlx)?;
        let Some(row) = find(&mut tx, key).await? else {
            return Err(StoreError::BadRow { table: TABLE, column: "name" });
        };
        tx.commit().await.map_err(StoreError::from_sqlx)?;
        Ok(Creation::Created(row))
    }

    /// One collection; `None` when the tenant has none of this name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find_collection(&self, key: &CollectionKey) -> Result<Option<CollectionRow>, StoreError> {
        let mut connection = self.pool().acquire().await.map_err(StoreError::from_sqlx)?;
        find(&mut connection, key).await
    }

    /// The collections of a tenant at an upstream, by name, whatever their state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn collections(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamName,
    ) -> Result<Vec<CollectionRow>, StoreError> {
        sqlx::query(
            "SELECT tenant, upstream, name, physical, state, dimensions, distance, mode, beta, filterable, created_by,
                    created_at
             FROM collections WHERE tenant = ?1 AND upstream = ?2 ORDER BY name",
        )
        .bind(tenant.as_str())
        .bind(upstream.as_str())
        .fetch_all(self.pool())
        .await
        .map_err(StoreError::from_sqlx)?
        .iter()
        .map(collection_row)
        .collect()
    }

    /// Moves a collection to the next state, when it is the one meant (same physical name) and in
    /// the state that the caller believes it to be in.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn advance_collection(
        &self,
        key: &CollectionKey,
        physical: &PhysicalName,
        step: Advance,
    ) -> Result<Option<CollectionRow>, StoreError> {
        let (from, to) = match step {
            Advance::Ready => ([CollectionState::Creating, CollectionState::Creating], CollectionState::Ready),
            Advance::Deleting => ([CollectionState::Creating, CollectionState::Ready], CollectionState::Deleting),
        };
        let mut tx = self.write().await?;
        let moved = sqlx::query(
            "UPDATE collections SET state = ?5
             WHERE tenant = ?1 AND upstream = ?2 AND name = ?3 AND physical = ?4 AND state IN (?6, ?7, ?5)",
        )
        .bind(key.tenant.as_str())
        .bind(key.upstream.as_str())
        .bind(key.name.as_str())
        .bind(physical.as_str())
        .bind(to.as_str())
        .bind(from[0].as_str())
        .bind(from[1].as_str())
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from_sqlx)?
        .rows_affected();
        let row = if moved == 1 { find(&mut tx, key).await? } else { None };
        tx.commit().await.map_err(StoreError::from_sqlx)?;
        Ok(row)
    }

    /// Removes a collection that is `deleting` and the one meant. Removing one that is gone is no
    /// error.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn remove_collection(&self, key: &CollectionKey, physical: &PhysicalName) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM collections
             WHERE tenant = ?1 AND upstream = ?2 AND name = ?3 AND physical = ?4 AND state = 'deleting'",
        )
        .bind(key.tenant.as_str())
        .bind(key.upstream.as_str())
        .bind(key.name.as_str())
        .bind(physical.as_str())
        .execute(self.pool())
        .await
        .map_err(StoreError::from_sqlx)?;
        Ok(())
    }
}

async fn find(connection: &mut SqliteConnection, key: &CollectionKey) -> Result<Option<CollectionRow>, StoreError> {
    sqlx::query(
        "SELECT tenant, upstream, name, physical, state, dimensions, distance, mode, beta, filterable, created_by,
                created_at
         FROM collections WHERE tenant = ?1 AND upstream = ?2 AND name = ?3",
    )
    .bind(key.tenant.as_str())
    .bind(key.upstream.as_str())
    .bind(key.name.as_str())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::from_sqlx)?
    .map(|row| collection_row(&row))
    .transpose()
}

fn collection_row(row: &SqliteRow) -> Result<CollectionRow, StoreError> {
    let text = |column: &'static str| -> Result<String, StoreError> { parsed(row.try_get(column), TABLE, column) };
    let integer = |column: &'static str| -> Result<i64, StoreError> { parsed(row.try_get(column), TABLE, column) };
    Ok(CollectionRow {
        key: CollectionKey {
            tenant: parsed(TenantId::new(&text("tenant")?), TABLE, "tenant")?,
            upstream: parsed(UpstreamName::new(&text("upstream")?), TABLE, "upstream")?,
            name: parsed(CollectionName::new(&text("name")?), TABLE, "name")?,
        },
        physical: parsed(PhysicalName::new(&text("physical")?), TABLE, "physical")?,
        state: parsed(text("state")?.parse(), TABLE, "state")?,
        spec: CollectionSpec {
            dimensions: parsed(u32::try_from(integer("dimensions")?), TABLE, "dimensions")?,
            distance: parsed(text("distance")?.parse(), TABLE, "distance")?,
            mode: parsed(text("mode")?.parse(), TABLE, "mode")?,
            beta: parsed(row.try_get("beta"), TABLE, "beta")?,
            filterable: parsed(serde_json::from_str(&text("filterable")?), TABLE, "filterable")?,
            created_by: parsed(PrincipalId::new(&text("created_by")?), TABLE, "created_by")?,
        },
        created_at: whole(integer("created_at")?, TABLE, "created_at")?,
    })
}

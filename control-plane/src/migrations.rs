//! The schema's versions, in order, and how a database is brought to the newest one.

use crate::store::{OpenError, StoreError};
use sqlx::{SqlitePool, raw_sql};

/// One statement batch per version; version 1 is the first entry. An entry that was released never
/// changes: a change of the schema is a new entry.
const MIGRATIONS: &[&str] =
    &[include_str!("../migrations/0001_initial.sql"), include_str!("../migrations/0002_keys.sql")];

/// Brings the database to the newest version, in one transaction that holds the write lock: of two
/// processes that start at once, one migrates and the other finds the work done.
///
/// # Errors
/// [`OpenError::Newer`] when a newer program has written the database: nothing is changed then.
pub(crate) async fn migrate(pool: &SqlitePool) -> Result<(), OpenError> {
    migrate_to(pool, MIGRATIONS).await
}

async fn migrate_to(pool: &SqlitePool, migrations: &'static [&'static str]) -> Result<(), OpenError> {
    let fault = |e| OpenError::Store(StoreError::from_sqlx(e));
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
    raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_versions (
             version    INTEGER NOT NULL PRIMARY KEY,
             applied_at INTEGER NOT NULL
         ) STRICT",
    )
    .execute(&mut *tx)
    .await
    .map_err(fault)?;
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM schema_versions")
        .fetch_one(&mut *tx)
        .await
        .map_err(fault)?;
    let done = usize::try_from(found).map_err(|_| OpenError::NotOurs)?;
    let Some(missing) = migrations.get(done..) else {
        return Err(OpenError::Newer { found, known: i64::try_from(migrations.len()).unwrap_or(i64::MAX) });
    };
    for (version, &batch) in (found.saturating_add(1)..).zip(missing) {
        raw_sql(batch).execute(&mut *tx).await.map_err(fault)?;
        sqlx::query("INSERT INTO schema_versions (version, applied_at) VALUES (?1, unixepoch())")
            .bind(version)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
    }
    tx.commit().await.map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    async fn versions(pool: &SqlitePool) -> Vec<i64> {
        sqlx::query_scalar("SELECT version FROM schema_versions ORDER BY version").fetch_all(pool).await.unwrap()
    }

    #[tokio::test]
    async fn an_empty_database_gets_every_version_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("control.db")).await.unwrap();
        let all: Vec<i64> = (1..=i64::try_from(MIGRATIONS.len()).unwrap()).collect();
        assert_eq!(versions(store.pool()).await, all);
        migrate(store.pool()).await.unwrap();
        assert_eq!(versions(store.pool()).await, all, "a second run changes nothing");
    }

    #[tokio::test]
    async fn an_older_database_is_brought_forward_and_keeps_its_rows() {
        const NEXT: &[&str] = &[MIGRATIONS[0], MIGRATIONS[1], "ALTER TABLE tenants ADD COLUMN note TEXT"];
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("control.db")).await.unwrap();
        let acme = vocab::TenantId::new("acme").unwrap();
        store.ensure_tenant(&acme).await.unwrap();
        migrate_to(store.pool(), NEXT).await.unwrap();
        assert_eq!(versions(store.pool()).await, [1, 2, 3]);
        assert!(store.tenant(&acme).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn keys_and_shredded_tenants_of_version_1_stay_what_they_are() {
        use kms_bridge::{FenceNumber, KekOwner, KeyRegistry as _, ProviderName, RegistryError};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let first = SqlitePool::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
        const FIRST: &[&str] = &[MIGRATIONS[0]];
        migrate_to(&first, FIRST).await.unwrap();
        raw_sql(
            "INSERT INTO tenants VALUES ('acme', 1, NULL), ('gone', 1, 7);
             INSERT INTO keks VALUES ('k-aaaaaaaaaaaaaaaaaaaaaaaaaa', 'acme', 1, NULL)",
        )
        .execute(&first)
        .await
        .unwrap();
        first.close().await;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

        let store = Store::open(&path).await.unwrap();
        let owner = |tenant| KekOwner::tenant(vocab::TenantId::new(tenant).unwrap());
        let kek = store.kek(&owner("acme")).await.unwrap().unwrap();
        assert_eq!((kek.name.as_str(), kek.provider), ("k-aaaaaaaaaaaaaaaaaaaaaaaaaa", ProviderName::local()));
        assert!(matches!(store.kek(&owner("gone")).await, Err(RegistryError::Shredded)));
        let fences = store.fences(FenceNumber(0)).await.unwrap();
        assert_eq!(fences.into_iter().map(|fence| fence.owner).collect::<Vec<_>>(), [owner("gone")]);
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let store = Store::open(&path).await.unwrap();
        sqlx::query("INSERT INTO schema_versions VALUES (?1, 0)").bind(99_i64).execute(store.pool()).await.unwrap();
        store.close().await;
        let refused = Store::open(&path).await;
        assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_failing_migration_leaves_the_old_version_whole() {
        const BROKEN: &[&str] = &[MIGRATIONS[0], MIGRATIONS[1], "ALTER TABLE tenants ADD COLUMN note TEXT; NOT SQL"];
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("control.db")).await.unwrap();
        assert!(migrate_to(store.pool(), BROKEN).await.is_err());
        assert_eq!(versions(store.pool()).await, [1, 2]);
        let columns: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_table_info('tenants')")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(columns, 3);
    }
}

//! The handle on the database: opening, pooling, faults.

mod fault;
mod file;

use crate::migrations;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};
use tokio::sync::watch;

pub use fault::{OpenError, StoreError};
pub(crate) use fault::{parsed, whole};

/// How long a writer waits for another before the call fails with [`StoreError::Busy`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Few connections are enough: SQLite lets one write at a time, and hot reads are cached above.
const CONNECTIONS: u32 = 4;

/// The state store. Cheap to clone; all clones share one pool and one revocation generation.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// Moves on with every revocation that this process made or noticed.
    pub(crate) generation: watch::Sender<u64>,
    /// The database's revocation counter as last seen.
    pub(crate) seen: Arc<AtomicI64>,
}

impl Store {
    /// Opens the store, creating it (mode 0600) when there is none, and brings its schema to the
    /// newest version. Runs on a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be made, others may read it, it is no database of ours, or a
    /// newer program has written it.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        file::prepare(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        Self::connect(options, CONNECTIONS).await
    }

    async fn connect(options: SqliteConnectOptions, connections: u32) -> Result<Self, OpenError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(OpenError::from_sqlx)?;
        if let Err(refused) = migrations::migrate(&pool).await {
            pool.close().await;
            return Err(refused);
        }
        let store = Self { pool, generation: watch::Sender::new(0), seen: Arc::new(AtomicI64::new(0)) };
        store.notice_revocations().await.map_err(OpenError::Store)?;
        Ok(store)
    }

    /// Waits for running statements and closes the connections. Later calls fail with
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Asks the database a trivial question: is it there and readable?
    ///
    /// # Errors
    /// [`StoreError`] when it is not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let _: i64 = sqlx::query_scalar("SELECT generation FROM revocations")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::from_sqlx)?;
        Ok(())
    }

    pub(crate) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// A transaction that holds the write lock from its start, so that what it reads is what it
    /// changes. Dropped without a commit, it changes nothing.
    pub(crate) async fn write(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from_sqlx)
    }
}

#[cfg(test)]
mod tests;

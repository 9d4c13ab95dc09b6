//! What can go wrong with the database, and whose fault it is.

use core::fmt::Display;
use std::path::PathBuf;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operator's: the file cannot be made or looked at.
    #[error("the state database {} cannot be made or read", path.display())]
    Io {
        /// The database file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The operator's: something else is at the path.
    #[error("the state database {} is not a regular file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The operator's: group or others may read the file. `chmod 600` mends it.
    #[error("the state database {} has mode {mode:03o}, and must be readable by its owner only (600)", path.display())]
    Exposed {
        /// The database file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operator's: the file is no database, or not one of this product.
    #[error("the file is not a state database of this product")]
    NotOurs,
    /// The operator's: a newer program has written the database. It was left untouched.
    #[error("the state database has schema version {found}, and this program knows up to {known}")]
    Newer {
        /// The version in the database.
        found: i64,
        /// The newest version of this program.
        known: i64,
    },
    /// The database refused while it was opened or migrated.
    #[error("the state database could not be prepared")]
    Store(#[source] StoreError),
}

impl OpenError {
    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(NOT_A_DATABASE) => Self::NotOurs,
            _ => Self::Store(StoreError::from_sqlx(error)),
        }
    }
}

/// Why an operation on the store failed. No variant holds a stored value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Load, or another process: a writer held the lock, or all connections were taken, for too
    /// long. A retry makes sense.
    #[error("the state database is busy")]
    Busy(#[source] sqlx::Error),
    /// The operator's: no space is left. Nothing was changed.
    #[error("the state database cannot grow: the disk or its quota is full")]
    Full(#[source] sqlx::Error),
    /// The operator's: the file or its file system is read-only. Nothing was changed.
    #[error("the state database is read-only")]
    ReadOnly(#[source] sqlx::Error),
    /// The disk's: the file is damaged.
    #[error("the state database is damaged")]
    Corrupt(#[source] sqlx::Error),
    /// The operator's or the disk's: the file system failed.
    #[error("the state database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The caller's: the store was closed.
    #[error("the state database is closed")]
    Closed,
    /// A stored value breaks the rule of its kind: someone else has written to the database.
    #[error("the state database holds an invalid {column} in {table}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A tenant was shredded: nothing of it is read or written any more.
    #[error("the tenant was shredded")]
    Shredded,
    /// A constraint was broken that no caller can break: a fault of this program.
    #[error("the state database refused a statement")]
    Internal(#[source] sqlx::Error),
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READ_ONLY: u32 = 8;
const IO_ERROR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;
const NOT_A_DATABASE: u32 = 26;

/// The low byte of SQLite's extended code names the class of the fault.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

impl StoreError {
    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        match (primary_code(&error), &error) {
            (Some(BUSY | LOCKED), _) | (_, sqlx::Error::PoolTimedOut) => Self::Busy(error),
            (Some(FULL), _) => Self::Full(error),
            (Some(READ_ONLY), _) => Self::ReadOnly(error),
            (Some(CORRUPT | NOT_A_DATABASE), _) => Self::Corrupt(error),
            (Some(IO_ERROR | CANNOT_OPEN), _) | (_, sqlx::Error::Io(_)) => Self::Unavailable(error),
            (_, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => Self::Closed,
            _ => Self::Internal(error),
        }
    }

    /// Whether the same call may succeed in a moment.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

/// A stored text as a validated value.
pub(crate) fn parsed<T, E: Display>(
    value: Result<T, E>,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    value.map_err(|_| StoreError::BadRow { table, column })
}

/// A stored integer as one that is never negative: seconds since the Unix epoch, counts.
pub(crate) fn whole(value: i64, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::BadRow { table, column })
}

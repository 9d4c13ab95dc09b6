//! What operators did, on its way into a ledger.
//!
//! An operator's command runs in a process of its own, and a ledger has one writer. So the command stores
//! its event here, and a sidecar that uses this store writes it into its ledger: at least once, and twice
//! only if it dies between writing and saying so.

use crate::store::{Store, StoreError, parsed, whole};
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::BTreeMap;
use vocab::TenantId;

/// How long a process may take to write a claimed event before another one takes it over, in seconds.
const CLAIM_SECONDS: i64 = 30;

/// What an operator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEvent {
    /// Its name, such as `keys.shredded`.
    pub event: String,
    /// The tenant that it concerns.
    pub tenant: Option<TenantId>,
    /// Who did it, as the operating system knows them.
    pub principal: String,
    /// Names and values, without secrets.
    pub details: BTreeMap<String, String>,
}

/// The number of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorEventId(i64);

/// An event that this process is to write into its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEvent {
    /// Its number.
    pub id: OperatorEventId,
    /// When it happened, in seconds since the Unix epoch.
    pub made_at: u64,
    /// What happened.
    pub event: OperatorEvent,
}

impl Store {
    /// Stores an event, durable when the call returns.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn note_event(&self, event: &OperatorEvent) -> Result<OperatorEventId, StoreError> {
        let details = serde_json::to_string(&event.details)
            .map_err(|_| StoreError::BadRow { table: TABLE, column: "details" })?;
        sqlx::query_scalar(
            "INSERT INTO operator_events (event, tenant, principal, details, made_at)
             VALUES (?1, ?2, ?3, ?4, unixepoch()) RETURNING id",
        )
        .bind(&event.event)
        .bind(event.tenant.as_ref().map(TenantId::as_str))
        .bind(&event.principal)
        .bind(details)
        .fetch_one(self.pool())
        .await
        .map(OperatorEventId)
        .map_err(StoreError::from_sqlx)
    }

    /// Takes the oldest event that is in no ledger and that no other process is writing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim_event(&self) -> Result<Option<ClaimedEvent>, StoreError> {
        // Every sidecar asks each second, and mostly there is nothing: that takes no write lock.
        let waiting: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM operator_events WHERE recorded_at IS NULL LIMIT 1")
                .fetch_optional(self.pool())
                .await
                .map_err(StoreError::from_sqlx)?;
        if waiting.is_none() {
            return Ok(None);
        }
        sqlx::query(
            "UPDATE operator_events SET claimed_at = unixepoch()
             WHERE id = (SELECT id FROM operator_events
                         WHERE recorded_at IS NULL AND (claimed_at IS NULL OR claimed_at < unixepoch() - ?1)
                         ORDER BY id LIMIT 1)
             RETURNING id, event, tenant, principal, details, made_at",
        )
        .bind(CLAIM_SECONDS)
        .fetch_optional(self.pool())
        .await
        .map_err(StoreError::from_sqlx)?
        .map(|row| claimed(&row))
        .transpose()
    }

    /// Notes that an event is in a ledger.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn event_recorded(&self, id: OperatorEventId) -> Result<(), StoreError> {
        sqlx::query("UPDATE operator_events SET recorded_at = unixepoch() WHERE id = ?1")
            .bind(id.0)
            .execute(self.pool())
            .await
            .map_err(StoreError::from_sqlx)?;
        Ok(())
    }

    /// Whether an event is in a ledger.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn is_event_recorded(&self, id: OperatorEventId) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM operator_events WHERE id = ?1 AND recorded_at IS NOT NULL")
                .bind(id.0)
                .fetch_optional(self.pool())
                .await
                .map_err(StoreError::from_sqlx)?;
        Ok(found.is_some())
    }
}

const TABLE: &str = "operator_events";

fn claimed(row: &SqliteRow) -> Result<ClaimedEvent, StoreError> {
    let text = |column: &'static str| -> Result<String, StoreError> { parsed(row.try_get(column), TABLE, column) };
    let tenant: Option<String> = parsed(row.try_get("tenant"), TABLE, "tenant")?;
    let made_at: i64 = parsed(row.try_get("made_at"), TABLE, "made_at")?;
    Ok(ClaimedEvent {
        id: OperatorEventId(parsed(row.try_get("id"), TABLE, "id")?),
        made_at: whole(made_at, TABLE, "made_at")?,
        event: OperatorEvent {
            event: text("event")?,
            tenant: tenant.map(|t| parsed(TenantId::new(&t), TABLE, "tenant")).transpose()?,
            principal: text("principal")?,
            details: parsed(serde_json::from_str(&text("details")?), TABLE, "details")?,
        },
    })
}

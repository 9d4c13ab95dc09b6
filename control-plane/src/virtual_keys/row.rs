//! The row of a virtual key.

use super::{Revocation, ensure_alive, parsed};
use crate::store::{Store, StoreError, whole};
use core::fmt;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use vocab::{GroupName, PrincipalId, TenantId};

/// The public name of a virtual key, `vk-` and 32 hex digits. It may be logged and shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualKeyId(Box<str>);

/// What a person calls a key, such as `ingest job`: up to 100 characters, no control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyLabel(Box<str>);

/// Why a text is no label or id of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    /// Too long, or with control characters.
    #[error("a key's label has at most 100 characters and no control characters")]
    Label,
    /// Not `vk-` and 32 lower-case hex digits.
    #[error("a key's id is 'vk-' and 32 lower-case hex digits")]
    Id,
}

/// A wish for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The tenant that the key acts in.
    pub tenant: TenantId,
    /// The principal that the key acts as.
    pub principal: PrincipalId,
    /// The groups that the key vouches for.
    pub groups: Vec<GroupName>,
    /// What people call it.
    pub label: KeyLabel,
    /// The first second, since the Unix epoch, at which it is no longer valid; `None` is never.
    pub expires_at: Option<u64>,
}

/// A virtual key as it is stored: everything but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualKey {
    /// Its public name.
    pub id: VirtualKeyId,
    /// The tenant that it acts in.
    pub tenant: TenantId,
    /// The principal that it acts as.
    pub principal: PrincipalId,
    /// The groups that it vouches for.
    pub groups: Vec<GroupName>,
    /// What people call it.
    pub label: KeyLabel,
    /// When it was minted, in seconds since the Unix epoch.
    pub created_at: u64,
    /// The first second at which it is no longer valid.
    pub expires_at: Option<u64>,
    /// When it, or its tenant, was taken out of use.
    pub revoked_at: Option<u64>,
}

impl VirtualKeyId {
    pub(super) fn from_random(random: [u8; 16]) -> Self {
        Self(format!("vk-{:032x}", u128::from_be_bytes(random)).into())
    }

    /// Checks a text.
    ///
    /// # Errors
    /// [`BadLabel::Id`] when it is no id of a key.
    pub fn new(text: &str) -> Result<Self, BadLabel> {
        match text.strip_prefix("vk-") {
            Some(hex) if hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                Ok(Self(text.into()))
            }
            _ => Err(BadLabel::Id),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyLabel {
    /// Checks a text; an empty one is a label too.
    ///
    /// # Errors
    /// [`BadLabel::Label`] when it is too long or has control characters.
    pub fn new(text: &str) -> Result<Self, BadLabel> {
        if text.chars().count() <= 100 && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(BadLabel::Label)
        }
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VirtualKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VirtualKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualKeyId({})", self.0)
    }
}

impl fmt::Debug for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLabel({:?})", self.0)
    }
}

const TABLE: &str = "virtual_keys";

pub(super) async fn insert(
    store: &Store,
    request: &KeyRequest,
    id: &VirtualKeyId,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    let groups: Vec<&str> = request.groups.iter().map(GroupName::as_str).collect();
    let groups = parsed(serde_json::to_string(&groups), TABLE, "groups")?;
    let expires_at = parsed(request.expires_at.map(i64::try_from).transpose(), TABLE, "expires_at")?;
    let mut tx = store.write().await?;
    ensure_alive(&mut tx, &request.tenant).await?;
    sqlx::query(
        "INSERT INTO virtual_keys (id, hash, tenant, principal, groups, label, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, unixepoch(), ?7)",
    )
    .bind(id.as_str())
    .bind(hash.as_slice())
    .bind(request.tenant.as_str())
    .bind(request.principal.as_str())
    .bind(groups)
    .bind(request.label.as_str())
    .bind(expires_at)
    .execute(&mut *tx)
    .await
    .map_err(StoreError::from_sqlx)?;
    tx.commit().await.map_err(StoreError::from_sqlx)
}

pub(super) async fn by_hash(store: &Store, hash: &[u8; 32]) -> Result<Option<VirtualKey>, StoreError> {
    sqlx::query(
        "SELECT k.id, k.tenant, k.principal, k.groups, k.label, k.created_at, k.expires_at,
                coalesce(k.revoked_at, t.shredded_at) AS revoked_at
         FROM virtual_keys k JOIN tenants t ON t.id = k.tenant
         WHERE k.hash = ?1",
    )
    .bind(hash.as_slice())
    .fetch_optional(store.pool())
    .await
    .map_err(StoreError::from_sqlx)?
    .map(|row| virtual_key(&row))
    .transpose()
}

pub(super) async fn of_tenant(store: &Store, tenant: &TenantId) -> Result<Vec<VirtualKey>, StoreError> {
    sqlx::query(
        "SELECT k.id, k.tenant, k.principal, k.groups, k.label, k.created_at, k.expires_at,
                coalesce(k.revoked_at, t.shredded_at) AS revoked_at
         FROM virtual_keys k JOIN tenants t ON t.id = k.tenant
         WHERE k.tenant = ?1
         ORDER BY k.created_at, k.rowid",
    )
    .bind(tenant.as_str())
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::from_sqlx)?
    .iter()
    .map(virtual_key)
    .collect()
}

pub(super) async fn revoke(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    id: &VirtualKeyId,
) -> Result<Revocation, StoreError> {
    let revoked = sqlx::query(
        "UPDATE virtual_keys SET revoked_at = unixepoch() WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .execute(&mut *tx)
    .await
    .map_err(StoreError::from_sqlx)?
    .rows_affected();
    if revoked == 1 {
        return Ok(Revocation::Revoked);
    }
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM virtual_keys WHERE tenant = ?1 AND id = ?2")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(tx)
        .await
        .map_err(StoreError::from_sqlx)?;
    Ok(if known.is_some() { Revocation::AlreadyRevoked } else { Revocation::Unknown })
}

fn virtual_key(row: &SqliteRow) -> Result<VirtualKey, StoreError> {
    let text = |column: &'static str| -> Result<String, StoreError> { parsed(row.try_get(column), TABLE, column) };
    let time = |column: &'static str| -> Result<Option<u64>, StoreError> {
        let at: Option<i64> = parsed(row.try_get(column), TABLE, column)?;
        at.map(|at| whole(at, TABLE, column)).transpose()
    };
    Ok(VirtualKey {
        id: parsed(VirtualKeyId::new(&text("id")?), TABLE, "id")?,
        tenant: parsed(TenantId::new(&text("tenant")?), TABLE, "tenant")?,
        principal: parsed(PrincipalId::new(&text("principal")?), TABLE, "principal")?,
        groups: parsed(serde_json::from_str(&text("groups")?), TABLE, "groups")?,
        label: parsed(KeyLabel::new(&text("label")?), TABLE, "label")?,
        created_at: time("created_at")?.ok_or(StoreError::BadRow { table: TABLE, column: "created_at" })?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
    })
}

//! Virtual API keys, as the sidecar needs them.

use super::caller::UnixSeconds;
use async_trait::async_trait;
use std::{error::Error, sync::Arc};
use vocab::{GroupName, PrincipalId, TenantId};

/// A virtual key that was minted, valid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualKey {
    /// Its public id. Never the key.
    pub id: Arc<str>,
    /// The tenant that it acts in.
    pub tenant: TenantId,
    /// The principal that it acts as.
    pub principal: PrincipalId,
    /// The groups that it vouches for.
    pub groups: Vec<GroupName>,
    /// The first second at which it is no longer valid; `None` is never.
    pub expires_at: Option<UnixSeconds>,
    /// Whether it was taken out of use.
    pub status: KeyStatus,
}

/// Whether a virtual key is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is.
    Active,
    /// It, or its tenant, was taken out of use.
    Revoked,
}

/// The store of virtual keys does not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store of API keys does not answer")]
pub struct VirtualKeysUnavailable(#[source] pub Arc<dyn Error + Send + Sync>);

/// Where virtual keys are looked up. What a key looks like and how it is hashed is the store's
/// knowledge alone.
///
/// The contract that makes revocation take hold at once: [`VirtualKeys::generation`] has changed
/// before a revocation is reported done, and a lookup that starts after such a change sees the
/// revocation. Callers stamp what they remember with the generation read before the lookup.
#[async_trait]
pub trait VirtualKeys: Send + Sync + 'static {
    /// Whether the text has the form of a virtual key (prefix and checksum). Pure and cheap: texts
    /// that do not are never looked up.
    fn recognises(&self, credential: &str) -> bool;

    /// A number that changes with every revocation. Costs no I/O.
    fn generation(&self) -> u64;

    /// The key, valid or not; `None` when it was never minted.
    ///
    /// # Errors
    /// [`VirtualKeysUnavailable`] when the store does not answer.
    async fn lookup(&self, credential: &str) -> Result<Option<VirtualKey>, VirtualKeysUnavailable>;
}

//! The result of authentication.

use policy_engine::Claim;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vocab::{GroupName, PrincipalId, TenantId};

/// A point in time: whole seconds since the Unix epoch, as tokens count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// A time by its number of seconds.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The system's wall clock; the epoch itself when the clock stands before it, so that every
    /// token is then not yet valid or its keys are fetched anew.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(super) const fn after(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A verified caller. Only this module makes one; it is cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Arc<Verified>);

/// What a credential vouches for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) tenant: TenantId,
    pub(super) principal: PrincipalId,
    pub(super) groups: Vec<GroupName>,
    pub(super) claims: Vec<Claim>,
    pub(super) credential: CredentialKind,
}

/// What kind of credential the caller showed, as the record of the call names it. Never the
/// credential itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token of this issuer (its `iss`).
    Token {
        /// The issuer as configured.
        issuer: Arc<str>,
    },
    /// A virtual API key with this public id.
    VirtualKey {
        /// The id, not the key.
        id: Arc<str>,
    },
}

impl Caller {
    pub(super) fn new(verified: Verified) -> Self {
        Self(Arc::new(verified))
    }

    /// The tenant, from the credential.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// Who calls within the tenant.
    #[must_use]
    pub fn principal(&self) -> &PrincipalId {
        &self.0.principal
    }

    /// The groups that the credential vouches for; policies map them to roles.
    #[must_use]
    pub fn groups(&self) -> &[GroupName] {
        &self.0.groups
    }

    /// The other claims that the credential vouches for and the issuer's configuration gives to policies.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.0.claims
    }

    /// How the caller proved it.
    #[must_use]
    pub fn credential(&self) -> &CredentialKind {
        &self.0.credential
    }
}

impl CredentialKind {
    /// The kind as a stable word: `token` or `virtual_key`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::VirtualKey { .. } => "virtual_key",
        }
    }
}

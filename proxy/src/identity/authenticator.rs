//! From headers to caller.

use super::{
    cache::{Cache, Entry, Fingerprint, Source},
    caller::{Caller, CredentialKind, UnixSeconds, Verified},
    config::IssuerConfig,
    credential::credential,
    error::AuthError,
    key_set::{Choice, KeySetError},
    key_source::{KeySource, Keys},
    ring_provider,
    token::Unverified,
    virtual_key::{KeyStatus, VirtualKeys},
};
use http::HeaderMap;
use ring::digest::{SHA256, digest};
use std::{path::PathBuf, sync::Arc, time::Duration};
use vocab::TenantId;

/// Which tenants are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantPin {
    /// Every tenant that a credential vouches for.
    Any,
    /// This one; a credential of another is refused.
    Only(TenantId),
}

/// Bounds of the cache of verified credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many credentials are remembered.
    pub cache_entries: usize,
    /// For how long at most. A token's own end, a change of its issuer's keys and the revocation of
    /// a virtual key end it at once, whatever this says.
    pub cache_ttl: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_entries: 10_000, cache_ttl: Duration::from_secs(60) }
    }
}

/// Why an authenticator was not made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The operator's: two `[[issuer]]` tables have one `issuer`.
    #[error("two issuers are both called {0:?}")]
    TwoOfOneName(String),
    /// The operator's: a key file cannot be read.
    #[error("the key file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The operator's: a key file holds no keys for its issuer.
    #[error("the key file {} cannot be used", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: KeySetError,
    },
    /// The operator's: the file of private roots is missing or not PEM.
    #[error("{} holds no readable PEM certificate", .0.display())]
    Roots(PathBuf),
}

/// Verifies credentials. One for a whole sidecar, shared by all its calls.
pub struct Authenticator {
    issuers: Vec<Issuer>,
    virtual_keys: Option<Arc<dyn VirtualKeys>>,
    pin: TenantPin,
    cache: Cache,
    ttl_s: u64,
}

struct Issuer {
    config: IssuerConfig,
    keys: KeySource,
}

impl Authenticator {
    /// Reads the key files; addresses are asked later ([`Authenticator::warm`] or the first call).
    ///
    /// # Errors
    /// [`SetupError`] when two issuers have one name or a file cannot be used.
    pub fn new(
        issuers: Vec<IssuerConfig>,
        virtual_keys: Option<Arc<dyn VirtualKeys>>,
        pin: TenantPin,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        ring_provider::install();
        let mut opened: Vec<Issuer> = Vec::with_capacity(issuers.len());
        for config in issuers {
            if opened.iter().any(|other| other.config.issuer == config.issuer) {
                return Err(SetupError::TwoOfOneName(config.issuer.as_ref().to_owned()));
            }
            let keys = KeySource::open(&config.keys, &config.algorithms)?;
            opened.push(Issuer { config, keys });
        }
        let cache = Cache::new(settings.cache_entries);
        Ok(Self { issuers: opened, virtual_keys, pin, cache, ttl_s: settings.cache_ttl.as_secs() })
    }

    /// Fetches the keys of every issuer that has an address, and tells which could not be had. Calls
    /// work without it; the first of each issuer then waits for the fetch.
    pub async fn warm(&self, now: UnixSeconds) -> Vec<(Arc<str>, AuthError)> {
        let mut failed = Vec::new();
        for issuer in &self.issuers {
            if let Err(error) = issuer.keys.warm(now).await {
                failed.push((Arc::clone(&issuer.config.issuer), error));
            }
        }
        failed
    }

    /// The caller of a request with these headers. Runs on a tokio runtime.
    ///
    /// # Errors
    /// [`AuthError`]; it says whose fault it is and holds no part of the credential.
    pub async fn authenticate(&self, headers: &HeaderMap, now: UnixSeconds) -> Result<Caller, AuthError> {
        let credential = credential(headers)?;
        let mut fingerprint: Fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, credential.as_bytes()).as_ref());
        let known = self.cache.find(&fingerprint, now).filter(|entry| self.stands(entry.source, now));
        let caller = match known {
            Some(entry) => entry.caller,
            None => {
                let entry = self.verify(credential, now).await?;
                self.cache.insert(fingerprint, entry.clone());
                entry.caller
            }
        };
        match &self.pin {
            TenantPin::Only(tenant) if tenant != caller.tenant() => Err(AuthError::ForeignTenant),
            _ => Ok(caller),
        }
    }

    /// Whether what an entry was verified with is still what it would be verified with now. This
    /// also starts the refresh of stale keys, so that a busy cache does not hold it up.
    fn stands(&self, source: Source, now: UnixSeconds) -> bool {
        match source {
            Source::Issuer { index, generation } => self
                .issuers
                .get(index)
                .and_then(|issuer| issuer.keys.ready(now))
                .is_some_and(|keys| keys.generation == generation),
            Source::VirtualKeys { generation } => {
                self.virtual_keys.as_ref().is_some_and(|keys| keys.generation() == generation)
            }
        }
    }

    async fn verify(&self, credential: &str, now: UnixSeconds) -> Result<Entry, AuthError> {
        match &self.virtual_keys {
            Some(keys) if keys.recognises(credential) => self.verify_virtual_key(&**keys, credential, now).await,
            _ => self.verify_token(credential, now).await,
        }
    }

    async fn verify_token(&self, credential: &str, now: UnixSeconds) -> Result<Entry, AuthError> {
        let token = Unverified::read(credential)?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| *issuer.config.issuer == token.issuer)
            .ok_or(AuthError::UnknownIssuer)?;
        let algorithm = token.allowed(&issuer.config)?;
        let id = token.key_id.as_deref();
        let mut keys: Arc<Keys> = issuer.keys.keys(now).await?;
        if matches!(keys.set.choose(id, algorithm), Choice::Unknown) {
            keys = issuer.keys.newer(&keys, now).await;
        }
        let Choice::Key(key) = keys.set.choose(id, algorithm) else {
            return Err(AuthError::UnknownKey);
        };
        let accepted = token.verify(&issuer.config, algorithm, key, now)?;
        Ok(Entry {
            caller: accepted.caller,
            source: Source::Issuer { index, generation: keys.generation },
            until: accepted.until.min(now.after(self.ttl_s)),
        })
    }

    async fn verify_virtual_key(
        &self,
        keys: &dyn VirtualKeys,
        credential: &str,
        now: UnixSeconds,
    ) -> Result<Entry, AuthError> {
        // INVARIANT: read before the lookup. A revocation in between changes it, and the entry never
        // stands: a lookup in flight cannot put a revoked key back.
        let generation = keys.generation();
        let found = keys.lookup(credential).await.map_err(AuthError::VirtualKeysUnavailable)?;
        let key = found.ok_or(AuthError::UnknownVirtualKey)?;
        if key.status == KeyStatus::Revoked {
            return Err(AuthError::Revoked);
        }
        if key.expires_at.is_some_and(|end| now >= end) {
            return Err(AuthError::Expired);
        }
        let forgotten = now.after(self.ttl_s);
        let caller = Caller::new(Verified {
            tenant: key.tenant,
            principal: key.principal,
            groups: key.groups,
            claims: Vec::new(),
            credential: CredentialKind::VirtualKey { id: key.id },
        });
        let until = key.expires_at.map_or(forgotten, |end| end.min(forgotten));
        Ok(Entry { caller, source: Source::VirtualKeys { generation }, until })
    }
}

impl core::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Authenticator")
            .field("issuers", &self.issuers.len())
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

//! Where an issuer's keys come from and how long they are trusted.
//!
//! A fetched set is *fresh*, then *stale* (used, and fetched anew behind the calls), then *dead* (not
//! used: calls wait for a fetch, and fail when there is none). Only a successful fetch makes a set
//! younger. At most one fetch runs at a time, and none begins within the cooldown of the last.

use super::{
    authenticator::SetupError,
    caller::UnixSeconds,
    config::{Algorithm, KeyLocation, Refresh},
    error::AuthError,
    fetch::{FetchError, Fetcher},
    file,
    key_set::{KeySet, KeySetError},
};
use arc_swap::ArcSwap;
use ring::digest::{SHA256, digest};
use std::{path::Path, sync::Arc};
use tokio::sync::Mutex;

/// The keys of one issuer.
#[derive(Debug)]
pub(super) enum KeySource {
    /// Read once.
    Fixed(Arc<Keys>),
    /// Fetched again and again.
    Fetched(Arc<Remote>),
}

/// A key set with its generation: the number changes whenever the set does, so that what was verified
/// with an older set is known to be so.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) set: KeySet,
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Remote {
    fetcher: Fetcher,
    refresh: Refresh,
    state: ArcSwap<State>,
    /// Held while a fetch runs.
    gate: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    held: Option<Held>,
    attempted_at: Option<UnixSeconds>,
    failure: Option<Arc<FetchError>>,
}

#[derive(Debug, Clone)]
struct Held {
    keys: Arc<Keys>,
    digest: [u8; 32],
    fetched_at: UnixSeconds,
}

enum Age {
    Fresh,
    Stale,
    Dead,
}

impl KeySource {
    /// Opens the source; files are read now, an address is not asked before the first call or
    /// [`KeySource::warm`].
    pub(super) fn open(location: &KeyLocation, algorithms: &[Algorithm]) -> Result<Self, SetupError> {
        match location {
            KeyLocation::JwksFile(path) => fixed(path, algorithms, KeySet::from_jwks(&read(path)?)),
            KeyLocation::PemFile(path) => fixed(path, algorithms, KeySet::from_pem(&read(path)?)),
            KeyLocation::Inline(document) => {
                fixed(Path::new("<inline>"), algorithms, KeySet::from_jwks(document.as_bytes()))
            }
            KeyLocation::Url { url, ca_file, refresh } => {
                let fetcher = Fetcher::new(url.clone(), ca_file.as_deref())
                    .ok_or_else(|| SetupError::Roots(ca_file.clone().unwrap_or_default()))?;
                let (state, gate) = (ArcSwap::from_pointee(State::default()), Mutex::new(()));
                Ok(Self::Fetched(Arc::new(Remote { fetcher, refresh: *refresh, state, gate })))
            }
        }
    }

    /// The keys, when they may be used without waiting. Starts a fetch behind the call when they are
    /// stale. Runs on a tokio runtime.
    pub(super) fn ready(&self, now: UnixSeconds) -> Option<Arc<Keys>> {
        match self {
            Self::Fixed(keys) => Some(Arc::clone(keys)),
            Self::Fetched(remote) => remote.ready(now),
        }
    }

    /// The keys, fetched first when there are none that may be used.
    pub(super) async fn keys(&self, now: UnixSeconds) -> Result<Arc<Keys>, AuthError> {
        if let Some(keys) = self.ready(now) {
            return Ok(keys);
        }
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(remote) => {
                remote.fetch(now).await;
                let state = remote.state.load();
                match &state.held {
                    Some(held) if !matches!(remote.age(held, now), Age::Dead) => Ok(Arc::clone(&held.keys)),
                    _ => Err(AuthError::KeysUnavailable(state.failure.clone())),
                }
            }
        }
    }

    /// The keys after a look for newer ones than `seen`, because a token names a key that is not
    /// among those. The cooldown holds, so an attacker's tokens cannot cause more fetches than it
    /// allows.
    pub(super) async fn newer(&self, seen: &Arc<Keys>, now: UnixSeconds) -> Arc<Keys> {
        let Self::Fetched(remote) = self else {
            return Arc::clone(seen);
        };
        remote.fetch(now).await;
        remote.ready(now).unwrap_or_else(|| Arc::clone(seen))
    }

    /// Fetches the keys if there are none yet, so that the first call need not wait.
    pub(super) async fn warm(&self, now: UnixSeconds) -> Result<(), AuthError> {
        self.keys(now).await.map(|_| ())
    }
}

impl Remote {
    fn ready(self: &Arc<Self>, now: UnixSeconds) -> Option<Arc<Keys>> {
        let state = self.state.load();
        let held = state.held.as_ref()?;
        match self.age(held, now) {
            Age::Fresh => {}
            Age::Stale if self.cooling(&state, now) => {}
            Age::Stale => {
                let remote = Arc::clone(self);
                tokio::spawn(async move { remote.fetch(now).await });
            }
            Age::Dead => return None,
        }
        Some(Arc::clone(&held.keys))
    }

    fn age(&self, held: &Held, now: UnixSeconds) -> Age {
        // A clock that runs backwards makes a set dead, never younger than it is.
        let Some(age) = now.get().checked_sub(held.fetched_at.get()) else {
            return Age::Dead;
        };
        if age >= self.refresh.max_age.as_secs() {
            Age::Dead
        } else if age >= self.refresh.after.as_secs() {
            Age::Stale
        } else {
            Age::Fresh
        }
    }

    fn cooling(&self, state: &State, now: UnixSeconds) -> bool {
        state
            .attempted_at
            .and_then(|at| now.get().checked_sub(at.get()))
            .is_some_and(|since| since < self.refresh.cooldown.as_secs())
    }

    /// One fetch, or none when the last is too recent. Callers that come while one runs wait for it
    /// and find its result.
    async fn fetch(&self, now: UnixSeconds) {
        let _running = self.gate.lock().await;
        let before = self.state.load_full();
        if self.cooling(&before, now) {
            return;
        }
        // Recorded first: a caller that goes away in the middle has used up its attempt too.
        self.state.store(Arc::new(State { attempted_at: Some(now), ..(*before).clone() }));
        let outcome = match self.fetcher.fetch().await {
            Ok(document) => self.held(&document, before.held.as_ref(), now),
            Err(failure) => Err(failure),
        };
        let after = match outcome {
            Ok(held) => State { held: Some(held), attempted_at: Some(now), failure: None },
            Err(failure) => {
                tracing::warn!(host = self.fetcher.url().host(), %failure, "the keys of an issuer were not refreshed");
                State { held: before.held.clone(), attempted_at: Some(now), failure: Some(Arc::new(failure)) }
            }
        };
        self.state.store(Arc::new(after));
    }

    fn held(&self, document: &[u8], before: Option<&Held>, now: UnixSeconds) -> Result<Held, FetchError> {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, document).as_ref());
        if let Some(same) = before.filter(|held| held.digest == sum) {
            return Ok(Held { fetched_at: now, ..same.clone() });
        }
        let set = KeySet::from_jwks(document).map_err(FetchError::Unusable)?;
        let generation = before.map_or(0, |held| held.keys.generation.wrapping_add(1));
        tracing::info!(host = self.fetcher.url().host(), generation, "the keys of an issuer have changed");
        Ok(Held { keys: Arc::new(Keys { set, generation }), digest: sum, fetched_at: now })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    file::read(path).map_err(|source| SetupError::Unreadable { path: path.to_owned(), source })
}

/// Fixed keys must fit now: nothing will bring better ones.
fn fixed(path: &Path, algorithms: &[Algorithm], set: Result<KeySet, KeySetError>) -> Result<KeySource, SetupError> {
    let fault = |source| SetupError::Keys { path: path.to_owned(), source };
    let set = set.map_err(fault)?;
    if !set.fits(algorithms) {
        return Err(fault(KeySetError::NoneFits));
    }
    Ok(KeySource::Fixed(Arc::new(Keys { set, generation: 0 })))
}

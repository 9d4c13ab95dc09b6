//! Calls to a key service, bounded: in time, in number, and in how long a dead one is asked.

use std::{
    future::Future,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    bridge::Clock,
    names::KekName,
    provider::{DekBytes, Destruction, Finding, KekProvider, KekVersion, KekVersions, ProviderError},
    scope::{WrapContext, WrappedDek},
};

/// The bounds of [`Guarded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardConfig {
    /// How long one call may take.
    pub deadline: Duration,
    /// Calls a second that the service is sent at most, and as many at once after a quiet second.
    pub rate: NonZeroU32,
    /// So many outages in a row open the breaker: no call is sent then but one trial at a time.
    pub failures: NonZeroU32,
    /// The longest time between two trials. It begins at an eighth of it, doubles with each failed trial
    /// and varies by a quarter, so that replicas do not ask together.
    pub longest_pause: Duration,
}

impl Default for GuardConfig {
    /// 3 seconds, 200 calls a second, 3 outages, trials at most 1 second apart.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(3),
            rate: NonZeroU32::MIN.saturating_add(199),
            failures: NonZeroU32::MIN.saturating_add(2),
            longest_pause: Duration::from_secs(1),
        }
    }
}

/// What a guarded key service has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardHealth {
    /// Since when no call but trials is sent; `None` while calls are.
    pub open_for: Option<Duration>,
    /// Calls sent.
    pub calls: u64,
    /// Calls sent that ended in an outage.
    pub outages: u64,
    /// Calls not sent: the breaker was open.
    pub broken: u64,
    /// Calls not sent: too many in a second.
    pub throttled: u64,
}

/// A key service behind a deadline, a rate limit and a breaker.
pub struct Guarded {
    inner: Arc<dyn KekProvider>,
    config: GuardConfig,
    clock: Clock,
    state: Mutex<State>,
    calls: AtomicU64,
    outages: AtomicU64,
    broken: AtomicU64,
    throttled: AtomicU64,
    rng: SystemRandom,
}

struct State {
    outages_in_a_row: u32,
    broken: Option<Broken>,
    /// When the next call would be due if calls were sent evenly: a call may be ahead of it by a second.
    next: Duration,
}

#[derive(Clone, Copy)]
struct Broken {
    since: Duration,
    pause: Duration,
    trial_at: Duration,
}

/// The key service did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct Late(Duration);

/// The key service is known to be out, and was not asked.
#[derive(Debug, thiserror::Error)]
#[error("not asked: the key service is out, the next trial is due")]
struct Open;

impl Guarded {
    /// Guards a key service, on the clock [`Clock::since_boot`]. Runs on a tokio runtime with timers.
    #[must_use]
    pub fn new(inner: Arc<dyn KekProvider>, config: GuardConfig) -> Self {
        Self::with_clock(inner, config, Clock::since_boot())
    }

    /// [`Guarded::new`] on another clock; deadlines are those of the runtime.
    #[must_use]
    pub fn with_clock(inner: Arc<dyn KekProvider>, config: GuardConfig, clock: Clock) -> Self {
        Self {
            inner,
            config,
            state: Mutex::new(State { outages_in_a_row: 0, broken: None, next: clock.now() }),
            clock,
            calls: AtomicU64::new(0),
            outages: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            rng: SystemRandom::new(),
        }
    }

    /// How the key service does.
    #[must_use]
    pub fn health(&self) -> GuardHealth {
        GuardHealth {
            open_for: self.state().broken.map(|broken| self.clock.now().saturating_sub(broken.since)),
            calls: self.calls.load(Relaxed),
            outages: self.outages.load(Relaxed),
            broken: self.broken.load(Relaxed),
            throttled: self.throttled.load(Relaxed),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, ProviderError>> + Send) -> Result<T, ProviderError> {
        self.admit()?;
        self.calls.fetch_add(1, Relaxed);
        let answer = match tokio::time::timeout(self.config.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(ProviderError::Unavailable(Arc::new(Late(self.config.deadline)))),
        };
        match &answer {
            Err(error) if error.is_outage() => self.note_outage(error),
            _ => {
                let mut state = self.state();
                state.outages_in_a_row = 0;
                if let Some(broken) = state.broken.take() {
                    tracing::info!(after = ?self.clock.now().saturating_sub(broken.since), "the key service answers again");
                }
            }
        }
        answer
    }

    /// Takes a place for one call, or says why none is sent.
    fn admit(&self) -> Result<(), ProviderError> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(broken) = &mut state.broken {
            if now < broken.trial_at {
                self.broken.fetch_add(1, Relaxed);
                return Err(ProviderError::Unavailable(Arc::new(Open)));
            }
            // This call is the trial; the next one is due when it must have ended.
            broken.trial_at = now + self.config.deadline;
        }
        let gap = Duration::from_secs(1) / self.config.rate.get();
        let next = state.next.max(now);
        let ahead = next.saturating_sub(now);
        if ahead > Duration::from_secs(1) {
            self.throttled.fetch_add(1, Relaxed);
            return Err(ProviderError::Throttled { after: Some(ahead - Duration::from_secs(1)) });
        }
        state.next = next + gap;
        Ok(())
    }

    fn note_outage(&self, error: &ProviderError) {
        self.outages.fetch_add(1, Relaxed);
        let now = self.clock.now();
        let mut state = self.state();
        state.outages_in_a_row = state.outages_in_a_row.saturating_add(1);
        let shortest = self.config.longest_pause / 8;
        let (since, pause) = match &state.broken {
            Some(broken) => (broken.since, (broken.pause * 2).min(self.config.longest_pause)),
            None if state.outages_in_a_row < self.config.failures.get() => return,
            None => {
                tracing::warn!(%error, "the key service is out: it is tried now and then");
                (now, shortest)
            }
        };
        state.broken = Some(Broken { since, pause, trial_at: now + self.varied(pause) });
    }

    /// Three to four quarters of it.
    fn varied(&self, pause: Duration) -> Duration {
        let mut byte = [0];
        let _ = self.rng.fill(&mut byte);
        pause - pause / 4 * u32::from(byte[0]) / 255
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KekProvider for Guarded {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.call(self.inner.create_kek(kek)).await
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.call(self.inner.wrap(kek, dek, context)).await
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        self.call(self.inner.unwrap(deks)).await
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.call(self.inner.destroy(kek)).await
    }

    async fn versions(&self, kek: &KekName) -> Result<KekVersions, ProviderError> {
        self.call(self.inner.versions(kek)).await
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        self.inner.version_of(wrapped)
    }

    async fn rotate(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.call(self.inner.rotate(kek)).await
    }

    async fn rewrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<Vec<u8>, ProviderError>>, ProviderError> {
        self.call(self.inner.rewrap(deks)).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.inner.examine().await
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("config", &self.config).field("health", &self.health()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;

//! One server, one login, one token that is kept alive.

use std::{
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use vaultrs::token;

use super::{
    auth::VaultAuth,
    config::{BadVaultConfig, VaultConfig},
    fault::VaultFault,
    life::{Due, Life},
    session::Session,
    transport::Transport,
};
use crate::bridge::Clock;

/// How long after a login that failed, or gave a token that was refused, the next one waits.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that [`VaultAccess::keep_alive`] sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Access to one server: the connection, the way to log in, and the token.
///
/// The token is renewed when two thirds of its time are over, in the background of the call that
/// notices it; when it cannot be renewed, or its maximum time is near, a new login replaces it. Calls
/// that find no token share one login. A refused call (403) causes at most one login, and calls that
/// were refused with the same token share it.
pub struct VaultAccess {
    transport: Transport,
    auth: VaultAuth,
    clock: Clock,
    current: RwLock<Option<Arc<Session>>>,
    /// Held by whoever logs in or renews.
    flight: Arc<Mutex<Flight>>,
}

#[derive(Default)]
struct Flight {
    logins: u64,
    failed: Option<(Duration, VaultFault)>,
}

impl Flight {
    /// The failure of a moment ago, while the next attempt has to wait.
    fn recent_failure(&self, now: Duration) -> Option<VaultFault> {
        let (at, fault) = self.failed.as_ref()?;
        (now.saturating_sub(*at) < PAUSE).then(|| VaultFault::LoginFailed(Box::new(fault.clone())))
    }
}

impl VaultAccess {
    /// Checks the configuration. It opens no connection and does not log in.
    ///
    /// # Errors
    /// [`BadVaultConfig`].
    pub fn new(config: VaultConfig, clock: Clock) -> Result<Arc<Self>, BadVaultConfig> {
        if matches!(config.auth, VaultAuth::Certificate { .. }) && config.identity.is_none() {
            return Err(BadVaultConfig::NoClientIdentity);
        }
        Ok(Arc::new(Self {
            transport: Transport::new(&config)?,
            auth: config.auth,
            clock,
            current: RwLock::new(None),
            flight: Arc::default(),
        }))
    }

    /// Renews or replaces the token if that is due, and gives the time until it should be called
    /// again. Failures are kept for the calls that need a token. It does nothing before the first
    /// login.
    pub async fn tick(&self) -> Duration {
        let mut flight = self.flight.lock().await;
        let now = self.clock.now();
        if let Some(session) = self.current()
            && session.life.due(now) != Due::Nothing
            && flight.recent_failure(now).is_none()
        {
            self.prolong(&mut flight, &session).await;
        }
        let now = self.clock.now();
        let wait = self.current().and_then(|session| session.life.wait(now));
        wait.unwrap_or(LONGEST_SLEEP).clamp(PAUSE, LONGEST_SLEEP)
    }

    /// Keeps the token alive while no calls are made. It never ends; whoever runs it drops it.
    pub async fn keep_alive(self: Arc<Self>) {
        loop {
            sleep(self.tick().await).await;
        }
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Bounds an operation by the time that it may take.
    pub(super) async fn within<T>(
        &self,
        operation: impl Future<Output = Result<T, VaultFault>>,
    ) -> Result<T, VaultFault> {
        let longest = self.transport.timeouts().operation;
        timeout(longest, operation).await.unwrap_or(Err(VaultFault::Deadline(longest)))
    }

    /// Runs calls with a token, and once more with a fresh one where the first was refused.
    pub(super) async fn run<T, F: Future<Output = Result<T, VaultFault>>>(
        self: &Arc<Self>,
        calls: impl Fn(Arc<Session>) -> F,
    ) -> Result<T, VaultFault> {
        let session = self.session().await?;
        match calls(Arc::clone(&session)).await {
            Err(fault) if fault.is_refusal() => match self.fresh(&session).await? {
                Some(session) => calls(session).await,
                None => Err(fault),
            },
            done => done,
        }
    }

    /// A token that holds.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Arc<Session>, VaultFault> {
        if let Some(session) = self.current() {
            match session.life.due(self.clock.now()) {
                Due::Nothing => return Ok(session),
                Due::Renewal | Due::Replacement => {
                    self.prolong_in_background(&session);
                    return Ok(session);
                }
                Due::Ended => {}
            }
        }
        let mut flight = self.flight.lock().await;
        let now = self.clock.now();
        // Whoever held the lock before may have done it.
        if let Some(session) = self.current()
            && session.life.due(now) != Due::Ended
        {
            return Ok(session);
        }
        match flight.recent_failure(now) {
            Some(fault) => Err(fault),
            None => self.login(&mut flight).await,
        }
    }

    /// Another token than the one that was refused; `None` when there is none to be had, or that one
    /// came from a login of this very moment.
    async fn fresh(&self, refused: &Session) -> Result<Option<Arc<Session>>, VaultFault> {
        let mut flight = self.flight.lock().await;
        let now = self.clock.now();
        match self.current() {
            Some(session) if session.login != refused.login => return Ok(Some(session)),
            _ if !self.auth.gives_new_tokens() => return Ok(None),
            Some(session) if now.saturating_sub(session.life.since()) < PAUSE => return Ok(None),
            _ => {}
        }
        match flight.recent_failure(now) {
            Some(fault) => Err(fault),
            None => self.login(&mut flight).await.map(Some),
        }
    }

    fn prolong_in_background(self: &Arc<Self>, session: &Arc<Session>) {
        let Ok(mut flight) = Arc::clone(&self.flight).try_lock_owned() else {
            return;
        };
        if flight.recent_failure(self.clock.now()).is_none() {
            let (access, session) = (Arc::clone(self), Arc::clone(session));
            tokio::spawn(async move { access.prolong(&mut flight, &session).await });
        }
    }

    /// Renews the token, or replaces it where that cannot be.
    async fn prolong(&self, flight: &mut Flight, session: &Session) {
        let renewed = if session.life.due(self.clock.now()) == Due::Renewal {
            self.within(async { Ok(token::renew_self(session, None).await?) }).await.map(Some)
        } else {
            Ok(None)
        };
        match renewed {
            Ok(Some(info)) => {
                let now = self.clock.now();
                let life = session.life.renewed(now, Duration::from_secs(info.lease_duration), info.renewable);
                self.put(session.with_life(&self.transport, life));
            }
            // Not renewable, or no longer known.
            Ok(None) | Err(VaultFault::Answered { status: 400 | 403, .. }) => {
                // The failure is kept in the flight; the old token goes on while it holds.
                let _ = self.login(flight).await;
            }
            Err(fault) => flight.failed = Some((self.clock.now(), fault)),
        }
    }

    async fn login(&self, flight: &mut Flight) -> Result<Arc<Session>, VaultFault> {
        // Counted from before the call: the server's clock starts no earlier.
        let now = self.clock.now();
        match self.within(self.auth.login(&self.transport)).await {
            Ok(granted) => {
                flight.logins += 1;
                flight.failed = None;
                let life = Life::granted(now, granted.ttl, granted.renewable);
                Ok(self.put(self.transport.session(&granted.token, life, flight.logins)))
            }
            Err(fault) => {
                flight.failed = Some((self.clock.now(), fault.clone()));
                Err(fault)
            }
        }
    }

    fn current(&self) -> Option<Arc<Session>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        session
    }
}

impl fmt::Debug for VaultAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultAccess").field("auth", &self.auth).finish_non_exhaustive()
    }
}

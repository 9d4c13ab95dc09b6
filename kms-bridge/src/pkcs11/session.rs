//! Sessions with a token: opened on demand, kept, and opened again once when one breaks. Blocking.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use cryptoki::{
    context::Pkcs11 as Module,
    error::{Error, RvError},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};

use super::{
    error::TokenError,
    library::{self, Library},
};

/// A token by its label, and our sessions with it.
pub(super) struct Token {
    library: Arc<Library>,
    module: Module,
    label: String,
    pin: AuthPin,
    pin_refused: AtomicBool,
    idle: Mutex<Vec<Kept>>,
    creating: Mutex<()>,
}

/// A session, and the start of the library that its handle belongs to: handles come again after a
/// restart, for sessions of others. It is never closed by being dropped, for the same reason.
struct Kept {
    start: u64,
    session: Session,
}

impl Token {
    pub(super) fn new(library: Arc<Library>, module: Module, label: String, pin: AuthPin) -> Self {
        let (pin_refused, idle, creating) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        Self { library, module, label, pin, pin_refused, idle, creating }
    }

    pub(super) const fn module(&self) -> &Module {
        &self.module
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Held from the look for a name to the making of its key.
    pub(super) fn creating(&self) -> MutexGuard<'_, ()> {
        self.creating.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation in a session. When the session breaks, all idle ones are dropped and the
    /// operation runs once more in a new one; when the token is gone, also after a restart of the
    /// library, where that may be.
    pub(super) fn with<T>(&self, operation: impl Fn(&Session) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let done = self.attempt(&operation);
        // Many libraries notice a token that came back only when they start.
        if done.as_ref().is_err_and(TokenError::breaks_session) && self.library.restart(&self.module) {
            return self.attempt(&operation);
        }
        done
    }

    fn attempt<T>(&self, operation: &impl Fn(&Session) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let running = self.library.running();
        let kept = self.idle().pop().filter(|kept| kept.start == running.start());
        if let Some(Kept { start, session }) = kept {
            match operation(&session) {
                Err(error) if error.breaks_session() => {
                    let _ = session.close();
                    self.drop_idle(start);
                }
                done => {
                    self.idle().push(Kept { start, session });
                    return done;
                }
            }
        }
        let session = self.open()?;
        let done = operation(&session);
        if done.as_ref().is_err_and(TokenError::breaks_session) {
            let _ = session.close();
        } else {
            self.idle().push(Kept { start: running.start(), session });
        }
        done
    }

    /// The slot that has the token now. The caller is in [`Token::with`].
    pub(super) fn slot(&self) -> Result<Slot, TokenError> {
        for slot in self.module.get_slots_with_token()? {
            // A slot may lose its token between the two calls.
            let found = self.module.get_token_info(slot);
            if found.is_ok_and(|info| info.token_initialized() && info.label() == self.label) {
                return Ok(slot);
            }
        }
        Err(TokenError::NoToken)
    }

    fn open(&self) -> Result<Session, TokenError> {
        if self.pin_refused.load(Ordering::Relaxed) {
            return Err(TokenError::PinRefused);
        }
        library::initialize(&self.module)?;
        let session = self.module.open_rw_session_no_drop(self.slot()?)?;
        let refused = match session.login(UserType::User, Some(&self.pin)) {
            // The login is the process's, not the session's.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => return Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                self.pin_refused.store(true, Ordering::Relaxed);
                TokenError::PinRefused
            }
            Err(error) => error.into(),
        };
        let _ = session.close();
        Err(refused)
    }

    fn drop_idle(&self, start: u64) {
        for kept in self.idle().drain(..).filter(|kept| kept.start == start) {
            let _ = kept.session.close();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let running = self.library.running();
        self.drop_idle(running.start());
    }
}

//! PKCS#11: KEKs on a hardware security module, a smart card, or SoftHSM.

mod error;
mod keys;
mod library;
mod session;

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use cryptoki::{context::Pkcs11 as Module, mechanism::MechanismType, types::AuthPin};
use tokio::sync::Semaphore;
use vocab::Plain;

use crate::{
    names::KekName,
    provider::{DekBytes, Destruction, Finding, KekProvider, ProviderError, Severity},
    scope::{WrapContext, WrappedDek},
};
use error::TokenError;
use library::Library;
use session::Token;

/// The configuration of a [`Pkcs11`].
#[derive(Debug)]
pub struct Pkcs11Config {
    /// The vendor's shared library.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of the token's user.
    pub pin: Plain<String>,
    /// How many sessions are used at a time, and so how many threads can hang in the module.
    pub sessions: NonZeroUsize,
    /// For one operation, a batch and the wait for a session included.
    pub deadline: Duration,
}

impl Pkcs11Config {
    /// 4 sessions and a deadline of 5 seconds.
    #[must_use]
    pub fn new(module: PathBuf, token: String, pin: Plain<String>) -> Self {
        Self { module, token, pin, sessions: NonZeroUsize::MIN.saturating_add(3), deadline: Duration::from_secs(5) }
    }
}

/// Why a [`Pkcs11`] was not made.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11SetupError {
    /// The module cannot be loaded, or does not start.
    #[error("the pkcs#11 module {path} cannot be loaded or does not start")]
    Module {
        /// The shared library.
        path: PathBuf,
        /// Why.
        #[source]
        source: cryptoki::error::Error,
    },
    /// An empty PIN would be a guess, and tokens count those.
    #[error("the pin is empty")]
    EmptyPin,
}

/// The call did not end in time. Its thread goes on until the module returns.
#[derive(Debug, thiserror::Error)]
#[error("the token did not answer in time")]
struct TimedOut;

/// A [`KekProvider`] on a PKCS#11 token.
///
/// A KEK is an AES-256 key made on the token, sensitive and not extractable, with its name as label
/// and id. Data keys are wrapped by AES-GCM on the token, with a random IV and the wrap context as
/// additional data; a KEK should wrap fewer than 2^32 of them. Destroying deletes the object, at
/// once and for good as far as the token goes: its backups are its operators' affair. A KEK that
/// could leave the token is refused.
///
/// Calls block in the vendor's library, on threads of their own. A broken session is opened again
/// once. While the token is gone, the library is restarted every few seconds, which other users of it
/// in the process notice as broken sessions. A refused PIN is not tried again by this value: tokens lock themselves. Formats:
/// `docs/formats-wrapped.md`; set-up: `docs/keys-pkcs11.md`.
pub struct Pkcs11 {
    token: Arc<Token>,
    sessions: Arc<Semaphore>,
    deadline: Duration,
}

impl Pkcs11 {
    /// Loads and starts the module. It does not look for the token yet.
    ///
    /// # Errors
    /// [`Pkcs11SetupError`].
    pub fn open(config: &Pkcs11Config) -> Result<Self, Pkcs11SetupError> {
        if config.pin.expose().is_empty() {
            return Err(Pkcs11SetupError::EmptyPin);
        }
        let fault = |source| Pkcs11SetupError::Module { path: config.module.clone(), source };
        let module = Module::new(&config.module).map_err(fault)?;
        library::initialize(&module).map_err(fault)?;
        let pin = AuthPin::from(config.pin.expose().as_str());
        let token = Arc::new(Token::new(Library::at(&config.module), module, config.token.clone(), pin));
        Ok(Self { token, sessions: Arc::new(Semaphore::new(config.sessions.get())), deadline: config.deadline })
    }

    /// Runs a blocking operation on a thread of its own, when a session is free.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Token) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let (token, sessions) = (Arc::clone(&self.token), Arc::clone(&self.sessions));
        let call = async move {
            let permit = sessions.acquire_owned().await.map_err(|e| ProviderError::Unavailable(Arc::new(e)))?;
            let thread = tokio::task::spawn_blocking(move || {
                // Held until the module returns, also when nobody waits any more.
                let _permit = permit;
                operation(&token)
            });
            Ok(thread.await.map_err(|e| ProviderError::Unavailable(Arc::new(e)))??)
        };
        let late = |_| ProviderError::Unavailable(Arc::new(TimedOut));
        tokio::time::timeout(self.deadline, call).await.map_err(late)?
    }
}

#[async_trait]
impl KekProvider for Pkcs11 {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        let kek = kek.clone();
        self.blocking(move |token| token.with(|session| keys::create(token, session, &kek))).await
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let dek = DekBytes::copied(dek.expose()).ok_or(ProviderError::BadAnswer)?;
        let (kek, context) = (kek.clone(), context.clone());
        self.blocking(move |token| token.with(|session| keys::wrap(token, session, &kek, &dek, &context))).await
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        let deks = deks.to_vec();
        self.blocking(move |token| {
            let mut answers = Vec::with_capacity(deks.len());
            for dek in &deks {
                let context = dek.context();
                let opened = token.with(|session| keys::unwrap(token, session, &dek.kek, &dek.wrapped, &context));
                // What was opened before is not kept: the caller asks again for all of them.
                match opened.map_err(ProviderError::from) {
                    Err(error) if error.is_outage() => return Err(TokenError::Refused(error)),
                    opened => answers.push(opened),
                }
            }
            Ok(answers)
        })
        .await
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        let kek = kek.clone();
        self.blocking(move |token| token.with(|session| keys::destroy(token, session, &kek))).await?;
        Ok(Destruction::Done)
    }

    async fn examine(&self) -> Vec<Finding> {
        match self.blocking(|token| Ok(look(token))).await {
            Ok(findings) => findings,
            Err(error) => vec![Finding { severity: Severity::Broken, text: format!("the token: {error}") }],
        }
    }
}

fn look(token: &Token) -> Vec<Finding> {
    let label = token.label();
    let finding = |severity, text: String| Finding { severity, text: format!("token {label:?}: {text}") };
    let slot = match token.with(|_| token.slot()) {
        Ok(slot) => slot,
        Err(error) => return vec![finding(Severity::Broken, error.to_string())],
    };
    let mut findings = vec![finding(Severity::Fine, "it is there and takes our pin".to_owned())];
    let known = token.module().get_mechanism_list(slot).unwrap_or_default();
    for (mechanism, name) in [(MechanismType::AES_GCM, "CKM_AES_GCM"), (MechanismType::AES_KEY_GEN, "CKM_AES_KEY_GEN")]
    {
        if !known.contains(&mechanism) {
            findings.push(finding(Severity::Broken, format!("it does not know {name}")));
        }
    }
    if token.module().get_token_info(slot).is_ok_and(|info| info.user_pin_count_low() || info.user_pin_final_try()) {
        findings.push(finding(Severity::Warning, "wrong pins were tried; it may lock soon".to_owned()));
    }
    findings
}

impl std::fmt::Debug for Pkcs11 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs11").field("token", &self.token.label()).finish_non_exhaustive()
    }
}

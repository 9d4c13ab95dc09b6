//! New KEKs, new epochs, and data keys wrapped again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use vocab::TenantId;

use super::{KeyBridge, KeyError};
use crate::{
    dek::Dek,
    names::{Epoch, KekName, KeyId, ProviderName},
    provider::{KekProvider, KekVersion, ProviderError},
    registry::{KekState, RegistryError, Rewrapping},
    scope::{DekScope, Kek, KekOwner, WrappedDek},
};

/// How many data keys are rewrapped at a time.
const PAGE: usize = 200;

/// What rotating a KEK did. In both cases what was wrapped before still unwraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KekRotation {
    /// The KEK has a further version under its name.
    Version(KekVersion),
    /// A KEK of another name took its place.
    Name {
        /// The retired one.
        old: Kek,
        /// The active one.
        new: Kek,
    },
}

/// Why a KEK or a data key was not rotated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RotateError {
    /// The owner never had a KEK.
    #[error("there is no key-encryption key to rotate")]
    NoKek,
    /// The scope is in the last epoch that a header can say.
    #[error("there is no further epoch")]
    LastEpoch,
    /// A key could not be had.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<ProviderError> for RotateError {
    fn from(error: ProviderError) -> Self {
        Self::Key(error.into())
    }
}

impl From<RegistryError> for RotateError {
    fn from(error: RegistryError) -> Self {
        Self::Key(error.into())
    }
}

/// How far rewrapping has come.
#[derive(Debug, Clone, Default)]
pub struct Rewrapped {
    /// Data keys looked at.
    pub seen: u64,
    /// Those under their owner's newest KEK already.
    pub fine: u64,
    /// Those wrapped again, durably.
    pub rewrapped: u64,
    /// Those that another process changed meanwhile.
    pub overtaken: u64,
    /// Those that could not be wrapped again, and why. They stay as they were.
    pub failed: Vec<(KeyId, ProviderError)>,
}

/// The newest version of each KEK, as last heard. `None` while it is asked for.
#[derive(Debug, Default)]
pub(super) struct NewestVersions(Mutex<HashMap<KekName, (Option<KekVersion>, Duration)>>);

impl NewestVersions {
    /// What is known, or whether this caller is the one to ask.
    fn known(&self, kek: &KekName, now: Duration, ttl: Duration) -> Result<Option<KekVersion>, MustAsk> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match map.get(kek) {
            Some((version, at)) if now.saturating_sub(*at) < ttl => Ok(*version),
            _ => {
                map.insert(kek.clone(), (None, now));
                Err(MustAsk)
            }
        }
    }

    fn learn(&self, kek: &KekName, version: KekVersion, now: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kek.clone(), (Some(version), now));
    }
}

struct MustAsk;

impl KeyBridge {
    /// Rotates the owner's KEK: to a further version where the key service has versions, else to a KEK of
    /// another name. Data keys stay under the old one until they are rewrapped.
    ///
    /// # Errors
    /// [`RotateError`]; the old KEK is active then.
    pub async fn rotate_kek(&self, owner: &KekOwner) -> Result<KekRotation, RotateError> {
        let inner = &*self.0;
        let old = inner.registry.kek(owner).await?.ok_or(RotateError::NoKek)?;
        let provider = inner.providers.named(&old.provider).map_err(KeyError::from)?;
        match provider.rotate(&old.name).await {
            Ok(()) => {
                let newest = provider.versions(&old.name).await?.newest;
                inner.newest.learn(&old.name, newest, inner.clock.now());
                Ok(KekRotation::Version(newest))
            }
            Err(ProviderError::Unsupported) => {
                let fresh = inner.make_kek(owner).await?;
                let new = inner.registry.replace_kek(owner, &old.name, &fresh).await?;
                inner.drop_loser(&fresh, &new).await;
                Ok(KekRotation::Name { old, new })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the next epoch of a scope: new values are sealed with a new data key here at once, in other
    /// processes within the time of their caches. Values of earlier epochs still open. Of two processes
    /// that do so at once, both get the same epoch.
    ///
    /// # Errors
    /// [`RotateError`]; the epoch is the old one then.
    pub async fn open_epoch(&self, scope: &DekScope) -> Result<Arc<Dek>, RotateError> {
        let inner = &*self.0;
        let (now, generation) = (inner.clock.now(), inner.cache.generation());
        let epoch = match inner.registry.current(scope).await? {
            Some(current) => current.epoch.next().ok_or(RotateError::LastEpoch)?,
            None => Epoch::FIRST,
        };
        let dek = inner.new_dek(scope, epoch, self).await?;
        Ok(inner.cache.insert_current(&dek, now, generation).unwrap_or(dek))
    }

    /// Wraps every data key, of one tenant or of all, that is not under its owner's newest KEK again.
    /// It can be stopped at any time and begun again: what is done is found done. `progress` hears of each
    /// page.
    ///
    /// # Errors
    /// [`KeyError`] when the registry fails or a key service fails as a whole; what was rewrapped stays.
    pub async fn rewrap(
        &self,
        tenant: Option<&TenantId>,
        mut progress: impl FnMut(&Rewrapped) + Send,
    ) -> Result<Rewrapped, KeyError> {
        let inner = &*self.0;
        let mut report = Rewrapped::default();
        let mut after = None;
        loop {
            let page = inner.registry.page(tenant, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(report) };
            after = Some(last.key_id);
            self.rewrap_page(page, &mut report).await?;
            progress(&report);
        }
    }

    async fn rewrap_page(&self, page: Vec<WrappedDek>, report: &mut Rewrapped) -> Result<(), KeyError> {
        let active = self.active_keks().await?;
        let mut in_place: HashMap<ProviderName, Vec<WrappedDek>> = HashMap::new();
        let mut moves: HashMap<(ProviderName, Kek), Vec<WrappedDek>> = HashMap::new();
        for dek in page {
            report.seen = report.seen.saturating_add(1);
            match active.get(&dek.kek) {
                Some(kek) if kek.name != dek.kek => {
                    moves.entry((dek.provider.clone(), kek.clone())).or_default().push(dek);
                }
                _ if self.is_old(&dek).await? => in_place.entry(dek.provider.clone()).or_default().push(dek),
                _ => report.fine = report.fine.saturating_add(1),
            }
        }
        for (provider, deks) in in_place {
            let wrapped = self.0.providers.named(&provider)?.rewrap(&deks).await?;
            for (old, wrapped) in deks.iter().zip(wrapped) {
                let new = wrapped.map(|wrapped| WrappedDek { wrapped, ..old.clone() });
                self.store(old, new, report).await?;
            }
        }
        for ((provider, kek), deks) in moves {
            self.rewrap_under(&provider, &kek, &deks, report).await?;
        }
        Ok(())
    }

    /// The active KEK of whoever owns each KEK.
    async fn active_keks(&self) -> Result<HashMap<KekName, Kek>, KeyError> {
        let entries = self.0.registry.keks().await?;
        let of_owner: HashMap<_, _> =
            entries.iter().filter(|e| e.state == KekState::Active).map(|e| (&e.owner, &e.kek)).collect();
        let active = entries.iter().filter_map(|e| Some((e.kek.name.clone(), (*of_owner.get(&e.owner)?).clone())));
        Ok(active.collect())
    }

    /// From one KEK to another: the data keys pass through this process.
    async fn rewrap_under(
        &self,
        from: &ProviderName,
        to: &Kek,
        deks: &[WrappedDek],
        report: &mut Rewrapped,
    ) -> Result<(), KeyError> {
        let (source, target) = (self.0.providers.named(from)?, self.0.providers.named(&to.provider)?);
        let opened = source.unwrap(deks).await?;
        if opened.len() != deks.len() {
            return Err(ProviderError::BadAnswer.into());
        }
        for (old, bytes) in deks.iter().zip(opened) {
            let wrapped = match bytes {
                Ok(bytes) => target.wrap(&to.name, &bytes, &old.context()).await,
                Err(error) => Err(error),
            };
            let new = wrapped.map(|wrapped| WrappedDek {
                wrapped,
                kek: to.name.clone(),
                provider: to.provider.clone(),
                ..old.clone()
            });
            self.store(old, new, report).await?;
        }
        Ok(())
    }

    async fn store(
        &self,
        old: &WrappedDek,
        new: Result<WrappedDek, ProviderError>,
        report: &mut Rewrapped,
    ) -> Result<(), KeyError> {
        let count = match new {
            Ok(new) => match self.0.registry.replace_wrapping(old, &new).await? {
                Rewrapping::Stored => &mut report.rewrapped,
                Rewrapping::Overtaken => &mut report.overtaken,
            },
            Err(error) if error.is_outage() => return Err(error.into()),
            Err(error) => {
                report.failed.push((old.key_id, error));
                return Ok(());
            }
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    async fn is_old(&self, dek: &WrappedDek) -> Result<bool, KeyError> {
        let provider = self.0.providers.named(&dek.provider)?;
        let Some(version) = provider.version_of(&dek.wrapped) else { return Ok(false) };
        Ok(self.newest(provider, &dek.kek).await?.is_some_and(|newest| version < newest))
    }

    async fn newest(
        &self,
        provider: &Arc<dyn KekProvider>,
        kek: &KekName,
    ) -> Result<Option<KekVersion>, ProviderError> {
        let now = self.0.clock.now();
        match self.0.newest.known(kek, now, self.0.cache.config().ttl) {
            Ok(version) => Ok(version),
            Err(MustAsk) => {
                let newest = provider.versions(kek).await?.newest;
                self.0.newest.learn(kek, newest, now);
                Ok(Some(newest))
            }
        }
    }

    /// Wraps a data key that was just used again, in the background, if its KEK has a newer version. What
    /// is left undone is found the next time, or by [`KeyBridge::rewrap`].
    pub(super) fn rewrap_if_old(&self, dek: WrappedDek) {
        let tells = self.0.providers.named(&dek.provider).is_ok_and(|p| p.version_of(&dek.wrapped).is_some());
        if !tells {
            return;
        }
        let bridge = self.clone();
        tokio::spawn(async move {
            let mut report = Rewrapped::default();
            let done = match bridge.is_old(&dek).await {
                Ok(true) => bridge.rewrap_page(vec![dek], &mut report).await,
                Ok(false) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a data key was not rewrapped");
            }
        });
    }
}

//! KEKs in the transit engine.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};

use async_trait::async_trait;
use reqwest::Method;
use tokio::task::JoinSet;
use vaultrs::{
    api::transit::{
        KeyType,
        requests::{CreateKeyRequest, UpdateKeyConfigurationRequest},
        responses::{ReadKeyData, ReadKeyResponse},
    },
    transit::key,
};

use super::{
    access::VaultAccess,
    batch::{self, BATCH},
    examine,
    fault::VaultFault,
    parts::Mount,
    session::Session,
    transport::Answer,
};
use crate::{
    names::KekName,
    provider::{DekBytes, Destruction, Finding, KekProvider, KekVersion, KekVersions, ProviderError},
    scope::{WrapContext, WrappedDek},
};

/// How many calls of one batch are under way at once.
const AT_ONCE: usize = 8;

/// A [`KekProvider`] on the transit engine of HashiCorp Vault or OpenBao.
///
/// A KEK is a key of type `aes256-gcm96` with `derived`: the wrap context is the derivation context,
/// so that a wrapped key opens, and rewraps, under its own context only. It is neither exportable
/// nor can it be backed up in the clear. A wrapped key is the engine's `vault:vN:...` text.
///
/// The engine does not tell another context from damage: both are [`ProviderError::Corrupt`]. A
/// version below `min_decryption_version` is [`ProviderError::Disabled`]. A missing KEK is never
/// made by wrapping, also not with a token that could.
pub struct VaultTransit {
    access: Arc<VaultAccess>,
    mount: Mount,
}

impl VaultTransit {
    /// The engine at `mount`.
    #[must_use]
    pub const fn new(access: Arc<VaultAccess>, mount: Mount) -> Self {
        Self { access, mount }
    }

    /// Runs calls within the time of an operation; their faults become those of a provider.
    async fn run<T, F: Future<Output = Result<T, VaultFault>>>(
        &self,
        calls: impl Fn(Arc<Session>) -> F,
    ) -> Result<T, ProviderError> {
        self.access.within(self.access.run(calls)).await.map_err(VaultFault::into_provider)
    }

    async fn key(&self, kek: &KekName) -> Result<ReadKeyResponse, ProviderError> {
        self.run(async |session: Arc<Session>| read_key(&session, &self.mount, kek).await).await
    }

    /// Sends data keys to `operation` in calls of at most [`BATCH`] keys of one KEK each.
    async fn batches<T: Send + 'static>(
        &self,
        deks: &[WrappedDek],
        operation: &'static str,
        outcomes: Outcomes<T>,
    ) -> Result<Vec<Result<T, ProviderError>>, ProviderError> {
        let mut answers: Vec<Option<Result<T, ProviderError>>> = Vec::with_capacity(deks.len());
        let mut groups: BTreeMap<&KekName, Vec<usize>> = BTreeMap::new();
        let mut texts = Vec::with_capacity(deks.len());
        for (at, dek) in deks.iter().enumerate() {
            match batch::ciphertext(dek) {
                Ok(text) => {
                    groups.entry(&dek.kek).or_default().push(at);
                    texts.push(Some((text, dek.context())));
                    answers.push(None);
                }
                Err(error) => {
                    texts.push(None);
                    answers.push(Some(Err(error)));
                }
            }
        }
        let mut waiting = Vec::new();
        for (kek, places) in groups {
            for places in places.chunks(BATCH) {
                let items: Vec<_> = places.iter().filter_map(|at| texts.get_mut(*at).and_then(Option::take)).collect();
                let path = format!("{}/{operation}/{kek}", self.mount);
                waiting.push((places.to_vec(), Call { path, items, outcomes }));
            }
        }
        self.send(waiting, &mut answers).await?;
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(ProviderError::BadAnswer))).collect())
    }

    /// Makes the calls, a few at once, and puts what they give in its places. After an outage no
    /// further one is made. When no call has reached its KEK, the batch fails as a whole.
    async fn send<T: Send + 'static>(
        &self,
        mut waiting: Vec<(Vec<usize>, Call<T>)>,
        answers: &mut [Option<Result<T, ProviderError>>],
    ) -> Result<(), ProviderError> {
        let mut under_way = JoinSet::new();
        let (mut reached, mut failed) = (false, None);
        loop {
            while under_way.len() < AT_ONCE
                && let Some((places, call)) = waiting.pop()
            {
                let access = Arc::clone(&self.access);
                under_way.spawn(async move {
                    let done = access.within(call.make(&access)).await.map_err(VaultFault::into_provider);
                    (places, done)
                });
            }
            let Some(done) = under_way.join_next().await else {
                break;
            };
            let (places, done) = done.map_err(|stopped| ProviderError::Unavailable(Arc::new(stopped)))?;
            match done {
                Ok(results) => {
                    reached = true;
                    put(answers, places.into_iter().zip(results));
                }
                Err(error) => {
                    match error {
                        ProviderError::UnknownKek | ProviderError::Disabled => reached = true,
                        _ => failed = Some(error.clone()),
                    }
                    if error.is_outage() {
                        let unsent = waiting.drain(..).flat_map(|(places, _)| places);
                        put(answers, unsent.map(|place| (place, Err(error.clone()))));
                    }
                    put(answers, places.into_iter().map(|place| (place, Err(error.clone()))));
                }
            }
        }
        match failed {
            Some(error) if !reached => Err(error),
            _ => Ok(()),
        }
    }
}

fn put<T>(answers: &mut [Option<T>], results: impl Iterator<Item = (usize, T)>) {
    for (place, result) in results {
        if let Some(answer) = answers.get_mut(place) {
            *answer = Some(result);
        }
    }
}

/// Reads the results of a call with so many items.
type Outcomes<T> = fn(&Answer, usize) -> Result<Vec<Result<T, ProviderError>>, VaultFault>;

/// One call of a batch.
struct Call<T> {
    path: String,
    items: Vec<(String, WrapContext)>,
    outcomes: Outcomes<T>,
}

impl<T> Call<T> {
    async fn make(&self, access: &Arc<VaultAccess>) -> Result<Vec<Result<T, ProviderError>>, VaultFault> {
        access
            .run(async |session: Arc<Session>| {
                let body = batch::batch_body(&self.items)?;
                let answer = session.call(Method::POST, &self.path, Some(body)).await?;
                (self.outcomes)(&answer, self.items.len())
            })
            .await
    }
}

async fn read_key(session: &Session, mount: &Mount, kek: &KekName) -> Result<ReadKeyResponse, VaultFault> {
    Ok(key::read(session, mount.as_str(), kek.as_str()).await?)
}

/// Makes the KEK if there is none; whether it did.
///
/// The engine answers "created" also for a key that is there, so that it has to be asked before.
/// Two calls at the same moment can both take the name for theirs; names are 128 random bits, so
/// that only one caller ever has it.
async fn create(session: &Session, mount: &Mount, kek: &KekName) -> Result<bool, VaultFault> {
    // Not by `vaultrs`, which logs a missing key as an error; here it is what we hope for.
    match session.read(&format!("{mount}/keys/{kek}")).await?.success() {
        Ok(_) => return Ok(false),
        Err(VaultFault::Answered { status: 404, says }) if says.is_empty() => {}
        Err(fault) => return Err(fault),
    }
    let mut settings = CreateKeyRequest::builder();
    settings.key_type(KeyType::Aes256Gcm96).derived(true).exportable(false).allow_plaintext_backup(false);
    key::create(session, mount.as_str(), kek.as_str(), Some(&mut settings)).await?;
    let made = read_key(session, mount, kek).await?;
    let as_asked = matches!(made.key_type, KeyType::Aes256Gcm96)
        && made.derived
        && !made.exportable
        && !made.allow_plaintext_backup;
    if as_asked { Ok(true) } else { Err(VaultFault::Garbled) }
}

async fn wrap(
    session: &Session,
    mount: &Mount,
    kek: &KekName,
    dek: &DekBytes,
    context: &WrapContext,
) -> Result<Vec<u8>, VaultFault> {
    let body = batch::encrypt_body(dek, context)?;
    let answer = session.call(Method::POST, &format!("{mount}/encrypt/{kek}"), Some(body)).await?;
    match batch::encrypted(answer) {
        // Without the right to create, a missing key is answered as a forbidden one.
        Err(refused) if refused.is_refusal() => match read_key(session, mount, kek).await {
            Err(missing @ VaultFault::Answered { status: 404, .. }) => Err(missing),
            _ => Err(refused),
        },
        done => done,
    }
}

async fn destroy(session: &Session, mount: &Mount, kek: &KekName) -> Result<(), VaultFault> {
    let mut settings = UpdateKeyConfigurationRequest::builder();
    settings.deletion_allowed(true);
    key::update(session, mount.as_str(), kek.as_str(), Some(&mut settings)).await?;
    Ok(key::delete(session, mount.as_str(), kek.as_str()).await?)
}

async fn rotate(session: &Session, mount: &Mount, kek: &KekName) -> Result<(), VaultFault> {
    match key::rotate(session, mount.as_str(), kek.as_str()).await.map_err(VaultFault::from) {
        // Its words for a missing key are too common to be looked for in all answers.
        Err(fault @ VaultFault::Answered { status: 400, .. }) if fault.says("key not found") => {
            Err(VaultFault::answered(404, ""))
        }
        done => done,
    }
}

#[async_trait]
impl KekProvider for VaultTransit {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        let made = self.run(async |session: Arc<Session>| create(&session, &self.mount, kek).await).await?;
        if made { Ok(()) } else { Err(ProviderError::KekExists) }
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.run(async |session: Arc<Session>| wrap(&session, &self.mount, kek, dek, context).await).await
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        self.batches(deks, "decrypt", batch::decrypted).await
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.run(async |session: Arc<Session>| destroy(&session, &self.mount, kek).await).await?;
        Ok(Destruction::Done)
    }

    async fn versions(&self, kek: &KekName) -> Result<KekVersions, ProviderError> {
        let key = self.key(kek).await?;
        let newest = match &key.keys {
            ReadKeyData::Symmetric(versions) => versions.keys().filter_map(|version| version.parse().ok()).max(),
            ReadKeyData::Asymmetric(_) => None,
        };
        let oldest = u32::try_from(key.min_decryption_version).ok();
        let (newest, oldest) = newest.zip(oldest).ok_or(ProviderError::BadAnswer)?;
        Ok(KekVersions { newest: KekVersion(newest), oldest_usable: KekVersion(oldest.max(1)) })
    }

    fn version_of(&self, wrapped: &[u8]) -> Option<KekVersion> {
        batch::version(wrapped)
    }

    async fn rotate(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.run(async |session: Arc<Session>| rotate(&session, &self.mount, kek).await).await
    }

    async fn rewrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<Vec<u8>, ProviderError>>, ProviderError> {
        self.batches(deks, "rewrap", batch::rewrapped).await
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.access, &self.mount).await
    }
}

impl fmt::Debug for VaultTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultTransit").field("mount", &self.mount).finish_non_exhaustive()
    }
}

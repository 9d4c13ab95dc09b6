//! AWS KMS: one key for each KEK, found by the alias `alias/aios/<KEK name>`.

mod config;
mod credentials;
mod error;
mod http;
mod keys;
mod service;
mod sign;
mod text;
mod wire;

use std::{future::Future, num::NonZeroUsize, sync::Arc, time::Duration};

use ::http::Uri;
use async_trait::async_trait;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    names::KekName,
    provider::{DekBytes, Destruction, Finding, KekProvider, ProviderError, Severity},
    scope::{WrapContext, WrappedDek},
};
use credentials::Credentials;
use error::AwsError;
use service::Service;
use text::DeletionWait as Wait;

pub use config::{AwsConfig, AwsSetupError};
pub use credentials::{AssumedRole, AwsCredentials, BadAwsEnvironment, ContainerUrl};
pub use keys::{AwsKeys, BadAwsKeys};
pub use text::{AwsEndpoint, AwsRegion, BadAwsText, DeletionWait, ExternalId, RoleArn, SessionName};

/// A [`KekProvider`] on AWS KMS.
///
/// - **Binding.** The wrap context goes along as encryption context, by its SHA-256.
/// - **Batches.** AWS has none: a batch is that many calls, a bounded number at a time, within one
///   deadline. After an outage of one call no further one is started.
/// - **Rotation.** [`ProviderError::Unsupported`]: the bridge rotates to a KEK of a new name. AWS can
///   renew a key's material under its name, but the old material then lives as long as the key, and
///   neither a ciphertext nor its length tells which material made it. A rotation that cannot be
///   completed by destroying the old key is none. Automatic rotation at AWS does no harm.
/// - **Destruction** is scheduled: AWS waits 7 to 30 days, and its operators can cancel until then.
/// - **Consistency.** AWS takes some seconds, at most minutes, until a disabled key is so everywhere.
///
/// Nothing is repeated on a failure but a call that was refused for its credentials, once, with
/// fresh ones. Rights and configuration: `docs/keys-aws.md`.
pub struct AwsKms {
    service: Arc<Service>,
    wait: Wait,
    deadline: Duration,
    parallel: NonZeroUsize,
    lasting_keys: bool,
}

impl AwsKms {
    /// Sets up the client. It reads `ca_file` and asks nobody yet.
    ///
    /// # Errors
    /// [`AwsSetupError`].
    pub fn new(config: AwsConfig) -> Result<Self, AwsSetupError> {
        if config.deadline.is_zero() {
            return Err(AwsSetupError::Deadline);
        }
        let unreadable = config.ca_file.clone().map_or(AwsSetupError::Tls, AwsSetupError::Roots);
        let http = Arc::new(http::Http::new(config.ca_file.as_deref(), config.deadline).ok_or(unreadable)?);
        let of = |given: Option<AwsEndpoint>, service| {
            given.or_else(|| AwsEndpoint::of(service, &config.region)).ok_or(AwsSetupError::Tls)
        };
        let endpoint = of(config.kms_endpoint, "kms")?;
        let sts = of(config.sts_endpoint, "sts")?;
        let metadata =
            config.metadata_endpoint.map_or_else(|| Uri::from_static("http://169.254.169.254"), |e| e.uri().clone());
        let lasting_keys = matches!(&config.credentials, AwsCredentials::Keys(keys) if keys.token().is_none());
        let region = config.region;
        let credentials =
            Credentials::new(Arc::clone(&http), region.clone(), sts, metadata, config.credentials, config.assume);
        let service = Arc::new(Service { http, endpoint, region, credentials: Arc::new(credentials) });
        let (wait, deadline, parallel) = (config.deletion_wait, config.deadline, config.parallel);
        Ok(Self { service, wait, deadline, parallel, lasting_keys })
    }

    async fn within<T>(&self, operation: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
        tokio::time::timeout(self.deadline, operation).await.unwrap_or_else(|_| Err(AwsError::TimedOut.into()))
    }
}

#[async_trait]
impl KekProvider for AwsKms {
    async fn create_kek(&self, kek: &KekName) -> Result<(), ProviderError> {
        self.within(self.service.create(kek)).await
    }

    async fn wrap(&self, kek: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.within(self.service.wrap(kek, dek, context)).await
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        let end = Instant::now() + self.deadline;
        let mut answers: Vec<Option<Result<DekBytes, ProviderError>>> = deks.iter().map(|_| None).collect();
        let mut queue = deks.iter().enumerate();
        let mut running = JoinSet::new();
        let mut outage = None;
        loop {
            while running.len() < self.parallel.get() && outage.is_none() {
                let Some((at, dek)) = queue.next() else { break };
                let (service, dek) = (Arc::clone(&self.service), dek.clone());
                running.spawn(async move {
                    let context = dek.context();
                    let call = service.unwrap(&dek.kek, &dek.wrapped, &context);
                    let answer = tokio::time::timeout_at(end, call).await;
                    (at, answer.unwrap_or_else(|_| Err(AwsError::TimedOut.into())))
                });
            }
            match running.join_next().await {
                None => break,
                Some(Err(_)) => outage = Some(AwsError::Stopped.into()),
                Some(Ok((at, answer))) => {
                    if let Err(error) = &answer
                        && error.is_outage()
                    {
                        outage = Some(error.clone());
                    }
                    if let Some(place) = answers.get_mut(at) {
                        *place = Some(answer);
                    }
                }
            }
        }
        let missing = || outage.clone().unwrap_or_else(|| AwsError::Stopped.into());
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(missing()))).collect();
        let all_out = answers.iter().all(|answer| answer.as_ref().is_err_and(ProviderError::is_outage));
        if all_out && !answers.is_empty() { Err(missing()) } else { Ok(answers) }
    }

    async fn destroy(&self, kek: &KekName) -> Result<Destruction, ProviderError> {
        self.within(self.service.destroy(kek, self.wait)).await
    }

    async fn examine(&self) -> Vec<Finding> {
        // A name that is never drawn: the answer tells of the way and our rights, not of a key.
        let probe = self.service.describe("alias/aios/doctor");
        let answer = self.within(async { probe.await.map_err(ProviderError::from) }).await;
        let service = format!("aws kms in {} at {}", self.service.region, self.service.endpoint);
        let (severity, text) = match answer {
            Ok(_) | Err(ProviderError::UnknownKek) => (Severity::Fine, format!("{service} answers us")),
            Err(error) => {
                let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
                (Severity::Broken, format!("{service}: {error}{cause}"))
            }
        };
        let mut findings = vec![Finding { severity, text }];
        let mut warn = |text: String| findings.push(Finding { severity: Severity::Warning, text });
        warn(format!(
            "a destroyed KEK can be brought back by operators of the account for {} days; watch CloudTrail for CancelKeyDeletion",
            self.wait.as_days()
        ));
        if self.lasting_keys {
            warn("the access key never ends by itself; use a role".to_owned());
        }
        findings
    }
}

impl std::fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsKms")
            .field("region", &self.service.region)
            .field("endpoint", &self.service.endpoint)
            .finish_non_exhaustive()
    }
}

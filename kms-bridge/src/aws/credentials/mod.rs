//! Where access keys come from, and when they are fetched again.

mod environment;
mod metadata;
mod sts;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use http::Uri;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{
    error::AwsError,
    http::Http,
    keys::AwsKeys,
    text::{AwsEndpoint, AwsRegion, ExternalId, RoleArn, SessionName},
};
pub use environment::BadAwsEnvironment;
pub use metadata::ContainerUrl;

/// Where the access keys come from.
#[derive(Debug, Clone)]
pub enum AwsCredentials {
    /// These keys, until the process ends. Roles are better: their keys end by themselves.
    Keys(Arc<AwsKeys>),
    /// A role that AWS gives to the bearer of a token from another issuer, such as the service
    /// account of a Kubernetes workload. The file is read again for each renewal.
    WebIdentity {
        /// The role.
        role: RoleArn,
        /// The file of the token.
        token_file: PathBuf,
        /// How we show in the logs of AWS.
        session: SessionName,
    },
    /// The role of a container: ECS, or EKS Pod Identity.
    Container {
        /// The agent's address.
        url: ContainerUrl,
        /// The file of the value for `authorization`, read again for each renewal.
        token_file: Option<PathBuf>,
    },
    /// The role of the virtual machine, by version 2 of its metadata service.
    Instance,
}

/// A role that the credentials are traded for, such as one in a tenant's own account.
#[derive(Debug, Clone)]
pub struct AssumedRole {
    /// The role.
    pub role: RoleArn,
    /// What the role's owner gave us, so that nobody else makes us use the role.
    pub external_id: Option<ExternalId>,
    /// How we show in the logs of AWS.
    pub session: SessionName,
}

/// Keys are renewed in the background from this long before their end.
const AGING: Duration = Duration::from_secs(300);
/// Keys are not used in this last part of their life: our clock may be slow.
const MARGIN: Duration = Duration::from_secs(30);
/// Between two failed renewals in the background.
const BETWEEN: Duration = Duration::from_secs(20);
/// For one renewal in the background. Those in the foreground have the caller's deadline.
const RENEWAL: Duration = Duration::from_secs(10);

/// Current keys, renewed before their end by one task at a time.
pub(super) struct Credentials {
    http: Arc<Http>,
    region: AwsRegion,
    sts: AwsEndpoint,
    metadata: Uri,
    base: AwsCredentials,
    assume: Option<AssumedRole>,
    current: RwLock<Option<Arc<AwsKeys>>>,
    renewing: Arc<Mutex<Renewal>>,
}

/// What the last renewal came to.
#[derive(Default)]
struct Renewal {
    failed: Option<(Instant, AwsError)>,
}

enum Age {
    Fresh(Arc<AwsKeys>),
    Aging(Arc<AwsKeys>),
    Ended,
}

impl Credentials {
    pub(super) fn new(
        http: Arc<Http>,
        region: AwsRegion,
        sts: AwsEndpoint,
        metadata: Uri,
        base: AwsCredentials,
        assume: Option<AssumedRole>,
    ) -> Self {
        let (current, renewing) = (RwLock::default(), Arc::default());
        Self { http, region, sts, metadata, base, assume, current, renewing }
    }

    /// Keys that hold for at least the margin. Calls that wait for the same renewal share it, its
    /// failure included.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<AwsKeys>, AwsError> {
        match self.age() {
            Age::Fresh(keys) => return Ok(keys),
            Age::Aging(keys) => {
                self.renew_in_background();
                return Ok(keys);
            }
            Age::Ended => {}
        }
        let since = Instant::now();
        let mut renewal = self.renewing.lock().await;
        if let Age::Fresh(keys) | Age::Aging(keys) = self.age() {
            return Ok(keys);
        }
        if let Some((at, error)) = &renewal.failed
            && *at >= since
        {
            return Err(error.clone());
        }
        self.renew(&mut renewal).await
    }

    /// Forgets keys that the service refuses. `false` when there are no others to be had.
    pub(super) fn forget(&self, refused: &Arc<AwsKeys>) -> bool {
        if matches!(self.base, AwsCredentials::Keys(_)) && self.assume.is_none() {
            return false;
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have renewed them since.
        if current.as_ref().is_some_and(|keys| Arc::ptr_eq(keys, refused)) {
            *current = None;
        }
        true
    }

    fn age(&self) -> Age {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keys) = current else { return Age::Ended };
        let Some(end) = keys.expires() else { return Age::Fresh(keys) };
        let left = end - OffsetDateTime::now_utc();
        if left > AGING {
            Age::Fresh(keys)
        } else if left > MARGIN {
            Age::Aging(keys)
        } else {
            Age::Ended
        }
    }

    fn renew_in_background(self: &Arc<Self>) {
        let Ok(mut renewal) = Arc::clone(&self.renewing).try_lock_owned() else { return };
        if renewal.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < BETWEEN) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if tokio::time::timeout(RENEWAL, this.renew(&mut renewal)).await.is_err() {
                renewal.failed = Some((Instant::now(), AwsError::TimedOut));
            }
        });
    }

    async fn renew(&self, renewal: &mut Renewal) -> Result<Arc<AwsKeys>, AwsError> {
        match self.fetch().await {
            Ok(keys) => {
                renewal.failed = None;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
                Ok(keys)
            }
            Err(error) => {
                renewal.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn fetch(&self) -> Result<Arc<AwsKeys>, AwsError> {
        let desk = sts::Desk { http: &self.http, endpoint: &self.sts, region: &self.region };
        let base = match &self.base {
            AwsCredentials::Keys(keys) => Arc::clone(keys),
            AwsCredentials::WebIdentity { role, token_file, session } => {
                Arc::new(desk.by_web_identity(role, token_file, session).await?)
            }
            AwsCredentials::Container { url, token_file } => {
                Arc::new(metadata::of_container(&self.http, url, token_file.as_deref()).await?)
            }
            AwsCredentials::Instance => Arc::new(metadata::of_instance(&self.http, &self.metadata).await?),
        };
        match &self.assume {
            None => Ok(base),
            Some(assumed) => Ok(Arc::new(desk.assume(&base, assumed).await?)),
        }
    }
}

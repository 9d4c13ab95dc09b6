//! What an AWS provider is made from.

use core::num::NonZeroUsize;
use std::{path::PathBuf, time::Duration};

use super::{
    credentials::{AssumedRole, AwsCredentials},
    text::{AwsEndpoint, AwsRegion, DeletionWait},
};

/// The configuration of an [`AwsKms`](super::AwsKms). A tenant with an account of its own has a
/// provider of its own.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// Where the KEKs are.
    pub region: AwsRegion,
    /// Where the access keys come from.
    pub credentials: AwsCredentials,
    /// A role that they are traded for, such as one in a tenant's own account.
    pub assume: Option<AssumedRole>,
    /// The key service, where it is not the region's public one: a VPC or FIPS endpoint.
    pub kms_endpoint: Option<AwsEndpoint>,
    /// The token service, likewise.
    pub sts_endpoint: Option<AwsEndpoint>,
    /// The metadata service of virtual machines, where it is not at its usual address.
    pub metadata_endpoint: Option<AwsEndpoint>,
    /// Trusted certificates in PEM, where they are not those of the public web.
    pub ca_file: Option<PathBuf>,
    /// How long AWS waits before it destroys a KEK.
    pub deletion_wait: DeletionWait,
    /// For one operation of the provider, a batch included: connecting, credentials, answer.
    pub deadline: Duration,
    /// How many keys of a batch are unwrapped at a time.
    pub parallel: NonZeroUsize,
}

impl AwsConfig {
    /// The public endpoints of a region, 30 days of waiting, a deadline of 5 seconds, 8 calls at a
    /// time.
    #[must_use]
    pub fn new(region: AwsRegion, credentials: AwsCredentials) -> Self {
        Self {
            region,
            credentials,
            assume: None,
            kms_endpoint: None,
            sts_endpoint: None,
            metadata_endpoint: None,
            ca_file: None,
            deletion_wait: DeletionWait::default(),
            deadline: Duration::from_secs(5),
            parallel: NonZeroUsize::MIN.saturating_add(7),
        }
    }
}

/// Why an [`AwsKms`](super::AwsKms) was not made.
#[derive(Debug, thiserror::Error)]
pub enum AwsSetupError {
    /// The file of trusted certificates is missing or not PEM.
    #[error("{0} holds no readable pem certificate")]
    Roots(PathBuf),
    /// The TLS client cannot be set up.
    #[error("the tls client cannot be set up")]
    Tls,
    /// A deadline of nothing lets no call succeed.
    #[error("the deadline is zero")]
    Deadline,
}

//! What reaching a server needs.

use std::time::Duration;

use vocab::Plain;

use super::{
    auth::VaultAuth,
    parts::{Namespace, VaultAddress},
};

/// Why no access was made of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum BadVaultConfig {
    /// The CA file holds no certificate, or one that cannot be read.
    #[error("the CA certificates of the key service cannot be read as PEM")]
    Ca,
    /// The client certificate or its key cannot be read, or they do not belong together.
    #[error("the client certificate or its key cannot be used")]
    ClientIdentity,
    /// The certificate login needs a client certificate.
    #[error("a login by certificate needs a client certificate")]
    NoClientIdentity,
    /// A certificate where there is no TLS.
    #[error("a CA or client certificate is of no use with a plain http address")]
    TlsWithoutTls,
    /// A time of zero, or a connect time above the whole.
    #[error("the timeouts are zero, or the connect timeout is above the whole one")]
    Timeouts,
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
}

/// Whose certificates a server may show.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Those of the public certificate authorities.
    #[default]
    Public,
    /// Those of these authorities only: one or more certificates in PEM.
    Private(Vec<u8>),
}

/// A certificate that we show, and its key.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate and what leads to its authority, in PEM.
    pub chain: Vec<u8>,
    /// The private key in PEM.
    pub key: Plain<Vec<u8>>,
}

/// How long we wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection with its TLS handshake.
    pub connect: Duration,
    /// For one operation of a provider as a whole, with a login where it needs one; of a large batch
    /// for each of its calls.
    pub operation: Duration,
}

impl Default for Timeouts {
    /// 2 s and 10 s.
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), operation: Duration::from_secs(10) }
    }
}

/// Where a server is and how we log in there.
#[derive(Debug)]
pub struct VaultConfig {
    /// The server, or a load balancer before several.
    pub address: VaultAddress,
    /// The namespace, where it has them.
    pub namespace: Option<Namespace>,
    /// Whose certificates it may show.
    pub trust: Trust,
    /// The certificate that we show, if any.
    pub identity: Option<ClientIdentity>,
    /// How long we wait.
    pub timeouts: Timeouts,
    /// How we log in.
    pub auth: VaultAuth,
}

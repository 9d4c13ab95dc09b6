//! Upstreams: pooled connections, injected credentials, no redirects, no address but the configured.

use crate::{
    config::{Limits, Secret, SecretError, UpstreamConfig, UpstreamKind},
    failure::Dialect,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use policy_engine::{Region, Trust};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{path::PathBuf, sync::Arc, time::Duration};
use vocab::UpstreamName;

/// A place where calls may go, ready to be called.
pub struct Upstream {
    name: UpstreamName,
    kind: UpstreamKind,
    region: Option<Region>,
    trust: Option<Trust>,
    origin: Uri,
    prefix: String,
    credential: Option<(header::HeaderName, HeaderValue)>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeouts: Timeouts,
}

#[derive(Clone, Copy)]
struct Timeouts {
    answer: Duration,
    max_answer_bytes: usize,
}

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The credential cannot be resolved.
    #[error("the credential cannot be had")]
    Credential(#[from] SecretError),
    /// The file of private roots is missing or not PEM.
    #[error("{0} holds no readable PEM certificate")]
    Roots(PathBuf),
}

/// Why an exchange with an upstream failed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: refused, unreachable, TLS failed.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// No answer within the configured time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The connection broke in the middle.
    #[error("the upstream's answer broke off")]
    BrokeOff,
    /// More bytes than allowed.
    #[error("the upstream's answer is larger than allowed")]
    TooLarge,
    /// The path or header could not be written.
    #[error("the request could not be written")]
    Unwritable,
}

/// What an exchange sends: made by the sealing stage only.
pub(crate) struct Bound {
    pub(crate) method: Method,
    /// Path and query below the upstream's prefix, beginning with `/`.
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) accept: &'static str,
}

impl Upstream {
    /// Sets up the client of one upstream.
    ///
    /// # Errors
    /// [`SetupError`] when the credential or the private roots cannot be had.
    pub fn new(config: &UpstreamConfig, limits: &Limits) -> Result<Self, SetupError> {
        let credential = match &config.credential {
            Some(reference) => Some(credential_header(config.kind, &reference.resolve()?)),
            None => None,
        };
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(limits.connect_timeout));
        let builder = HttpsConnectorBuilder::new();
        let https = match &config.ca_file {
            Some(path) => builder.with_tls_config(private_roots(path)?),
            None => builder.with_webpki_roots(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(https.https_or_http().enable_http1().wrap_connector(http));
        Ok(Self {
            name: config.name.clone(),
            kind: config.kind,
            region: config.region.clone(),
            trust: config.trust.clone(),
            origin: config.url.origin.clone(),
            prefix: config.url.prefix.clone(),
            credential,
            client,
            timeouts: Timeouts { answer: limits.answer_timeout, max_answer_bytes: limits.max_answer_bytes },
        })
    }

    /// Its name in paths, policies and records.
    #[must_use]
    pub const fn name(&self) -> &UpstreamName {
        &self.name
    }

    /// The API it speaks.
    #[must_use]
    pub const fn kind(&self) -> UpstreamKind {
        self.kind
    }

    /// The error dialect of its clients.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self.kind {
            UpstreamKind::OpenAi => Dialect::OpenAi,
            UpstreamKind::Qdrant => Dialect::Qdrant,
        }
    }

    /// Its region, as configured.
    #[must_use]
    pub const fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Its trust level, as configured.
    #[must_use]
    pub const fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    /// Sends and gives the answer's head; the body is still to be read.
    pub(crate) async fn send(&self, bound: Bound) -> Result<Response<Incoming>, UpstreamError> {
        let uri = Uri::builder()
            .scheme(self.origin.scheme_str().unwrap_or("http"))
            .authority(self.origin.authority().map_or("", |a| a.as_str()))
            .path_and_query(format!("{}{}", self.prefix, bound.path))
            .build()
            .map_err(|_| UpstreamError::Unwritable)?;
        let mut request = Request::new(Full::new(bound.body));
        *request.method_mut() = bound.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(bound.accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        match tokio::time::timeout(self.timeouts.answer, self.client.request(request)).await {
            Err(_) => Err(UpstreamError::TimedOut),
            Ok(Err(e)) if e.is_connect() => Err(UpstreamError::Unreachable),
            Ok(Err(_)) => Err(UpstreamError::BrokeOff),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// Reads a whole body within the configured size and time.
    pub(crate) async fn read(&self, body: Incoming) -> Result<Bytes, UpstreamError> {
        let limited = Limited::new(body, self.timeouts.max_answer_bytes);
        match tokio::time::timeout(self.timeouts.answer, limited.collect()).await {
            Err(_) => Err(UpstreamError::TimedOut),
            Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => Err(UpstreamError::TooLarge),
            Ok(Err(_)) => Err(UpstreamError::BrokeOff),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
        }
    }

    /// Sends and reads the whole answer.
    pub(crate) async fn exchange(&self, bound: Bound) -> Result<(StatusCode, HeaderMap, Bytes), UpstreamError> {
        let (head, body) = self.send(bound).await?.into_parts();
        Ok((head.status, head.headers, self.read(body).await?))
    }
}

impl core::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upstream").field("name", &self.name).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The header in which this kind of upstream takes its credential, marked as sensitive.
fn credential_header(kind: UpstreamKind, secret: &Secret) -> (header::HeaderName, HeaderValue) {
    let (name, text) = match kind {
        UpstreamKind::OpenAi => (header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
        UpstreamKind::Qdrant => (header::HeaderName::from_static("api-key"), secret.expose().clone()),
    };
    // The secret was checked to be printable ASCII, so that this cannot fail.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    (name, value)
}

fn private_roots(path: &std::path::Path) -> Result<rustls::ClientConfig, SetupError> {
    let fault = || SetupError::Roots(path.to_owned());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|_| fault())? {
        roots.add(certificate.map_err(|_| fault())?).map_err(|_| fault())?;
    }
    if roots.is_empty() {
        return Err(fault());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| fault())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

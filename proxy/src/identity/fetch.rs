//! Fetching a key set: one address from the configuration, no redirects, bounded in size and time.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{path::Path, sync::Arc, time::Duration};

/// Largest key set that is read.
const LIMIT: usize = 256 << 10;

/// From first packet to last byte.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a key set was not fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// No connection, no TLS, or the connection broke.
    #[error("the issuer's key set cannot be reached")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Slower than five seconds.
    #[error("the issuer's key set did not come within five seconds")]
    TimedOut,
    /// Any status but 200. Redirects are not followed.
    #[error("the issuer answered {0} for its key set")]
    Status(StatusCode),
    /// Larger than 256 KiB, or broken off.
    #[error("the issuer's key set is larger than 256 KiB or incomplete")]
    Body,
    /// Not a key set.
    #[error("the issuer's key set cannot be used")]
    Unusable(#[source] super::KeySetError),
}

#[derive(Debug)]
pub(super) struct Fetcher {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Fetcher {
    /// A client for one address. `None` when the file of private roots holds no readable PEM
    /// certificate.
    pub(super) fn new(url: Uri, ca_file: Option<&Path>) -> Option<Self> {
        let provider = ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let schemes = match ca_file {
            None => builder.with_provider_and_webpki_roots(provider).ok()?,
            Some(path) => {
                let tls = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
                builder.with_tls_config(tls.ok()?.with_root_certificates(private_roots(path)?).with_no_client_auth())
            }
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(DEADLINE));
        let https = schemes.https_or_http().enable_http1().wrap_connector(http);
        // A connection is not worth keeping between two fetches, minutes apart.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Some(Self { url, client })
    }

    pub(super) const fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(DEADLINE, self.exchange()).await.map_err(|_| FetchError::TimedOut)?
    }

    async fn exchange(&self) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|e| FetchError::Unreachable(Arc::new(e)))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), LIMIT).collect().await.map_err(|_| FetchError::Body)?;
        Ok(body.to_bytes())
    }
}

fn private_roots(path: &Path) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).ok()? {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

//! One exchange with a service: no redirects, bounded in size. The caller bounds the time.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use vocab::Plain;

use super::error::AwsError;

/// Largest answer that is read.
const LIMIT: usize = 64 << 10;

/// A pooled client.
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What is sent.
pub(super) struct Call {
    /// Whom we ask, for errors.
    pub(super) to: &'static str,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Plain<Vec<u8>>,
}

/// What comes back. The buffers of the connection below are not wiped.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long to wait, where the service says so.
    pub(super) after: Option<Duration>,
    /// The headers that name an error and a request.
    pub(super) error_type: Option<String>,
    pub(super) request: String,
    pub(super) body: Plain<Vec<u8>>,
}

/// A body whose bytes are wiped when the connection is done with them.
struct Wiped(Plain<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

impl Http {
    /// A client that trusts the roots in this file, or those of the public web. `None` when the file
    /// holds no readable PEM certificate.
    pub(super) fn new(ca_file: Option<&Path>, connect: Duration) -> Option<Self> {
        let provider = ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let schemes = match ca_file {
            None => builder.with_provider_and_webpki_roots(provider).ok()?,
            Some(path) => {
                let tls = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
                builder.with_tls_config(tls.ok()?.with_root_certificates(roots(path)?).with_no_client_auth())
            }
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the minute after which AWS closes.
            .pool_idle_timeout(Duration::from_secs(50))
            .build(schemes.https_or_http().enable_http1().wrap_connector(http));
        Some(Self(client))
    }

    /// Sends and reads the whole answer, whatever its status.
    pub(super) async fn exchange(&self, call: Call) -> Result<Answer, AwsError> {
        let from = call.to;
        let unreachable =
            |source: hyper_util::client::legacy::Error| AwsError::Unreachable { from, source: Arc::new(source) };
        let mut request = Request::new(Full::new(Bytes::from_owner(Wiped(call.body))));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.uri;
        request.headers_mut().extend(call.headers);
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (head, body) = self.0.request(request).await.map_err(unreachable)?.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = match Limited::new(body, LIMIT).collect().await {
            Ok(body) => Plain::new(body.to_bytes().to_vec()),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => return Err(AwsError::BadAnswer { from }),
            Err(e) => return Err(AwsError::Unreachable { from, source: Arc::from(e) }),
        };
        Ok(Answer {
            status: head.status,
            after: text("retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs),
            error_type: text("x-amzn-errortype"),
            request: text("x-amzn-requestid").map_or_else(|| "unknown".to_owned(), |id| super::error::fit(&id)),
            body,
        })
    }
}

fn roots(path: &Path) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).ok()? {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

/// A header value that debug output hides.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

//! The HTTP client: no redirects, no proxies of the environment, bounded answers.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method, Url, header::HeaderValue, redirect};
use rustify::clients::reqwest::Client as RustifyClient;
use serde::Deserialize;
use vaultrs::{api::EndpointMiddleware, client::VaultClientSettings};
use vocab::Plain;
use zeroize::Zeroizing;

use super::{
    config::{BadVaultConfig, Timeouts, Trust, VaultConfig},
    fault::VaultFault,
    life::Life,
    parts::Namespace,
    session::Session,
    tls,
};

/// The most bytes of an answer that are read.
const ANSWER_LIMIT: usize = 4 << 20;

/// How long a connection is kept without calls.
const IDLE: Duration = Duration::from_secs(30);

/// Connections to one server.
pub(super) struct Transport {
    http: Client,
    base: Url,
    namespace: Option<Namespace>,
    timeouts: Timeouts,
}

impl Transport {
    /// Checks the TLS parts and makes the client. It opens no connection.
    pub(super) fn new(config: &VaultConfig) -> Result<Self, BadVaultConfig> {
        let Timeouts { connect, operation } = config.timeouts;
        if connect.is_zero() || operation.is_zero() || connect > operation {
            return Err(BadVaultConfig::Timeouts);
        }
        let has_tls = config.address.url().scheme() == "https";
        if !has_tls && (config.identity.is_some() || matches!(config.trust, Trust::Private(_))) {
            return Err(BadVaultConfig::TlsWithoutTls);
        }
        // A redirect would carry the token, and a proxy would see it: the address is where we talk to.
        let http = Client::builder()
            .tls_backend_preconfigured(tls::client_config(&config.trust, config.identity.as_ref())?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(connect)
            .timeout(operation)
            // Less than what load balancers allow, which close without a word.
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(BadVaultConfig::Client)?;
        Ok(Self {
            http,
            base: config.address.url().clone(),
            namespace: config.namespace.clone(),
            timeouts: config.timeouts,
        })
    }

    /// How long we wait.
    pub(super) const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// A session with a token; `login` counts the logins.
    pub(super) fn session(&self, token: &Plain<String>, life: Life, login: u64) -> Session {
        Session {
            http: RustifyClient::new(self.base.as_str(), self.http.clone()),
            base: self.base.clone(),
            middle: EndpointMiddleware {
                token: token.expose().clone(),
                version: "v1".to_owned(),
                wrap: None,
                namespace: self.namespace.as_ref().map(|namespace| namespace.as_str().to_owned()),
            },
            // The token is not put here: the debug form of the settings prints it.
            settings: VaultClientSettings {
                address: self.base.clone(),
                ca_certs: Vec::new(),
                identity: None,
                timeout: Some(self.timeouts.operation),
                token: String::new(),
                verify: true,
                version: 1,
                wrapping: false,
                namespace: None,
                proxy: None,
            },
            life,
            login,
        }
    }
}

/// An answer with its status; its memory is wiped.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

impl Answer {
    /// Reads the body as JSON.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, VaultFault> {
        // The parser's error quotes what it read, so it is not kept.
        serde_json::from_slice(&self.body).map_err(|_| VaultFault::Garbled)
    }

    /// The errors that the body names.
    pub(super) fn fault(&self) -> VaultFault {
        let says = self.parse::<Errors>().map_or_else(|_| String::new(), |errors| errors.errors.join("; "));
        VaultFault::answered(self.status, &says)
    }

    /// The answer, if its status says success.
    pub(super) fn success(self) -> Result<Self, VaultFault> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.fault()) }
    }
}

impl Session {
    /// One call below `/v1/`, without what `vaultrs` has no form for. Request and answer are wiped
    /// from memory here; the buffers of the HTTP and TLS libraries are theirs.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, VaultFault> {
        let url = self.base.join(&format!("/v1/{path}")).map_err(|_| VaultFault::Garbled)?;
        let mut request = self.http.http.request(method, url).header("X-Vault-Request", "true");
        if !self.middle.token.is_empty() {
            let mut token = HeaderValue::from_str(&self.middle.token).map_err(|_| VaultFault::BadCredential)?;
            token.set_sensitive(true);
            request = request.header("X-Vault-Token", token);
        }
        if let Some(namespace) = &self.middle.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(Bytes::from_owner(body));
        }
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        // A buffer that grows would leave parts of the plaintext behind.
        let mut body = Zeroizing::new(Vec::with_capacity(expected.clamp(16 << 10, ANSWER_LIMIT)));
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(VaultFault::Garbled);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }

    /// A call without a body.
    pub(super) async fn read(&self, path: &str) -> Result<Answer, VaultFault> {
        self.call(Method::GET, path, None).await
    }
}

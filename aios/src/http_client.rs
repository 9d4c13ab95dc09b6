//! A small client for the demo: JSON over HTTP/1.1 to a local address.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use std::net::SocketAddr;

/// Speaks to one address as one caller.
pub(crate) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: String,
}

/// An answer: status, and the body as text.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: format!("http://{address}"),
            token: format!("Bearer {token}"),
        }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, &self.token)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|e| e.to_string())?;
        let response = self.client.request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

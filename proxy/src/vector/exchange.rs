//! One request to the store and its answer.

use super::SealedRequest;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

pub use crate::upstream::UpstreamError as ExchangeError;

/// What the store answered.
#[derive(Debug)]
pub struct UpstreamAnswer {
    /// The status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Sends sealed requests to one upstream. The pipeline implements it over the pooled client, bound to
/// the recorded intent of the call.
#[async_trait]
pub(crate) trait Exchange: Send + Sync {
    /// Sends one request and gives the whole answer, whatever its status.
    async fn send(&self, request: SealedRequest) -> Result<UpstreamAnswer, ExchangeError>;
}

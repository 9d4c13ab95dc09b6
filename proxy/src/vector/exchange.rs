//! One request to the store and its answer.

use super::SealedRequest;
use crate::upstream::UpstreamError;
use bytes::Bytes;
use core::future::Future;
use http::StatusCode;

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
pub trait Exchange: Sync {
    /// Sends one request and gives the whole answer, whatever its status.
    fn send(&self, request: SealedRequest) -> impl Future<Output = Result<UpstreamAnswer, UpstreamError>> + Send;
}

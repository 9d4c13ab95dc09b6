//! What a call failed of, and how that is told in the caller's own dialect.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

/// Whose fault a failed call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller: a malformed, unauthenticated or unsupported call.
    Client,
    /// The policy refused.
    Policy,
    /// Keys could not be had.
    Kms,
    /// The ledger could not record.
    Ledger,
    /// The upstream failed or answered wrongly.
    Upstream,
    /// A fault of the sidecar.
    Internal,
}

impl Blame {
    /// The stable name used in records, metrics and error bodies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Kms => "kms",
            Self::Ledger => "ledger",
            Self::Upstream => "upstream",
            Self::Internal => "internal",
        }
    }
}

/// A failed call: what the caller, the ledger and the metrics are told. Never content, never secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// A stable code, such as `policy_not_permitted`.
    pub code: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
    /// One sentence for a person.
    pub message: String,
    /// The field at fault, where there is one.
    pub param: Option<String>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u32>,
}

impl Failure {
    /// A failure without field or retry.
    pub fn new(status: StatusCode, code: &'static str, blame: Blame, message: impl Into<String>) -> Self {
        Self { status, code, blame, message: message.into(), param: None, retry_after: None }
    }

    /// The same, with a hint when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// The error dialect of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's error object.
    OpenAi,
    /// Qdrant's status envelope.
    Qdrant,
    /// A small JSON object, where no upstream was recognised.
    Plain,
}

impl Dialect {
    /// The body of an error in this dialect. `record` is the id of the call's record, where one was
    /// written.
    #[must_use]
    pub fn body(self, failure: &Failure, record: Option<&str>) -> Bytes {
        let blame = failure.blame.as_str();
        let value = match self {
            Self::OpenAi => json!({ "error": {
                "message": failure.message, "type": openai_type(failure.status), "param": failure.param,
                "code": failure.code, "aios_code": failure.code, "blame": blame, "record": record,
            }}),
            Self::Qdrant => json!({
                "status": { "error": failure.message }, "time": 0.0, "result": null,
                "aios_code": failure.code, "blame": blame, "record": record,
            }),
            Self::Plain => {
                json!({ "error": failure.message, "aios_code": failure.code, "blame": blame, "record": record })
            }
        };
        Bytes::from(value.to_string())
    }

    /// The whole error answer.
    #[must_use]
    pub fn answer(self, failure: &Failure, record: Option<&str>) -> Response<Bytes> {
        let mut response = Response::new(self.body(failure, record));
        *response.status_mut() = failure.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = failure.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if failure.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

const fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_carries_code_blame_and_record() {
        let failure = Failure::new(StatusCode::FORBIDDEN, "policy_not_permitted", Blame::Policy, "no rule allows this");
        for (dialect, pointer) in [(Dialect::OpenAi, "/error"), (Dialect::Qdrant, ""), (Dialect::Plain, "")] {
            let body: serde_json::Value = serde_json::from_slice(&dialect.body(&failure, Some("r1"))).unwrap();
            let part = body.pointer(pointer).unwrap();
            assert_eq!(part["aios_code"], "policy_not_permitted", "{dialect:?}");
            assert_eq!(part["blame"], "policy");
            assert_eq!(part["record"], "r1");
        }
    }
}

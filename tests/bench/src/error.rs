//! Why a benchmark could not be taken.

use std::path::PathBuf;

/// A benchmark never reports a figure over a fault: it stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The machine refused a file, a socket or a process.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// A connection broke under load.
    #[error("a connection failed: {0}")]
    Http(#[from] hyper::Error),
    /// A request could not be built.
    #[error("a request is not valid: {0}")]
    Request(#[from] http::Error),
    /// A part said something that is not its contract.
    #[error("a part printed something unexpected: {0}")]
    Json(#[from] serde_json::Error),
    /// An answer was not a success.
    #[error("{target} answered {status}: {body}")]
    Answered {
        /// Which part.
        target: String,
        /// Its status.
        status: u16,
        /// The first bytes of its answer.
        body: String,
    },
    /// A program is not there.
    #[error("{0} is missing: build or install it first")]
    Missing(PathBuf),
    /// A part ended or kept silent.
    #[error("{part} did not become ready: {why}")]
    NotReady {
        /// Which part.
        part: String,
        /// What was seen.
        why: String,
    },
    /// No sample was taken.
    #[error("no sample was taken of {0}")]
    NoSample(&'static str),
    /// An engine did not take the policy, or gave no answer.
    #[error("{engine} failed: {why}")]
    Policy {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        why: String,
    },
    /// Two engines answered a question differently: a figure would compare different things.
    #[error("{engine} decides differently about {question}")]
    Disagree {
        /// Which engine, beside ours.
        engine: &'static str,
        /// The question.
        question: String,
    },
    /// A key could not be made or used.
    #[error("a key could not be made")]
    Key,
}

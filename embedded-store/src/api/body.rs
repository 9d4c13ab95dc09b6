//! One call as an endpoint sees it, and its reply.

use axum::body::Bytes;
use axum::extract::RawPathParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::collection::Wait;
use crate::fault::Fault;

/// A call: path parameters, the query parameter `wait`, and the body unparsed.
pub(crate) struct Call {
    name: String,
    item: String,
    wait: Wait,
    body: Bytes,
}

impl Call {
    /// Takes a call apart. Other query parameters (`ordering`, `consistency`, `timeout`) have no effect here.
    pub(crate) fn new(parameters: &RawPathParams, query: Option<&str>, body: Bytes) -> Result<Self, Fault> {
        let mut call = Self { name: String::new(), item: String::new(), wait: Wait::Applied, body };
        for (key, value) in parameters {
            if key == "name" { call.name = value.into() } else { call.item = value.into() }
        }
        let mut waits = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("wait="));
        call.wait = match (waits.next(), waits.next()) {
            (None | Some("false"), None) => Wait::Applied,
            (Some("true"), None) => Wait::Synced,
            _ => {
                let problem = "`wait` must be given once, as true or false".into();
                return Err(Fault::Malformed { place: "query string", problem });
            }
        };
        Ok(call)
    }

    /// The collection's name as sent.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The second path parameter: a point id or a field.
    pub(crate) fn item(&self) -> &str {
        &self.item
    }

    /// What a write waits for.
    pub(crate) const fn wait(&self) -> Wait {
        self.wait
    }

    /// Parses the body.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Fault::Malformed { place: "JSON body", problem: without_values(&error) })
    }

    /// Parses the body, where an absent one stands for `{}`.
    pub(crate) fn parse_or_empty<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        if self.body.is_empty() {
            return Self { body: Bytes::from_static(b"{}"), name: String::new(), item: String::new(), wait: self.wait }
                .parse();
        }
        self.parse()
    }
}

/// The parser's message, unless it would repeat a value of the caller.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let harmless = ["missing field", "unknown field", "duplicate field", "data did not match", "Expected", "EOF"];
    if harmless.iter().any(|start| text.starts_with(start)) {
        return text;
    }
    let problem = match error.classify() {
        Category::Syntax => "not JSON",
        Category::Eof => "JSON ends early",
        Category::Data => "a value of the wrong type",
        Category::Io => "unreadable",
    };
    format!("{problem} at line {} column {}", error.line(), error.column())
}

/// The JSON of a result, to be put into Qdrant's envelope.
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// Serialises a result.
    pub(crate) fn new(result: &impl Serialize) -> Result<Self, Fault> {
        serde_json::to_vec(result).map(Self).map_err(|error| Fault::Engine(error.to_string()))
    }

    /// The bytes.
    pub(crate) fn json(&self) -> &[u8] {
        &self.0
    }
}

//! The codec from end to end.

mod answers;
mod requests;
mod streams;

use super::error::WireError;
use super::{Endpoint, ModelCall, parse};
use bytes::Bytes;
use content_guard::{LabelSet, PseudonymMap, Pseudonymiser, Scanner};
use serde_json::Value;
use vocab::Plain;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn read(endpoint: Endpoint, body: &str) -> Result<ModelCall, WireError> {
    parse(&Scanner::standard(), endpoint, bytes(body))
}

fn chat(body: &str) -> Result<ModelCall, WireError> {
    read(Endpoint::Chat, body)
}

fn pseudonymiser() -> Pseudonymiser {
    Pseudonymiser::new(&Plain::new([3; 32]))
}

/// A chat request with one user message, guarded: the text that leaves, and the map of the call.
fn sent(text: &str) -> (String, PseudonymMap) {
    let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let (body, map) = chat(&body).unwrap().guard(LabelSet::all(), &pseudonymiser()).unwrap();
    let body: Value = serde_json::from_slice(body.content()).unwrap();
    (body["messages"][0]["content"].as_str().unwrap().to_owned(), map)
}

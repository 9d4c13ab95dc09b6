//! The demo model: a deterministic stand-in for machines without a model, OpenAI-compatible.
//!
//! It says in its name and in every answer that it is a demo. Its embeddings are hashed word and
//! letter-group counts: near texts come near, but it knows nothing of meaning.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

/// The model that answers chats.
pub(crate) const CHAT: &str = "aios-demo-chat";
/// The model that embeds.
pub(crate) const EMBED: &str = "aios-demo-embed";
/// Dimensions of its embeddings.
pub(crate) const DIMENSIONS: usize = 384;

/// What the demo model was last asked, kept so that `aios demo` can show what reached it.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<String>>);

impl Seen {
    /// The text of the last chat that reached the model.
    pub(crate) fn last(&self) -> String {
        self.0.lock().map(|text| text.clone()).unwrap_or_default()
    }
}

#[derive(Clone)]
struct Demo {
    bearer: Arc<str>,
    seen: Seen,
}

/// The routes of the demo model; `bearer` is the only credential that it takes.
pub(crate) fn router(bearer: &str, seen: Seen) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .with_state(Demo { bearer: format!("Bearer {bearer}").into(), seen })
}

fn allowed(demo: &Demo, headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|v| v.as_bytes() == demo.bearer.as_bytes())
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "message": message, "type": "invalid_request_error" } }))).into_response()
}

async fn models(State(demo): State<Demo>, headers: HeaderMap) -> Response {
    if !allowed(&demo, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "wrong credential");
    }
    let model = |id: &str| json!({ "id": id, "object": "model", "created": 0, "owned_by": "aios-demo" });
    Json(json!({ "object": "list", "data": [model(CHAT), model(EMBED)] })).into_response()
}

#[derive(Deserialize)]
struct ChatRequest {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|p| p.get("text")?.as_str()).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

async fn chat(State(demo): State<Demo>, headers: HeaderMap, Json(request): Json<ChatRequest>) -> Response {
    if !allowed(&demo, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "wrong credential");
    }
    if request.model != CHAT {
        return refused(StatusCode::NOT_FOUND, "the demo model answers chats as aios-demo-chat only");
    }
    let asked = request.messages.iter().rfind(|m| m.role == "user").map(|m| text_of(&m.content)).unwrap_or_default();
    if let Ok(mut last) = demo.seen.0.lock() {
        last.clone_from(&asked);
    }
    let answer = format!("I am the AIOS demo model, not a language model. You wrote: {asked}");
    let prompt: usize = request.messages.iter().map(|m| words(&text_of(&m.content))).sum();
    let usage = json!({
        "prompt_tokens": prompt, "completion_tokens": words(&answer), "total_tokens": prompt + words(&answer),
    });
    if request.stream {
        let with_usage =
            request.stream_options.as_ref().and_then(|o| o.get("include_usage")) == Some(&Value::Bool(true));
        return ([(header::CONTENT_TYPE, "text/event-stream")], stream(&answer, with_usage.then_some(usage)))
            .into_response();
    }
    Json(json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": CHAT,
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": answer } }],
        "usage": usage,
    }))
    .into_response()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The answer as server-sent events, a word a chunk.
fn stream(answer: &str, usage: Option<Value>) -> String {
    let mut events = String::new();
    let mut push = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({ "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": CHAT, "choices": choices });
        if let (Some(usage), Some(object)) = (usage, chunk.as_object_mut()) {
            object.insert("usage".to_owned(), usage);
        }
        let _ = write!(events, "data: {chunk}\n\n");
    };
    push(json!([{ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null }]), None);
    for word in answer.split_inclusive(' ') {
        push(json!([{ "index": 0, "delta": { "content": word }, "finish_reason": null }]), None);
    }
    push(json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), None);
    if let Some(usage) = usage {
        push(json!([]), Some(usage));
    }
    events.push_str("data: [DONE]\n\n");
    events
}

#[derive(Deserialize)]
struct EmbedRequest {
    model: String,
    input: Value,
    #[serde(default)]
    encoding_format: Option<String>,
}

async fn embeddings(State(demo): State<Demo>, headers: HeaderMap, Json(request): Json<EmbedRequest>) -> Response {
    if !allowed(&demo, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "wrong credential");
    }
    if request.model != EMBED {
        return refused(StatusCode::NOT_FOUND, "the demo model embeds as aios-demo-embed only");
    }
    let texts: Vec<String> = match request.input {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect(),
        _ => return refused(StatusCode::BAD_REQUEST, "input must be a string or a list of strings"),
    };
    let tokens: usize = texts.iter().map(|t| words(t)).sum();
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": encode(embed(text), base64) }))
        .collect();
    Json(json!({
        "object": "list", "data": data, "model": EMBED, "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    }))
    .into_response()
}

/// A list of numbers, or little-endian f32 in base64 as the official SDKs ask for.
fn encode(vector: Vec<f32>, base64: bool) -> Value {
    if base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
        Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))
    } else {
        json!(vector)
    }
}

/// Hashed counts of words and three-letter groups, of unit length.
pub(crate) fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSIONS];
    let mut add = |feature: &[u8], weight: f32| {
        let digest = ring::digest::digest(&ring::digest::SHA256, feature);
        if let [a, b, sign, ..] = digest.as_ref() {
            let slot = usize::from(u16::from_be_bytes([*a, *b])) % DIMENSIONS;
            if let Some(value) = vector.get_mut(slot) {
                *value += if sign & 1 == 0 { weight } else { -weight };
            }
        }
    };
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        add(word.as_bytes(), 1.0);
        for group in word.as_bytes().windows(3) {
            add(group, 0.3);
        }
    }
    add(b"\0bias", 0.01);
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|v| *v /= norm);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_texts_come_near_and_lengths_are_one() {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let (a, b, c) =
            (embed("lease of the harbour warehouse"), embed("warehouse lease, harbour"), embed("birthday cake"));
        assert!((dot(&a, &a) - 1.0).abs() < 1e-5);
        assert!(dot(&a, &b) > dot(&a, &c) + 0.2);
        assert!((dot(&embed(""), &embed("")) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_stream_ends_with_done_and_joins_to_the_answer() {
        let events = stream("one two", None);
        assert!(events.ends_with("data: [DONE]\n\n"));
        let text: String = events
            .lines()
            .filter_map(|l| l.strip_prefix("data: "))
            .filter_map(|d| serde_json::from_str::<Value>(d).ok())
            .filter_map(|c| c["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, "one two");
    }
}

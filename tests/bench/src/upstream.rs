//! The fast upstream: an OpenAI-compatible model that echoes the last message. It does as little as it can, and it
//! echoes, so that the sidecar has pseudonyms to restore.

use crate::{child, error::BenchError};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Characters of content in one event of a stream.
const PIECE: usize = 12;

#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: std::borrow::Cow<'a, str>,
}

/// Serves until killed.
pub(crate) async fn serve() -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    child::announce(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that goes away is the end of its connection, nothing to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST || request.uri().path() != "/v1/chat/completions" {
        return Ok(refused(StatusCode::NOT_FOUND));
    }
    let Ok(body) = request.into_body().collect().await else {
        return Ok(refused(StatusCode::BAD_REQUEST));
    };
    let body = body.to_bytes();
    let Ok(chat) = serde_json::from_slice::<Chat<'_>>(&body) else {
        return Ok(refused(StatusCode::BAD_REQUEST));
    };
    let content = chat.messages.last().map(|m| m.content.as_ref()).unwrap_or_default();
    Ok(if chat.stream { streamed(content) } else { whole(content) })
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"error\":{\"message\":\"refused\"}}")));
    *response.status_mut() = status;
    response
}

fn typed(body: Vec<u8>, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

fn whole(content: &str) -> Response<Full<Bytes>> {
    let body = json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 0, "model": "bench-chat",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
    });
    typed(body.to_string().into_bytes(), "application/json")
}

fn streamed(content: &str) -> Response<Full<Bytes>> {
    let mut body = String::new();
    let letters: Vec<char> = content.chars().collect();
    for piece in letters.chunks(PIECE) {
        let text: String = piece.iter().collect();
        event(&mut body, &json!({"index": 0, "delta": {"content": text}, "finish_reason": null}));
    }
    event(&mut body, &json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
    body.push_str("data: [DONE]\n\n");
    typed(body.into_bytes(), "text/event-stream")
}

fn event(body: &mut String, choice: &serde_json::Value) {
    let chunk = json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 0, "model": "bench-chat", "choices": [choice]
    });
    body.push_str("data: ");
    body.push_str(&chunk.to_string());
    body.push_str("\n\n");
}

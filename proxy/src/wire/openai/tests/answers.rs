//! Whole answers.

use super::super::error::AnswerError;
use super::super::{Usage, filter_models, restore};
use super::{bytes, sent};
use content_guard::PseudonymMap;
use serde_json::{Value, json};

fn answered(body: &Value, map: PseudonymMap) -> Value {
    serde_json::from_slice(&restore(map, bytes(&body.to_string())).unwrap().body).unwrap()
}

#[test]
fn every_text_of_an_answer_is_restored() {
    let (token, map) = sent("alice@example.com");
    let body = json!({"id": "1", "choices": [{"index": 0, "message": {
        "role": "assistant", "content": format!("Ask {token}, \"now\"."), "refusal": token, "reasoning_content": token,
        "annotations": [{"url_citation": {"title": token}}],
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": json!({"to": token, "q": "\"\\"}).to_string()}}]}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}});
    let answer = restore(map, bytes(&body.to_string())).unwrap();
    assert_eq!(answer.usage, Some(Usage { prompt_tokens: 12, completion_tokens: 3 }));
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert_eq!(text, body.to_string().replace(&token, "alice@example.com"));
}

#[test]
fn a_number_in_arguments_or_in_a_json_answer_stays_json() {
    let (token, map) = sent("4111 1111 1111 1111");
    let inner = format!("{{\"card\":{token},\"text\":\"{token}\"}}");
    let body =
        json!({"choices": [{"message": {"content": inner, "tool_calls": [{"function": {"arguments": inner}}]}}]});
    let answer = answered(&body, map);
    let message = &answer["choices"][0]["message"];
    for text in [&message["content"], &message["tool_calls"][0]["function"]["arguments"]] {
        let inner: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert_eq!(inner, json!({"card": 4_111_111_111_111_111_u64, "text": "4111 1111 1111 1111"}));
    }
}

#[test]
fn an_answer_without_tokens_passes_byte_for_byte() {
    let (_, map) = sent("alice@example.com");
    let body = "{ \"choices\" : [{\"message\":{\"content\":\"caf\\u00e9 1.0\"}}], \"x\":1.50 }";
    let answer = restore(map, bytes(body)).unwrap();
    assert_eq!((answer.body, answer.usage), (bytes(body), None));
}

#[test]
fn tokens_of_other_requests_are_not_restored() {
    let (theirs, _) = sent("mallory@example.com");
    let (_, mine) = sent("alice@example.com");
    let body = json!({"choices": [{"message": {"content": theirs}}]});
    assert_eq!(answered(&body, mine), body);
}

#[test]
fn a_broken_answer_is_the_upstreams_fault() {
    assert!(matches!(restore(PseudonymMap::new(), bytes("<html>")), Err(AnswerError::Json(_))));
    for body in ["{}", "{\"data\":1}", "{\"data\":[{}]}"] {
        assert_eq!(filter_models(bytes(body), |_| true).unwrap_err(), AnswerError::NotModels, "{body}");
    }
}

#[test]
fn the_list_of_models_shows_what_the_caller_may_use() {
    let body = r#"{"object":"list","models":[{"name":"secret"}],"data":[{"id":"a","created":1.0},{"id":"secret"},{"id":"b"}]}"#;
    let seen = filter_models(bytes(body), |id| id != "secret").unwrap();
    assert_eq!(seen, bytes(r#"{"object":"list","data":[{"id":"a","created":1.0},{"id":"b"}]}"#));
}

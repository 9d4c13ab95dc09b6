//! What is let through, what is replaced, what is refused.

use super::super::error::WireError;
use super::super::{Delivery, Endpoint};
use super::{bytes, chat, pseudonymiser, read};
use crate::failure::{Blame, Failure};
use content_guard::{Label, LabelSet, NotGuarded, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every place of a chat request where a caller's text can stand.
fn everywhere(secret: &str) -> Value {
    json!({
        "model": "gpt-4.1", "stream": true, "temperature": 0.70, "max_tokens": 100, "n": 2,
        "stream_options": {"include_usage": true}, "stop": [secret, "x"], "user": secret, "safety_identifier": secret,
        "prompt_cache_key": secret, "metadata": {secret: secret}, "seed": 12345678901234567890_u64,
        "prediction": {"type": "content", "content": [{"type": "text", "text": secret}]},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": secret,
            "schema": {"type": "object", "properties": {"a": {"enum": [secret], "description": secret}}}}},
        "tools": [{"type": "function", "function": {"name": "f", "description": secret,
            "parameters": {"type": "object", "properties": {secret: {"default": secret}}}}}],
        "functions": [{"name": "g", "description": secret}], "tool_choice": "auto",
        "messages": [
            {"role": "system", "content": secret},
            {"role": "developer", "content": [{"type": "text", "text": secret, "cache_control": {"type": secret}}]},
            {"role": "user", "name": secret, "content": [{"type": "text", "text": format!("ask {secret} now")}]},
            {"role": "assistant", "content": null, "refusal": secret, "reasoning_content": secret, "annotations": [{"t": secret}],
             "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "f", "arguments": json!({"to": secret, "n": [1, secret]}).to_string()}}],
             "function_call": {"name": "g", "arguments": json!({"to": secret}).to_string()}},
            {"role": "tool", "tool_call_id": "call_1", "content": json!({"rows": [secret]}).to_string()},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": secret}], "vendor_field": {"deep": [secret]}},
        ],
    })
}

#[test]
fn no_text_of_a_request_escapes_the_scan() {
    for secret in ["alice@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+49 170 1234567"] {
        for body in [everywhere(secret).to_string(), serde_json::to_string_pretty(&everywhere(secret)).unwrap()] {
            let call = chat(&body).unwrap();
            assert_eq!((call.delivery(), call.model().as_str()), (Delivery::Stream, "gpt-4.1"));
            assert!(call.coverage().fields().all(|f| f.field != "(unnamed)"), "{:?}", call.coverage());
            let (guarded, map) = call.guard(LabelSet::all(), &pseudonymiser()).unwrap();
            assert_eq!(map.len(), 1);
            let sent = std::str::from_utf8(guarded.content()).unwrap();
            assert!(!sent.contains(secret), "{sent}");
            // One token in place of each occurrence, and every other byte as it was.
            let value: Value = serde_json::from_str(sent).unwrap();
            let token = value["user"].as_str().unwrap();
            assert_eq!(sent.replace(token, secret), body);
        }
    }
}

#[test]
fn coverage_names_fields_and_counts_and_never_content() {
    let call = chat(&everywhere("alice@example.com").to_string()).unwrap();
    let email = |field: &str| {
        call.coverage().fields().find(|f| f.field == field).map(|f| match &f.status {
            Status::Scanned(counts) => counts.count(Label::Email),
            Status::NotScannable => 0,
        })
    };
    assert_eq!(email("messages[].content"), Some(2));
    assert_eq!(email("messages[].content[].text"), Some(2));
    assert_eq!(email("messages[].tool_calls[].function.arguments"), Some(3));
    assert_eq!(email("metadata"), Some(2));
    assert_eq!(email("model"), Some(0));
    assert!(!format!("{:?} {call:?}", call.coverage()).contains("alice"));
    assert!(call.token_estimate() > 200, "{}", call.token_estimate());
}

#[test]
fn embeddings_take_texts_and_refuse_token_numbers_where_scanning_is_demanded() {
    let embed = |input: Value| read(Endpoint::Embeddings, &json!({"model": "m", "input": input}).to_string());
    for input in [json!("ask alice@example.com"), json!(["x", "alice@example.com"])] {
        let (body, map) = embed(input).unwrap().guard(LabelSet::all(), &pseudonymiser()).unwrap();
        assert!(!std::str::from_utf8(body.content()).unwrap().contains("alice"));
        assert_eq!(map.len(), 1);
    }
    for input in [json!([1, 2]), json!([[1, 2], [3]])] {
        assert!(embed(input.clone()).unwrap().guard(LabelSet::none(), &pseudonymiser()).is_ok());
        let refused = embed(input).unwrap().guard(LabelSet::all(), &pseudonymiser()).unwrap_err();
        assert_eq!(refused, NotGuarded::NotScannable { field: "input (token numbers)" });
    }
    for input in
        [json!([]), json!([1, "x"]), json!([[1], "x"]), json!([[]]), json!({"text": "x"}), json!(1), json!(null)]
    {
        assert!(matches!(embed(input.clone()), Err(WireError::WrongKind { field: "input", .. })), "{input}");
    }
}

#[test]
fn the_same_text_has_the_same_pseudonym_in_every_embedding() {
    let once = || {
        let call = read(Endpoint::Embeddings, r#"{"model":"m","input":"mail alice@example.com"}"#).unwrap();
        call.guard(LabelSet::all(), &pseudonymiser()).unwrap().0.into_content()
    };
    assert_eq!(once(), once());
}

#[test]
fn images_sounds_and_files_are_refused_where_scanning_is_demanded() {
    for part in [
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
        json!({"type": "file", "file": {"file_id": "file-1"}}),
        json!({"type": "something_new", "text": "x"}),
        json!({"type": "text", "text": "x", "image_url": {"url": "http://x.example/y.png"}}),
    ] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}).to_string();
        assert!(chat(&body).unwrap().guard(LabelSet::none(), &pseudonymiser()).is_ok(), "{body}");
        let refused = chat(&body).unwrap().guard(LabelSet::all(), &pseudonymiser()).unwrap_err();
        let failure = Failure::from(&refused);
        assert_eq!((failure.code, failure.blame), ("not_scannable", Blame::Policy), "{body}");
    }
}

#[test]
fn personal_data_in_a_field_that_cannot_change_is_refused() {
    let body = r#"{"model":"alice@example.com","messages":[{"role":"user","content":"x"}]}"#;
    assert!(chat(body).unwrap().guard(LabelSet::none(), &pseudonymiser()).is_ok());
    let refused = chat(body).unwrap().guard(LabelSet::all(), &pseudonymiser()).unwrap_err();
    assert_eq!(refused, NotGuarded::Fixed { field: "model" });
}

#[test]
fn bad_requests_are_told_apart_by_code_and_field() {
    let with = |extra: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{extra}}}"#);
    let messages = |list: &str| format!(r#"{{"model":"m","messages":{list}}}"#);
    for (body, code, param) in [
        ("".into(), "malformed_json", None),
        ("{\"model\":".into(), "malformed_json", None),
        ("{\"model\":\"\\ud800\"}".into(), "malformed_json", None),
        ("[]".into(), "wrong_type", Some("the body")),
        ("{}".into(), "missing_field", Some("messages")),
        (r#"{"messages":[{"role":"user","content":"x"}]}"#.into(), "missing_field", Some("model")),
        (with(r#""model":"n""#), "duplicate_key", None),
        (with(r#""metadata":{"a":1,"\u0061":2}"#), "duplicate_key", None),
        (with(r#""Messages":[]"#), "ambiguous_field", Some("messages")),
        (with(r#""api_base":"http://attacker.example""#), "unknown_field", Some("api_base")),
        (with(r#""extra_body":{}"#), "unknown_field", Some("extra_body")),
        (with(r#""alice@example.com":1"#), "unknown_field", Some("(not a field name)")),
        (with(r#""store":true"#), "field_denied", Some("store")),
        (with(r#""web_search_options":{}"#), "field_denied", Some("web_search_options")),
        (with(r#""modalities":["text","audio"]"#), "field_denied", Some("modalities")),
        (with(r#""tools":[{"type":"web_search"}]"#), "field_denied", Some("tools[].type")),
        (with(r#""tools":[{"type":"mcp","server_url":"http://x"}]"#), "field_denied", Some("tools[].type")),
        (with(r#""tools":[{"type":"function"}]"#), "missing_field", Some("tools[].function")),
        (with(r#""stream":"yes""#), "wrong_type", Some("stream")),
        (with(r#""temperature":"hot""#), "wrong_type", Some("temperature")),
        (with(r#""stop":[1]"#), "wrong_type", Some("stop")),
        (messages("[]"), "wrong_type", Some("messages")),
        (messages("{}"), "wrong_type", Some("messages")),
        (messages("[1]"), "wrong_type", Some("messages[]")),
        (messages(r#"[{"content":"x"}]"#), "missing_field", Some("messages[].role")),
        (messages(r#"[{"role":"root","content":"x"}]"#), "wrong_type", Some("messages[].role")),
        (messages(r#"[{"role":"user","content":{"text":"x"}}]"#), "wrong_type", Some("messages[].content")),
        (messages(r#"[{"role":"user","content":["x"]}]"#), "wrong_type", Some("messages[].content[]")),
        (messages(r#"[{"role":"user","content":"x","Content":"y"}]"#), "ambiguous_field", Some("messages[].content")),
        (
            messages(r#"[{"role":"user","content":[{"type":"text","text":"x","Text":"y"}]}]"#),
            "ambiguous_field",
            Some("messages[].content[].text"),
        ),
        (r#"{"model":"../x","messages":[{"role":"user","content":"x"}]}"#.into(), "model_not_valid", Some("model")),
    ] {
        let error = chat(&body).expect_err(&body);
        let failure = Failure::from(&error);
        assert_eq!((failure.code, failure.param.as_deref()), (code, param), "{body}: {error}");
        assert_eq!((failure.status.as_u16(), failure.blame), (400, Blame::Client));
        assert!(!failure.message.contains("attacker") && !failure.message.contains("alice"), "{}", failure.message);
    }
}

#[test]
fn what_sdks_send_by_themselves_is_let_through() {
    let body = json!({
        "model": "m", "store": false, "audio": null, "stream": null, "modalities": ["text"], "stop": null, "user": null,
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "y", "refusal": null, "annotations": [], "audio": null, "function_call": null, "tool_calls": null},
            {"role": "user", "content": "z"},
        ],
    });
    let call = chat(&body.to_string()).unwrap();
    assert_eq!(call.delivery(), Delivery::Whole);
    assert_eq!(call.guard(LabelSet::all(), &pseudonymiser()).unwrap().0.content(), &bytes(&body.to_string()));
}

proptest! {
    #[test]
    fn any_body_ends_in_a_verdict(body in "(?s).{0,80}", extra in "[a-zA-Z_]{1,12}") {
        let _ = chat(&body);
        let _ = read(Endpoint::Embeddings, &body);
        let with = json!({"model": "m", "messages": [{"role": "user", "content": body}], extra: body}).to_string();
        if let Err(error) = chat(&with) {
            prop_assert!(body.len() < 8 || !error.to_string().contains(&body));
        }
    }
}

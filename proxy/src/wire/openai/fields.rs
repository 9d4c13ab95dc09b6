//! Every field that is known, and how each is looked at.

use super::object::{Spec, Takes};
use content_guard::{Field, Treatment};

const fn spec(key: &'static str, takes: Takes, name: &'static str, treatment: Treatment) -> Spec {
    Spec { key, takes, field: Field { name, treatment } }
}

/// A field that holds text of the caller's.
const fn text(key: &'static str, takes: Takes) -> Spec {
    spec(key, takes, key, Treatment::Rewrite)
}

/// A field whose value means something to the upstream.
const fn fixed(key: &'static str, takes: Takes) -> Spec {
    spec(key, takes, key, Treatment::Fixed)
}

/// A field that is refused unless it is off.
const fn off(key: &'static str, why: &'static str) -> Spec {
    spec(key, Takes::Off(why), key, Treatment::Fixed)
}

/// The keys of the objects of this API.
pub(super) static KEYS: Field = Field { name: "(keys)", treatment: Treatment::Fixed };

/// Chat completions, top level. Sampling parameters of self-hosted servers are known too.
pub(super) static CHAT: &[Spec] = &[
    fixed("model", Takes::Text),
    text("messages", Takes::Array),
    fixed("stream", Takes::Truth),
    fixed("stream_options", Takes::Object),
    fixed("temperature", Takes::Number),
    fixed("top_p", Takes::Number),
    fixed("top_k", Takes::Number),
    fixed("min_p", Takes::Number),
    fixed("n", Takes::Number),
    text("stop", Takes::Texts),
    fixed("max_tokens", Takes::Number),
    fixed("max_completion_tokens", Takes::Number),
    fixed("presence_penalty", Takes::Number),
    fixed("frequency_penalty", Takes::Number),
    fixed("repetition_penalty", Takes::Number),
    fixed("repeat_penalty", Takes::Number),
    fixed("logit_bias", Takes::Object),
    fixed("logprobs", Takes::Truth),
    fixed("top_logprobs", Takes::Number),
    fixed("seed", Takes::Number),
    text("user", Takes::Text),
    text("safety_identifier", Takes::Text),
    text("prompt_cache_key", Takes::Text),
    fixed("prompt_cache_retention", Takes::Text),
    fixed("reasoning_effort", Takes::Text),
    fixed("verbosity", Takes::Text),
    fixed("service_tier", Takes::Text),
    text("metadata", Takes::Object),
    text("prediction", Takes::Object),
    text("response_format", Takes::Object),
    text("tools", Takes::Array),
    text("tool_choice", Takes::Any),
    fixed("parallel_tool_calls", Takes::Truth),
    text("functions", Takes::Array),
    text("function_call", Takes::Any),
    text("chat_template_kwargs", Takes::Object),
    fixed("modalities", Takes::Array),
    off("store", "the upstream would keep the conversation"),
    off("background", "answers must return through this call"),
    off("audio", "spoken answers cannot be restored"),
    off("web_search_options", "the upstream would send the content on"),
];

/// One message.
pub(super) static MESSAGE: &[Spec] = &[
    spec("role", Takes::Text, "messages[].role", Treatment::Fixed),
    spec("content", Takes::Any, "messages[].content", Treatment::Rewrite),
    spec("name", Takes::Text, "messages[].name", Treatment::Rewrite),
    spec("refusal", Takes::Text, "messages[].refusal", Treatment::Rewrite),
    spec("reasoning_content", Takes::Text, "messages[].reasoning_content", Treatment::Rewrite),
    spec("tool_call_id", Takes::Text, "messages[].tool_call_id", Treatment::Rewrite),
    spec("tool_calls", Takes::Array, "messages[].tool_calls", Treatment::Rewrite),
    spec("function_call", Takes::Object, "messages[].function_call", Treatment::Rewrite),
    spec("audio", Takes::Any, "messages[].audio", Treatment::NotScannable),
    spec("images", Takes::Any, "messages[].images", Treatment::NotScannable),
];

/// Members of a message that are in no table: scanned.
pub(super) static MESSAGE_OTHER: Field = Field { name: "messages[].(other)", treatment: Treatment::Rewrite };

/// A part of a message that is text.
pub(super) static TEXT_PART: &[Spec] = &[
    spec("type", Takes::Text, "messages[].content[].type", Treatment::Fixed),
    spec("text", Takes::Text, "messages[].content[].text", Treatment::Rewrite),
    spec("refusal", Takes::Text, "messages[].content[].refusal", Treatment::Rewrite),
    spec("cache_control", Takes::Any, "messages[].content[].cache_control", Treatment::Rewrite),
    spec("annotations", Takes::Any, "messages[].content[].annotations", Treatment::Rewrite),
];

/// Images, sounds, files, and all that is no text part.
pub(super) static BLIND_PART: Field =
    Field { name: "messages[].content[].(not text)", treatment: Treatment::NotScannable };

/// The name of a function in a message: the upstream matches it.
pub(super) static CALLED: Field = Field { name: "messages[].tool_calls[].function.name", treatment: Treatment::Fixed };

/// The arguments of a function in a message.
pub(super) static ARGUMENTS: Field =
    Field { name: "messages[].tool_calls[].function.arguments", treatment: Treatment::Rewrite };

/// The name of a function that is offered.
pub(super) static OFFERED: Field = Field { name: "tools[].function.name", treatment: Treatment::Fixed };

/// Embeddings, top level.
pub(super) static EMBEDDINGS: &[Spec] = &[
    fixed("model", Takes::Text),
    text("input", Takes::Any),
    fixed("dimensions", Takes::Number),
    fixed("encoding_format", Takes::Text),
    fixed("input_type", Takes::Text),
    text("user", Takes::Text),
];

/// Embedding input that is given as numbers of tokens.
pub(super) static TOKENS: Field = Field { name: "input (token numbers)", treatment: Treatment::NotScannable };

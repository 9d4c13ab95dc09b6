//! The body of a chat completion.

use super::call::{Asked, Delivery};
use super::error::WireError;
use super::fields::{ARGUMENTS, BLIND_PART, CALLED, CHAT, MESSAGE, MESSAGE_OTHER, OFFERED, TEXT_PART};
use super::object::{self, Others};
use content_guard::FieldPlan;
use content_guard::json::{Kind, Value};

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Checks every field and names it in the plan.
pub(super) fn read(root: Value<'_>, plan: &mut FieldPlan) -> Result<Asked, WireError> {
    object::read(root, CHAT, &Others::Refuse, plan)?;
    let messages = root.get("messages").ok_or(WireError::Missing { field: "messages" })?;
    if messages.items().next().is_none() {
        return Err(WireError::WrongKind { field: "messages", wanted: "a filled array" });
    }
    for item in messages.items() {
        message(item, plan)?;
    }
    for key in ["tools", "functions"] {
        for tool in root.get(key).into_iter().flat_map(|t| t.items()) {
            offered(key, tool, plan)?;
        }
    }
    if root.get("modalities").is_some_and(|m| m.items().any(|i| i.text().as_deref() != Some("text"))) {
        return Err(WireError::Denied { field: "modalities", why: "only text answers can be restored" });
    }
    let stream = root.get("stream").and_then(|s| s.truth()).unwrap_or(false);
    let number = |key: &str| root.get(key).and_then(|v| v.whole());
    let limit = number("max_completion_tokens").or_else(|| number("max_tokens")).unwrap_or(0);
    let tokens = limit.saturating_mul(number("n").unwrap_or(1));
    let delivery = if stream { Delivery::Stream } else { Delivery::Whole };
    Ok(Asked { delivery, tokens })
}

fn message(item: Value<'_>, plan: &mut FieldPlan) -> Result<(), WireError> {
    if item.kind() != Kind::Object {
        return Err(WireError::WrongKind { field: "messages[]", wanted: "an object" });
    }
    object::read(item, MESSAGE, &Others::As(&MESSAGE_OTHER), plan)?;
    let role = item.get("role").and_then(|r| r.text()).ok_or(WireError::Missing { field: "messages[].role" })?;
    if !ROLES.contains(&role.as_ref()) {
        return Err(WireError::WrongKind { field: "messages[].role", wanted: "a known role" });
    }
    if let Some(content) = item.get("content") {
        match content.kind() {
            Kind::Array => {
                for part in content.items() {
                    content_part(part, plan)?;
                }
            }
            _ if content.is_text() || content.kind() == Kind::Null => {}
            _ => {
                let wanted = "a string or an array of parts";
                return Err(WireError::WrongKind { field: "messages[].content", wanted });
            }
        }
    }
    for call in item.get("tool_calls").into_iter().flat_map(|c| c.items()) {
        if let Some(function) = call.get("function") {
            called(function, plan);
        }
    }
    if let Some(function) = item.get("function_call") {
        called(function, plan);
    }
    Ok(())
}

/// A part is text only if it says so and has nothing else in it.
fn content_part(part: Value<'_>, plan: &mut FieldPlan) -> Result<(), WireError> {
    if part.kind() != Kind::Object {
        return Err(WireError::WrongKind { field: "messages[].content[]", wanted: "an object" });
    }
    match part.get("type").and_then(|t| t.text()).as_deref() {
        Some("text" | "refusal") => object::read(part, TEXT_PART, &Others::As(&BLIND_PART), plan),
        Some(_) => {
            plan.name(part, &BLIND_PART);
            Ok(())
        }
        None => Err(WireError::Missing { field: "messages[].content[].type" }),
    }
}

fn called(function: Value<'_>, plan: &mut FieldPlan) {
    if let Some(name) = function.get("name") {
        plan.name(name, &CALLED);
    }
    if let Some(arguments) = function.get("arguments") {
        plan.name(arguments, &ARGUMENTS);
    }
}

/// A tool that the client carries out itself; any other would have the upstream send the content on.
fn offered(key: &'static str, tool: Value<'_>, plan: &mut FieldPlan) -> Result<(), WireError> {
    if tool.kind() != Kind::Object {
        return Err(WireError::WrongKind { field: key, wanted: "an array of objects" });
    }
    let function = if key == "functions" {
        tool
    } else {
        let kind = tool.get("type").and_then(|t| t.text());
        let kind = kind.as_deref().ok_or(WireError::Missing { field: "tools[].type" })?;
        if !matches!(kind, "function" | "custom") {
            let why = "only tools that the client carries out are let through";
            return Err(WireError::Denied { field: "tools[].type", why });
        }
        let Some(function) = tool.get(kind) else {
            return Err(WireError::Missing { field: "tools[].function" });
        };
        function
    };
    if let Some(name) = function.get("name") {
        plan.name(name, &OFFERED);
    }
    Ok(())
}

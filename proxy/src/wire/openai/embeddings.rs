//! The body of an embeddings request.

use super::call::{Asked, Delivery};
use super::error::WireError;
use super::fields::{EMBEDDINGS, TOKENS};
use super::object::{self, Others};
use content_guard::FieldPlan;
use content_guard::json::{Kind, Value};

/// Checks every field and names it in the plan.
pub(super) fn read(root: Value<'_>, plan: &mut FieldPlan) -> Result<Asked, WireError> {
    object::read(root, EMBEDDINGS, &Others::Refuse, plan)?;
    let input = root.get("input").ok_or(WireError::Missing { field: "input" })?;
    let tokens = if input.is_text() { 0 } else { read_array(input, plan)? };
    Ok(Asked { delivery: Delivery::Whole, tokens })
}

/// Texts, or numbers of tokens, or arrays of them; gives how many numbers there are.
fn read_array(input: Value<'_>, plan: &mut FieldPlan) -> Result<u64, WireError> {
    let wanted = "a string, an array of strings, or arrays of token numbers";
    let wrong = WireError::WrongKind { field: "input", wanted };
    if input.items().next().is_none() {
        return Err(wrong);
    }
    if input.items().all(|item| item.is_text()) {
        return Ok(0);
    }
    let numbers = |value: Value<'_>| {
        let mut items = value.items();
        let count = items.try_fold(0_u64, |n, item| (item.kind() == Kind::Number).then_some(n.saturating_add(1)));
        count.filter(|n| *n > 0)
    };
    let count =
        numbers(input).or_else(|| input.items().try_fold(0_u64, |sum, item| Some(sum.saturating_add(numbers(item)?))));
    plan.name(input, &TOKENS);
    count.ok_or(wrong)
}

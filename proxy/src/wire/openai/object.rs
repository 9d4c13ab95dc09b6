//! Reading an object against a table of its fields.

use super::error::WireError;
use content_guard::json::{Kind, Value};
use content_guard::{Field, FieldPlan};

/// What a field may hold. `null` is always taken for an absent field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Number,
    Truth,
    Object,
    Array,
    /// A string or an array of strings.
    Texts,
    /// Anything: it is scanned whatever it is.
    Any,
    /// Nothing but `null` or `false`.
    Off(&'static str),
}

/// A known field of an object.
pub(super) struct Spec {
    pub(super) key: &'static str,
    pub(super) takes: Takes,
    pub(super) field: Field,
}

/// What happens to a key that is in no table.
pub(super) enum Others {
    /// The call is refused.
    Refuse,
    /// It is looked at as this field.
    As(&'static Field),
}

/// Checks the members of an object against a table and names each in the plan.
pub(super) fn read(
    object: Value<'_>,
    specs: &'static [Spec],
    others: &Others,
    plan: &mut FieldPlan,
) -> Result<(), WireError> {
    for (key, value) in object.members() {
        let name = key.text().unwrap_or_default();
        let Some(spec) = specs.iter().find(|s| s.key == name) else {
            if let Some(near) = specs.iter().find(|s| s.key.eq_ignore_ascii_case(&name)) {
                return Err(WireError::CaseVariant { field: near.field.name });
            }
            match others {
                Others::Refuse => return Err(WireError::UnknownField { field: shown(&name) }),
                Others::As(field) => {
                    plan.name(key, field);
                    plan.name(value, field);
                }
            }
            continue;
        };
        check(spec.takes, spec.field.name, value)?;
        plan.name(key, &super::fields::KEYS);
        plan.name(value, &spec.field);
    }
    Ok(())
}

fn check(takes: Takes, field: &'static str, value: Value<'_>) -> Result<(), WireError> {
    let kind = value.kind();
    if kind == Kind::Null {
        return Ok(());
    }
    let (fits, wanted) = match takes {
        Takes::Text => (value.is_text(), "a string"),
        Takes::Number => (kind == Kind::Number, "a number"),
        Takes::Truth => (kind == Kind::Bool, "true or false"),
        Takes::Object => (kind == Kind::Object, "an object"),
        Takes::Array => (kind == Kind::Array, "an array"),
        Takes::Texts => {
            let texts = kind == Kind::Array && value.items().all(|i| i.is_text());
            (value.is_text() || texts, "a string or an array of strings")
        }
        Takes::Any => (true, ""),
        Takes::Off(why) if value.truth() != Some(false) => return Err(WireError::Denied { field, why }),
        Takes::Off(_) => (true, ""),
    };
    if fits { Ok(()) } else { Err(WireError::WrongKind { field, wanted }) }
}

/// A key as an error may repeat it: field names only, since a key can hold anything.
fn shown(key: &str) -> String {
    let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain && (1..=40).contains(&key.len()) { key.to_owned() } else { "(not a field name)".to_owned() }
}

//! The JSON Schema of documents, made from the table of keys that the reader follows.

use crate::document::DOCUMENT;
use crate::document::shape::{Kind, Need, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of a policy document, so that editors complete and check. It knows every key
/// and type; what needs more than one place, such as whether a role is defined, only [`crate::PolicySet::compile`]
/// checks.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(&DOCUMENT);
    if let Value::Object(keys) = &mut schema {
        keys.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        keys.insert("title".into(), "AIOS policy document".into());
    }
    schema
}

fn table(shape: &Shape) -> Value {
    let mut properties = Map::new();
    for key in shape.keys {
        let mut property = kind(&key.kind);
        if let Value::Object(keys) = &mut property {
            keys.insert("description".into(), key.doc.into());
        }
        properties.insert(key.name.into(), property);
    }
    let required: Vec<&str> = shape.keys.iter().filter(|k| k.need == Need::Required).map(|k| k.name).collect();
    let mut schema = json!({
        "type": "object", "description": shape.doc, "properties": properties, "required": required,
        "additionalProperties": false,
    });
    if let (Value::Object(keys), false) = (&mut schema, shape.either.is_empty()) {
        let one = shape.either.iter().map(|name| json!({ "required": [name] }));
        keys.insert("oneOf".into(), one.collect());
    }
    schema
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text => json!({ "type": "string" }),
        Kind::Word(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::Choice(all) => json!({ "enum": all }),
        Kind::Exactly(number) => json!({ "const": number }),
        Kind::Whole(least) => json!({ "type": "integer", "minimum": least }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Moment => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] }),
        Kind::List(item) => json!({ "type": "array", "items": kind(item) }),
        Kind::OneOrMore(item) => {
            json!({ "anyOf": [kind(item), { "type": "array", "items": kind(item), "minItems": 1 }] })
        }
        Kind::Table(shape) => table(shape),
        Kind::Tables(shape) => json!({ "type": "array", "items": table(shape) }),
        Kind::Entries(names, value) => {
            json!({ "type": "object", "propertyNames": { "pattern": names }, "additionalProperties": kind(value) })
        }
        Kind::Either(a, b) => json!({ "anyOf": [kind(a), kind(b)] }),
    }
}

#[cfg(test)]
mod tests;

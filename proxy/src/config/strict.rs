//! Deserialisation that goes on after an error, so that every fault is reported at once.

use super::ConfigDefect;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

/// Deserialises a table; each faulty key is reported and left out, then the rest is tried again.
/// The raw shapes make every key optional, so that this ends with a value.
pub(super) fn deserialize<T: DeserializeOwned + Default>(table: Table, defects: &mut Vec<ConfigDefect>) -> T {
    let mut value = Value::Table(table);
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(parsed) => return parsed,
            Err(error) => error,
        };
        let mut keys: Vec<Key> = keys_of(error.path());
        let message = error.inner().to_string();
        let message = message.lines().next().unwrap_or("unreadable value").trim().to_owned();
        if let Some(field) = unknown_field(&message)
            && !matches!(keys.last(), Some(Key::Name(last)) if last == field)
        {
            keys.push(Key::Name(field.to_owned()));
        }
        defects.push(ConfigDefect::new(show(&keys), without_values(&message)));
        if !remove(&mut value, &keys) {
            return T::default();
        }
    }
}

enum Key {
    Name(String),
    Index(usize),
}

fn keys_of(path: &Path) -> Vec<Key> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Key::Index(*index)),
            Segment::Map { key } => Some(Key::Name(key.clone())),
            Segment::Enum { variant } => Some(Key::Name(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

fn unknown_field(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// serde quotes the offending value: a secret put in the wrong place must not be repeated.
fn without_values(message: &str) -> String {
    let Some(rest) = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: ")) else {
        return message.to_owned();
    };
    let expected = rest.rsplit_once(", expected ").map_or("another type", |(_, e)| e);
    format!("wrong type of value, expected {expected}")
}

fn show(keys: &[Key]) -> String {
    let mut text = String::new();
    for key in keys {
        match key {
            Key::Name(name) if text.is_empty() => text.push_str(name),
            Key::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Key::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

fn remove(value: &mut Value, keys: &[Key]) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    match (value, first) {
        (Value::Table(table), Key::Name(name)) if rest.is_empty() => table.remove(name).is_some(),
        (Value::Table(table), Key::Name(name)) => table.get_mut(name).is_some_and(|inner| remove(inner, rest)),
        (Value::Array(items), Key::Index(index)) if rest.is_empty() => {
            (*index < items.len()).then(|| items.remove(*index)).is_some()
        }
        (Value::Array(items), Key::Index(index)) => items.get_mut(*index).is_some_and(|inner| remove(inner, rest)),
        _ => false,
    }
}

//! Payloads of points: JSON objects in the clear.

use core::fmt;
use serde_json::{Map, Value};
use vocab::Plain;

/// Keys that begin with this are the sidecar's own in the store; a client's payload cannot have them.
pub(crate) const RESERVED_PREFIX: &str = "_aios";

/// A payload in the clear: the text of one JSON object, kept as it was written.
pub(crate) struct Payload(Plain<Vec<u8>>);

impl Payload {
    /// Takes the text of a JSON object. The caller has checked its form: the object has no key twice and
    /// no number beyond 64-bit floats.
    pub(crate) fn from_checked(json: &str) -> Self {
        Self(Plain::new(json.as_bytes().to_vec()))
    }

    /// The payload without keys.
    pub(crate) fn empty() -> Self {
        Self::from_checked("{}")
    }

    pub(crate) fn of(map: &Map<String, Value>) -> Self {
        Self(Plain::new(serde_json::to_vec(map).unwrap_or_else(|_| b"{}".to_vec())))
    }

    /// The JSON text.
    pub(crate) fn json(&self) -> &[u8] {
        self.0.expose()
    }

    /// The keys and values; `None` if the text is no JSON object.
    pub(crate) fn map(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(self.json()).ok()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

/// The value at a dotted path through objects; a key that itself holds a dot is not reached, as in
/// Qdrant's paths.
pub(crate) fn at<'v>(map: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut keys = path.split('.');
    let first = map.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_object()?.get(key))
}

/// Keeps only what `paths` name.
pub(crate) fn include(map: &Map<String, Value>, paths: &[String]) -> Map<String, Value> {
    prune(map, &split(paths), Keep::Named)
}

/// Drops what `paths` name.
pub(crate) fn exclude(map: &Map<String, Value>, paths: &[String]) -> Map<String, Value> {
    prune(map, &split(paths), Keep::Others)
}

/// Removes the value at each path.
pub(crate) fn remove(map: &mut Map<String, Value>, paths: &[String]) {
    *map = exclude(map, paths);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Named,
    Others,
}

/// Paths as keys; `[]` stands for every element of a list.
fn split(paths: &[String]) -> Vec<Vec<&str>> {
    paths.iter().map(|path| path.split('.').collect()).collect()
}

fn prune(map: &Map<String, Value>, paths: &[Vec<&str>], keep: Keep) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in map {
        let mut whole = false;
        let mut rest: Vec<Vec<&str>> = Vec::new();
        let mut elements = false;
        for path in paths {
            let Some((first, below)) = path.split_first() else { continue };
            let (name, list) = first.strip_suffix("[]").map_or((*first, false), |name| (name, true));
            if name != key {
                continue;
            }
            elements |= list;
            if below.is_empty() { whole = true } else { rest.push(below.to_vec()) }
        }
        match (keep, whole, rest.is_empty()) {
            (Keep::Named, true, _) | (Keep::Others, false, true) => {
                kept.insert(key.clone(), value.clone());
            }
            (Keep::Named, false, true) | (Keep::Others, true, _) => {}
            (_, false, false) => {
                if let Some(value) = below(value, &rest, keep, elements) {
                    kept.insert(key.clone(), value);
                }
            }
        }
    }
    kept
}

fn below(value: &Value, rest: &[Vec<&str>], keep: Keep, elements: bool) -> Option<Value> {
    match value {
        Value::Object(inner) => {
            let pruned = prune(inner, rest, keep);
            (keep == Keep::Others || !pruned.is_empty()).then_some(Value::Object(pruned))
        }
        Value::Array(items) if elements => {
            let pruned: Vec<Value> = items.iter().filter_map(|item| below(item, rest, keep, elements)).collect();
            (keep == Keep::Others || !pruned.is_empty()).then_some(Value::Array(pruned))
        }
        other => (keep == Keep::Others).then(|| other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn paths(list: &[&str]) -> Vec<String> {
        list.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn include_and_exclude_follow_paths() {
        let m = map(json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [{"f": 4, "g": 5}, 6], "h.i": 7}));
        assert_eq!(Value::Object(include(&m, &paths(&["a", "b.c"]))), json!({"a": 1, "b": {"c": 2}}));
        assert_eq!(Value::Object(include(&m, &paths(&["e[].f"]))), json!({"e": [{"f": 4}]}));
        assert_eq!(Value::Object(include(&m, &paths(&["b", "b.c"]))), json!({"b": {"c": 2, "d": 3}}));
        assert_eq!(Value::Object(include(&m, &paths(&["nothing", "a.x"]))), json!({}));
        assert_eq!(
            Value::Object(exclude(&m, &paths(&["a", "b.c", "e[].f", "h.i"]))),
            json!({"b": {"d": 3}, "e": [{"g": 5}, 6], "h.i": 7})
        );
        assert_eq!(exclude(&m, &[]), m);
    }

    #[test]
    fn dotted_paths_go_through_objects_only() {
        let m = map(json!({"a": {"b": [1]}, "a.b": 2, "l": [{"b": 3}]}));
        assert_eq!(at(&m, "a.b"), Some(&json!([1])));
        assert_eq!(at(&m, "l.b"), None);
        assert_eq!(at(&m, "a"), Some(&json!({"b": [1]})));
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Payload::from_checked(r#"{"a":"SECRET"}"#)), "Payload");
    }
}

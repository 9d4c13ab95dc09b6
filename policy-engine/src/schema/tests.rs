use super::*;
use crate::{Document, PolicySet};
use regex::Regex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    let path = root().join("docs/policy.schema.json");
    let found = schema();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    // As values: other crates of a build decide whether maps keep the order of their keys.
    let golden: Option<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).ok();
    assert!(golden == Some(found), "to accept: UPDATE_GOLDEN=1 cargo nextest run -p policy-engine schema");
}

fn matches(pattern: &str, text: &str) -> bool {
    thread_local!(static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
    })
}

/// The part of JSON Schema that ours uses. Keywords that it does not know are a failure.
fn problems(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, wanted) in schema.as_object().unwrap() {
        let is_fine = match keyword.as_str() {
            "$schema" | "title" | "description" | "format" => true,
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                other => panic!("{other}"),
            },
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "minimum" => value.as_u64().is_some_and(|n| n >= wanted.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
            "pattern" => value.as_str().is_some_and(|text| matches(wanted.as_str().unwrap(), text)),
            "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "anyOf" => wanted.as_array().unwrap().iter().any(|one| problems(one, value, at).is_empty()),
            "oneOf" => wanted.as_array().unwrap().iter().filter(|one| problems(one, value, at).is_empty()).count() == 1,
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(problems(wanted, item, &format!("{at}[{index}]")));
                }
                true
            }
            "properties" => {
                for (key, of) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        found.extend(problems(of, inner, &format!("{at}.{key}")));
                    }
                }
                true
            }
            "propertyNames" => {
                let names = value.as_object().into_iter().flatten();
                names.map(|(name, _)| Value::from(name.as_str())).all(|name| problems(wanted, &name, at).is_empty())
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, inner) in value.as_object().into_iter().flatten() {
                    match (known.is_some_and(|known| known.contains_key(key)), wanted) {
                        (true, _) => {}
                        (false, Value::Bool(false)) => found.push(format!("{at}.{key}: unknown")),
                        (false, of) => found.extend(problems(of, inner, &format!("{at}.{key}"))),
                    }
                }
                true
            }
            other => panic!("keyword {other}"),
        };
        if !is_fine {
            found.push(format!("{at}: {keyword}"));
        }
    }
    found
}

fn as_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => table.iter().map(|(k, v)| (k.clone(), as_json(v))).collect::<Map<_, _>>().into(),
        toml::Value::Array(list) => list.iter().map(as_json).collect(),
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(n) => (*n).into(),
        toml::Value::Float(n) => (*n).into(),
        toml::Value::Boolean(b) => (*b).into(),
        toml::Value::Datetime(stamp) => stamp.to_string().into(),
    }
}

fn judged(text: &str) -> Vec<String> {
    problems(&schema(), &as_json(&toml::Value::Table(text.parse().unwrap())), "")
}

#[test]
fn every_shipped_pack_is_valid() {
    let mut seen = 0;
    for pack in std::fs::read_dir(root().join("policies")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(pack).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|e| e == "toml") {
                seen += 1;
                assert_eq!(judged(&std::fs::read_to_string(&file).unwrap()), [""; 0], "{}", file.display());
            }
        }
    }
    assert!(seen >= 5, "{seen}");
    assert_eq!(judged(include_str!("../definitions/tests.toml")), [""; 0]);
}

/// What the schema refuses, the reader refuses too: an editor never marks what would load.
#[test]
fn what_the_schema_refuses_does_not_load() {
    let good = include_str!("../definitions/tests.toml");
    let loads = |text: &str| PolicySet::compile(&[Document { name: "p.toml".into(), text: text.into() }]).is_ok();
    assert!(loads(good));
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("tenant = \"acme\"", "tenant = \"Acme\""),
        ("allow = \"model.chat\"", "allow = []"),
        ("class = \"internal\"", "class = \"secret\""),
        ("max_k = 20", "max_k = 0"),
        ("max_k = 20", "max_k = \"20\""),
        ("expires = 2026-12-31", "expires = 5"),
        ("approvers = 2", "approvers = 2.5"),
        ("per = \"month\"", "per = \"call\""),
        ("cost = 1000, per", "cost = 1000, tokens = 5, per"),
        ("undefined_models = \"deny\"", "undefined_models = true"),
        ("mode = \"shadow\"", "mode = \"dry\""),
        ("ticket = \"SEC-12\"", "ticked = \"SEC-12\""),
        ("expect = \"allow\"", "expects = \"allow\""),
        ("id = \"chat\"", "id = \"Chat\""),
        ("year = 10", "year = -10"),
        ("residency = [\"eu\", \"ch\"]", "residency = []"),
        ("deny = \"model.chat\"\nroles", "allow = \"model.chat\"\ndeny = \"model.chat\"\nroles"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(!judged(&bad).is_empty(), "the schema takes {to}");
        assert!(!loads(&bad), "the reader takes {to}");
    }
}

/// The guide names every key, and every kind of obligation.
#[test]
fn the_guide_leaves_nothing_out() {
    fn names(kind: &Kind, into: &mut Vec<&'static str>) {
        match kind {
            Kind::Table(shape) | Kind::Tables(shape) => keys(shape, into),
            Kind::List(of) | Kind::OneOrMore(of) | Kind::Entries(_, of) => names(of, into),
            Kind::Either(a, b) => [a, b].into_iter().for_each(|of| names(of, into)),
            Kind::Choice(all) => into.extend(all.iter()),
            _ => {}
        }
    }
    fn keys(shape: &Shape, into: &mut Vec<&'static str>) {
        for key in shape.keys {
            into.push(key.name);
            names(&key.kind, into);
        }
    }
    let guide = std::fs::read_to_string(root().join("docs/policy-guide.md")).unwrap();
    let words: Vec<&str> = guide.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut wanted = Vec::new();
    keys(&DOCUMENT, &mut wanted);
    wanted.extend(crate::ObligationKind::ALL.map(crate::ObligationKind::as_str));
    for word in wanted {
        assert!(words.contains(&word), "{word}");
    }
}

//! The reader against the RFC and against another reader.

use bytes::Bytes;
use content_guard::json::{Document, JsonError, Kind, Value};
use proptest::prelude::*;

fn read(text: &str) -> Result<Document, JsonError> {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn same(value: Value<'_>, other: &serde_json::Value) -> bool {
    match other {
        serde_json::Value::Null => value.kind() == Kind::Null,
        serde_json::Value::Bool(truth) => value.truth() == Some(*truth),
        serde_json::Value::Number(_) => value.kind() == Kind::Number,
        serde_json::Value::String(text) => value.text().as_deref() == Some(text),
        serde_json::Value::Array(items) => {
            value.kind() == Kind::Array
                && value.items().count() == items.len()
                && value.items().zip(items).all(|(one, two)| same(one, two))
        }
        serde_json::Value::Object(members) => {
            value.kind() == Kind::Object
                && value.members().count() == members.len()
                && members.iter().all(|(key, two)| value.get(key).is_some_and(|one| same(one, two)))
        }
    }
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "(?s).{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map("(?s).{0,6}", inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(tree in tree(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        prop_assert!(same(read(&text).unwrap().root(), &tree));
    }

    #[test]
    fn any_bytes_are_judged_as_the_other_reader_does(text in "[\\[\\]{}\",:0-9eE.+ tfn\\\\u-]{0,16}") {
        let other = serde_json::from_str::<serde_json::Value>(&text);
        match read(&text) {
            Ok(document) => prop_assert!(other.is_err() || same(document.root(), &other.unwrap())),
            Err(JsonError::DuplicateKey(_)) => {}
            Err(_) => prop_assert!(other.is_err(), "{}", text),
        }
    }

    #[test]
    fn any_bytes_end_in_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Document::parse(bytes.into());
    }
}

#[test]
fn ambiguous_or_broken_bodies_are_refused_by_name() {
    let deep = "[".repeat(101) + &"]".repeat(101);
    for (text, wanted) in [
        ("{\"a\":1,\"a\":2}", JsonError::DuplicateKey(0)),
        ("[{\"a\":1,\"\\u0061\":2}]", JsonError::DuplicateKey(1)),
        ("\"\\ud800\"", JsonError::Surrogate(0)),
        ("\"\\udc00\\ud800\"", JsonError::Surrogate(0)),
        ("{\"a\":1,}", JsonError::Syntax(7)),
        ("[1 2]", JsonError::Syntax(3)),
        ("01", JsonError::Syntax(1)),
        ("\"a\nb\"", JsonError::Syntax(2)),
        ("\"\\x\"", JsonError::Syntax(1)),
        ("{\"a\"", JsonError::Truncated),
        ("", JsonError::Truncated),
        ("{} {}", JsonError::Syntax(3)),
        ("\u{feff}{}", JsonError::Syntax(0)),
        ("NaN", JsonError::Syntax(0)),
        (deep.as_str(), JsonError::TooDeep),
    ] {
        assert_eq!(read(text).err(), Some(wanted), "{text}");
    }
    assert_eq!(Document::parse(Bytes::from_static(b"{\"a\":\"\xff\"}")).err(), Some(JsonError::NotUtf8(6)));
}

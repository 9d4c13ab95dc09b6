//! Scanning and rewriting whole bodies.

use crate::round_trip::{pseudonymiser, text};
use bytes::Bytes;
use content_guard::json::Document;
use content_guard::{
    Field, FieldPlan, Label, LabelSet, NotGuarded, PseudonymMap, Restorer, ScannedBody, Scanner, Status, Syntax,
    Treatment,
};
use proptest::prelude::*;

static FIXED: Field = Field { name: "model", treatment: Treatment::Fixed };
static IMAGE: Field = Field { name: "image", treatment: Treatment::NotScannable };

fn scan(body: &str) -> ScannedBody {
    let document = Document::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let mut plan = FieldPlan::new(&document);
    for (key, field) in [("model", &FIXED), ("image", &IMAGE)] {
        if let Some(value) = document.root().get(key) {
            plan.name(value, field);
        }
    }
    ScannedBody::scan(&Scanner::standard(), document, &plan)
}

fn guard(body: &str, demanded: LabelSet) -> Result<(String, PseudonymMap), NotGuarded> {
    let mut map = PseudonymMap::new();
    let guarded = scan(body).guard(demanded, &pseudonymiser(), &mut map)?;
    Ok((String::from_utf8(guarded.into_content().to_vec()).unwrap(), map))
}

#[test]
fn only_demanded_findings_change_and_nothing_else_does() {
    let body = "{ \"a\" : [\"x alice@example.com\\n\", 1.50, 12345678901234567890],\t\"b\":\"4111111111111111\" }";
    let (sent, map) = guard(body, [Label::Email].into_iter().collect()).unwrap();
    assert_eq!(map.len(), 1);
    let token = sent.split(['"', '\\', ' ']).find(|w| w.contains('@')).unwrap().to_owned();
    assert_eq!(sent.replace(&token, "alice@example.com"), body);
}

#[test]
fn keys_and_long_numbers_are_scanned_too() {
    let body = "{\"alice@example.com\":1,\"n\":4111111111111111}";
    let scanned = scan(body);
    assert_eq!(scanned.counts().iter().collect::<Vec<_>>(), [(Label::Email, 1), (Label::Card, 1)]);
    let (sent, _) = guard(body, LabelSet::all()).unwrap();
    assert!(!sent.contains("alice") && !sent.contains("4111111111111111"), "{sent}");
    assert!(serde_json::from_str::<serde_json::Value>(&sent).unwrap()["n"].is_u64(), "{sent}");
}

#[test]
fn what_cannot_be_scanned_or_changed_is_refused_only_where_policy_demands() {
    let fixed = "{\"model\":\"alice@example.com\"}";
    assert_eq!(guard(fixed, LabelSet::all()).err(), Some(NotGuarded::Fixed { field: "model" }));
    assert_eq!(guard(fixed, LabelSet::none()).unwrap().0, fixed);
    let image = "{\"image\":{\"url\":\"data:image/png;base64,AAAA\"}}";
    assert_eq!(guard(image, LabelSet::all()).err(), Some(NotGuarded::NotScannable { field: "image" }));
    assert_eq!(guard(image, LabelSet::none()).unwrap().0, image);
    let coverage = scan(image);
    let fields: Vec<_> = coverage.coverage().fields().map(|f| (f.field, f.values, f.status.clone())).collect();
    assert_eq!(fields[1], ("image", 2, Status::NotScannable));
}

#[test]
fn errors_and_debug_repeat_no_content() {
    let body = "{\"model\":\"alice@example.com\"}";
    let shown = format!("{:?} {}", scan(body), guard(body, LabelSet::all()).err().unwrap());
    assert!(!shown.contains("alice"), "{shown}");
}

proptest! {
    #[test]
    fn bodies_keep_their_meaning(one in text(), two in text()) {
        let body = serde_json::json!({"a": [one, {"b": two}], "c": 1.5}).to_string();
        let (sent, map) = guard(&body, LabelSet::all()).unwrap();
        let restorer = Restorer::new(map);
        let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
        let restored = |text: &serde_json::Value| restorer.restore(text.as_str().unwrap(), Syntax::Text).into_owned();
        prop_assert_eq!(restored(&sent["a"][0]), one);
        prop_assert_eq!(restored(&sent["a"][1]["b"]), two);
    }
}

//! Pseudonymise, stream in any pieces, restore: the text as it was.

use content_guard::{LabelSet, PseudonymMap, Pseudonymiser, Restorer, Scanner, StreamRestorer, Syntax, guard_text};
use proptest::prelude::*;
use std::sync::Arc;
use vocab::Plain;

pub(crate) fn pseudonymiser() -> Pseudonymiser {
    Pseudonymiser::new(&Plain::new([7; 32]))
}

fn guarded(text: &str) -> (String, PseudonymMap) {
    let mut map = PseudonymMap::new();
    let guarded = guard_text(&Scanner::standard(), text, LabelSet::all(), &pseudonymiser(), &mut map);
    (guarded.into_content(), map)
}

fn streamed(restorer: &Arc<Restorer>, text: &str, cuts: &[usize]) -> String {
    let mut stream = StreamRestorer::new(Arc::clone(restorer), Syntax::Text);
    let mut out = String::new();
    let mut piece = String::new();
    for (i, c) in text.chars().enumerate() {
        piece.push(c);
        if cuts.is_empty() || cuts.contains(&i) {
            out.push_str(&stream.push(&piece));
            piece.clear();
        }
    }
    out.push_str(&stream.push(&piece));
    out.push_str(&stream.finish());
    out
}

pub(crate) fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-z0-9]{0,8}(\\.[a-z]{1,6})?@[a-z]{2,10}\\.(com|org|example|co\\.uk)",
        "\\+49 (0\\)?)?1[567][0-9] [0-9]{7}",
        "\\+44[0-9]{10}",
        "[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}",
        Just("4111 1111 1111 1111".to_owned()),
        Just("4111111111111111".to_owned()),
        Just("5500-0000-0000-0004".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("DE89370400440532013000".to_owned()),
        Just("ＡＬＩＣＥ＠example.com".to_owned()),
        Just("alice@example.com".to_owned()),
        Just("ALICE@example.com".to_owned()),
    ]
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => value(),
        2 => "[ ,.;:()\"'\n<>-]{1,3}",
        2 => "[a-zA-Zäß日本語 9+zZ]{0,12}",
        1 => "[^\\\\]{0,6}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cutting_restores_the_text(text in text(), cuts in proptest::collection::vec(0_usize..300, 0..20)) {
        let (sent, map) = guarded(&text);
        let restorer = Arc::new(Restorer::new(map));
        prop_assert_eq!(&restorer.restore(&sent, Syntax::Text), &text);
        prop_assert_eq!(&streamed(&restorer, &sent, &cuts), &text);
        prop_assert_eq!(&streamed(&restorer, &sent, &[]), &text, "one character at a time");
    }

    #[test]
    fn no_value_is_left_and_a_second_pass_changes_nothing(
        values in proptest::collection::vec(value(), 0..6), between in "( [a-z]{1,6})?[,;:!?\n<>\"]( [a-zäß日]{1,6} )?",
    ) {
        let text = values.join(&between);
        let (sent, _) = guarded(&text);
        prop_assert!(Scanner::standard().scan(&sent).is_empty(), "{}", sent);
        prop_assert_eq!(&guarded(&sent).0, &sent);
    }

    #[test]
    fn values_are_gone_from_what_is_sent(value in value()) {
        let (sent, map) = guarded(&format!("Ask {value} today"));
        prop_assert!(!sent.contains(&value), "{}", sent);
        prop_assert_eq!(map.len(), 1);
    }

    #[test]
    fn json_arguments_stay_json(value in value(), other in "[a-z\"\\\\\n]{0,10}") {
        let arguments = serde_json::json!({"to": value, "note": other}).to_string();
        let (sent, map) = guarded(&arguments);
        let restorer = Arc::new(Restorer::new(map));
        let mut stream = StreamRestorer::new(Arc::clone(&restorer), Syntax::Json);
        let mut out: String = sent.chars().map(|c| stream.push(&c.to_string())).collect();
        out.push_str(&stream.finish());
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(read["to"].as_str(), Some(value.as_str()));
        prop_assert_eq!(restorer.restore(&sent, Syntax::Json), out);
    }
}

#[test]
fn what_a_model_does_to_a_token_does_not_break_it() {
    let (sent, map) = guarded("alice@example.com");
    let restorer = Restorer::new(map);
    assert_eq!(restorer.restore(&sent.to_uppercase(), Syntax::Text), "alice@example.com");
    for (value, cut) in [("4111111111111111", 4), ("+49 170 1234567", 3), ("DE89370400440532013000", 4)] {
        let (sent, map) = guarded(value);
        let restorer = Restorer::new(map);
        for separator in [" ", "-", "\u{a0}", "\u{202f}"] {
            let grouped: Vec<String> =
                sent.as_bytes().chunks(cut).map(|c| String::from_utf8(c.to_vec()).unwrap()).collect();
            let text = format!("is {}.", grouped.join(separator));
            assert_eq!(restorer.restore(&text, Syntax::Text), format!("is {value}."), "{separator:?}");
        }
    }
}

#[test]
fn a_bare_card_number_in_arguments_stays_a_number() {
    let (sent, map) = guarded("card 4111 1111 1111 1111, phone +49 170 1234567");
    let tokens: Vec<&str> = sent.split([' ', ',']).filter(|w| w.len() > 10).collect();
    let restorer = Restorer::new(map);
    let arguments = format!("{{\"card\":{},\"s\":\"{}\"}}", tokens[0], tokens[1]);
    assert_eq!(restorer.restore(&arguments, Syntax::Json), "{\"card\":4111111111111111,\"s\":\"+49 170 1234567\"}");
}

#[test]
fn tokens_of_another_request_stay() {
    let (theirs, _) = guarded("mallory@example.com");
    let (_, mine) = guarded("alice@example.com");
    assert_eq!(Restorer::new(mine).restore(&theirs, Syntax::Text), theirs);
}

#[test]
fn only_a_possible_head_of_a_token_is_held_back() {
    let (sent, map) = guarded("alice@example.com");
    let mut stream = StreamRestorer::new(Arc::new(Restorer::new(map)), Syntax::Text);
    assert_eq!(stream.push("Hello, "), "Hello, ");
    assert!(!stream.is_holding());
    assert_eq!(stream.push(&format!("ask {}", &sent[..5])), "ask ");
    assert!(stream.is_holding());
    assert_eq!(stream.push(&sent[5..]), "alice@example.com", "complete tokens wait for nothing");
    assert!(!stream.is_holding());
    let start = &sent[..3];
    assert_eq!(stream.push(start), "");
    assert_eq!(stream.push("!"), format!("{start}!"));
    assert_eq!(stream.push(start), "");
    assert_eq!(stream.finish(), start);
}

#[test]
fn many_ways_of_writing_one_value_stay_cheap() {
    let text: String = (0_u32..20_000)
        .map(|i| {
            let name: String = "abcdefghijklmnop"
                .chars()
                .enumerate()
                .map(|(bit, c)| if i >> bit & 1 == 1 { c.to_ascii_uppercase() } else { c })
                .collect();
            format!("{name}@example.com ")
        })
        .collect();
    let (sent, map) = guarded(&text);
    assert_eq!(map.len(), 20_000);
    assert_eq!(Restorer::new(map).restore(&sent, Syntax::Text), text);
}

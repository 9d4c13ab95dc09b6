//! What is found and what is not.

use content_guard::{Label, Scanner};
use proptest::prelude::*;

/// Texts with each finding marked `[label:text]`.
const CORPUS: &str = include_str!("corpus.txt");

fn marked(text: &str) -> String {
    let mut out = String::new();
    let mut copied = 0;
    for finding in Scanner::standard().scan(text) {
        let name = finding.label().as_str().trim_start_matches("pii.");
        out.push_str(&text[copied..finding.range().start]);
        out.push_str(&format!("[{name}:{}]", &text[finding.range().clone()]));
        copied = finding.range().end;
    }
    out + &text[copied..]
}

fn unmarked(line: &str) -> String {
    let mut text = line.to_owned();
    for label in Label::ALL {
        text = text.replace(&format!("[{}:", label.as_str().trim_start_matches("pii.")), "\u{1}");
    }
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '\u{1}' => inside = true,
            ']' if inside => inside = false,
            _ => out.push(c),
        }
    }
    out
}

#[test]
fn the_corpus_is_marked_exactly() {
    let mut wrong = Vec::new();
    let lines = CORPUS.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    for line in lines {
        let seen = marked(&unmarked(line));
        if seen != line {
            wrong.push(format!("wanted {line}\n   got {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn disguises_are_seen_through_and_mapped_back() {
    for (text, found) in [
        ("Ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "Ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("to al\u{200b}ice\u{2060}@exa\u{ad}mple.com.", "al\u{200b}ice\u{2060}@exa\u{ad}mple.com"),
        ("連絡先alice@example.com。どうぞ", "alice@example.com"),
        ("４１１１ １１１１ １１１１ １１１１", "４１１１ １１１１ １１１１ １１１１"),
        ("card 4111\u{a0}1111\u{202f}1111\u{2011}1111 ok", "4111\u{a0}1111\u{202f}1111\u{2011}1111"),
        ("٤١١١١١١١١١١١١١١١", "٤١١١١١١١١١١١١١١١"),
        ("ＤＥ８９ 3704 0044 0532 0130 00", "ＤＥ８９ 3704 0044 0532 0130 00"),
        ("\\u002b49 170 1234567", "\\u002b49 170 1234567"),
        ("{\"a\":\"x\\nalice\\u0040example.com\"}", "alice\\u0040example.com"),
        ("{\\\"a\\\":\\\"x\\\\nalice@example.com\\\"}", "alice@example.com"),
        ("jürgen.groß@müller.example", "jürgen.groß@müller.example"),
    ] {
        let findings = Scanner::standard().scan(text);
        let seen: Vec<&str> = findings.iter().map(|f| &text[f.range().clone()]).collect();
        assert_eq!(seen, [found], "{text}");
    }
}

#[test]
fn overlapping_findings_leave_nothing_outside() {
    let text = "4111 1111 1111 1111@example.com";
    let findings = Scanner::standard().scan(text);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].range(), &(0..text.len()));
    assert!(findings[0].labels().contains(Label::Email) && findings[0].labels().contains(Label::Card));
}

#[test]
fn a_scanner_looks_only_for_its_labels() {
    let scanner = Scanner::new([Label::Iban].into_iter().collect());
    let labels: Vec<Label> = scanner.scan("a@b.example, DE89370400440532013000").iter().map(|f| f.label()).collect();
    assert_eq!(labels, [Label::Iban]);
}

#[test]
fn hostile_texts_take_linear_time() {
    // A square law would take minutes here.
    for unit in ["a@", "4111 ", "@a.", "0", "1 1 ", "DE89 ", "+1 ", "phone 1", "\\", "\\\\n", "a@1.1.", "(0", "999-"] {
        let text = unit.repeat(256 * 1024 / unit.len());
        let findings = Scanner::standard().scan(&text);
        assert!(findings.iter().all(|f| f.range().end <= text.len()));
    }
}

fn with_check_digit(body: &str) -> String {
    (0..10).map(|d| format!("{body}{d}")).find(|n| luhn(n)).unwrap()
}

fn luhn(number: &str) -> bool {
    let digits = number.bytes().rev().map(|b| u32::from(b - b'0')).enumerate();
    digits.map(|(i, d)| if i % 2 == 1 { if d > 4 { 2 * d - 9 } else { 2 * d } } else { d }).sum::<u32>() % 10 == 0
}

proptest! {
    #[test]
    fn any_text_gives_ordered_findings_on_character_boundaries(text in "(?s).{0,200}") {
        let mut behind = 0;
        for finding in Scanner::standard().scan(&text) {
            let range = finding.range();
            prop_assert!(range.start >= behind && range.start < range.end);
            prop_assert!(text.get(range.clone()).is_some());
            behind = range.end;
        }
    }

    #[test]
    fn every_card_with_a_valid_check_digit_is_found_and_no_other(body in "4[0-9]{14}", wrong in 1_u32..10, dash in any::<bool>()) {
        let number = with_check_digit(&body);
        let grouped = |n: &str| {
            let parts: Vec<&str> = (0..4).map(|i| &n[4 * i..4 * i + 4]).collect();
            parts.join(if dash { "-" } else { " " })
        };
        for text in [number.clone(), grouped(&number)] {
            prop_assert_eq!(marked(&format!("pay {text} now")), format!("pay [card:{text}] now"));
        }
        let last = number.bytes().last().map(|b| u32::from(b - b'0')).unwrap();
        let bad = format!("{body}{}", (last + wrong) % 10);
        prop_assert!(!marked(&bad).contains("card"));
    }

    #[test]
    fn an_iban_with_one_changed_digit_is_not_found(position in 4_usize..22, by in 1_u8..10) {
        let mut iban = b"DE89370400440532013000".to_vec();
        iban[position] = b'0' + (iban[position] - b'0' + by) % 10;
        let text = String::from_utf8(iban).unwrap();
        prop_assert!(!marked(&text).contains("iban"));
    }
}

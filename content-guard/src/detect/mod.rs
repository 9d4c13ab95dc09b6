//! The detectors. Each reads a view (see `view`) and reports spans of it; each looks at a bounded
//! window around a place that its prefilter names, so that all are linear in the length of the view.

mod card;
mod country;
mod email;
mod iban;
mod phone;

pub(crate) use card::luhn;

use crate::label::{Label, LabelSet};
use std::ops::Range;

/// What a detector recognised, in bytes of the view.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) label: Label,
    pub(crate) range: Range<usize>,
}

/// Runs the wanted detectors. Telephone numbers have the weakest shape: they are looked for in what
/// the others left.
pub(crate) fn find(view: &[u8], wanted: LabelSet, spans: &mut Vec<Span>) {
    if wanted.contains(Label::Email) {
        email::find(view, spans);
    }
    let mut phones = Vec::new();
    let mut position = 0;
    while let Some(start) = next_digit(view, position) {
        if wanted.contains(Label::Iban)
            && let Some(range) = iban::account(view, start)
        {
            position = range.end;
            spans.push(Span { label: Label::Iban, range });
            continue;
        }
        let stretch = Stretch::at(view, start);
        if stretch.digits >= card::MIN_DIGITS && wanted.contains(Label::Card) {
            card::find(view, &stretch.range, spans);
        }
        if stretch.digits >= phone::MIN_DIGITS && wanted.contains(Label::Phone) {
            phones.push(stretch.range.clone());
        }
        position = stretch.range.end;
    }
    if phones.is_empty() {
        return;
    }
    spans.sort_unstable_by_key(|s| s.range.start);
    let claimed: Vec<Range<usize>> = spans.iter().map(|s| s.range.clone()).collect();
    for stretch in phones {
        phone::find(view, &stretch, &claimed, spans);
    }
}

/// Digits with nothing but separators between them. No number reaches over its ends.
struct Stretch {
    /// From the first digit to behind the last.
    range: Range<usize>,
    digits: usize,
}

impl Stretch {
    fn at(view: &[u8], start: usize) -> Self {
        let mut stretch = Self { range: start..start, digits: 0 };
        for (position, byte) in view.iter().enumerate().skip(start) {
            if byte.is_ascii_digit() {
                stretch.digits = stretch.digits.saturating_add(1);
                stretch.range.end = position.saturating_add(1);
            } else if !is_separator(*byte) {
                break;
            }
        }
        stretch
    }
}

/// What may stand between the digits of a number.
pub(crate) const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')')
}

/// The position of the next digit at or after a position.
pub(crate) fn next_digit(view: &[u8], from: usize) -> Option<usize> {
    const BLOCK: usize = 32;
    let mut rest = view.get(from..)?;
    // Whole blocks without a digit are passed over without a branch a byte.
    while let Some((block, tail)) = rest.split_at_checked(BLOCK) {
        if block.iter().fold(false, |found, b| found | b.is_ascii_digit()) {
            break;
        }
        rest = tail;
    }
    let offset = rest.iter().position(u8::is_ascii_digit)?;
    Some(view.len().saturating_sub(rest.len()).saturating_add(offset))
}

/// The end of the run of digits that starts at a position.
pub(crate) fn digits_end(view: &[u8], from: usize) -> usize {
    let run = view.get(from..).map_or(0, |v| v.iter().take_while(|b| b.is_ascii_digit()).count());
    from.saturating_add(run)
}

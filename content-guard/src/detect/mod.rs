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
    if !view.iter().any(u8::is_ascii_digit) {
        return;
    }
    if wanted.contains(Label::Iban) {
        iban::find(view, spans);
    }
    if wanted.contains(Label::Card) {
        card::find(view, spans);
    }
    if wanted.contains(Label::Phone) {
        spans.sort_unstable_by_key(|s| s.range.start);
        let claimed: Vec<Range<usize>> = spans.iter().map(|s| s.range.clone()).collect();
        phone::find(view, &claimed, spans);
    }
}

/// The position of the next digit at or after a position.
pub(crate) fn next_digit(view: &[u8], from: usize) -> Option<usize> {
    let offset = view.get(from..)?.iter().position(u8::is_ascii_digit)?;
    Some(from.saturating_add(offset))
}

/// The end of the run of digits that starts at a position.
pub(crate) fn digits_end(view: &[u8], from: usize) -> usize {
    let run = view
        .get(from..)
        .map_or(0, |v| v.iter().take_while(|b| b.is_ascii_digit()).count());
    from.saturating_add(run)
}

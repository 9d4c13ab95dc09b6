//! Payment card numbers: 13 to 19 digits, in groups parted by spaces or dashes, with an issuer's prefix
//! and length and a valid check digit (ISO/IEC 7812-1, Luhn).

use super::{Span, digits_end, next_digit};
use crate::label::Label;
use crate::view::{at, before, is_word};
use std::ops::Range;

const MAX_DIGITS: usize = 19;
const MAX_SEPARATORS: usize = 3;

/// The fewest digits of a card number.
pub(super) const MIN_DIGITS: usize = 13;

/// Reports the card numbers of a stretch of digits and separators.
pub(super) fn find(view: &[u8], stretch: &Range<usize>, spans: &mut Vec<Span>) {
    let mut position = stretch.start;
    while let Some(start) = next_digit(view, position).filter(|s| stretch.contains(s)) {
        position = match number_end(view, start) {
            Some(end) => {
                spans.push(Span { label: Label::Card, range: start..end });
                end
            }
            None => digits_end(view, start),
        };
    }
}

/// The end of the longest card number that starts at the group of digits at `start`.
fn number_end(view: &[u8], start: usize) -> Option<usize> {
    let ahead = before(view, start);
    let fraction = matches!(ahead, b'.' | b',') && before(view, start.saturating_sub(1)).is_ascii_digit();
    if is_word(ahead) || fraction {
        return None;
    }
    let mut number = Vec::with_capacity(MAX_DIGITS);
    let mut found = None;
    let mut group = start;
    loop {
        let end = digits_end(view, group);
        let digits = view.get(group..end)?;
        if number.len().saturating_add(digits.len()) > MAX_DIGITS {
            return found;
        }
        number.extend(digits.iter().map(|b| b.saturating_sub(b'0')));
        if ends_here(view, end) && is_issued(&number) && luhn(&number) {
            found = Some(end);
        }
        let next = skip_separators(view, end);
        if digits.len() < 3 || next == end || !at(view, next).is_ascii_digit() {
            return found;
        }
        group = next;
    }
}

fn ends_here(view: &[u8], end: usize) -> bool {
    let fraction = at(view, end) == b'.' && at(view, end.saturating_add(1)).is_ascii_digit();
    !is_word(at(view, end)) && !fraction
}

fn skip_separators(view: &[u8], from: usize) -> usize {
    let run =
        view.get(from..).map_or(0, |v| v.iter().take(MAX_SEPARATORS).take_while(|b| matches!(b, b' ' | b'-')).count());
    from.saturating_add(run)
}

/// Whether the digits (values, not characters) end in their Luhn check digit.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(*d);
            if i % 2 == 0 { d } else { d.saturating_mul(2) / 10 + d.saturating_mul(2) % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer gives out numbers with this prefix and of this length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        digits.iter().take(length).fold(0_u32, |sum, d| sum.saturating_mul(10).saturating_add(u32::from(*d)))
    };
    let length = digits.len();
    match prefix(4) {
        4000..=4999 => matches!(length, 13 | 16 | 19), // Visa
        2221..=2720 | 5100..=5599 => length == 16,     // Mastercard
        3400..=3499 | 3700..=3799 => length == 15,     // American Express
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length), // Diners Club
        3528..=3589 => (16..=19).contains(&length),    // JCB
        2200..=2204 => (16..=19).contains(&length),    // Mir
        5018 | 5020 | 5038 | 5612 | 5893 | 6304 | 6390 | 6703 | 6706 | 6709 | 6759 | 6761..=6763 | 6767 | 6771 => {
            (13..=19).contains(&length) // Maestro
        }
        6011 | 6440..=6599 => (16..=19).contains(&length), // Discover, RuPay, Elo, Verve
        5060..=5089 => (16..=19).contains(&length),        // Verve, Elo, RuPay
        6000..=6010 | 6012..=6299 => (16..=19).contains(&length), // RuPay, UnionPay
        8100..=8299 => (16..=19).contains(&length),        // UnionPay, RuPay
        9792 => length == 16,                              // Troy
        _ => false,
    }
}

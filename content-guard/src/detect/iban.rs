//! International bank account numbers: country, length and ISO 7064 mod 97-10 check digits
//! (ISO 13616), written solid or parted by single spaces or dashes, in either case.

use super::country::iban_length;
use crate::view::{at, before, is_word};
use std::ops::Range;

/// The account number whose check digits are at `digit`.
pub(super) fn account(view: &[u8], digit: usize) -> Option<Range<usize>> {
    let start = digit.checked_sub(2)?;
    let country = [at(view, start).to_ascii_uppercase(), at(view, start.saturating_add(1)).to_ascii_uppercase()];
    if !country.iter().all(u8::is_ascii_uppercase) || is_word(before(view, start)) {
        return None;
    }
    let wanted = iban_length(country)?;
    let mut account = Vec::with_capacity(wanted);
    let mut position = start;
    while account.len() < wanted {
        let byte = at(view, position);
        if byte.is_ascii_alphanumeric() {
            account.push(byte.to_ascii_uppercase());
        } else if !matches!(byte, b' ' | b'-') || !at(view, position.saturating_add(1)).is_ascii_alphanumeric() {
            return None;
        }
        position = position.saturating_add(1);
    }
    let checked = account.get(2..4).is_some_and(|check| check.iter().all(u8::is_ascii_digit));
    (checked && !is_word(at(view, position)) && remainder(&account) == 1).then_some(start..position)
}

/// The number modulo 97, its first four characters moved to the end, letters as 10 to 35.
fn remainder(account: &[u8]) -> u32 {
    let (head, tail) = account.split_at(4.min(account.len()));
    tail.iter().chain(head).fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    })
}

//! E-mail addresses.
//!
//! The local part is letters, digits and `. _ % + - '`, up to 64 of them; the domain is labels of letters,
//! digits and hyphens with an alphabetic last one. Quoted local parts, address literals and hosts
//! without a dot are not recognised.

use super::Span;
use crate::label::Label;
use crate::token::EMAIL_DOMAIN;
use crate::view::{LETTER, is_word};

const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 253;

pub(super) fn find(view: &[u8], spans: &mut Vec<Span>) {
    for sign in memchr::memchr_iter(b'@', view) {
        let Some(start) = local_start(view, sign) else {
            continue;
        };
        let Some(end) = domain_end(view, sign.saturating_add(1)) else {
            continue;
        };
        spans.push(Span { label: Label::Email, range: start..end });
    }
}

fn local_start(view: &[u8], sign: usize) -> Option<usize> {
    let lowest = sign.saturating_sub(LOCAL_MAX);
    let before = view.get(lowest..sign)?;
    let length = before.iter().rev().take_while(|b| is_local(**b)).count();
    let local = before.get(before.len().saturating_sub(length)..)?;
    // Punctuation before the first word character is of the sentence, not of the address.
    let lead = local.iter().position(|b| is_word(*b) || *b == b'_')?;
    Some(sign.saturating_sub(length).saturating_add(lead))
}

fn domain_end(view: &[u8], start: usize) -> Option<usize> {
    let rest = view.get(start..)?;
    let length = rest.iter().take(DOMAIN_MAX).take_while(|b| is_domain(**b)).count();
    let mut domain = rest.get(..length)?;
    while let [head @ .., b'.' | b'-' | b'_'] = domain {
        domain = head;
    }
    // The address ends with the last label that can be a top-level domain: `a@b.co.1` is `a@b.co`.
    loop {
        let dot = memchr::memrchr(b'.', domain)?;
        let (head, last) = (domain.get(..dot)?, domain.get(dot.saturating_add(1)..)?);
        if head.is_empty() || is_version(head) {
            return None;
        }
        if let Some(length) = top_level(last) {
            domain = domain.get(..dot.saturating_add(1).saturating_add(length))?;
            break;
        }
        domain = head;
    }
    let pseudonym = domain.eq_ignore_ascii_case(EMAIL_DOMAIN.as_bytes());
    if pseudonym || !domain.first().is_some_and(|b| is_word(*b)) {
        return None;
    }
    Some(start.saturating_add(domain.len()))
}

/// `18.2` of `package@18.2.0-beta.rc`: two numbers at the head make a version, not a domain.
fn is_version(head: &[u8]) -> bool {
    let mut labels = head.split(|b| *b == b'.');
    let numeric = |label: Option<&[u8]>| label.is_some_and(|l| !l.is_empty() && l.iter().all(u8::is_ascii_digit));
    numeric(labels.next()) && numeric(labels.next())
}

/// The length of a top-level domain at the head of a label. What follows without a space, such as a
/// digit, is not of the address.
fn top_level(label: &[u8]) -> Option<usize> {
    if label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--")) {
        return Some(label.len());
    }
    let letters = label.iter().take_while(|b| b.is_ascii_alphabetic() || **b == LETTER).count();
    (letters >= 2).then_some(letters)
}

const fn is_local(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

const fn is_domain(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'-' | b'_')
}

//! The shapes of pseudonyms.
//!
//! Each is ASCII without a character that JSON escapes, is of the type of what it stands for, and is
//! none that any detector finds or any registry gives out.

use crate::detect::luhn;
use crate::label::Label;

/// The domain of e-mail pseudonyms. RFC 2606 keeps `.invalid` out of use for ever.
pub(crate) const EMAIL_DOMAIN: &str = "pseudonym.invalid";

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// Whether a restorer should accept separators inside the token: models like to group digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Solid,
    Grouped,
}

pub(crate) const fn shape(label: Label) -> Shape {
    match label {
        Label::Email => Shape::Solid,
        Label::Iban | Label::Card | Label::Phone => Shape::Grouped,
    }
}

/// The token of a label for 32 pseudo-random bytes.
pub(crate) fn token(label: Label, bytes: &[u8]) -> String {
    match label {
        Label::Email => format!("{}@{EMAIL_DOMAIN}", words(bytes)),
        // Twenty digits behind country ZZ, which ISO 3166-1 leaves to users.
        Label::Iban => format!("ZZ{:020}", number(bytes) % 100_000_000_000_000_000_000),
        Label::Card => card(number(bytes) % 1_000_000_000_000),
        // E.164 keeps code 999 unassigned.
        Label::Phone => format!("+999{:012}", number(bytes) % 1_000_000_000_000),
    }
}

/// Three pronounceable words of 16 bits each, parted by hyphens: models copy them more faithfully than
/// random letters.
fn words(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(40);
    for pair in bytes.chunks_exact(2).take(3) {
        if !text.is_empty() {
            text.push('-');
        }
        let bits = pair.iter().fold(0_usize, |sum, b| (sum << 8) | usize::from(*b));
        for (shift, vowel) in [(12, false), (10, true), (6, false), (4, true), (0, false)] {
            let letter = if vowel { VOWELS.get((bits >> shift) & 3) } else { CONSONANTS.get((bits >> shift) & 15) };
            text.extend(letter.map(|b| char::from(*b)));
        }
    }
    text
}

/// Sixteen digits under a prefix without an issuer, with a wrong check digit.
fn card(number: u128) -> String {
    let mut text = format!("9990{number:012}");
    let digits: Vec<u8> = text.bytes().map(|b| b.saturating_sub(b'0')).collect();
    if luhn(&digits)
        && let Some(last) = text.pop().and_then(|c| c.to_digit(10))
    {
        text.push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
    }
    text
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).fold(0, |sum, b| (sum << 8) | u128::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scanner;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_detector_finds_a_token_and_no_token_needs_an_escape(bytes in any::<[u8; 32]>(), around in "[ ,;:\"'()<>\n]") {
            for label in Label::ALL {
                let token = token(label, &bytes);
                prop_assert!(token.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')));
                let text = format!("a@{token}{around}phone:{around}{token}{around}today");
                prop_assert!(Scanner::standard().scan(&text).is_empty(), "{}", text);
            }
        }

        #[test]
        fn tokens_of_one_label_are_equally_long(one in any::<[u8; 32]>(), two in any::<[u8; 32]>()) {
            for label in Label::ALL {
                prop_assert_eq!(token(label, &one).len(), token(label, &two).len());
            }
        }
    }
}

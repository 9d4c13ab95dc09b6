//! Pseudonyms and the map of one request.

use crate::label::Label;
use crate::token;
use crate::view;
use core::fmt;
use ring::hmac;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use vocab::Plain;
use zeroize::Zeroize;

/// Makes the pseudonyms of one tenant: HMAC-SHA-256 over label, variant and canonical value.
///
/// The canonical value of an e-mail address is its lower case, of a telephone number its digits with an
/// international prefix written `+` and without `(0)`, of a card its digits, of an IBAN its upper case
/// without separators.
pub struct Pseudonymiser {
    key: hmac::Key,
}

impl Pseudonymiser {
    /// A pseudonymiser under a tenant's key. The key must serve nothing else.
    #[must_use]
    pub fn new(key: &Plain<[u8; 32]>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// The token for a value as it is written in the text, entered into the map.
    ///
    /// A value that is written in a second way in the same request gets a second token, so that each
    /// is restored exactly as it was written.
    pub(crate) fn token(&self, label: Label, written: &str, map: &mut PseudonymMap) -> String {
        let original = Original(view::unescaped(written).into_owned());
        if let Some(token) = map.tokens.get(original.0.as_str()) {
            return token.clone();
        }
        let canonical = Plain::new(canonical(label, &original.0));
        let first = self.derive(label, 0, canonical.expose());
        let mut variant = map.variants.get(&first).copied().unwrap_or(0);
        let mut token = first.clone();
        loop {
            if variant > 0 {
                token = self.derive(label, variant, canonical.expose());
            }
            variant = variant.saturating_add(1);
            if !map.originals.contains_key(&token) {
                break;
            }
        }
        map.variants.insert(first, variant);
        map.originals.insert(token.clone(), (label, Original(original.0.clone())));
        map.tokens.insert(original, token.clone());
        token
    }

    fn derive(&self, label: Label, variant: u32, canonical: &str) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label.as_str().as_bytes());
        context.update(&[0]);
        context.update(&variant.to_be_bytes());
        context.update(canonical.as_bytes());
        token::token(label, context.sign().as_ref())
    }
}

impl fmt::Debug for Pseudonymiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonymiser")
    }
}

fn canonical(label: Label, original: &str) -> String {
    let mut folded = view::folded(original);
    let text = match label {
        Label::Email => folded.to_lowercase(),
        Label::Iban => folded.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect(),
        Label::Card => folded.chars().filter(char::is_ascii_digit).collect(),
        Label::Phone => {
            let dialled = folded.replace("(0)", "");
            let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
            match digits.strip_prefix("00") {
                Some(rest) => format!("+{rest}"),
                None if dialled.trim_start_matches('(').starts_with('+') => format!("+{digits}"),
                None => digits,
            }
        }
    };
    folded.zeroize();
    text
}

/// The pseudonyms of ONE request, each with what it stands for.
///
/// It is not cloned, printed or shared: an answer is restored with the map of its own request
/// only. Its originals are overwritten when it is dropped.
#[derive(Default)]
pub struct PseudonymMap {
    /// Token to what it stands for.
    originals: BTreeMap<String, (Label, Original)>,
    /// What was written to its token.
    tokens: BTreeMap<Original, String>,
    /// First token of a canonical value to its next free variant.
    variants: BTreeMap<String, u32>,
}

impl PseudonymMap {
    /// An empty map, for a new request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the request has no pseudonym: its answer needs no restoring.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.originals.is_empty()
    }

    /// The number of pseudonyms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.originals.len()
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, Label, Original)> {
        self.originals.into_iter().map(|(token, (label, original))| (token, label, original))
    }
}

impl fmt::Debug for PseudonymMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PseudonymMap({} pseudonyms)", self.len())
    }
}

/// What a token stands for. Overwritten when dropped; never printed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Original(String);

impl Original {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Original {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(byte: u8) -> Pseudonymiser {
        Pseudonymiser::new(&Plain::new([byte; 32]))
    }

    #[test]
    fn one_value_has_one_token_per_tenant_and_label() {
        let token = |key, label, text| maker(key).token(label, text, &mut PseudonymMap::new());
        let alice = token(1, Label::Email, "alice@example.com");
        assert_eq!(alice, token(1, Label::Email, "Alice@EXAMPLE.com"), "case is not identity");
        assert_ne!(alice, token(2, Label::Email, "alice@example.com"), "tenants cannot be joined");
        assert_ne!(alice, token(1, Label::Email, "alicf@example.com"));
        let phone = token(1, Label::Phone, "+49 (0)170 1234567");
        assert_eq!(phone, token(1, Label::Phone, "0049 170/1234567"));
        assert_eq!(phone, token(1, Label::Phone, "(+49) 170-1234567"));
        assert_eq!(token(1, Label::Iban, "de89 3704"), token(1, Label::Iban, "DE893704"));
        assert_eq!(token(1, Label::Card, "4111 1111"), token(1, Label::Card, "41111111"));
    }

    #[test]
    fn a_second_way_of_writing_has_its_own_token_in_one_request() {
        let (maker, mut map) = (maker(1), PseudonymMap::new());
        let lower = maker.token(Label::Email, "alice@example.com", &mut map);
        let upper = maker.token(Label::Email, "ALICE@example.com", &mut map);
        assert_ne!(lower, upper);
        assert_eq!(upper, maker.token(Label::Email, "ALICE@example.com", &mut map));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn debug_shows_no_value() {
        let (maker, mut map) = (maker(1), PseudonymMap::new());
        maker.token(Label::Email, "alice@example.com", &mut map);
        let shown = format!("{maker:?} {map:?}");
        assert!(!shown.contains("alice") && !shown.contains("invalid"), "{shown}");
    }
}

//! The proof that a content was scanned and what was demanded of it was done.

use crate::label::LabelSet;
use crate::pseudonym::{PseudonymMap, Pseudonymiser};
use crate::scan::{Finding, Scanner};
use core::fmt;

/// A content that was scanned and whose demanded labels were replaced by pseudonyms.
///
/// Only this crate can make one, from the very bytes that it scanned, so that what is forwarded as
/// `Guarded` *is* what was scanned.
pub struct Guarded<T>(T);

impl<T> Guarded<T> {
    pub(crate) const fn new(content: T) -> Self {
        Self(content)
    }

    /// The content, still with its proof.
    pub const fn content(&self) -> &T {
        &self.0
    }

    /// Gives the content away to be sent.
    pub fn into_content(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

/// Scans a text and replaces each finding of a demanded label by its pseudonym, which is entered into
/// the request's map.
#[must_use]
pub fn guard_text(
    scanner: &Scanner,
    text: &str,
    demanded: LabelSet,
    pseudonymiser: &Pseudonymiser,
    map: &mut PseudonymMap,
) -> Guarded<String> {
    let findings = scanner.scan(text);
    Guarded::new(rewrite(text, &findings, demanded, pseudonymiser, map))
}

/// The text with the demanded findings replaced. The findings are of this text.
pub(crate) fn rewrite(
    text: &str,
    findings: &[Finding],
    demanded: LabelSet,
    pseudonymiser: &Pseudonymiser,
    map: &mut PseudonymMap,
) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(32));
    let mut copied = 0;
    for finding in findings.iter().filter(|f| f.labels().meets(demanded)) {
        let range = finding.range();
        let written = text.get(range.clone()).unwrap_or_default();
        out.push_str(text.get(copied..range.start).unwrap_or_default());
        out.push_str(&pseudonymiser.token(finding.label(), written, map));
        copied = range.end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

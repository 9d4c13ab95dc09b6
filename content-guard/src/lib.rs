//! What a text holds, and what may leave of it.
//!
//! The crate finds personal data in texts and JSON bodies, replaces it by pseudonyms before the text
//! leaves, and puts the originals back into what returns, also while the answer is still streaming.
//! It is pure: no I/O, no clock, no randomness. Keys come in as arguments.
//!
//! The way of a request: [`json::Document::parse`] -> [`FieldPlan`] (the wire codec names the
//! fields) -> [`ScannedBody::scan`] -> a policy decides on [`ScannedBody::counts`] ->
//! [`ScannedBody::guard`] gives [`Guarded`] bytes and fills a [`PseudonymMap`]. The way of an
//! answer: [`Restorer`] over whole texts, [`StreamRestorer`] over pieces.
//!
//! # What the scan sees through
//! Beside the text as written, the detectors see full-width forms, decimal digits of other scripts,
//! no-break and typographic spaces, typographic dashes, zero-width and bidirectional controls, and
//! backslash escapes (`\u0040`, `\n`, nested to any depth), each mapped back to the written bytes.
//! They do not see through base64, hex, URL or HTML encoding, homoglyphs, circled or superscript digits, nor through
//! a value that is split over two strings.
//!
//! # What a pseudonym is
//! A token that depends on the tenant's key, the label and the canonical value only, so that the same
//! value has the same pseudonym in every request of the tenant. It is of the same type as the value and
//! cannot be a real one: a domain under `.invalid`, the unassigned country code +999, a card number that
//! fails its check digit under an unassigned prefix, an IBAN of no country. A restorer knows only the tokens
//! of its own request.

mod body;
mod detect;
mod guard;
pub mod json;
mod label;
mod pseudonym;
mod restore;
mod scan;
mod stream;
mod token;
mod view;

pub use body::{Coverage, Field, FieldCoverage, FieldPlan, NotGuarded, ScannedBody, Status, Treatment};
pub use guard::{Guarded, guard_text};
pub use label::{Label, LabelCounts, LabelSet, UnknownLabel};
pub use pseudonym::{PseudonymMap, Pseudonymiser};
pub use restore::Restorer;
pub use scan::{Finding, Scanner};
pub use stream::{StreamRestorer, Syntax};

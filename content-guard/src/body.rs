//! Scanning and rewriting a JSON body.

use crate::guard::{Guarded, rewrite};
use crate::json::{Document, Kind, Value, escape_into};
use crate::label::{LabelCounts, LabelSet};
use crate::pseudonym::{PseudonymMap, Pseudonymiser};
use crate::scan::{Finding, Scanner};
use bytes::Bytes;
use core::fmt;

/// What is done with the texts of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Scanned; findings may be replaced.
    Rewrite,
    /// Scanned; a finding that must be replaced refuses the call, since the field means something to
    /// the upstream (a model name, a role).
    Fixed,
    /// Holds content that this crate cannot read: images, sounds, files, token numbers.
    NotScannable,
}

/// A field of a wire format, under a name that holds nothing of the caller's.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The path, items of arrays written `[]`, such as `messages[].content`.
    pub name: &'static str,
    /// What is done with its texts.
    pub treatment: Treatment,
}

/// Where no field was named: scanned and rewritten like text.
static UNNAMED: Field = Field { name: "(unnamed)", treatment: Treatment::Rewrite };

/// Which field each value of a document belongs to. What a codec leaves out is still scanned.
pub struct FieldPlan {
    fields: Vec<Option<&'static Field>>,
}

impl FieldPlan {
    /// A plan that names no field of the document yet.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        Self { fields: vec![None; document.root().span().end] }
    }

    /// Names a value, its keys and all within it; a later, narrower name takes the place of an earlier one.
    pub fn name(&mut self, value: Value<'_>, field: &'static Field) {
        if let Some(fields) = self.fields.get_mut(value.span()) {
            fields.fill(Some(field));
        }
    }
}

impl fmt::Debug for FieldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldPlan({} values)", self.fields.len())
    }
}

/// How a field was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Every text of the field was scanned; what was found.
    Scanned(LabelCounts),
    /// The field holds content that cannot be read.
    NotScannable,
}

/// The account of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCoverage {
    /// The name of the field.
    pub field: &'static str,
    /// How many strings (keys too) and long numbers it holds; of content that cannot be read, how many values.
    pub values: u32,
    /// How it was looked at.
    pub status: Status,
}

/// The account of a body, field by field, in the order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage(Vec<FieldCoverage>);

impl Coverage {
    /// The fields.
    pub fn fields(&self) -> impl Iterator<Item = &FieldCoverage> {
        self.0.iter()
    }

    fn entry(&mut self, field: &'static Field) -> Option<&mut FieldCoverage> {
        let position = self.0.iter().position(|f| f.field == field.name).unwrap_or_else(|| {
            let status = match field.treatment {
                Treatment::NotScannable => Status::NotScannable,
                Treatment::Rewrite | Treatment::Fixed => Status::Scanned(LabelCounts::default()),
            };
            self.0.push(FieldCoverage { field: field.name, values: 0, status });
            self.0.len().saturating_sub(1)
        });
        self.0.get_mut(position)
    }
}

/// Why a body cannot be sent with the demanded labels replaced: the client's content does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGuarded {
    /// A field cannot be read, so nothing can be said about what it holds.
    #[error("{field} holds content that cannot be scanned, and policy demands scanning")]
    NotScannable {
        /// The field.
        field: &'static str,
    },
    /// A finding stands where it cannot be replaced.
    #[error("{field} holds personal data that policy wants replaced, and this field cannot be changed")]
    Fixed {
        /// The field.
        field: &'static str,
    },
}

/// Findings of one value.
struct Hit {
    value: usize,
    field: &'static Field,
    findings: Vec<Finding>,
}

/// A body whose every string, key and long number was scanned.
pub struct ScannedBody {
    document: Document,
    hits: Vec<Hit>,
    counts: LabelCounts,
    coverage: Coverage,
    text_bytes: usize,
}

/// Shorter numbers hold no card number.
const LONG_NUMBER: usize = 13;

impl ScannedBody {
    /// Scans a document.
    #[must_use]
    pub fn scan(scanner: &Scanner, document: Document, plan: &FieldPlan) -> Self {
        let (mut hits, mut counts, mut coverage) = (Vec::new(), LabelCounts::default(), Coverage::default());
        let mut text_bytes = 0_usize;
        for (index, value) in document.values().enumerate() {
            let field = plan.fields.get(index).copied().flatten().unwrap_or(&UNNAMED);
            if field.treatment == Treatment::NotScannable {
                if !matches!(value.kind(), Kind::Array | Kind::Object | Kind::Null)
                    && let Some(entry) = coverage.entry(field)
                {
                    entry.values = entry.values.saturating_add(1);
                }
                continue;
            }
            let Some(text) = scanned_text(value) else {
                continue;
            };
            text_bytes = text_bytes.saturating_add(text.len());
            let findings = scanner.scan(&text);
            if let Some(entry) = coverage.entry(field) {
                entry.values = entry.values.saturating_add(1);
                if let Status::Scanned(own) = &mut entry.status {
                    findings.iter().for_each(|f| own.add(f.labels()));
                }
            }
            if !findings.is_empty() {
                findings.iter().for_each(|f| counts.add(f.labels()));
                hits.push(Hit { value: index, field, findings });
            }
        }
        Self { document, hits, counts, coverage, text_bytes }
    }

    /// What was found.
    #[must_use]
    pub const fn counts(&self) -> &LabelCounts {
        &self.counts
    }

    /// What was looked at.
    #[must_use]
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The bytes of all scanned texts together.
    #[must_use]
    pub const fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The body as it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        self.document.body()
    }

    /// Replaces every finding of a demanded label by its pseudonym and leaves all else byte for byte.
    ///
    /// # Errors
    /// [`NotGuarded`] when something is demanded and a field cannot be scanned, or a finding cannot be
    /// replaced. Where nothing is demanded, the body passes as it is.
    pub fn guard(
        self,
        demanded: LabelSet,
        pseudonymiser: &Pseudonymiser,
        map: &mut PseudonymMap,
    ) -> Result<Guarded<Bytes>, NotGuarded> {
        if demanded.is_empty() {
            return Ok(Guarded::new(self.document.body().clone()));
        }
        if let Some(blind) = self.coverage.fields().find(|f| f.status == Status::NotScannable) {
            return Err(NotGuarded::NotScannable { field: blind.field });
        }
        let body = self.document.body();
        let mut hits = self.hits.iter().filter(|h| h.findings.iter().any(|f| f.labels().meets(demanded))).peekable();
        if hits.peek().is_none() {
            return Ok(Guarded::new(body.clone()));
        }
        let mut out = Vec::with_capacity(body.len().saturating_add(256));
        let mut copied = 0;
        for hit in hits {
            if hit.field.treatment == Treatment::Fixed {
                return Err(NotGuarded::Fixed { field: hit.field.name });
            }
            let Some(value) = self.document.value(hit.value) else {
                continue;
            };
            let Some(text) = scanned_text(value) else {
                continue;
            };
            let text = rewrite(&text, &hit.findings, demanded, pseudonymiser, map);
            let range = value.range();
            out.extend_from_slice(body.get(copied..range.start).unwrap_or_default());
            if value.is_text() {
                let mut quoted = String::with_capacity(text.len().saturating_add(8));
                quoted.push('"');
                escape_into(&text, &mut quoted);
                quoted.push('"');
                out.extend_from_slice(quoted.as_bytes());
            } else {
                // A card number written as a number: its token is a number too.
                out.extend_from_slice(text.as_bytes());
            }
            copied = range.end;
        }
        out.extend_from_slice(body.get(copied..).unwrap_or_default());
        Ok(Guarded::new(Bytes::from(out)))
    }
}

impl fmt::Debug for ScannedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScannedBody({} bytes, {:?})", self.document.body().len(), self.counts)
    }
}

fn scanned_text(value: Value<'_>) -> Option<std::borrow::Cow<'_, str>> {
    match value.kind() {
        Kind::Number if value.raw().len() >= LONG_NUMBER => Some(std::borrow::Cow::Borrowed(value.raw())),
        _ => value.text(),
    }
}

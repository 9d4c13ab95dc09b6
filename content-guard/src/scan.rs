//! Finding personal data in a text.

use crate::detect::{self, Span};
use crate::label::{Label, LabelSet};
use crate::view::View;
use std::ops::Range;

/// A place in a text that a detector recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    label: Label,
    labels: LabelSet,
    range: Range<usize>,
}

impl Finding {
    /// The label that names the whole place best.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }

    /// Every label that was found in this place; more than one where detectors overlapped.
    #[must_use]
    pub const fn labels(&self) -> LabelSet {
        self.labels
    }

    /// The bytes of the text, on character boundaries.
    #[must_use]
    pub const fn range(&self) -> &Range<usize> {
        &self.range
    }
}

/// The detectors. One scan takes time linear in the length of the text, whatever the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanner {
    labels: LabelSet,
}

impl Scanner {
    /// A scanner with every built-in detector.
    #[must_use]
    pub fn standard() -> Self {
        Self { labels: LabelSet::all() }
    }

    /// A scanner that looks for these labels only.
    #[must_use]
    pub const fn new(labels: LabelSet) -> Self {
        Self { labels }
    }

    /// Every finding, in the order of the text, none overlapping another.
    ///
    /// Where detectors overlap, their places become one: nothing that any detector recognised stays
    /// outside. It takes the label of the longest, at equal length that of the strictest detector.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        let view = View::of(text);
        let mut spans = Vec::new();
        detect::find(view.bytes(), self.labels, &mut spans);
        merge(spans)
            .into_iter()
            .map(|s| Finding { label: s.label, labels: s.labels, range: view.written(s.range) })
            .collect()
    }
}

struct Merged {
    label: Label,
    labels: LabelSet,
    longest: usize,
    range: Range<usize>,
}

fn merge(mut spans: Vec<Span>) -> Vec<Merged> {
    spans.sort_unstable_by_key(|s| (s.range.start, s.range.end, s.label));
    let mut merged: Vec<Merged> = Vec::with_capacity(spans.len());
    for span in spans {
        let own: LabelSet = [span.label].into_iter().collect();
        let length = span.range.len();
        match merged.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                last.labels = last.labels.union(own);
                if length > last.longest {
                    last.longest = length;
                    last.label = span.label;
                }
            }
            _ => merged.push(Merged { label: span.label, labels: own, longest: length, range: span.range }),
        }
    }
    merged
}

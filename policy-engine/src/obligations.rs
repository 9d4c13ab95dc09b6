//! The terms on which a call is allowed, and how the terms of several rules become one.

use crate::names::{FieldName, Label};
use std::collections::BTreeSet;
use std::fmt;

/// What must be done with an allowed call: the terms of all rules that allowed it, merged so that the
/// strictest wins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Obligations {
    /// Labels whose finds are replaced by pseudonyms before the call leaves. Merged by union.
    pub pseudonymise: BTreeSet<Label>,
    /// How vectors and payloads are protected. The strongest mode wins, then the larger beta. `None`: no
    /// rule says; a call that carries vectors must then be refused, since there is no silent default.
    pub encrypt: Option<Encrypt>,
    /// Payload fields that get a blind index and may be filtered by. Merged by intersection over the
    /// rules that name any; fields that no two rules share are a conflict, which denies.
    pub filterable: BTreeSet<FieldName>,
    /// What the records of the call hold. The most complete wins.
    pub record: Record,
}

impl Obligations {
    /// Each single obligation as a policy test writes it, such as `pseudonymise:pii.email`, in a fixed order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let labels = self.pseudonymise.iter().map(|l| format!("pseudonymise:{l}"));
        let encrypt = self.encrypt.iter().map(|e| format!("encrypt:{}", e.mode));
        let fields = self.filterable.iter().map(|f| format!("filterable:{f}"));
        let record = [format!("record:{}", self.record)];
        labels.chain(encrypt).chain(fields).chain(record).collect()
    }

    /// Merges the terms of the rules that allow a call.
    pub(crate) fn merge<'a>(all: impl Iterator<Item = &'a Terms>) -> Result<Self, Conflict> {
        let mut merged = Self::default();
        let mut filterable: Option<BTreeSet<FieldName>> = None;
        let mut record: Option<Record> = None;
        for terms in all {
            merged.pseudonymise.extend(terms.pseudonymise.iter().cloned());
            merged.encrypt = match (merged.encrypt, terms.encrypt) {
                (Some(a), Some(b)) => Some(a.stronger(b)),
                (a, b) => a.or(b),
            };
            record = record.max(terms.record);
            if let Some(named) = &terms.filterable {
                filterable = Some(match filterable {
                    None => named.clone(),
                    Some(before) => {
                        let both: BTreeSet<_> = before.intersection(named).cloned().collect();
                        if both.is_empty() && !before.is_empty() && !named.is_empty() {
                            return Err(Conflict);
                        }
                        both
                    }
                });
            }
        }
        merged.filterable = filterable.unwrap_or_default();
        merged.record = record.unwrap_or_default();
        Ok(merged)
    }
}

/// Two rules name terms that cannot both be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

/// The terms of one rule. `None` means that the rule does not speak about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Terms {
    pub(crate) pseudonymise: BTreeSet<Label>,
    pub(crate) encrypt: Option<Encrypt>,
    pub(crate) filterable: Option<BTreeSet<FieldName>>,
    pub(crate) record: Option<Record>,
}

/// How vectors and payloads are protected before they leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encrypt {
    /// The mode.
    pub mode: Mode,
    /// The amount of noise; it matters in mode [`Mode::Preserving`] only.
    pub beta: Beta,
}

impl Encrypt {
    fn stronger(self, other: Self) -> Self {
        let mode = self.mode.max(other.mode);
        let larger = if other.beta.0 > self.beta.0 { other.beta } else { self.beta };
        // A beta that came with a mode that lost says nothing about the mode that won.
        let beta = match (self.mode == mode, other.mode == mode) {
            (true, true) => larger,
            (true, false) => self.beta,
            (false, _) => other.beta,
        };
        Self { mode, beta }
    }
}

/// The modes of protection, weakest first. `docs/threat-model.md` says what each leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// `plain`: nothing is encrypted.
    Plain,
    /// `preserving`: payloads are sealed and vectors are obfuscated so that the store can still compare
    /// them. It is not confidentiality for vectors.
    Preserving,
    /// `sealed`: the store gets nothing but ciphertext.
    Sealed,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Preserving, Self::Sealed];

    /// The mode as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Preserving => "preserving",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The noise parameter of mode `preserving`: noise of norm beta/4 is added to unit vectors. More than 0 and
/// at most 4 (noise as long as the vector itself). The default is 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta(f64);

/// The number is no beta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("beta is more than 0 and at most 4")]
pub struct BadBeta;

impl Beta {
    /// Checks the number and wraps it.
    ///
    /// # Errors
    /// [`BadBeta`] when it is not more than 0 and at most 4.
    pub fn new(value: f64) -> Result<Self, BadBeta> {
        if value > 0.0 && value <= 4.0 { Ok(Self(value)) } else { Err(BadBeta) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Beta {
    fn default() -> Self {
        Self(2.0)
    }
}

/// What the two records of a call hold of its content, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Record {
    /// `none`: nothing of the content. The call itself is always recorded.
    None,
    /// `digest`: digests of the content. This holds when no rule says.
    #[default]
    Digest,
    /// `content`: the content, sealed beside the ledger, bound by its digest.
    Content,
}

impl Record {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Digest, Self::Content];

    /// The choice as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Digest => "digest",
            Self::Content => "content",
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(names: &[&str]) -> Option<BTreeSet<FieldName>> {
        Some(names.iter().map(|n| FieldName::new(n).unwrap()).collect())
    }

    #[test]
    fn fields_intersect_and_strangers_conflict() {
        let a = Terms { filterable: fields(&["lang", "year"]), ..Terms::default() };
        let b = Terms { filterable: fields(&["year", "topic"]), ..Terms::default() };
        let c = Terms { filterable: fields(&["source"]), ..Terms::default() };
        let silent = Terms::default();
        let both = Obligations::merge([&a, &silent, &b].into_iter()).unwrap();
        assert_eq!(Some(both.filterable), fields(&["year"]));
        assert_eq!(Obligations::merge([&a, &c].into_iter()), Err(Conflict));
    }

    #[test]
    fn the_beta_of_a_mode_that_lost_is_dropped() {
        let big = Encrypt { mode: Mode::Plain, beta: Beta::new(4.0).unwrap() };
        let own = Encrypt { mode: Mode::Preserving, beta: Beta::new(1.5).unwrap() };
        assert_eq!(big.stronger(own), own);
        assert_eq!(own.stronger(big), own);
        let more = Encrypt { mode: Mode::Preserving, beta: Beta::new(3.0).unwrap() };
        assert_eq!(own.stronger(more), more);
        assert!(Beta::new(f64::NAN).is_err() && Beta::new(0.0).is_err() && Beta::new(4.1).is_err());
    }

    #[test]
    fn a_rule_that_says_none_stands_only_if_no_other_asks_for_more() {
        let none = Terms { record: Some(Record::None), ..Terms::default() };
        let content = Terms { record: Some(Record::Content), ..Terms::default() };
        let record = |terms: &[&Terms]| Obligations::merge(terms.iter().copied()).unwrap().record;
        assert_eq!(record(&[]), Record::Digest);
        assert_eq!(record(&[&none, &Terms::default()]), Record::None);
        assert_eq!(record(&[&none, &content]), Record::Content);
    }

    fn any_terms() -> impl Strategy<Value = Terms> {
        let labels = prop::collection::btree_set(prop::sample::select(vec!["a", "b", "c"]), 0..3);
        let encrypt = prop::option::of((prop::sample::select(Mode::ALL.to_vec()), 0.1_f64..4.0));
        let named = prop::collection::btree_set(prop::sample::select(vec!["x", "y", "z"]), 0..3);
        let record = prop::option::of(prop::sample::select(Record::ALL.to_vec()));
        (labels, encrypt, prop::option::of(named), record).prop_map(|(l, e, f, record)| Terms {
            pseudonymise: l.into_iter().map(|t| Label::new(t).unwrap()).collect(),
            encrypt: e.map(|(mode, b)| Encrypt { mode, beta: Beta::new(b).unwrap() }),
            filterable: f.map(|f| f.into_iter().map(|t| FieldName::new(t).unwrap()).collect()),
            record,
        })
    }

    proptest! {
        #[test]
        fn merged_terms_are_at_least_as_strict_as_each(all in prop::collection::vec(any_terms(), 1..5)) {
            let Ok(merged) = Obligations::merge(all.iter()) else { return Ok(()) };
            for terms in &all {
                prop_assert!(merged.pseudonymise.is_superset(&terms.pseudonymise));
                prop_assert!(terms.record.is_none_or(|r| merged.record >= r));
                if let Some(named) = &terms.filterable {
                    prop_assert!(merged.filterable.is_subset(named));
                }
                if let Some(own) = terms.encrypt {
                    let got = merged.encrypt.unwrap();
                    prop_assert!(got.mode >= own.mode);
                    prop_assert!(got.mode != own.mode || got.beta.get() >= own.beta.get());
                }
            }
        }

        #[test]
        fn the_order_of_rules_does_not_matter(all in prop::collection::vec(any_terms(), 1..4)) {
            let there = Obligations::merge(all.iter());
            let back = Obligations::merge(all.iter().rev());
            if let (Ok(a), Ok(b)) = (there, back) {
                prop_assert_eq!(a, b);
            }
        }
    }
}

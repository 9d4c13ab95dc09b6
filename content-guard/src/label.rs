//! The kinds of content that detectors tell apart.

use core::fmt;
use core::str::FromStr;

/// A kind of content that a detector of this crate finds. Policies name it by [`Label::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Label {
    /// An e-mail address, `pii.email`.
    Email,
    /// An international bank account number with valid check digits, `pii.iban`.
    Iban,
    /// A payment card number with a known prefix and a valid check digit, `pii.card`.
    Card,
    /// A telephone number, `pii.phone`.
    Phone,
}

/// A label that no detector of this build finds. A policy that names one cannot be kept, so it must be
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no detector finds this label")]
pub struct UnknownLabel;

impl Label {
    /// Every label.
    pub const ALL: [Self; 4] = [Self::Email, Self::Iban, Self::Card, Self::Phone];

    /// The name that policies and records use, such as `pii.email`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "pii.email",
            Self::Iban => "pii.iban",
            Self::Card => "pii.card",
            Self::Phone => "pii.phone",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Email => 1,
            Self::Iban => 2,
            Self::Card => 4,
            Self::Phone => 8,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Label {
    type Err = UnknownLabel;
    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        Self::ALL.into_iter().find(|l| l.as_str() == text).ok_or(UnknownLabel)
    }
}

/// A set of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelSet(u8);

impl LabelSet {
    /// Every label of this build.
    #[must_use]
    pub fn all() -> Self {
        Label::ALL.into_iter().collect()
    }

    /// No label.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// Whether no label is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the label is in the set.
    #[must_use]
    pub const fn contains(self, label: Label) -> bool {
        self.0 & label.bit() != 0
    }

    /// Whether the two sets share a label.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The labels of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The labels, in the order of [`Label::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::ALL.into_iter().filter(move |l| self.contains(*l))
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().fold(0, |bits, l| bits | l.bit()))
    }
}

/// How many findings there are of each label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCounts {
    email: u32,
    iban: u32,
    card: u32,
    phone: u32,
}

impl LabelCounts {
    /// The number of findings of a label.
    #[must_use]
    pub const fn count(&self, label: Label) -> u32 {
        match label {
            Label::Email => self.email,
            Label::Iban => self.iban,
            Label::Card => self.card,
            Label::Phone => self.phone,
        }
    }

    /// The labels that were found.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        Label::ALL.into_iter().filter(|l| self.count(*l) > 0).collect()
    }

    /// The labels that were found, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Label, u32)> + '_ {
        self.labels().iter().map(|l| (l, self.count(l)))
    }

    pub(crate) fn add(&mut self, labels: LabelSet) {
        for label in labels.iter() {
            let count = match label {
                Label::Email => &mut self.email,
                Label::Iban => &mut self.iban,
                Label::Card => &mut self.card,
                Label::Phone => &mut self.phone,
            };
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_unknown_ones_are_refused() {
        for label in Label::ALL {
            assert_eq!(label.as_str().parse(), Ok(label));
        }
        for text in ["", "pii.name", "PII.EMAIL", "pii.email "] {
            assert_eq!(text.parse::<Label>(), Err(UnknownLabel), "{text:?}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set: LabelSet = [Label::Card, Label::Email].into_iter().collect();
        assert!(set.contains(Label::Card) && !set.contains(Label::Phone));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Label::Email, Label::Card]);
        assert!(!set.meets([Label::Iban].into_iter().collect()));
        assert_eq!(LabelSet::all().iter().count(), Label::ALL.len());
    }
}

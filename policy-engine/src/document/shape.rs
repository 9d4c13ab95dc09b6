//! What documents may hold: one table that the reader follows and that the JSON Schema is made from.

/// A table of a document: its keys, and what each means.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) doc: &'static str,
    /// Exactly one of these keys is there, if any are named.
    pub(crate) either: &'static [&'static str],
    pub(crate) keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A text that follows a regular expression.
    Word(&'static str),
    /// One text out of a few.
    Choice(&'static [&'static str]),
    /// This whole number.
    Exactly(u64),
    /// A whole number from a least one on.
    Whole(u64),
    /// Any number.
    Number,
    /// A date such as 2027-01-31, without quotes.
    Date,
    /// A date and time, without quotes, or seconds since 1970.
    Moment,
    /// A list.
    List(&'static Self),
    /// A list that is not empty, or one element alone.
    OneOrMore(&'static Self),
    /// A table.
    Table(&'static Shape),
    /// A list of tables, written `[[key]]`.
    Tables(&'static Shape),
    /// A table whose keys are names.
    Entries(&'static str, &'static Self),
    /// Either of two.
    Either(&'static Self, &'static Self),
}

impl Shape {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// A key that must be there.
pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, need: Need::Required, kind, doc }
}

/// A key that may be there.
pub(super) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, need: Need::Optional, kind, doc }
}

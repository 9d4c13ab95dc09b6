//! Reading a TOML tree key by key, so that one pass finds every defect.

use super::Document;
use super::defect::{Defect, Place};
use super::hint::{did_you_mean, lookalike};
use super::shape::Shape;
use crate::condition::Conditions;
use std::str::FromStr;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A document being read: where its lines start, and the defects found so far.
pub(super) struct Source {
    file: Arc<str>,
    line_starts: Vec<usize>,
    pub(super) defects: Vec<Defect>,
    /// The conditions of all documents that are compiled together.
    pub(super) conditions: Arc<Conditions>,
}

impl Source {
    pub(super) fn new(document: &Document, conditions: &Arc<Conditions>) -> Self {
        let breaks = document.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file: Arc::from(document.name.as_str()),
            line_starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect(),
            defects: Vec::new(),
            conditions: Arc::clone(conditions),
        }
    }

    /// The line of a byte, from 1.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(super) fn place(&self, offset: usize, key: impl Into<String>) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line(offset), key: key.into() }
    }

    pub(super) fn report(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.defects.push(place.defect(message, hint));
    }
}

/// A value with its place. Both outlive the reading of the table that it stands in.
#[derive(Clone)]
pub(super) struct Found<'t> {
    pub(super) value: &'t DeValue<'t>,
    pub(super) place: Place,
}

/// One table being read. Keys that its shape does not have are defects: see [`Section::finish`].
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    pub(super) place: Place,
    shape: &'static Shape,
    #[cfg(test)]
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) const fn new(table: &'t DeTable<'t>, place: Place, shape: &'static Shape) -> Self {
        Self {
            table,
            place,
            shape,
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    /// The section in a value, or a defect.
    pub(super) fn of(source: &mut Source, found: Found<'t>, shape: &'static Shape) -> Option<Self> {
        if let DeValue::Table(table) = found.value {
            return Some(Self::new(table, found.place, shape));
        }
        wrong_type(source, &found, "a table");
        None
    }

    pub(super) fn optional(&mut self, source: &Source, key: &'static str) -> Option<Found<'t>> {
        #[cfg(test)]
        {
            assert!(self.shape.key(key).is_some(), "{key} is read, and not in the table of keys");
            self.asked.push(key);
        }
        let (_, value) = self.table.iter().find(|(k, _)| k.get_ref() == key)?;
        let path = join(&self.place.key, key);
        Some(found(source, value, path))
    }

    pub(super) fn required(&mut self, source: &mut Source, key: &'static str) -> Option<Found<'t>> {
        #[cfg(test)]
        assert!(self.shape.key(key).is_some_and(|k| k.need == super::shape::Need::Required), "{key} is required");
        let found = self.optional(source, key);
        if found.is_none() {
            source.report(&self.place, format!("the key {key} is missing"), "");
        }
        found
    }

    /// Reports every key that the shape does not have.
    pub(super) fn finish(self, source: &mut Source) {
        #[cfg(test)]
        for key in self.shape.names() {
            assert!(self.asked.contains(&key), "{key} is in the table of keys, and nobody reads it");
        }
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.shape.key(name).is_none() {
                let place = source.place(key.span().start, join(&self.place.key, name));
                let known: Vec<&str> = self.shape.names().collect();
                let meant = lookalike(name)
                    .map(|l| format!("{l}; "))
                    .unwrap_or_else(|| did_you_mean(name, known.iter().copied()));
                source.report(&place, "there is no such key", format!("{meant}known here: {}", known.join(", ")));
            }
        }
    }
}

/// Every key with its value, for tables whose keys are names, in the order of the document.
pub(super) fn entries<'t>(source: &mut Source, parent: &Found<'t>) -> Vec<(&'t str, Found<'t>)> {
    let DeValue::Table(table) = parent.value else {
        wrong_type(source, parent, "a table");
        return Vec::new();
    };
    let mut entries: Vec<(usize, &'t str, Found<'t>)> = Vec::new();
    for (key, value) in table {
        let path = join(&parent.place.key, key.get_ref());
        let mut found = found(source, value, path);
        found.place.line = source.line(key.span().start);
        entries.push((key.span().start, key.get_ref(), found));
    }
    entries.sort_by_key(|(at, ..)| *at);
    entries.into_iter().map(|(_, key, found)| (key, found)).collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn found<'t>(source: &Source, value: &'t Spanned<DeValue<'t>>, path: String) -> Found<'t> {
    let offset = value.span().start;
    Found { value: value.get_ref(), place: source.place(offset, path) }
}

pub(super) fn wrong_type(source: &mut Source, found: &Found<'_>, wanted: &str) {
    source.report(&found.place, format!("must be {wanted}"), "");
}

/// The text of a value, or a defect.
pub(super) fn text<'t>(source: &mut Source, found: &Found<'t>) -> Option<&'t str> {
    let text = found.value.as_str();
    if text.is_none() {
        wrong_type(source, found, "a string in quotes");
    }
    text
}

/// A typed name in a value, or a defect that says the rule of such names.
pub(super) fn parsed<T: FromStr>(source: &mut Source, found: &Found<'_>) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    let text = text(source, found)?;
    named(source, &found.place, text)
}

/// A typed name, or a defect that says the rule of such names.
pub(super) fn named<T: FromStr>(source: &mut Source, place: &Place, text: &str) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            source.report(place, error.to_string(), lookalike(text).unwrap_or_default());
            None
        }
    }
}

/// A whole number that is not negative, or a defect.
pub(super) fn number(source: &mut Source, found: &Found<'_>) -> Option<u64> {
    let number = found.value.as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
    if number.is_none() {
        wrong_type(source, found, "a whole number, not negative");
    }
    number
}

/// A whole number from 1 that fits 32 bits, or a defect.
pub(super) fn count(source: &mut Source, found: &Found<'_>) -> Option<std::num::NonZeroU32> {
    let count = u32::try_from(number(source, found)?).ok().and_then(std::num::NonZeroU32::new);
    if count.is_none() {
        wrong_type(source, found, "a whole number from 1 to 4294967295");
    }
    count
}

/// The elements of a list, or a defect.
pub(super) fn list<'t>(source: &mut Source, found: &Found<'t>) -> Vec<Found<'t>> {
    let DeValue::Array(array) = found.value else {
        wrong_type(source, found, "a list");
        return Vec::new();
    };
    let items = array.iter().enumerate();
    items.map(|(i, v)| self::found(source, v, format!("{}[{i}]", found.place.key))).collect()
}

/// A list that is not empty, or one value that stands for a list of one.
pub(super) fn one_or_more<'t>(source: &mut Source, found: &Found<'t>, empty: &str) -> Vec<Found<'t>> {
    if found.value.is_str() || matches!(found.value, DeValue::Table(_)) {
        return vec![found.clone()];
    }
    let before = source.defects.len();
    let items = list(source, found);
    if items.is_empty() && source.defects.len() == before {
        source.report(&found.place, empty, "");
    }
    items
}

/// One choice out of a fixed set, or a defect that names them.
pub(super) fn choice<T: Copy>(
    source: &mut Source,
    found: &Found<'_>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let text = text(source, found)?;
    let chosen = all.iter().copied().find(|c| name(*c) == text);
    if chosen.is_none() {
        let names: Vec<&str> = all.iter().map(|c| name(*c)).collect();
        let meant = did_you_mean(text, names.iter().copied());
        source.report(&found.place, "there is no such choice", format!("{meant}one of: {}", names.join(", ")));
    }
    chosen
}

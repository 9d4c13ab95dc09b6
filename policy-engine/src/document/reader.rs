//! Reading a TOML tree key by key, so that one pass finds every defect.

use super::Document;
use super::defect::{Defect, Place};
use std::str::FromStr;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A document being read: where its lines start, and the defects found so far.
pub(super) struct Source {
    file: Arc<str>,
    line_starts: Vec<usize>,
    pub(super) defects: Vec<Defect>,
}

impl Source {
    pub(super) fn new(document: &Document) -> Self {
        let breaks = document.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file: Arc::from(document.name.as_str()),
            line_starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect(),
            defects: Vec::new(),
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

/// One table being read. Keys that nobody asked for are defects: see [`Section::finish`].
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    pub(super) place: Place,
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) const fn new(table: &'t DeTable<'t>, place: Place) -> Self {
        Self { table, place, asked: Vec::new() }
    }

    /// The section in a value, or a defect.
    pub(super) fn of(source: &mut Source, found: Found<'t>) -> Option<Self> {
        if let DeValue::Table(table) = found.value {
            return Some(Self::new(table, found.place));
        }
        wrong_type(source, &found, "a table");
        None
    }

    pub(super) fn optional(&mut self, source: &Source, key: &'static str) -> Option<Found<'t>> {
        self.asked.push(key);
        let (_, value) = self.table.iter().find(|(k, _)| k.get_ref() == key)?;
        let path = join(&self.place.key, key);
        Some(found(source, value, path))
    }

    pub(super) fn required(&mut self, source: &mut Source, key: &'static str) -> Option<Found<'t>> {
        let found = self.optional(source, key);
        if found.is_none() {
            source.report(&self.place, format!("the key {key} is missing"), "");
        }
        found
    }

    /// Every key with its value, for tables whose keys are names. Nothing is left for [`Section::finish`].
    pub(super) fn entries(self, source: &Source) -> Vec<(&'t str, Found<'t>)> {
        let mut entries: Vec<(usize, &'t str, Found<'t>)> = Vec::new();
        for (key, value) in self.table {
            let path = join(&self.place.key, key.get_ref());
            let mut found = found(source, value, path);
            found.place.line = source.line(key.span().start);
            entries.push((key.span().start, key.get_ref(), found));
        }
        entries.sort_by_key(|(at, ..)| *at);
        entries.into_iter().map(|(_, key, found)| (key, found)).collect()
    }

    /// Reports every key that no reader asked for.
    pub(super) fn finish(self, source: &mut Source) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let place = source.place(key.span().start, join(&self.place.key, name));
                source.report(&place, "there is no such key", format!("known here: {}", self.asked.join(", ")));
            }
        }
    }
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
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            source.report(&found.place, error.to_string(), "");
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

/// The elements of a list, or a defect.
pub(super) fn list<'t>(source: &mut Source, found: &Found<'t>) -> Vec<Found<'t>> {
    let DeValue::Array(array) = found.value else {
        wrong_type(source, found, "a list");
        return Vec::new();
    };
    let items = array.iter().enumerate();
    items.map(|(i, v)| self::found(source, v, format!("{}[{i}]", found.place.key))).collect()
}

/// A list, or one string that stands for a list of one.
pub(super) fn one_or_list<'t>(source: &mut Source, found: &Found<'t>) -> Vec<Found<'t>> {
    if found.value.is_str() { vec![found.clone()] } else { list(source, found) }
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
        source.report(&found.place, "there is no such choice", format!("one of: {}", names.join(", ")));
    }
    chosen
}

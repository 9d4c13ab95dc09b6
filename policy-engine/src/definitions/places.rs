//! Which definitions cover a path.

use crate::pattern::Pattern;
use std::collections::HashMap;

/// Definitions by their patterns: those without a wildcard are found at once, of which there may be many.
#[derive(Debug, Default)]
pub(super) struct Places {
    named: HashMap<Box<str>, Vec<usize>>,
    /// The definitions that have a pattern with a wildcard.
    open: Vec<usize>,
}

impl Places {
    /// Files definitions by their patterns, in the order of their places.
    pub(super) fn of<'p>(definitions: impl Iterator<Item = &'p [Pattern]>) -> Self {
        let mut places = Self::default();
        for (at, on) in definitions.enumerate() {
            for path in on.iter().filter_map(Pattern::literal) {
                let named = places.named.entry(path.into()).or_default();
                if named.last() != Some(&at) {
                    named.push(at);
                }
            }
            if on.iter().any(|on| on.literal().is_none()) {
                places.open.push(at);
            }
        }
        places
    }

    /// The definitions that name a path without a wildcard.
    pub(super) fn named(&self, path: &str) -> &[usize] {
        self.named.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// The definitions that have a pattern with a wildcard, which may cover any path.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> {
        self.open.iter().copied()
    }
}

/// Whether one of these patterns covers a path by a wildcard.
pub(super) fn covers(on: &[Pattern], path: &str) -> bool {
    on.iter().any(|on| on.literal().is_none() && on.matches(path))
}

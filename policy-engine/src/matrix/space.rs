//! Every path that there could be, as classes: the paths of one class are matched by the same patterns.
//!
//! A pattern compares segments with names or takes any. So for a list of patterns it matters of each segment only
//! which of the names it is, if any: one path with a name that stands nowhere speaks for all such paths.

use crate::pattern::Pattern;
use crate::resource::Resource;

/// All paths that the same patterns match, by one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// As people read it: `*` is any segment that is not named beside it, a last `**` any that are left.
    pub(crate) shown: String,
    /// One path of the class.
    pub(crate) witness: String,
}

/// There are more classes than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A pattern, and whether the classes that it matches are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Marked<'p> {
    segments: Vec<&'p str>,
    is_wanted: bool,
}

impl<'p> Marked<'p> {
    /// One that only divides classes.
    pub(crate) fn dividing(pattern: &'p Pattern) -> Self {
        Self { segments: pattern.segments().collect(), is_wanted: false }
    }

    /// A pattern or a path, as text, whose classes are wanted.
    pub(crate) fn wanted(text: &'p str) -> Self {
        Self { segments: text.split('/').collect(), is_wanted: true }
    }
}

/// The classes that a wanted pattern matches, sorted as shown.
pub(crate) fn classes(patterns: &[Marked<'_>], most: usize) -> Result<Vec<Class>, TooMany> {
    let fresh = fresh_name(patterns);
    let mut walk = Walk { fresh: &fresh, most, found: Vec::new(), shown: Vec::new(), witness: Vec::new() };
    let alive: Vec<&Marked<'_>> = patterns.iter().collect();
    walk.go_on(&alive, Rest::Unwanted)?;
    walk.found.sort_unstable();
    Ok(walk.found)
}

/// A segment that none of the patterns names. Short, since names have a greatest length.
fn fresh_name(patterns: &[Marked<'_>]) -> String {
    let is_named = |name: &str| patterns.iter().any(|pattern| pattern.segments.contains(&name));
    let mut names = std::iter::once("o".to_owned()).chain((1_u64..).map(|n| format!("o{n}")));
    names.find(|name| !is_named(name)).unwrap_or_default()
}

/// Whether a pattern that ended in `**` before here is a wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Wanted,
    Unwanted,
}

struct Walk<'w> {
    fresh: &'w str,
    most: usize,
    found: Vec<Class>,
    shown: Vec<&'w str>,
    witness: Vec<&'w str>,
}

impl<'w> Walk<'w> {
    /// Adds the classes of paths that start with the segments so far, which these patterns match as far.
    ///
    /// INVARIANT: the recursion ends with the longest pattern and one segment: then none is alive.
    fn go_on(&mut self, alive: &[&'w Marked<'w>], rest: Rest) -> Result<(), TooMany> {
        let depth = self.witness.len();
        let at = |pattern: &Marked<'w>| pattern.segments.get(depth).copied();
        let ends = |pattern: &&&Marked<'w>| at(pattern).is_none();
        let takes_rest = |pattern: &&&Marked<'w>| at(pattern) == Some("**");
        let is_wanted = |pattern: &&Marked<'w>| pattern.is_wanted;
        let rest = if alive.iter().filter(takes_rest).any(is_wanted) { Rest::Wanted } else { rest };
        if rest == Rest::Wanted || alive.iter().filter(ends).any(is_wanted) {
            self.end()?;
        }
        let mut literals: Vec<&'w str> = match depth {
            0 => vec!["ledger", "model", "vector"],
            _ => alive.iter().filter_map(|p| at(p)).filter(|s| !matches!(*s, "*" | "**")).collect(),
        };
        literals.sort_unstable();
        literals.dedup();
        if !self.has_more() {
            return Ok(());
        }
        for literal in literals {
            let next: Vec<&Marked<'_>> =
                alive.iter().filter(|p| at(p).is_some_and(|s| s == "*" || s == literal)).copied().collect();
            self.step((literal, literal), &next, rest)?;
        }
        if depth == 0 {
            return Ok(());
        }
        let next: Vec<&Marked<'_>> = alive.iter().filter(|p| at(p) == Some("*")).copied().collect();
        // Below here all is alike: one class for it, however long.
        let is_last = next.is_empty() && depth >= 2 && self.witness.first() == Some(&"model");
        self.step((if is_last { "**" } else { "*" }, self.fresh), &next, rest)
    }

    fn step(
        &mut self,
        (shown, segment): (&'w str, &'w str),
        next: &[&'w Marked<'w>],
        rest: Rest,
    ) -> Result<(), TooMany> {
        if rest == Rest::Unwanted && !next.iter().any(|pattern| pattern.is_wanted) {
            return Ok(());
        }
        self.shown.push(shown);
        self.witness.push(segment);
        let done = if shown == "**" { self.end() } else { self.go_on(next, rest) };
        self.shown.pop();
        self.witness.pop();
        done
    }

    /// Whether a longer path may be a resource.
    fn has_more(&self) -> bool {
        match self.witness.first() {
            None | Some(&"model") => true,
            Some(&"vector") => self.witness.len() < 3,
            Some(_) => false,
        }
    }

    /// Adds the class of the paths that end here, if there are such resources.
    fn end(&mut self) -> Result<(), TooMany> {
        let witness = self.witness.join("/");
        if witness.parse::<Resource>().is_err() {
            return Ok(());
        }
        if self.found.len() >= self.most {
            return Err(TooMany);
        }
        self.found.push(Class { shown: self.shown.join("/"), witness });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    fn shown(texts: &[&str]) -> Vec<String> {
        let patterns = patterns(texts);
        let marked: Vec<Marked<'_>> = patterns.iter().map(|p| Marked::wanted(p.as_str())).collect();
        classes(&marked, 1000).unwrap().into_iter().map(|class| class.shown).collect()
    }

    #[test]
    fn each_class_is_there_once() {
        assert_eq!(shown(&["model/a/x"]), ["model/a/x"]);
        assert_eq!(shown(&["model/a/*", "model/a/x"]), ["model/a/*", "model/a/x"]);
        assert_eq!(shown(&["model/a/**"]), ["model/a", "model/a/**"]);
        assert_eq!(shown(&["vector/a/**"]), ["vector/a", "vector/a/*"]);
        assert_eq!(
            shown(&["**", "model/*/x"]),
            ["ledger", "model/*", "model/*/**", "model/*/x", "model/*/x/**", "vector/*", "vector/*/*"]
        );
        assert_eq!(shown(&[]), [""; 0]);
    }

    #[test]
    fn only_what_a_wanted_pattern_matches_is_walked() {
        let patterns = patterns(&["model/a/x", "model/*/**", "vector/**"]);
        let mut marked: Vec<Marked<'_>> = patterns.iter().map(Marked::dividing).collect();
        assert_eq!(classes(&marked, 10), Ok(vec![]));
        marked.push(Marked::wanted("model/a/y"));
        let found: Vec<String> = classes(&marked, 10).unwrap().into_iter().map(|c| c.shown).collect();
        assert_eq!(found, ["model/a/y"]);
        let all: Vec<Marked<'_>> = patterns.iter().map(|p| Marked::wanted(p.as_str())).collect();
        assert_eq!(classes(&all, 3), Err(TooMany));
    }

    #[test]
    fn the_longest_paths_have_a_class() {
        let long = format!("model/u/{}", vec!["*"; 100].join("/"));
        let found = shown(&[&long]);
        assert_eq!(found, [long]);
    }

    proptest! {
        /// Every resource is in a class: there is a class that the same patterns match.
        #[test]
        fn the_classes_cover_every_path(
            texts in prop::collection::vec("(model|vector)/(a|b|\\*)(/(a|b|o|\\*)){0,2}(/\\*\\*)?", 1..6),
            path in "(model|vector)/[abo](/[abco]){0,3}",
        ) {
            let patterns: Vec<Pattern> = texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
            prop_assume!(path.parse::<Resource>().is_ok());
            let matched = |path: &str| patterns.iter().map(|p| p.matches(path)).collect::<Vec<_>>();
            let marked: Vec<Marked<'_>> = patterns.iter().map(|p| Marked::wanted(p.as_str())).collect();
            let classes = classes(&marked, 10_000).unwrap();
            let found = matched(&path);
            let known = classes.iter().any(|class| matched(&class.witness) == found);
            prop_assert_eq!(known, found.contains(&true));
            let shown: BTreeSet<&str> = classes.iter().map(|class| class.shown.as_str()).collect();
            prop_assert_eq!(shown.len(), classes.len());
            for class in &classes {
                prop_assert!(matched(&class.witness).contains(&true));
            }
        }
    }
}

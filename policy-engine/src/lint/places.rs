//! Which rules meet which: an index over the patterns of a tenant, and the order of its roles.

use crate::document::Effect;
use crate::engine::ActionSet;
use crate::set::{EVERYONE_AT, Index, Line, Rule, Tenant};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Whether each path that `narrow` matches is matched by `wide` too.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some("**"), _) | (None, None) => return true,
            (_, Some("**")) | (None, Some(_)) | (Some(_), None) => return false,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

/// A pattern that matches exactly what both match, or `None` if nothing is.
pub(crate) fn meet(a: &str, b: &str) -> Option<String> {
    let (mut left, mut right) = (a.split('/'), b.split('/'));
    let mut out: Vec<&str> = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(out.join("/")),
            (Some("**"), rest) => {
                out.extend(rest.into_iter().chain(right));
                return Some(out.join("/"));
            }
            (rest, Some("**")) => {
                out.extend(rest.into_iter().chain(left));
                return Some(out.join("/"));
            }
            (Some("*"), Some(b)) => out.push(b),
            (Some(a), Some("*")) => out.push(a),
            (Some(a), Some(b)) if a == b => out.push(a),
            _ => return None,
        }
    }
}

/// A path that a pattern matches.
pub(super) fn sample(pattern: &str) -> String {
    let family = if pattern == "**" { "model/any/any" } else { pattern };
    let filled = family.split('/').map(|s| if matches!(s, "*" | "**") { "any" } else { s });
    filled.collect::<Vec<_>>().join("/")
}

#[derive(Default)]
struct Node<'p> {
    literal: BTreeMap<&'p str, Node<'p>>,
    star: Option<Box<Node<'p>>>,
    here: Vec<&'p Line>,
    rest: Vec<&'p Line>,
}

/// A number for the terms of each rule: equal terms have the same.
pub(super) fn numbered(rules: &[Rule]) -> Vec<usize> {
    let mut by_place: HashMap<usize, usize> = HashMap::new();
    let mut by_words: HashMap<String, usize> = HashMap::new();
    let number = |rule: &Rule| {
        *by_place.entry(Arc::as_ptr(&rule.terms).addr()).or_insert_with(|| {
            let next = by_words.len();
            *by_words.entry(format!("{:?}", rule.terms)).or_insert(next)
        })
    };
    rules.iter().map(number).collect()
}

/// What lints tell lines of one pattern apart by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind<'k> {
    roles: &'k [Index],
    actions: ActionSet,
    is_conditional: bool,
    terms: usize,
}

impl<'k> Kind<'k> {
    fn of(rule: &'k Rule, line: &Line, terms: usize) -> Self {
        Self { roles: &rule.roles, actions: line.actions, is_conditional: rule.when.is_some(), terms }
    }
}

/// How many lines of a kind are kept: a line must meet one that is not its own rule's.
const REPRESENTATIVES: u8 = 2;

/// The index of the lines of rules that all allow or all deny. Of lines that lints cannot tell apart it holds the first two, so that a policy of very many like
/// rules is not a matter of every pair.
pub(crate) struct Places<'p> {
    root: Node<'p>,
    /// What each role is or inherits, sorted.
    closures: Vec<Vec<Index>>,
    /// Whether somebody can hold each role.
    held: BTreeSet<Index>,
}

impl<'p> Places<'p> {
    pub(crate) fn new(tenant: &'p Tenant, effect: Effect, terms: &[usize]) -> Self {
        let mut root = Node::default();
        let mut seen: BTreeMap<(&str, Kind<'_>), u8> = BTreeMap::new();
        for line in &tenant.lines {
            let Some(rule) = tenant.rule(line.rule).filter(|rule| rule.effect == effect) else { continue };
            let number = usize::try_from(line.rule).ok().and_then(|at| terms.get(at));
            let kind = Kind::of(rule, line, number.copied().unwrap_or_default());
            let count = seen.entry((line.pattern.as_str(), kind)).or_default();
            if *count >= REPRESENTATIVES {
                continue;
            }
            *count += 1;
            let mut node = &mut root;
            let mut at_rest = None;
            for segment in line.pattern.as_str().split('/') {
                match segment {
                    "**" => at_rest = Some(()),
                    "*" => node = node.star.get_or_insert_with(Box::default),
                    literal => node = node.literal.entry(literal).or_default(),
                }
            }
            if at_rest.is_some() { node.rest.push(line) } else { node.here.push(line) }
        }
        let roles = || (0..).zip(&tenant.roles).map(|(at, _): (Index, _)| at);
        let closures = roles().map(|role| closure(tenant, role)).collect();
        let lists = tenant.users.values().chain(tenant.groups.values()).chain(tenant.claims.values());
        let held = lists.flatten().copied().chain([EVERYONE_AT]).collect();
        Self { root, closures, held }
    }

    /// Calls `see` for each line whose pattern matches some path that `pattern` matches, until it breaks.
    pub(crate) fn meeting(&self, pattern: &str, see: &mut impl FnMut(&'p Line) -> ControlFlow<()>) {
        let segments: Vec<&str> = pattern.split('/').collect();
        let _ = walk(&self.root, &segments, see);
    }

    /// Whether everybody who holds one of `narrow` holds one of `wide`.
    pub(crate) fn includes(&self, wide: &[Index], narrow: &[Index]) -> bool {
        narrow.iter().all(|role| wide.iter().any(|w| *w == EVERYONE_AT || self.implies(*role, *w)))
    }

    /// Whether somebody surely holds one of each, if anybody holds them: by inheritance or since all do.
    pub(crate) fn related(&self, a: &[Index], b: &[Index]) -> bool {
        let pair =
            |a: Index, b: Index| a == EVERYONE_AT || b == EVERYONE_AT || self.implies(a, b) || self.implies(b, a);
        a.iter().any(|x| b.iter().any(|y| pair(*x, *y)))
    }

    /// Whether nobody can hold any of the roles.
    pub(super) fn unheld(&self, roles: &[Index]) -> bool {
        !roles.iter().any(|role| self.held.contains(role))
    }

    fn implies(&self, role: Index, other: Index) -> bool {
        let closure = usize::try_from(role).ok().and_then(|at| self.closures.get(at));
        closure.is_some_and(|closure| closure.binary_search(&other).is_ok())
    }
}

fn closure(tenant: &Tenant, role: Index) -> Vec<Index> {
    let mut seen = BTreeSet::from([role]);
    let mut next = vec![role];
    while let Some(role) = next.pop() {
        let direct = usize::try_from(role).ok().and_then(|at| tenant.inherits.get(at));
        next.extend(direct.into_iter().flatten().copied().filter(|inherited| seen.insert(*inherited)));
    }
    seen.into_iter().collect()
}

fn each<'p>(lines: &[&'p Line], see: &mut impl FnMut(&'p Line) -> ControlFlow<()>) -> ControlFlow<()> {
    lines.iter().try_for_each(|line| see(line))
}

fn walk<'p>(node: &Node<'p>, rest: &[&str], see: &mut impl FnMut(&'p Line) -> ControlFlow<()>) -> ControlFlow<()> {
    // A `**` that ended above matches whatever follows, also nothing.
    each(&node.rest, see)?;
    let Some((segment, after)) = rest.split_first() else {
        return each(&node.here, see);
    };
    match *segment {
        "**" => below(node, see),
        "*" => node.literal.values().chain(node.star.as_deref()).try_for_each(|next| walk(next, after, see)),
        literal => {
            let next = node.literal.get(literal).into_iter().chain(node.star.as_deref());
            next.into_iter().try_for_each(|next| walk(next, after, see))
        }
    }
}

/// Every line at this node and below it, but for its own `**`, which the caller has seen.
fn below<'p>(node: &Node<'p>, see: &mut impl FnMut(&'p Line) -> ControlFlow<()>) -> ControlFlow<()> {
    each(&node.here, see)?;
    node.literal.values().chain(node.star.as_deref()).try_for_each(|next| {
        each(&next.rest, see)?;
        below(next, see)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::path_matches;
    use proptest::prelude::*;

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop::sample::select(vec!["a", "b", "*"]);
        (prop::collection::vec(segment, 1..4), prop::option::of(Just("**"))).prop_map(|(mut segments, rest)| {
            segments.extend(rest);
            segments.join("/")
        })
    }

    fn paths() -> Vec<String> {
        let names = ["a", "b", "c"];
        let mut all: Vec<String> = names.map(String::from).to_vec();
        let mut last = all.clone();
        for _ in 0..4 {
            last = last.iter().flat_map(|p| names.iter().map(move |n| format!("{p}/{n}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Over all paths of up to five segments: enough to tell patterns of up to four apart.
        #[test]
        fn covering_and_meeting_are_what_matching_says(a in pattern(), b in pattern()) {
            let both = meet(&a, &b);
            for path in paths() {
                let (in_a, in_b) = (path_matches(&a, &path), path_matches(&b, &path));
                prop_assert!(!covers(&a, &b) || in_a || !in_b, "{a} covers {b}: {path}");
                let in_both = both.as_ref().is_some_and(|both| path_matches(both, &path));
                prop_assert_eq!(in_both, in_a && in_b, "{} meets {}: {}", a, b, path);
            }
            let all_inside = paths().iter().all(|path| path_matches(&a, path) || !path_matches(&b, path));
            prop_assert_eq!(covers(&a, &b), all_inside, "{} covers {}", a, b);
        }
    }
}

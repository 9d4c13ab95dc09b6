//! The index of one tenant: its lines by pattern, role and action.
//!
//! It is built once and never changed. Where patterns are of few shapes, as with most tenants, a hash table finds
//! them; else a trie over their segments. Nodes, edges and postings lie in boxed slices and refer to each other by
//! place, so that a rule costs tens of bytes here.

use super::actions::ActionSet;
use super::shapes::Shapes;
use crate::set::{Index, Line, Rule};
use std::cmp::Ordering;
use std::ops::Range;

/// Where nodes, edges, labels and postings stand.
type At = u32;

/// A line that ends at a node, once for each role of its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Posting {
    role: Index,
    rule: Index,
    line: Index,
    actions: ActionSet,
}

/// A line that may matter, with the role by which the caller comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) rule: Index,
    pub(crate) line: Index,
    pub(crate) role: Index,
}

#[derive(Debug)]
struct Node {
    /// The literal segments that go on from here, sorted.
    edges: Range<At>,
    /// Where `*` goes on to.
    star: Option<At>,
    /// The patterns that end here.
    here: Range<At>,
    /// The patterns that end with `**` here.
    rest: Range<At>,
}

#[derive(Debug)]
struct Edge {
    /// The first bytes of the label: most comparisons end here, without a look at the label itself.
    prefix: u64,
    label: Range<At>,
    to: At,
}

/// How many bytes a prefix holds.
const PREFIX: At = 8;

/// The first eight bytes of a segment, as a number of the same order. No segment holds a zero byte, so that a
/// shorter one sorts first and two that differ in these bytes differ here.
fn prefix(segment: &str) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(segment.bytes()).for_each(|(to, byte)| *to = byte);
    u64::from_be_bytes(first)
}

/// The lines of a tenant by pattern, role and action.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    finder: Finder,
    postings: Box<[Posting]>,
}

/// How the patterns that match a path are found.
#[derive(Debug)]
enum Finder {
    Shapes(Shapes),
    Nodes(Nodes),
}

impl Default for Finder {
    fn default() -> Self {
        Self::Nodes(Nodes::default())
    }
}

/// A trie over the segments of patterns, with the postings that end at each node.
#[derive(Debug, Default)]
struct Nodes {
    root: Option<At>,
    nodes: Box<[Node]>,
    edges: Box<[Edge]>,
    labels: Box<str>,
}

/// The tenant has more lines than the index can number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Trie {
    /// Indexes the lines of a tenant.
    pub(crate) fn build<'t>(rules: &'t [Rule], lines: &'t [Line]) -> Result<Self, TooLarge> {
        let mut sorted: Vec<(Vec<&str>, Index, &'t Line)> = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            sorted.push((line.pattern.segments().collect(), place(at)?, line));
        }
        sorted.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut growing = Growing::of(rules);
        let root = if sorted.is_empty() { None } else { Some(growing.node(&sorted, 0)?) };
        let finder = match Shapes::build(&growing.patterns) {
            Some(shapes) => Finder::Shapes(shapes),
            None => Finder::Nodes(Nodes {
                root,
                nodes: growing.nodes.into(),
                edges: growing.edges.into(),
                labels: growing.labels.into(),
            }),
        };
        Ok(Self { finder, postings: growing.postings.into() })
    }

    #[cfg(test)]
    pub(super) const fn has_table(&self) -> bool {
        matches!(self.finder, Finder::Shapes(_))
    }

    /// Every line, once for each role of its rule, with its actions, in the order of patterns.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = (Candidate, ActionSet)> + '_ {
        self.postings.iter().map(|posting| (posting.candidate(), posting.actions))
    }

    /// Adds every line whose pattern matches the path, with this action and a role of `roles` (sorted).
    pub(crate) fn find(&self, path: &str, action: ActionSet, roles: &[Index], found: &mut Vec<Candidate>) {
        let mut take = |range: Range<usize>| {
            let postings = self.postings.get(range).unwrap_or_default();
            if postings.len() <= FEW {
                take_few(postings, action, roles, found)
            } else {
                take_many(postings, action, roles, found)
            }
        };
        match &self.finder {
            Finder::Shapes(shapes) => shapes.find(path, take),
            Finder::Nodes(nodes) => {
                nodes.root.into_iter().for_each(|root| nodes.walk(root, Some(path), &mut take));
            }
        }
    }
}

impl Nodes {
    /// INVARIANT: a path has at most as many segments as [`crate::pattern`] allows a pattern, or the walk ends
    /// before: the trie is no deeper than the longest pattern, so the recursion is bounded.
    fn walk(&self, at: At, path: Option<&str>, take: &mut impl FnMut(Range<usize>)) {
        let Some(node) = self.nodes.get(wide(at)) else { return };
        take(wide(node.rest.start)..wide(node.rest.end));
        let Some(path) = path else {
            take(wide(node.here.start)..wide(node.here.end));
            return;
        };
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        if let Some(edges) = slice(&self.edges, &node.edges)
            && let Ok(edge) = {
                let wanted = prefix(segment);
                edges.binary_search_by(|edge| edge.prefix.cmp(&wanted).then_with(|| self.compare_rest(edge, segment)))
            }
            && let Some(edge) = edges.get(edge)
        {
            self.walk(edge.to, rest, take);
        }
        if let Some(star) = node.star {
            self.walk(star, rest, take);
        }
    }

    /// Compares a label with a segment of the same prefix. Two that are no longer than their prefix are equal.
    fn compare_rest(&self, edge: &Edge, segment: &str) -> Ordering {
        let short = edge.label.end - edge.label.start <= PREFIX && segment.len() <= wide(PREFIX);
        if short { Ordering::Equal } else { self.label(edge).cmp(segment) }
    }

    fn label(&self, edge: &Edge) -> &str {
        self.labels.get(wide(edge.label.start)..wide(edge.label.end)).unwrap_or_default()
    }
}

/// So few postings are looked at one by one.
const FEW: usize = 16;

/// Takes the postings of the wanted roles and action.
fn take_few(postings: &[Posting], action: ActionSet, roles: &[Index], found: &mut Vec<Candidate>) {
    let fits = postings.iter().filter(|posting| posting.actions.meets(action) && roles.contains(&posting.role));
    found.extend(fits.map(Posting::candidate));
}

/// Takes the postings of the wanted roles and action. Both lists are sorted by role.
fn take_many(mut postings: &[Posting], action: ActionSet, roles: &[Index], found: &mut Vec<Candidate>) {
    for role in roles {
        let skipped = postings.partition_point(|posting| posting.role < *role);
        postings = postings.get(skipped..).unwrap_or_default();
        if postings.is_empty() {
            return;
        }
        let own = postings.iter().take_while(|posting| posting.role == *role);
        found.extend(own.filter(|posting| posting.actions.meets(action)).map(Posting::candidate));
    }
}

impl Posting {
    const fn candidate(&self) -> Candidate {
        Candidate { rule: self.rule, line: self.line, role: self.role }
    }
}

/// A trie while it is built.
struct Growing<'t> {
    rules: &'t [Rule],
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    labels: String,
    postings: Vec<Posting>,
    /// The patterns that were posted, each with its postings.
    patterns: Vec<(&'t str, Range<At>)>,
}

impl<'t> Growing<'t> {
    const fn of(rules: &'t [Rule]) -> Self {
        Self {
            rules,
            nodes: Vec::new(),
            edges: Vec::new(),
            labels: String::new(),
            postings: Vec::new(),
            patterns: Vec::new(),
        }
    }

    /// Adds the node of lines that agree in their first `depth` segments, sorted by segments.
    fn node(&mut self, lines: &[(Vec<&str>, Index, &'t Line)], depth: usize) -> Result<At, TooLarge> {
        let (mut here, mut rest, mut star, mut edges) = (0..0, 0..0, None, Vec::new());
        for same in lines.chunk_by(|a, b| a.0.get(depth) == b.0.get(depth)) {
            match same.first().and_then(|line| line.0.get(depth)) {
                None => here = self.post(same)?,
                Some(&"**") => rest = self.post(same)?,
                Some(&"*") => star = Some(self.node(same, depth + 1)?),
                Some(literal) => {
                    let start = place(self.labels.len())?;
                    self.labels.push_str(literal);
                    let label = start..place(self.labels.len())?;
                    edges.push(Edge { prefix: prefix(literal), label, to: self.node(same, depth + 1)? });
                }
            }
        }
        let start = place(self.edges.len())?;
        self.edges.extend(edges);
        let edges = start..place(self.edges.len())?;
        self.nodes.push(Node { edges, star, here, rest });
        place(self.nodes.len() - 1)
    }

    fn post(&mut self, lines: &[(Vec<&str>, Index, &'t Line)]) -> Result<Range<At>, TooLarge> {
        let start = self.postings.len();
        for (_, at, line) in lines {
            let rule = self.rules.get(wide(line.rule)).ok_or(TooLarge)?;
            let posting = |role: &Index| Posting { role: *role, rule: line.rule, line: *at, actions: line.actions };
            self.postings.extend(rule.roles.iter().map(posting));
        }
        if let Some(own) = self.postings.get_mut(start..) {
            own.sort_unstable();
        }
        let range = place(start)?..place(self.postings.len())?;
        self.patterns.extend(lines.first().map(|(_, _, line)| (line.pattern.as_str(), range.clone())));
        Ok(range)
    }
}

fn place(at: usize) -> Result<At, TooLarge> {
    At::try_from(at).map_err(|_| TooLarge)
}

/// A place as a number for slices. Where `usize` is too narrow there is nothing at that place.
fn wide(at: At) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn slice<'s, T>(all: &'s [T], range: &Range<At>) -> Option<&'s [T]> {
    all.get(wide(range.start)..wide(range.end))
}

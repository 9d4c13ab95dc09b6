//! The index of one tenant: a trie over the segments of patterns, with the lines that end at each node.
//!
//! It is built once and never changed. Nodes, edges and postings lie in four boxed slices and refer to each
//! other by place, so that a rule costs tens of bytes here.

use super::actions::ActionSet;
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
    root: Option<At>,
    nodes: Box<[Node]>,
    edges: Box<[Edge]>,
    labels: Box<str>,
    postings: Box<[Posting]>,
}

/// The tenant has more lines than the index can number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Trie {
    /// Indexes the lines of a tenant.
    pub(crate) fn build(rules: &[Rule], lines: &[Line]) -> Result<Self, TooLarge> {
        let mut sorted: Vec<(Vec<&str>, Index, &Line)> = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            sorted.push((line.pattern.segments().collect(), place(at)?, line));
        }
        sorted.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut growing = Growing { rules, nodes: vec![], edges: vec![], labels: String::new(), postings: vec![] };
        let root = if sorted.is_empty() { None } else { Some(growing.node(&sorted, 0)?) };
        Ok(Self {
            root,
            nodes: growing.nodes.into(),
            edges: growing.edges.into(),
            labels: growing.labels.into(),
            postings: growing.postings.into(),
        })
    }

    /// Every line, once for each role of its rule, with its actions, in the order of patterns.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = (Candidate, ActionSet)> + '_ {
        self.postings.iter().map(|p| (Candidate { rule: p.rule, line: p.line, role: p.role }, p.actions))
    }

    /// Adds every line whose pattern matches the path, with this action and a role of `roles` (sorted).
    pub(crate) fn find(&self, path: &str, action: ActionSet, roles: &[Index], found: &mut Vec<Candidate>) {
        if let Some(root) = self.root {
            self.walk(root, Some(path), (action, roles), found);
        }
    }

    /// INVARIANT: a path has at most as many segments as [`crate::pattern`] allows a pattern, or the walk ends
    /// before: the trie is no deeper than the longest pattern, so the recursion is bounded.
    fn walk(&self, at: At, path: Option<&str>, wanted: (ActionSet, &[Index]), found: &mut Vec<Candidate>) {
        let Some(node) = self.nodes.get(wide(at)) else { return };
        self.take(&node.rest, wanted, found);
        let Some(path) = path else {
            self.take(&node.here, wanted, found);
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
            self.walk(edge.to, rest, wanted, found);
        }
        if let Some(star) = node.star {
            self.walk(star, rest, wanted, found);
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

    /// Takes the postings of the wanted roles and action. Both lists are sorted by role.
    fn take(&self, range: &Range<At>, (action, roles): (ActionSet, &[Index]), found: &mut Vec<Candidate>) {
        let Some(mut postings) = slice(&self.postings, range) else { return };
        for role in roles {
            let skipped = postings.partition_point(|posting| posting.role < *role);
            postings = postings.get(skipped..).unwrap_or_default();
            if postings.is_empty() {
                return;
            }
            let own = postings.iter().take_while(|posting| posting.role == *role);
            let fits = own.filter(|posting| posting.actions.meets(action));
            found.extend(fits.map(|posting| Candidate { rule: posting.rule, line: posting.line, role: *role }));
        }
    }
}

/// A trie while it is built.
struct Growing<'t> {
    rules: &'t [Rule],
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    labels: String,
    postings: Vec<Posting>,
}

impl Growing<'_> {
    /// Adds the node of lines that agree in their first `depth` segments, sorted by segments.
    fn node(&mut self, lines: &[(Vec<&str>, Index, &Line)], depth: usize) -> Result<At, TooLarge> {
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

    fn post(&mut self, lines: &[(Vec<&str>, Index, &Line)]) -> Result<Range<At>, TooLarge> {
        let start = self.postings.len();
        for (_, at, line) in lines {
            let rule = self.rules.get(wide(line.rule)).ok_or(TooLarge)?;
            let posting = |role: &Index| Posting { role: *role, rule: line.rule, line: *at, actions: line.actions };
            self.postings.extend(rule.roles.iter().map(posting));
        }
        if let Some(own) = self.postings.get_mut(start..) {
            own.sort_unstable();
        }
        Ok(place(start)?..place(self.postings.len())?)
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

//! Patterns by their shapes: how many segments, which of them are `*`, and whether `**` follows.
//!
//! A tenant writes patterns of few shapes. Of each shape a path can match one pattern, which a hash table finds. The
//! look-ups do not depend on each other, where each step down a trie waits for the one before.

use super::slots::{Filed, MARKS, Slots, hash, mix};
use crate::pattern::path_matches;
use std::ops::Range;

/// The most segments of a pattern that is found like this.
const SEGMENTS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// One bit for each `*`, the first segment lowest.
    stars: u16,
    segments: usize,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// `**`.
    Open,
}

/// The patterns of a tenant.
#[derive(Debug)]
pub(super) struct Shapes {
    shapes: Box<[Shape]>,
    slots: Slots,
}

impl Shapes {
    /// Files patterns, each once, with the range that is theirs. `None` if they are of too many shapes, or too long.
    pub(super) fn build(patterns: &[(&str, Range<u32>)]) -> Option<Self> {
        let mut shapes: Vec<Shape> = Vec::new();
        let mut filed = Vec::with_capacity(patterns.len());
        for (text, range) in patterns {
            let shape = Shape::of(text)?;
            let mark = shapes.iter().position(|known| *known == shape).unwrap_or(shapes.len());
            if mark == shapes.len() {
                shapes.push(shape);
            }
            let mark = u8::try_from(mark).ok().filter(|mark| usize::from(*mark) < MARKS)?;
            let (hashes, _) = hashes(text);
            filed.push(Filed { hash: shape.hash(&hashes), mark, text, range: range.clone() });
        }
        Some(Self { shapes: shapes.into(), slots: Slots::build(filed.into_iter())? })
    }

    /// Gives the range of each pattern that matches the path.
    pub(super) fn find(&self, path: &str, mut found: impl FnMut(Range<usize>)) {
        let (hashes, segments) = hashes(path);
        for (mark, shape) in (0..).zip(&self.shapes) {
            let fits = match shape.end {
                End::Closed => segments == shape.segments,
                End::Open => segments >= shape.segments,
            };
            if !fits {
                continue;
            }
            let is_literal = shape.stars == 0 && shape.end == End::Closed;
            let matches = |text: &str| if is_literal { text == path } else { path_matches(text, path) };
            self.slots.find(shape.hash(&hashes), mark, matches).into_iter().for_each(&mut found);
        }
    }
}

impl Shape {
    fn of(pattern: &str) -> Option<Self> {
        let (body, end) = match pattern.strip_suffix("**") {
            Some(body) => (body.strip_suffix('/').unwrap_or(body), End::Open),
            None => (pattern, End::Closed),
        };
        let mut shape = Self { stars: 0, segments: 0, end };
        for segment in body.split('/').filter(|segment| !segment.is_empty()) {
            shape.stars |= u16::from(segment == "*") << shape.segments;
            shape.segments += 1;
            if shape.segments > SEGMENTS {
                return None;
            }
        }
        Some(shape)
    }

    /// The hash of the one pattern of this shape that matches a path of these segments.
    fn hash(self, segments: &[u64; SEGMENTS]) -> u64 {
        let start = u64::from(self.stars) << 1 | u64::from(self.end == End::Open);
        let own = segments.iter().enumerate().take(self.segments);
        own.fold(start, |hash, (at, segment)| mix(hash, if self.stars >> at & 1 == 1 { 0 } else { *segment }))
    }
}

/// The hashes of the first segments, and how many segments there are.
fn hashes(path: &str) -> ([u64; SEGMENTS], usize) {
    let mut hashes = [0; SEGMENTS];
    let mut segments = 0;
    for segment in path.split('/') {
        if let Some(own) = hashes.get_mut(segments) {
            *own = hash(segment.as_bytes());
        }
        segments += 1;
    }
    (hashes, segments)
}

//! Putting originals back in place of the tokens of one request.

use crate::label::Label;
use crate::pseudonym::{Original, PseudonymMap};
use crate::stream::{End, Quoting, Syntax};
use crate::token::{Shape, shape};
use core::fmt;
use std::borrow::Cow;

/// Finds the tokens of one request in texts and gives the originals.
///
/// Letters match in either case; inside card, account and telephone tokens single spaces and dashes
/// are accepted between characters, since models like to group digits. Nothing else is a match: a token of another request
/// stays as it is.
pub struct Restorer {
    solid: Table,
    grouped: Table,
    heads: Heads,
}

#[derive(Default)]
struct Table {
    /// Lower-case tokens, sorted, none a prefix of another.
    tokens: Vec<(String, Label, Original)>,
}

enum Walk<'r> {
    Hit {
        end: usize,
        label: Label,
        original: &'r str,
    },
    Miss,
    /// The text ended inside a possible token.
    Open,
}

/// How far a text was read.
pub(crate) struct Progress {
    /// Behind the last token: so far the text was copied.
    pub(crate) copied: usize,
    /// So far the text holds no part of another token; from here on it may be the head of one.
    pub(crate) certain: usize,
}

impl Restorer {
    /// Takes the map of a request.
    #[must_use]
    pub fn new(map: PseudonymMap) -> Self {
        let (mut solid, mut grouped) = (Table::default(), Table::default());
        for (token, label, original) in map.into_entries() {
            let table = match shape(label) {
                Shape::Solid => &mut solid,
                Shape::Grouped => &mut grouped,
            };
            table.tokens.push((token.to_ascii_lowercase(), label, original));
        }
        solid.tokens.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        grouped.tokens.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        let mut heads = Heads::default();
        for (token, ..) in &solid.tokens {
            heads.add(token.as_bytes(), Shape::Solid);
        }
        for (token, ..) in &grouped.tokens {
            heads.add(token.as_bytes(), Shape::Grouped);
        }
        Self { solid, grouped, heads }
    }

    /// Whether there is nothing to restore.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.solid.tokens.is_empty() && self.grouped.tokens.is_empty()
    }

    /// The text with every token replaced by its original; borrowed where there is none.
    #[must_use]
    pub fn restore<'t>(&self, text: &'t str, syntax: Syntax) -> Cow<'t, str> {
        let mut out = String::new();
        let progress = self.run(text, &mut Quoting::new(syntax), End::Final, &mut out);
        if progress.copied == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(text.get(progress.copied..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Copies a text to `out` as far as the last token in it, with originals in place of tokens.
    pub(crate) fn run(&self, text: &str, quoting: &mut Quoting, end: End, out: &mut String) -> Progress {
        let bytes = text.as_bytes();
        let mut copied = 0;
        let mut position = 0;
        while let Some(offset) = self.heads.next(bytes, position) {
            position = position.saturating_add(offset);
            let Some(byte) = bytes.get(position) else {
                break;
            };
            match self.walk(bytes, position, *byte) {
                Walk::Open if end == End::More => {
                    quoting.pass(text.get(copied..position).unwrap_or_default());
                    return Progress { copied, certain: position };
                }
                Walk::Miss | Walk::Open => position = position.saturating_add(1),
                Walk::Hit { end, label, original } => {
                    let passed = text.get(copied..position).unwrap_or_default();
                    quoting.pass(passed);
                    out.push_str(passed);
                    quoting.insert(label, original, out);
                    position = end;
                    copied = end;
                }
            }
        }
        quoting.pass(text.get(copied..).unwrap_or_default());
        Progress { copied, certain: text.len() }
    }

    fn walk(&self, bytes: &[u8], position: usize, first: u8) -> Walk<'_> {
        match self.solid.walk(bytes, position, first, Shape::Solid) {
            Walk::Miss => self.grouped.walk(bytes, position, first, Shape::Grouped),
            solid @ Walk::Hit { .. } => solid,
            // Where both tables have a possible token, only one can become a hit: wait for it.
            Walk::Open => match self.grouped.walk(bytes, position, first, Shape::Grouped) {
                grouped @ Walk::Hit { .. } => grouped,
                Walk::Miss | Walk::Open => Walk::Open,
            },
        }
    }
}

/// The pairs of bytes that tokens start with, in five bits a byte: a set that may hold too much, which
/// costs a look, and never too little.
#[derive(Default)]
struct Heads([u32; 32]);

impl Heads {
    fn add(&mut self, token: &[u8], shape: Shape) {
        let [first, second, ..] = token else { return };
        let mut bits = 1_u32 << (second & 31);
        if shape == Shape::Grouped {
            // The first bytes of what `separator` accepts.
            bits |= [b' ', b'-', 0xc2, 0xe2].iter().fold(0, |bits, b: &u8| bits | (1 << (b & 31)));
        }
        if let Some(seconds) = self.0.get_mut(usize::from(first & 31)) {
            *seconds |= bits;
        }
    }

    /// How far on the next byte is that a token can start with.
    fn next(&self, bytes: &[u8], position: usize) -> Option<usize> {
        let rest = bytes.get(position..)?;
        let pair = rest.windows(2).position(|pair| {
            let [first, second] = pair else { return false };
            (self.seconds(*first) >> (second & 31)) & 1 == 1
        });
        let last = rest.len().checked_sub(1)?;
        pair.or_else(|| rest.get(last).and_then(|b| (self.seconds(*b) != 0).then_some(last)))
    }

    fn seconds(&self, first: u8) -> u32 {
        self.0.get(usize::from(first & 31)).copied().unwrap_or(0)
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restorer")
    }
}

impl Table {
    fn walk(&self, bytes: &[u8], start: usize, first: u8, shape: Shape) -> Walk<'_> {
        let mut range = self.tokens.as_slice();
        let mut position = start;
        let mut depth = 0;
        let mut byte = first;
        loop {
            range = narrow(range, depth, byte.to_ascii_lowercase());
            let Some((token, label, original)) = range.first() else {
                return Walk::Miss;
            };
            depth = depth.saturating_add(1);
            position = position.saturating_add(1);
            if token.len() == depth {
                return Walk::Hit { end: position, label: *label, original: original.expose() };
            }
            if shape == Shape::Grouped {
                position = position.saturating_add(separator(bytes, position));
            }
            let Some(next) = bytes.get(position) else {
                return Walk::Open;
            };
            byte = *next;
        }
    }
}

/// The tokens of a sorted range that have this byte at this depth.
fn narrow<T>(range: &[(String, Label, T)], depth: usize, byte: u8) -> &[(String, Label, T)] {
    let at = |token: &str| token.as_bytes().get(depth).copied().unwrap_or(0);
    let low = range.partition_point(|t| at(&t.0) < byte);
    let rest = range.get(low..).unwrap_or_default();
    let high = rest.partition_point(|t| at(&t.0) <= byte);
    rest.get(..high).unwrap_or_default()
}

/// The length of a separator that a model may put between two digits.
fn separator(bytes: &[u8], position: usize) -> usize {
    match bytes.get(position..).unwrap_or_default() {
        [b' ' | b'-', ..] => 1,
        [0xc2, 0xa0, ..] => 2,       // no-break space
        [0xe2, 0x80, 0xaf, ..] => 3, // narrow no-break space
        _ => 0,
    }
}

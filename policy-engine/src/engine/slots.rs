//! A hash table that is built once: from texts to ranges of another list.
//!
//! A look-up of a tenant that was not asked about for a while waits for memory and for nothing else. Here it waits
//! twice: for the bucket, then for the text and for what the range is of, which do not depend on each other. A
//! bucket is one cache line.

use std::ops::Range;

/// One text.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Bits of the hash, and the mark. An empty slot has an empty text.
    tag: u32,
    text: u32,
    first: u32,
    text_bytes: u16,
    many: u16,
}

const EMPTY: Slot = Slot { tag: 0, text: 0, first: 0, text_bytes: 0, many: 0 };

const PER_BUCKET: usize = 4;

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket([Slot; PER_BUCKET]);

/// How many bits of a tag tell kinds of texts apart.
const MARK_BITS: u32 = 4;

/// How many kinds there may be.
pub(super) const MARKS: usize = 1 << MARK_BITS;

/// The longest way from the bucket of a hash to that of its text: of 50,000 texts the farthest is five steps away. The hash
/// has no secret: who writes texts that meet in one bucket gets no table at all, and pays with a slower look-up.
const MOST_STEPS: usize = 16;

/// Texts of up to [`MARKS`] kinds, each with a range.
#[derive(Debug)]
pub(crate) struct Slots {
    buckets: Box<[Bucket]>,
    texts: Box<str>,
}

/// A text to be put in.
pub(super) struct Filed<'t> {
    pub(super) hash: u64,
    pub(super) mark: u8,
    pub(super) text: &'t str,
    pub(super) range: Range<u32>,
}

impl Slots {
    /// Files texts, no two of the same kind alike and none empty. `None` if they do not go into such a table.
    pub(super) fn build<'t>(all: impl ExactSizeIterator<Item = Filed<'t>>) -> Option<Self> {
        let mut buckets = vec![Bucket([EMPTY; PER_BUCKET]); all.len() / 2 + 1];
        let mut texts = String::new();
        for Filed { hash, mark, text, range } in all {
            let hash = spread(hash);
            let slot = Slot {
                tag: tag(hash, mark),
                text: u32::try_from(texts.len()).ok()?,
                first: range.start,
                text_bytes: u16::try_from(text.len()).ok().filter(|bytes| *bytes > 0)?,
                many: u16::try_from(range.len()).ok()?,
            };
            texts.push_str(text);
            let first = bucket_of(hash, buckets.len());
            let near = (0..MOST_STEPS).map(|step| (first + step) % buckets.len());
            let at = near.filter_map(|at| Some((at, free(buckets.get(at)?)?))).next();
            let (at, free) = at?;
            *buckets.get_mut(at)?.0.get_mut(free)? = slot;
        }
        Some(Self { buckets: buckets.into(), texts: texts.into() })
    }

    /// The range of the text of this hash and kind that `is_it`.
    pub(super) fn find(&self, hash: u64, mark: u8, is_it: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        let hash = spread(hash);
        let wanted = tag(hash, mark);
        let first = bucket_of(hash, self.buckets.len());
        for step in 0..MOST_STEPS {
            let Bucket(slots) = self.buckets.get((first + step) % self.buckets.len())?;
            for slot in slots.iter().filter(|slot| slot.tag == wanted && slot.text_bytes > 0) {
                let start = wide(slot.text);
                if self.texts.get(start..start + usize::from(slot.text_bytes)).is_some_and(&is_it) {
                    let start = wide(slot.first);
                    return Some(start..start + usize::from(slot.many));
                }
            }
            // Slots fill in order, and a text goes on to the next bucket only from a full one.
            if slots.last().is_some_and(|last| last.text_bytes == 0) {
                return None;
            }
        }
        None
    }
}

fn free(Bucket(slots): &Bucket) -> Option<usize> {
    slots.iter().position(|slot| slot.text_bytes == 0)
}

fn tag(hash: u64, mark: u8) -> u32 {
    let high = u32::try_from(hash >> 32).unwrap_or_default();
    (high << MARK_BITS) | u32::from(mark)
}

fn bucket_of(hash: u64, buckets: usize) -> usize {
    let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default();
    low.checked_rem(buckets).unwrap_or_default()
}

fn wide(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// A hash of bytes, for tables that check what they find.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    words.fold(0, mix)
}

/// A hash that goes on from another.
pub(super) const fn mix(hash: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (hash.rotate_left(23) ^ word).wrapping_mul(ODD);
    mixed ^ (mixed >> 29)
}

/// Makes each bit of a place depend on each bit of a hash.
pub(super) const fn spread(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filed(texts: &[String]) -> impl ExactSizeIterator<Item = Filed<'_>> {
        texts.iter().enumerate().map(|(n, text)| {
            let at = u32::try_from(n).unwrap();
            Filed { hash: hash(text.as_bytes()), mark: u8::try_from(n % 3).unwrap(), text, range: at..at + 2 }
        })
    }

    #[test]
    fn every_text_is_found_by_its_kind_and_no_other() {
        for many in [0_usize, 1, 2, 7, 100, 5000, 50_000] {
            let texts: Vec<String> = (0..many).map(|n| format!("u{n}")).collect();
            let slots = Slots::build(filed(&texts)).unwrap();
            let find = |text: &str, mark| slots.find(hash(text.as_bytes()), mark, |found| found == text);
            for (at, text) in texts.iter().enumerate() {
                for mark in 0..3 {
                    let expected = (at % 3 == usize::from(mark)).then_some(at..at + 2);
                    assert_eq!(find(text, mark), expected, "{text} {mark}");
                }
            }
            assert_eq!(find("stranger", 0), None);
            assert_eq!(find("", 0), None);
        }
    }

    #[test]
    fn texts_that_all_meet_get_no_table() {
        let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let meeting = texts.iter().map(|text| Filed { hash: 7, mark: 0, text, range: 0..0 });
        assert!(Slots::build(meeting).is_none());
    }
}

//! Bytes of the write-ahead log: a header for each segment, a frame for each entry. Pure.
//!
//! All integers are little-endian.
//!
//! Segment header, 64 bytes: magic `AIOSWAL1` · first index u64 · running hash before it 32 ·
//! zero 12 · CRC32C of the 60 bytes before u32.
//!
//! Frame, a multiple of 8 bytes: length of the leaf u32 · CRC32C of all that follows but the
//! padding, started with the length u32 · index u64 · synced u64 · running hash 32 · leaf · zeros.
//!
//! The running hash is SHA-256 of the running hash before and the leaf. `synced` is how many
//! entries were on stable storage for certain when the frame was written: a damaged frame below a
//! later frame's `synced` had been acknowledged, so it is corruption and no torn write.

use ring::digest::{Context, SHA256};

use crate::record::MAX_LEAF;

pub(crate) const SEGMENT_HEADER: usize = 64;
pub(crate) const FRAME_HEADER: usize = 56;
const MAGIC: &[u8; 8] = b"AIOSWAL1";

/// The running hash over all entries so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(pub(crate) [u8; 32]);

impl Chain {
    pub(crate) fn then(self, leaf: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(leaf);
        let mut next = [0; 32];
        for (to, from) in next.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(next)
    }
}

/// A frame whose checksum holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameView<'a> {
    pub(crate) index: u64,
    pub(crate) synced: u64,
    pub(crate) chain: Chain,
    pub(crate) leaf: &'a [u8],
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) first: u64,
    pub(crate) chain: Chain,
}

/// How many bytes the frame of a leaf takes.
pub(crate) const fn frame_length(leaf: usize) -> usize {
    (FRAME_HEADER + leaf).next_multiple_of(8)
}

/// Appends the frame of a leaf of 1 to 65,535 bytes.
pub(crate) fn push_frame(out: &mut Vec<u8>, frame: &FrameView<'_>) {
    let start = out.len();
    let length = u32::try_from(frame.leaf.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&frame.index.to_le_bytes());
    out.extend_from_slice(&frame.synced.to_le_bytes());
    out.extend_from_slice(&frame.chain.0);
    out.extend_from_slice(frame.leaf);
    let covered = out.get(start + 8..).unwrap_or_default();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), covered).to_le_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&crc);
    }
    out.resize(start + frame_length(frame.leaf.len()), 0);
}

/// Reads the frame that starts at the first byte: how many bytes to have at hand, or the frame.
pub(crate) fn parse_frame(bytes: &[u8]) -> Parsed<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Parsed::Short(FRAME_HEADER);
    };
    let leaf_length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if !(1..=MAX_LEAF).contains(&leaf_length) {
        return Parsed::NotAFrame;
    }
    let total = frame_length(leaf_length);
    if bytes.len() < total {
        return Parsed::Short(total);
    }
    let fields = (|| {
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let covered = rest.get(..FRAME_HEADER - 8 + leaf_length)?;
        let (index, rest) = rest.split_first_chunk::<8>()?;
        let (synced, rest) = rest.split_first_chunk::<8>()?;
        let (chain, rest) = rest.split_first_chunk::<32>()?;
        let (leaf, padding) = rest.split_at_checked(leaf_length)?;
        let padding = padding.get(..total - FRAME_HEADER - leaf_length)?;
        let sound = crc32c::crc32c_append(crc32c::crc32c(length), covered) == u32::from_le_bytes(*crc)
            && padding.iter().all(|b| *b == 0);
        sound.then_some(FrameView {
            index: u64::from_le_bytes(*index),
            synced: u64::from_le_bytes(*synced),
            chain: Chain(*chain),
            leaf,
        })
    })();
    fields.map_or(Parsed::NotAFrame, |frame| Parsed::Frame(frame, total))
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A frame, and how many bytes it takes.
    Frame(FrameView<'a>, usize),
    /// It takes this many bytes to tell.
    Short(usize),
    /// Zeros or damage.
    NotAFrame,
}

/// The header of a segment that starts with entry `first`.
pub(crate) fn segment_header(head: &SegmentHead) -> [u8; SEGMENT_HEADER] {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&head.first.to_le_bytes());
    bytes.extend_from_slice(&head.chain.0);
    bytes.extend_from_slice(&[0; 12]);
    let crc = crc32c::crc32c(&bytes).to_le_bytes();
    bytes.extend_from_slice(&crc);
    let mut out = [0; SEGMENT_HEADER];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = from;
    }
    out
}

/// Reads the header of a segment. `None` when it is damaged or of another format.
pub(crate) fn parse_segment_header(bytes: &[u8]) -> Option<SegmentHead> {
    let covered = bytes.get(..SEGMENT_HEADER - 4)?;
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (chain, rest) = rest.split_first_chunk::<32>()?;
    let crc = rest.get(12..)?.first_chunk::<4>()?;
    let sound = magic == MAGIC && crc32c::crc32c(covered) == u32::from_le_bytes(*crc);
    sound.then_some(SegmentHead { first: u64::from_le_bytes(*first), chain: Chain(*chain) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(leaf: &[u8]) -> FrameView<'_> {
        FrameView { index: 7, synced: 5, chain: Chain([1; 32]).then(leaf), leaf }
    }

    proptest! {
        #[test]
        fn frames_go_both_ways(leaf in proptest::collection::vec(any::<u8>(), 1..300), before: Vec<u8>) {
            let mut out = before.clone();
            push_frame(&mut out, &frame(&leaf));
            let bytes = &out[before.len()..];
            prop_assert_eq!(bytes.len() % 8, 0);
            prop_assert_eq!(parse_frame(bytes), Parsed::Frame(frame(&leaf), bytes.len()));
            for cut in 0..bytes.len() {
                prop_assert!(matches!(parse_frame(&bytes[..cut]), Parsed::Short(n) if n > cut));
            }
        }

        #[test]
        fn any_flipped_bit_of_a_frame_is_noticed(
            leaf in proptest::collection::vec(any::<u8>(), 1..60), at: prop::sample::Index, bit in 0_u8..8,
        ) {
            let mut out = Vec::new();
            push_frame(&mut out, &frame(&leaf));
            let at = at.index(out.len());
            out[at] ^= 1 << bit;
            out.resize(out.len() + MAX_LEAF, 0);
            prop_assert_eq!(parse_frame(&out), Parsed::NotAFrame);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = (parse_frame(&bytes), parse_segment_header(&bytes));
        }
    }

    #[test]
    fn segment_headers_go_both_ways_and_notice_flips() {
        let head = SegmentHead { first: 99, chain: Chain([3; 32]) };
        let bytes = segment_header(&head);
        assert_eq!(parse_segment_header(&bytes), Some(head));
        for at in 0..bytes.len() {
            let mut bad = bytes;
            bad[at] ^= 1;
            assert_eq!(parse_segment_header(&bad), None, "byte {at}");
        }
    }
}

//! The write-ahead log: segments of frames. `docs/formats-ledger.md` specifies the bytes.

mod frame;
mod reader;

#[cfg(feature = "writer")]
pub(crate) use frame::{Chain, FrameView, SEGMENT_HEADER, SegmentHead, frame_length, push_frame, segment_header};
pub(crate) use reader::{Frame, WalReadError, WalReader, segments_in};

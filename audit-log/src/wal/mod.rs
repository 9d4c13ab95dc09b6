//! The write-ahead log: segments of frames. `docs/formats-ledger.md` specifies the bytes.

mod frame;
mod reader;

pub(crate) use frame::Chain;
#[cfg(feature = "writer")]
pub(crate) use frame::{
    FrameView, SEGMENT_HEADER, SegmentHead, frame_length, push_frame, segment_header,
};
pub(crate) use reader::{Frame, WalReadError, WalReader, segments_in};

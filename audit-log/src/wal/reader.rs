//! Reads the frames of consecutive segments, in the same way for the integrator, the recovery and
//! the verifier.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{Chain, FRAME_HEADER, Parsed, SEGMENT_HEADER, parse_frame, parse_segment_header};
use crate::layout::{segment_first, wal_dir};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// Why the write-ahead log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalReadError {
    /// The system refuses.
    #[error("cannot read {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Damage to what had been acknowledged, or files that do not belong together.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Damaged { path: PathBuf, offset: u64, what: &'static str },
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
}

/// A place in a sequence of segments.
#[derive(Debug)]
pub(crate) struct WalReader {
    path: PathBuf,
    file: File,
    /// Where in the file the next frame starts.
    offset: u64,
    /// The index of the next frame.
    next: u64,
    chain: Chain,
    /// Bytes of the file from `buffer_start` on.
    buffer: Vec<u8>,
    buffer_start: u64,
}

/// A place to return to.
#[derive(Debug, Clone)]
pub(crate) struct WalPlace {
    path: PathBuf,
    offset: u64,
    next: u64,
    chain: Chain,
}

/// The segments of a log's directory with the index of the first entry of each, in order.
pub(crate) fn segments_in(dir: &Path) -> Result<Vec<(u64, PathBuf)>, WalReadError> {
    let wal = wal_dir(dir);
    let failed = |source| WalReadError::Io { path: wal.clone(), source };
    let listing = match fs::read_dir(&wal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(failed)?,
    };
    let mut segments = Vec::new();
    for entry in listing {
        let path = entry.map_err(failed)?.path();
        if let Some(first) = segment_first(&path) {
            segments.push((first, path));
        }
    }
    segments.sort();
    Ok(segments)
}

impl WalReader {
    /// Opens a segment at its first frame.
    pub(crate) fn open(path: &Path) -> Result<Self, WalReadError> {
        let failed = |source| WalReadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut header = [0; SEGMENT_HEADER];
        let read = read_full(&file, &mut header, 0).map_err(failed)?;
        let head = header.get(..read).and_then(parse_segment_header);
        let head = head.filter(|head| segment_first(path) == Some(head.first));
        let Some(head) = head else {
            return Err(WalReadError::Damaged { path: path.to_owned(), offset: 0, what: "segment header" });
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            offset: SEGMENT_HEADER as u64,
            next: head.first,
            chain: head.chain,
            buffer: Vec::new(),
            buffer_start: 0,
        })
    }

    /// The segment that is being read.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The index that the next frame has.
    pub(crate) const fn next_index(&self) -> u64 {
        self.next
    }

    /// The running hash before the next frame.
    pub(crate) const fn chain(&self) -> Chain {
        self.chain
    }

    /// The place of the next frame.
    pub(crate) fn place(&self) -> WalPlace {
        WalPlace { path: self.path.clone(), offset: self.offset, next: self.next, chain: self.chain }
    }

    /// Goes back to a place.
    pub(crate) fn return_to(&mut self, place: &WalPlace) -> Result<(), WalReadError> {
        if self.path != place.path {
            *self = Self::open(&place.path)?;
        }
        (self.offset, self.next, self.chain) = (place.offset, place.next, place.chain);
        self.forget_buffer();
        Ok(())
    }

    /// Drops what was read ahead: the file may have grown since.
    pub(crate) fn forget_buffer(&mut self) {
        self.buffer.clear();
    }

    /// Goes on with the segment that follows. Its header must continue the running hash.
    pub(crate) fn switch_to(&mut self, path: &Path) -> Result<(), WalReadError> {
        let follower = Self::open(path)?;
        if follower.next != self.next || follower.chain != self.chain {
            return Err(WalReadError::Damaged {
                path: path.to_owned(),
                offset: 0,
                what: "segment does not continue the one before",
            });
        }
        *self = follower;
        Ok(())
    }

    /// The next frame, `None` where no sound frame of the next index follows.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, WalReadError> {
        let mut need = FRAME_HEADER;
        loop {
            let (next, chain) = (self.next, self.chain);
            let bytes = self.bytes_at(self.offset, need)?;
            match parse_frame(bytes) {
                Parsed::Short(more) if more > bytes.len() && bytes.len() >= need => need = more,
                Parsed::Frame(frame, length) if frame.index == next => {
                    let chain = chain.then(frame.leaf);
                    if chain != frame.chain {
                        return Ok(None);
                    }
                    let frame = Frame { index: next, leaf: frame.leaf.to_vec() };
                    self.offset += length as u64;
                    self.next += 1;
                    self.chain = chain;
                    return Ok(Some(frame));
                }
                _ => return Ok(None),
            }
        }
    }

    /// Tells a torn tail from corruption, once [`Self::next_frame`] has given `None` in the last
    /// segment. Gives how many bytes of the tail are not zero.
    ///
    /// Corruption is a sound frame further on that was written when the missing one was already on
    /// stable storage. What else follows was never acknowledged as durable.
    pub(crate) fn check_tail(&mut self) -> Result<u64, WalReadError> {
        let end = self.file.metadata().map_err(|source| self.io(source))?.len();
        let (mut at, mut torn) = (self.offset, 0_u64);
        while at < end {
            let (next, start) = (self.next, self.offset);
            let bytes = self.bytes_at(at, FRAME_HEADER)?;
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            if zeros == bytes.len() {
                at += zeros as u64;
                continue;
            }
            if zeros >= 8 {
                at += (zeros as u64) & !7;
                continue;
            }
            torn = at + 8 - start;
            let later = match parse_frame(bytes) {
                Parsed::Short(more) if bytes.len() >= FRAME_HEADER => parse_frame(self.bytes_at(at, more)?),
                parsed => parsed,
            };
            if let Parsed::Frame(frame, length) = later {
                if frame.synced > next {
                    // Unless it has been written since: then it is there now, for frames are
                    // written in order.
                    self.forget_buffer();
                    if self.next_frame()?.is_some() {
                        return Ok(0);
                    }
                    return Err(self.damaged("an acknowledged frame is missing before a later one"));
                }
                at += length as u64;
                torn = at - start;
                continue;
            }
            at += 8;
        }
        Ok(torn)
    }

    /// The error for damage at the place of the next frame.
    pub(crate) fn damaged(&self, what: &'static str) -> WalReadError {
        WalReadError::Damaged { path: self.path.clone(), offset: self.offset, what }
    }

    fn io(&self, source: io::Error) -> WalReadError {
        WalReadError::Io { path: self.path.clone(), source }
    }

    /// The bytes from `offset` on: at least `need` of them unless the file ends before.
    fn bytes_at(&mut self, offset: u64, need: usize) -> Result<&[u8], WalReadError> {
        let skip = offset.checked_sub(self.buffer_start).and_then(|skip| usize::try_from(skip).ok());
        let start = match skip {
            Some(skip) if skip <= self.buffer.len() && self.buffer.len() - skip >= need => skip,
            _ => {
                self.buffer.resize(need.max(CHUNK), 0);
                let read = read_full(&self.file, &mut self.buffer, offset);
                self.buffer.truncate(*read.as_ref().unwrap_or(&0));
                self.buffer_start = offset;
                read.map_err(|source| self.io(source))?;
                0
            }
        };
        Ok(self.buffer.get(start..).unwrap_or_default())
    }
}

/// Reads until the buffer is full or the file ends; gives how many bytes were read.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

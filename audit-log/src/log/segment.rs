//! Segments on the writing side: zeroed ahead of use, so that a flush of new frames changes no
//! metadata of the file system.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::disk::{Disk, IoFailure};
use crate::layout::{segment_path, wal_dir};
use crate::wal::{Chain, SEGMENT_HEADER, SegmentHead, segment_header};

/// A zeroed file that can become a segment.
pub(crate) struct Spare {
    file: File,
    path: PathBuf,
    length: u64,
}

/// The segment that takes new frames.
pub(crate) struct Segment {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// The index of the next frame and the running hash before it.
    pub(crate) next: u64,
    pub(crate) chain: Chain,
}

impl Spare {
    /// Makes a zeroed file, durably. On a full disk nothing stays behind.
    ///
    /// `serial` is never used twice while the log is open, so that no two spares share a file.
    pub(crate) fn make(disk: &Disk, dir: &Path, length: u64, serial: u64) -> Result<Self, IoFailure> {
        let path = wal_dir(dir).join(format!("spare-{serial}.tmp"));
        let file = disk.create(&path)?;
        let filled = (|| {
            disk.reserve(&file, &path, length)?;
            let zeros = vec![0; 1 << 18];
            let mut at = 0;
            while at < length {
                let piece = usize::try_from(length - at).unwrap_or(usize::MAX).min(zeros.len());
                disk.write_at(&file, &path, zeros.get(..piece).unwrap_or_default(), at)?;
                at += piece as u64;
            }
            disk.flush(&file, &path)
        })();
        match filled {
            Ok(()) => Ok(Self { file, path, length }),
            Err(failure) => {
                // Best effort: the file is made anew the next time.
                let _ = disk.remove(&path);
                Err(failure)
            }
        }
    }

    /// Makes it the segment that starts with entry `next`. Until the rename is durable, no frame is
    /// written to it: a crash before that leaves a temporary file, which the next opening removes.
    pub(crate) fn start(self, disk: &Disk, dir: &Path, next: u64, chain: Chain) -> Result<Segment, IoFailure> {
        let header = segment_header(&SegmentHead { first: next, chain });
        disk.write_at(&self.file, &self.path, &header, 0)?;
        disk.flush(&self.file, &self.path)?;
        let path = segment_path(dir, next);
        disk.rename(&self.path, &path)?;
        disk.flush_dir(&wal_dir(dir))?;
        Ok(Segment { file: self.file, path, offset: SEGMENT_HEADER as u64, length: self.length, next, chain })
    }
}

//! The write-ahead log beside the tree: what it repeats must agree, what it adds is not signed.

use super::report::Report;
use super::signed_log::{LogReadError, SignedLog};
use crate::causes::describe;
use crate::keys::VerifierKeys;
use crate::wal::{Frame, WalReadError, WalReader, segments_in};

/// Checks the write-ahead log against the tree and counts what no checkpoint covers.
pub(super) fn check_tail(log: &SignedLog, keys: &VerifierKeys, report: &mut Report) {
    let segments = match segments_in(log.dir()) {
        Ok(segments) => segments,
        Err(error) => return report.incomplete(describe(&error)),
    };
    let size = log.checkpoint().size;
    let Some((first, _)) = segments.first() else {
        return report.not_checked.push("the write-ahead log: this copy has none".to_owned());
    };
    let read = if *first > size { Err(None) } else { read_all(log, &segments, report).map_err(Some) };
    let Err(error) = read else { return };
    // A log that is being written frees segments once a later checkpoint covers them.
    let now = SignedLog::open(log.dir(), keys).map(|log| log.checkpoint().size);
    if now.is_ok_and(|now| now > size) {
        return report.not_checked.push("the write-ahead log: the log grew during the check".to_owned());
    }
    match error {
        None => report.incomplete("the write-ahead log begins behind the checkpoint".to_owned()),
        Some(TailError::Wal(error @ WalReadError::Io { .. })) => report.incomplete(describe(&error)),
        Some(TailError::Wal(error)) => report.tampered(describe(&error)),
        Some(TailError::Differs(index)) => {
            report.tampered(format!("entry {index} differs between write-ahead log and tree"));
        }
        Some(TailError::Short) => {
            report.incomplete("the write-ahead log ends before the checkpoint".to_owned());
        }
    }
}

enum TailError {
    Wal(WalReadError),
    Differs(u64),
    Short,
}

impl From<WalReadError> for TailError {
    fn from(error: WalReadError) -> Self {
        Self::Wal(error)
    }
}

fn read_all(log: &SignedLog, segments: &[(u64, std::path::PathBuf)], report: &mut Report) -> Result<(), TailError> {
    let size = log.checkpoint().size;
    let Some((first, path)) = segments.first() else {
        return Ok(());
    };
    let mut wal = WalReader::open(path)?;
    let mut repeated = Repeated { log, index: *first, leaves: Vec::new() };
    let mut followers = segments.iter().skip(1);
    let (mut same, mut unsigned) = (0, 0);
    loop {
        while let Some(frame) = wal.next_frame()? {
            if frame.index >= size {
                unsigned += 1;
            } else if repeated.differs(&frame) {
                return Err(TailError::Differs(frame.index));
            } else {
                same += 1;
            }
        }
        let Some((_, follower)) = followers.next() else {
            break;
        };
        wal.switch_to(follower)?;
    }
    let torn = wal.check_tail()?;
    if wal.next_index() < size {
        return Err(TailError::Short);
    }
    report.unsigned_records = unsigned;
    report.count("entries of the write-ahead log that the tree has too", same);
    if unsigned > 0 {
        let what = format!("{unsigned} records in the write-ahead log: no signature covers them yet");
        report.not_checked.push(what);
    }
    if torn > 0 {
        report.not_checked.push(format!("{torn} bytes of a write that was cut short"));
    }
    Ok(())
}

/// Reads leaves of the tree in order, some at a time.
struct Repeated<'a> {
    log: &'a SignedLog,
    /// The index of the first of `leaves`.
    index: u64,
    leaves: Vec<Vec<u8>>,
}

impl Repeated<'_> {
    /// Whether the tree has another leaf at the frame's index. One that cannot be read has been
    /// reported by the check of the tree.
    fn differs(&mut self, frame: &Frame) -> bool {
        let at = |index: u64| frame.index.checked_sub(index).and_then(|n| usize::try_from(n).ok());
        if at(self.index).is_none_or(|at| at >= self.leaves.len()) {
            self.index = frame.index;
            self.leaves.clear();
            let end = self.log.checkpoint().size.min((frame.index / 256 + 1) * 256);
            let read = self.log.leaves(frame.index..end, |_, leaf| {
                self.leaves.push(leaf.to_vec());
                Ok::<(), LogReadError>(())
            });
            if read.is_err() {
                return false;
            }
        }
        at(self.index).and_then(|at| self.leaves.get(at)).is_some_and(|leaf| *leaf != frame.leaf)
    }
}

//! The redo log of one collection: every write since the engine last flushed.
//!
//! The engine (`qdrant-edge` 0.7) keeps a log of its own, but never replays it, and what it holds in
//! memory is lost with the process. So each write is recorded here first, and replayed on opening.
//!
//! A frame is a little-endian `u32` length, a little-endian `u32` CRC-32C of the body, and the body: the
//! operation in JSON. A crash can only tear the last frame, whose write was not acknowledged; reading
//! stops there and cuts it off.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use qdrant_edge::UpdateOperation;

const HEADER: usize = 8;

/// An open redo log. One writer at a time; [`RedoLog::handle`] may be synced by anyone.
#[derive(Debug)]
pub(crate) struct RedoLog {
    file: Arc<File>,
    bytes: u64,
}

impl RedoLog {
    /// Opens or creates the log and gives the operations that it holds, oldest first. A torn tail is cut.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<UpdateOperation>)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut stored = Vec::new();
        file.read_to_end(&mut stored)?;
        let (operations, intact) = decode(&stored)?;
        let dropped = stored.len() - intact;
        let bytes = u64::try_from(intact).map_err(io::Error::other)?;
        if dropped > 0 {
            tracing::warn!(dropped, "the redo log ended in a torn record, which was never acknowledged");
            file.set_len(bytes)?;
        }
        Ok((Self { file: Arc::new(file), bytes }, operations))
    }

    /// Appends one operation: it now survives the process. Gives the mark to [`cut`](Self::cut) back to.
    /// On an error nothing was appended.
    pub(crate) fn append(&mut self, operation: &UpdateOperation) -> io::Result<u64> {
        let frame = encode(operation)?;
        let mark = self.bytes;
        if let Err(error) = (&*self.file).write_all(&frame) {
            self.file.set_len(mark)?;
            return Err(error);
        }
        self.bytes += u64::try_from(frame.len()).map_err(io::Error::other)?;
        Ok(mark)
    }

    /// Forgets everything after a mark: the operation failed and was not acknowledged.
    pub(crate) fn cut(&mut self, mark: u64) -> io::Result<()> {
        self.file.set_len(mark)?;
        self.bytes = mark;
        Ok(())
    }

    /// Forgets everything: the engine has flushed it all.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.cut(0)
    }

    /// The size in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, to be synced without holding the writer's lock.
    pub(crate) fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

fn encode(operation: &UpdateOperation) -> io::Result<Vec<u8>> {
    let mut frame = vec![0_u8; HEADER];
    serde_json::to_writer(&mut frame, operation)?;
    let body = frame.get(HEADER..).unwrap_or_default();
    let length = u32::try_from(body.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "operation of more than 4 GiB"))?;
    let sum = crc32c::crc32c(body);
    if let Some((header, _)) = frame.split_first_chunk_mut::<HEADER>() {
        let (low, high) = header.split_at_mut(4);
        low.copy_from_slice(&length.to_le_bytes());
        high.copy_from_slice(&sum.to_le_bytes());
    }
    Ok(frame)
}

/// The intact operations at the start of `stored`, and how many bytes they take.
fn decode(stored: &[u8]) -> io::Result<(Vec<UpdateOperation>, usize)> {
    let mut operations = Vec::new();
    let mut rest = stored;
    while let Some((body, after)) = frame(rest) {
        // An intact frame that does not parse was written by another version: not to be dropped.
        operations.push(serde_json::from_slice(body)?);
        rest = after;
    }
    Ok((operations, stored.len() - rest.len()))
}

fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (body, after) = rest.split_at_checked(length)?;
    (length > 0 && crc32c::crc32c(body) == u32::from_le_bytes(*sum)).then_some((body, after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use qdrant_edge::{
        Payload, PointId, PointInsertOperations, PointOperations, PointStructPersisted, VectorStructPersisted,
    };

    fn upsert(id: u64, vector: Vec<f32>, text: &str) -> UpdateOperation {
        let mut payload = Payload::default();
        payload.0.insert("text".into(), text.into());
        let point = PointStructPersisted {
            id: PointId::NumId(id),
            vector: VectorStructPersisted::Single(vector),
            payload: Some(payload),
        };
        UpdateOperation::PointOperation(PointOperations::UpsertPoints(PointInsertOperations::PointsList(vec![point])))
    }

    proptest! {
        #[test]
        fn whole_frames_come_back_and_a_torn_tail_does_not(
            points in proptest::collection::vec(
                (any::<u64>(), proptest::collection::vec(-1e30_f32..1e30, 1..8), ".{0,40}"), 0..6),
            torn in 0_usize..200,
        ) {
            let operations: Vec<_> = points.iter().map(|(i, v, t)| upsert(*i, v.clone(), t)).collect();
            let frames: Vec<_> = operations.iter().map(|o| encode(o).unwrap()).collect();
            let all = frames.concat();
            let (back, intact) = decode(&all).unwrap();
            prop_assert_eq!(&back, &operations);
            prop_assert_eq!(intact, all.len());

            let kept = all.len().saturating_sub(torn);
            let (back, intact) = decode(all.get(..kept).unwrap()).unwrap();
            let whole = frames.iter().scan(0, |end, f| { *end += f.len(); Some(*end) }).filter(|end| *end <= kept).count();
            prop_assert_eq!(&back[..], operations.get(..whole).unwrap());
            prop_assert!(intact <= kept);
        }
    }

    #[test]
    fn a_reopened_log_holds_what_was_appended_and_not_what_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo.log");
        let (mut log, before) = RedoLog::open(&path).unwrap();
        assert!(before.is_empty());
        log.append(&upsert(1, vec![1.0], "a")).unwrap();
        let mark = log.append(&upsert(2, vec![2.0], "b")).unwrap();
        log.cut(mark).unwrap();
        log.append(&upsert(3, vec![3.0], "c")).unwrap();
        (&*log.handle()).write_all(&[9, 0, 0, 0, 1]).unwrap();
        drop(log);
        let (mut log, back) = RedoLog::open(&path).unwrap();
        assert_eq!(back, [upsert(1, vec![1.0], "a"), upsert(3, vec![3.0], "c")]);
        log.clear().unwrap();
        assert_eq!((log.bytes(), RedoLog::open(&path).unwrap().1.len()), (0, 0));
    }
}

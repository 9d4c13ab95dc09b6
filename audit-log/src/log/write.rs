//! The writer that makes entries durable, in the order of the indexes. A thread runs it, or a caller that is
//! alone; [`Shared`] says whose turn it is.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::disk::{Disk, IoFailure};
use super::error::LedgerError;
use super::segment::{Segment, Spare};
use super::shared::{Class, Done, Durability, Pending, Shared, lock};
use crate::wal::{FrameView, frame_length, push_frame};

/// Frames are written at the latest when this many bytes are ready.
const GROUP_BYTES: usize = 1 << 20;
/// How many batches a caller writes before the thread takes over.
const LEAD_ROUNDS: usize = 8;
/// After the disk was found full, it is not tried again for this long.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// Runs the writer whenever it is the thread's turn, until the log is closed or failed.
///
/// A batch is whatever queued up while the last one was flushed.
pub(crate) fn run(shared: &Shared, writer: &Mutex<Writer>) {
    while shared.wait_turn() {
        loop {
            // On a busy machine this lets callers run that are about to queue something: larger batches,
            // fewer flushes. On an idle one it does nothing.
            std::thread::yield_now();
            let Some(batch) = shared.take_pending() else { break };
            lock(writer).write(batch);
        }
    }
    shared.signal(|signals| signals.writer_done = true);
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Disk,
    segment: Segment,
    /// Frames that are not written yet, and whom to tell about them.
    group: Vec<u8>,
    waiting: Vec<(u64, Done)>,
    full_since: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, disk: Disk, segment: Segment) -> Self {
        let writer = Self { shared, disk, segment, group: Vec::new(), waiting: Vec::new(), full_since: None };
        writer.note_room();
        writer
    }

    /// Writes for its caller, and for whoever queues up meanwhile, but not for long: the thread goes on.
    pub(crate) fn lead(&mut self) {
        for _ in 0..LEAD_ROUNDS {
            let Some(batch) = self.shared.take_pending() else { return };
            self.write(batch);
        }
        self.shared.pass_on();
    }

    /// Writes a batch with one flush and acknowledges it.
    pub(crate) fn write(&mut self, batch: Vec<Pending>) {
        let mut batch = batch.into_iter();
        let done = self.place_all(&mut batch).and_then(|()| self.flush());
        if let Err(failure) = done {
            self.give_up(&failure, batch);
        }
        self.note_room();
    }

    /// Says how much fits without a new segment, the part that is kept for ends left out.
    fn note_room(&self) {
        let Segment { length, offset, .. } = self.segment;
        let room = (length - length / 4).saturating_sub(offset);
        self.shared.room.store(usize::try_from(room).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// Drops what is not acknowledged: whoever waits for it is told that the log is closed.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    fn place_all(&mut self, batch: &mut impl Iterator<Item = Pending>) -> Result<(), IoFailure> {
        if let Some(failed) = self.shared.failure() {
            batch.for_each(|entry| (entry.done)(Err(failed.clone())));
            return Ok(());
        }
        for entry in batch {
            match self.make_room(frame_length(entry.leaf.len()), entry.class) {
                Ok(true) => self.place(entry),
                Ok(false) => (entry.done)(Err(LedgerError::DiskFull)),
                Err(failure) => {
                    // It has no place; it waits only to be told of the failure.
                    self.waiting.push((u64::MAX, entry.done));
                    return Err(failure);
                }
            }
            if self.group.len() >= GROUP_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn place(&mut self, entry: Pending) {
        let (index, chain) = (self.segment.next, self.segment.chain.then(&entry.leaf));
        let synced = self.shared.synced.load(Ordering::Acquire);
        push_frame(&mut self.group, &FrameView { index, synced, chain, leaf: &entry.leaf });
        self.segment.next = index + 1;
        self.segment.chain = chain;
        self.waiting.push((index, entry.done));
    }

    /// Makes room for a frame. False when the disk is full: then the frame must not be placed.
    ///
    /// A quarter of the last segment is kept for the ends of calls that were admitted: a `Start`
    /// goes there only when a further segment is at hand.
    fn make_room(&mut self, frame: usize, class: Class) -> Result<bool, IoFailure> {
        let used = self.segment.offset + self.group.len() as u64 + frame as u64;
        let reserve = match class {
            Class::Start => self.segment.length / 4,
            Class::End => 0,
        };
        if used + reserve <= self.segment.length {
            return Ok(true);
        }
        let Some(spare) = self.spare()? else {
            return Ok(false);
        };
        if used <= self.segment.length {
            *lock(&self.shared.spare) = Some(spare);
            return Ok(true);
        }
        self.flush()?;
        if self.shared.config.durability == Durability::Os {
            self.disk.flush(&self.segment.file, &self.segment.path)?;
            self.shared.synced.fetch_max(self.segment.next, Ordering::AcqRel);
        }
        // INVARIANT: a segment exists only when all entries before it are on stable storage.
        let (next, chain) = (self.segment.next, self.segment.chain);
        self.segment = spare.start(&self.disk, &self.shared.dir, next, chain)?;
        lock(&self.shared.segments).push_back((next, self.segment.path.clone()));
        self.shared.signal(|signals| signals.spare_wanted = true);
        Ok(true)
    }

    /// The spare segment, made here if the tree thread did not come to it. `None` on a full disk.
    fn spare(&mut self) -> Result<Option<Spare>, IoFailure> {
        let ready = lock(&self.shared.spare).take();
        if let Some(spare) = ready {
            self.set_full(None);
            return Ok(Some(spare));
        }
        if self.full_since.is_some_and(|since| since.elapsed() < FULL_PAUSE) {
            return Ok(None);
        }
        let length = self.shared.config.segment_bytes;
        match Spare::make(&self.disk, &self.shared.dir, length, self.shared.spare_serial()) {
            Ok(spare) => {
                self.set_full(None);
                Ok(Some(spare))
            }
            Err(failure) if failure.is_full() => {
                self.set_full(Some(Instant::now()));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn set_full(&mut self, since: Option<Instant>) {
        self.full_since = since;
        self.shared.disk_full.store(since.is_some(), Ordering::Relaxed);
    }

    /// Writes the group, waits for stable storage where that is asked for, and acknowledges.
    fn flush(&mut self) -> Result<(), IoFailure> {
        if self.group.is_empty() {
            return Ok(());
        }
        let Segment { file, path, offset, .. } = &self.segment;
        self.disk.write_at(file, path, &self.group, *offset)?;
        if self.shared.config.durability == Durability::Fsync {
            self.disk.flush(file, path)?;
            self.shared.synced.store(self.segment.next, Ordering::Release);
        }
        self.segment.offset += self.group.len() as u64;
        self.group.clear();
        self.shared.acknowledged.store(self.segment.next, Ordering::Release);
        for (index, done) in self.waiting.drain(..) {
            done(Ok(index));
        }
        Ok(())
    }

    /// A write or a flush failed: what is on the disk is unknown, so nothing more is written.
    fn give_up(&mut self, failure: &IoFailure, rest: impl Iterator<Item = Pending>) {
        let error = self.shared.fail_with(&format!("{failure}: {}", failure.source));
        self.group.clear();
        for (_, done) in self.waiting.drain(..) {
            done(Err(error.clone()));
        }
        rest.for_each(|entry| (entry.done)(Err(error.clone())));
    }
}

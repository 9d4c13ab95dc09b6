//! What callers and the two threads share: the queue, the list of segments and the gauges.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::LedgerError;
use super::open::Opened;
use super::segment::Spare;
use crate::wal::frame_length;

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The record is on stable storage: it survives a power cut.
    #[default]
    Fsync,
    /// The record is with the operating system: it survives a killed process but not a power cut.
    /// Every checkpoint says so in an extension line.
    Os,
}

/// Settings of a ledger.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// What an acknowledgement means.
    pub durability: Durability,
    /// How often a checkpoint is signed while there are new records.
    pub checkpoint_interval: Duration,
    /// How long a caller waits for its record. Past it the call fails, and nothing may be forwarded.
    pub deadline: Duration,
    /// How many bytes of records may wait; more intents, refusals and events are turned away.
    pub queue_bytes: usize,
    /// The size of a segment of the write-ahead log, at least 256 KiB.
    pub segment_bytes: u64,
}

impl Default for LedgerConfig {
    /// `fsync`, a checkpoint a second, 5 seconds of patience, 16 MiB of queue, segments of 16 MiB.
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            checkpoint_interval: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
            queue_bytes: 16 << 20,
            segment_bytes: 16 << 20,
        }
    }
}

/// Whether the ledger takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// It does.
    Yes,
    /// The disk is full: intents are refused until there is room.
    DiskFull,
    /// A write failed: restart after repair.
    Failed,
    /// It was closed.
    Closed,
}

/// What `/readyz` and the metrics show.
#[derive(Debug, Clone, Copy)]
pub struct LedgerHealth {
    /// Whether records are taken.
    pub writable: Writable,
    /// Records acknowledged, in the whole life of the log.
    pub entries: u64,
    /// Records that the last signed checkpoint covers.
    pub signed_entries: u64,
    /// Time since that checkpoint was last known to be up to date.
    pub checkpoint_age: Duration,
    /// Bytes of records that wait to be written.
    pub queued_bytes: usize,
    /// Calls with an intent and no outcome yet.
    pub open_intents: u64,
    /// Intents that were dropped without an outcome since the ledger was opened.
    pub abandoned_intents: u64,
    /// Times that building tiles or checkpoints had to be put off for a full disk.
    pub tree_delays: u64,
}

/// Whether an entry starts something or ends what an earlier entry started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// May be turned away when the queue or the disk is full.
    Start,
    /// The end of an admitted call: it is bounded by the calls in flight, and room is kept for it.
    End,
}

/// Called with the index once the entry is durable, or with the reason why it is not.
pub(crate) type Done = Box<dyn FnOnce(Result<u64, LedgerError>) + Send>;

pub(crate) struct Pending {
    pub(crate) leaf: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) done: Done,
}

/// Who takes what is queued to the disk. INVARIANT: while entries are queued, somebody does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nobody,
    /// The writing thread.
    Thread,
    /// A caller, which writes for itself and for whoever queues up meanwhile.
    Caller,
}

/// What the caller that queued an entry does next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait.
    Wait,
    /// Call [`super::write::Writer::lead`], which writes the entry here and now.
    Lead,
}

enum Phase {
    Open,
    Closing,
    Failed(Arc<str>),
}

struct Queue {
    pending: Vec<Pending>,
    /// The length of all their frames.
    bytes: usize,
    phase: Phase,
    turn: Turn,
}

/// What the tree thread waits for.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) writer_done: bool,
    pub(crate) spare_wanted: bool,
}

pub(crate) struct Shared {
    pub(crate) config: LedgerConfig,
    pub(crate) dir: PathBuf,
    queue: Mutex<Queue>,
    queued: Condvar,
    pub(crate) signals: Mutex<Signals>,
    pub(crate) signalled: Condvar,
    /// The segments that exist, oldest first, each with the index of its first entry.
    pub(crate) segments: Mutex<VecDeque<(u64, PathBuf)>>,
    /// A zeroed segment for the writer to go on with.
    pub(crate) spare: Mutex<Option<Spare>>,
    spares_made: AtomicU64,
    /// Bytes of frames that the current segment takes before anything else has to be done.
    pub(crate) room: AtomicUsize,
    /// Entries acknowledged.
    pub(crate) acknowledged: AtomicU64,
    /// Entries on stable storage for certain.
    pub(crate) synced: AtomicU64,
    pub(crate) disk_full: AtomicBool,
    pub(crate) open_intents: AtomicU64,
    pub(crate) abandoned_intents: AtomicU64,
    pub(crate) tree_delays: AtomicU64,
    signed: Mutex<(u64, Instant)>,
}

impl Shared {
    pub(crate) fn new(config: LedgerConfig, opened: &Opened) -> Self {
        let size = opened.tree.size();
        Self {
            config,
            dir: opened.dir.clone(),
            queue: Mutex::new(Queue { pending: Vec::new(), bytes: 0, phase: Phase::Open, turn: Turn::Nobody }),
            queued: Condvar::new(),
            signals: Mutex::new(Signals { spare_wanted: true, ..Signals::default() }),
            signalled: Condvar::new(),
            segments: Mutex::new(VecDeque::from([(size, opened.segment.path.clone())])),
            spare: Mutex::new(None),
            spares_made: AtomicU64::new(1),
            room: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(size),
            synced: AtomicU64::new(size),
            disk_full: AtomicBool::new(false),
            open_intents: AtomicU64::new(0),
            abandoned_intents: AtomicU64::new(0),
            tree_delays: AtomicU64::new(0),
            signed: Mutex::new((size, Instant::now())),
        }
    }

    /// Queues an entry for the writing thread. `done` is called exactly once if this gives `Ok`, and not
    /// at all otherwise.
    pub(crate) fn append(&self, leaf: Vec<u8>, class: Class, done: Done) -> Result<(), LedgerError> {
        self.to_thread(self.push(leaf, class, done)?);
        Ok(())
    }

    /// Queues an entry like [`Shared::append`], and has the caller write it where no flush is asked for,
    /// nobody writes and the segment has room: waking a thread that wakes the caller costs more than a
    /// write into memory. A flush stays with the thread, since it may take longer than the deadline.
    pub(crate) fn append_here(&self, leaf: Vec<u8>, class: Class, done: Done) -> Result<Next, LedgerError> {
        let mut queue = self.push(leaf, class, done)?;
        let short = self.config.durability == Durability::Os && queue.bytes <= self.room.load(Ordering::Relaxed);
        if short && queue.turn == Turn::Nobody {
            queue.turn = Turn::Caller;
            return Ok(Next::Lead);
        }
        self.to_thread(queue);
        Ok(Next::Wait)
    }

    fn push(&self, leaf: Vec<u8>, class: Class, done: Done) -> Result<MutexGuard<'_, Queue>, LedgerError> {
        let mut queue = lock(&self.queue);
        match &queue.phase {
            Phase::Open => {}
            Phase::Closing => return Err(LedgerError::Closed),
            Phase::Failed(reason) => {
                return Err(LedgerError::Failed { reason: Arc::clone(reason) });
            }
        }
        let bytes = frame_length(leaf.len());
        if class == Class::Start && queue.bytes + bytes > self.config.queue_bytes {
            return Err(LedgerError::Overloaded);
        }
        queue.bytes += bytes;
        queue.pending.push(Pending { leaf, class, done });
        Ok(queue)
    }

    fn to_thread(&self, mut queue: MutexGuard<'_, Queue>) {
        if queue.turn == Turn::Nobody {
            queue.turn = Turn::Thread;
            // The thread should not wake only to wait for the lock.
            drop(queue);
            self.queued.notify_one();
        }
    }

    /// Takes what is queued. `None`, and nobody's turn, once nothing is.
    pub(crate) fn take_pending(&self) -> Option<Vec<Pending>> {
        let mut queue = lock(&self.queue);
        if queue.pending.is_empty() {
            queue.turn = Turn::Nobody;
            if !matches!(queue.phase, Phase::Open) {
                // The thread may be waiting for this, to end.
                self.queued.notify_one();
            }
            return None;
        }
        queue.bytes = 0;
        Some(core::mem::take(&mut queue.pending))
    }

    /// Drops what is queued: whoever waits for it is told that the log is closed.
    pub(crate) fn forget_pending(&self) {
        let dropped = core::mem::take(&mut lock(&self.queue).pending);
        drop(dropped);
    }

    /// Gives a caller's turn to the thread.
    pub(crate) fn pass_on(&self) {
        let mut queue = lock(&self.queue);
        queue.turn = Turn::Nobody;
        if !queue.pending.is_empty() {
            self.to_thread(queue);
        } else if !matches!(queue.phase, Phase::Open) {
            self.queued.notify_one();
        }
    }

    /// Waits until it is the thread's turn. False once the log is closed or failed and nothing is left.
    pub(crate) fn wait_turn(&self) -> bool {
        let mut queue = lock(&self.queue);
        loop {
            match queue.turn {
                Turn::Thread => return true,
                Turn::Nobody if !matches!(queue.phase, Phase::Open) => return false,
                Turn::Nobody | Turn::Caller => {}
            }
            queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn close(&self) {
        let mut queue = lock(&self.queue);
        if matches!(queue.phase, Phase::Open) {
            queue.phase = Phase::Closing;
        }
        drop(queue);
        self.queued.notify_all();
    }

    /// Stops the log for good. The first reason stays.
    pub(crate) fn fail_with(&self, reason: &str) -> LedgerError {
        let mut queue = lock(&self.queue);
        let reason = match &queue.phase {
            Phase::Failed(first) => Arc::clone(first),
            _ => Arc::from(reason),
        };
        queue.phase = Phase::Failed(Arc::clone(&reason));
        drop(queue);
        self.queued.notify_all();
        self.signalled.notify_all();
        LedgerError::Failed { reason }
    }

    /// Why the log stopped, if it did.
    pub(crate) fn failure(&self) -> Option<LedgerError> {
        match &lock(&self.queue).phase {
            Phase::Failed(reason) => Some(LedgerError::Failed { reason: Arc::clone(reason) }),
            _ => None,
        }
    }

    /// Wakes the tree thread after changing what it waits for.
    pub(crate) fn signal(&self, change: impl FnOnce(&mut Signals)) {
        change(&mut lock(&self.signals));
        self.signalled.notify_all();
    }

    /// A number for a spare segment's file, never given twice while the log is open.
    pub(crate) fn spare_serial(&self) -> u64 {
        self.spares_made.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_signed(&self, size: u64) {
        *lock(&self.signed) = (size, Instant::now());
    }

    pub(crate) fn health(&self) -> LedgerHealth {
        let (signed_entries, at) = *lock(&self.signed);
        let queue = lock(&self.queue);
        LedgerHealth {
            writable: match queue.phase {
                Phase::Failed(_) => Writable::Failed,
                Phase::Closing => Writable::Closed,
                Phase::Open if self.disk_full.load(Ordering::Relaxed) => Writable::DiskFull,
                Phase::Open => Writable::Yes,
            },
            entries: self.acknowledged.load(Ordering::Acquire),
            signed_entries,
            checkpoint_age: at.elapsed(),
            queued_bytes: queue.bytes,
            open_intents: self.open_intents.load(Ordering::Relaxed),
            abandoned_intents: self.abandoned_intents.load(Ordering::Relaxed),
            tree_delays: self.tree_delays.load(Ordering::Relaxed),
        }
    }
}

/// Locks; a panic of another holder left no half-done change, for none of them can panic midway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

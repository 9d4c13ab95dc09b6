//! One log: the write-ahead log, the tree that grows from it and the two threads that run them.

mod disk;
mod error;
mod integrate;
mod open;
mod segment;
mod shared;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub use disk::IoFailure;
pub use error::{LedgerError, OpenError};
pub use open::Recovery;
pub use shared::{Durability, LedgerConfig, LedgerHealth, Writable};

pub(crate) use shared::{Class, Done, Shared};

use crate::keys::SigningKey;
use disk::Disk;
use shared::{Next, lock};

/// One tree in one directory, open for writing.
pub(crate) struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recovery: Recovery,
    writer: Arc<Mutex<write::Writer>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Log {
    /// Opens or creates the log in `dir`, recovers what was acknowledged and starts the threads.
    pub(crate) fn open(dir: &Path, key: SigningKey, config: LedgerConfig) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), dir, key, config)
    }

    fn open_on(disk: Disk, dir: &Path, key: SigningKey, config: LedgerConfig) -> Result<Self, OpenError> {
        let opened = open::open(disk, dir, key, &config)?;
        let shared = Arc::new(Shared::new(config, &opened));
        let recovery = opened.recovery;
        let writer = write::Writer::new(Arc::clone(&shared), opened.disk.clone(), opened.segment);
        let writer = Arc::new(Mutex::new(writer));
        let integrator = integrate::Worker::new(Arc::clone(&shared), opened.tree, opened.lock);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let watch = Watch { shared: Arc::clone(&shared), writer: Arc::clone(&writer) };
            let run = move || {
                let _watch = watch;
                run();
            };
            std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Threads)
        };
        let (queue, writes) = (Arc::clone(&shared), Arc::clone(&writer));
        let mut threads = vec![spawn("ledger-write", Box::new(move || write::run(&queue, &writes)))?];
        match spawn("ledger-tree", Box::new(move || integrator.run())) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                shared.close();
                return Err(error);
            }
        }
        Ok(Self { shared, recovery, writer, threads: Mutex::new(threads) })
    }

    /// Queues an entry, and writes it here where that is quicker. See [`Shared::append_here`].
    pub(crate) fn append(&self, leaf: Vec<u8>, class: Class, done: Done) -> Result<(), LedgerError> {
        if self.shared.append_here(leaf, class, done)? == Next::Lead {
            let _watch = Watch { shared: Arc::clone(&self.shared), writer: Arc::clone(&self.writer) };
            lock(&self.writer).lead();
        }
        Ok(())
    }

    /// Takes no more entries, writes what was taken, signs a last checkpoint and waits for all that.
    pub(crate) fn close(&self) -> Result<(), LedgerError> {
        self.shared.close();
        let threads = core::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A panic has been turned into a failure by `Watch`.
            let _ = thread.join();
        }
        self.shared.failure().map_or(Ok(()), Err)
    }
}

/// Stops the log when the writer or the tree panics: nothing waits for what will not come.
struct Watch {
    shared: Arc<Shared>,
    writer: Arc<Mutex<write::Writer>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail_with("a ledger thread panicked");
            self.shared.forget_pending();
            lock(&self.writer).forget_waiting();
            self.shared.signal(|signals| signals.writer_done = true);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A failure has been given to every caller already.
        let _ = self.close();
    }
}

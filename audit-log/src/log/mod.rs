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
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub use disk::IoFailure;
pub use error::{LedgerError, OpenError};
pub use open::Recovery;
pub use shared::{Durability, LedgerConfig, LedgerHealth, Writable};

pub(crate) use shared::{Class, Shared};

use crate::keys::SigningKey;
use disk::Disk;

/// One tree in one directory, open for writing.
pub(crate) struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recovery: Recovery,
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
        let integrator = integrate::Worker::new(Arc::clone(&shared), opened.tree, opened.lock);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let watch = Watch(Arc::clone(&shared));
            let run = move || {
                let _watch = watch;
                run();
            };
            std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Threads)
        };
        let mut threads = vec![spawn("ledger-write", Box::new(move || writer.run()))?];
        match spawn("ledger-tree", Box::new(move || integrator.run())) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                shared.close();
                return Err(error);
            }
        }
        Ok(Self { shared, recovery, threads: Mutex::new(threads) })
    }

    /// Takes no more entries, writes what was taken, signs a last checkpoint and waits for all that.
    pub(crate) fn close(&self) -> Result<(), LedgerError> {
        self.shared.close();
        let threads = core::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic has been turned into a failure by `Watch`.
            let _ = thread.join();
        }
        self.shared.failure().map_or(Ok(()), Err)
    }
}

/// Stops the log when the thread that holds it panics: nothing waits for a thread that is gone.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_with("a ledger thread panicked");
            self.0.signal(|signals| signals.writer_done = true);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A failure has been given to every caller already.
        let _ = self.close();
    }
}

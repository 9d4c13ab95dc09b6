//! A vendor's library, which has one state for all its users in a process. Blocking.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module},
    error::{Error, RvError},
};

/// Between two restarts: each ends the sessions of all.
const BETWEEN: Duration = Duration::from_secs(5);

/// The state of one library, shared by all that use it.
pub(super) struct Library(RwLock<State>);

#[derive(Default)]
struct State {
    start: u64,
    restarted: Option<Instant>,
}

/// While it is held, the library is not restarted: stopping it while calls run is undefined.
pub(super) struct Running<'a>(RwLockReadGuard<'a, State>);

impl Running<'_> {
    /// Which start of the library this is.
    pub(super) fn start(&self) -> u64 {
        self.0.start
    }
}

impl Library {
    /// The one of this file.
    pub(super) fn at(path: &Path) -> Arc<Self> {
        static ALL: Mutex<BTreeMap<PathBuf, Arc<Library>>> = Mutex::new(BTreeMap::new());
        // Two paths of one file are one library to the loader.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(path).or_insert_with(|| Arc::new(Self(RwLock::default()))))
    }

    pub(super) fn running(&self) -> Running<'_> {
        Running(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops and starts the library, unless calls of others run in it or that was done just now.
    /// Tells whether it was.
    pub(super) fn restart(&self, module: &Module) -> bool {
        let Ok(mut state) = self.0.try_write() else { return false };
        if state.restarted.is_some_and(|at| at.elapsed() < BETWEEN) {
            return false;
        }
        state.restarted = Some(Instant::now());
        state.start = state.start.saturating_add(1);
        // One that was not running is started all the same.
        let _ = module.clone().finalize();
        initialize(module).is_ok()
    }
}

/// Initialises a module unless somebody in this process has.
pub(super) fn initialize(module: &Module) -> Result<(), Error> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

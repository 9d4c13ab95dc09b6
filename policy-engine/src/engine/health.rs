//! Whether a set still trusts its index.

use super::options::Engine;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an embedder must hear of: a fault of this program that a live check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarms {
    /// How often the index and casbin disagreed about a call. Each such call was decided by casbin.
    pub disagreements: u64,
    /// Who decides now. After a disagreement it is [`Engine::Slice`], over a plain scan of the tenant's lines.
    pub engine: Engine,
}

/// How a question is answered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The trie finds, the lines decide.
    Index,
    /// The trie finds, casbin decides.
    Slice,
    /// A scan finds, casbin decides.
    Scan,
}

/// How often the index was wrong.
#[derive(Debug, Default)]
pub(crate) struct Health {
    disagreements: AtomicU64,
}

impl Health {
    pub(super) fn disagreed(&self) {
        self.disagreements.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn way(&self, engine: Engine) -> Way {
        match (self.disagreements.load(Ordering::Relaxed), engine) {
            (0, Engine::Index) => Way::Index,
            (0, Engine::Slice) => Way::Slice,
            _ => Way::Scan,
        }
    }

    pub(crate) fn alarms(&self, engine: Engine) -> Alarms {
        let disagreements = self.disagreements.load(Ordering::Relaxed);
        Alarms { disagreements, engine: if disagreements == 0 { engine } else { Engine::Slice } }
    }
}

//! How a set decides.

use std::num::NonZeroU32;

/// Who decides over the lines that the index finds. Both give the same answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// `slice`: casbin's matcher and effect decide each new question over the lines found.
    Slice,
    /// `index`: the lines found decide; casbin is the oracle at load and of a sample of live decisions.
    #[default]
    Index,
}

impl Engine {
    /// The engine as commands and records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::Index => "index",
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a set is compiled and how it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Who decides.
    pub engine: Engine,
    /// One decision in this many, counted by each thread, is also made by a plain scan and casbin, and compared.
    pub live_check: NonZeroU32,
}

impl Default for Options {
    fn default() -> Self {
        Self { engine: Engine::default(), live_check: NonZeroU32::new(1024).unwrap_or(NonZeroU32::MIN) }
    }
}

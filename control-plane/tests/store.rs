//! The store as its users see it: races between two handles on one file, revocation, hostile texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "store/collections.rs"]
mod collections;
#[path = "store/events.rs"]
mod events;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/registry.rs"]
mod registry;

use control_plane::Store;
use std::path::PathBuf;
use tempfile::TempDir;

/// Texts that end a literal, a statement or a line in SQL, or look like a pattern.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE tenants; --",
    "\" OR \"\"=\"",
    "') UNION SELECT hash FROM virtual_keys --",
    "%_\\",
    "?1 :name @x $y",
    "null",
    "a/*b*/c",
    "日本語 \u{202e}",
];

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("control.db")
    }

    async fn store(&self) -> Store {
        Store::open(&self.path()).await.unwrap()
    }
}

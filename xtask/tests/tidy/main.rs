//! Rules that hold over the whole workspace: who may import whom, which licences, which sizes. They read
//! `cargo metadata` and the files of the checkout, and need nothing installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod files;
mod imports;
mod licences;
mod reasons;

use cargo_metadata::{Metadata, MetadataCommand};
use std::{path::PathBuf, sync::LazyLock};

/// The root of the checkout.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The dependency graph on the platform that the product runs on.
fn metadata() -> &'static Metadata {
    static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
            .exec()
            .expect("cargo metadata")
    });
    &METADATA
}

/// Fails with all faults at once.
#[track_caller]
fn none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

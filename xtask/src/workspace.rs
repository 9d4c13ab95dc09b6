//! Where things are.

use crate::step::Failed;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The one build that the binary, the tests and the bench share: with the same features throughout, no heavy crate is
/// built twice.
pub(crate) const BUILD: [&str; 6] = ["build", "--release", "--workspace", "--lib", "--bins", "--tests"];

/// The checkout and its build directory.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    ///
    /// # Errors
    /// When it has moved away.
    pub(crate) fn find() -> Result<Self, Failed> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().filter(|root| root.join("Cargo.toml").is_file());
        let root =
            root.ok_or_else(|| Failed::because("find the workspace", "the checkout has moved: build xtask again"))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root: root.to_owned(), target })
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The build directory; everything that setup makes is below it.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A program of the release build.
    pub(crate) fn release(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// A command that runs at the root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// A cargo command. What cargo told this program about its own package is left out: build scripts would take it for a
    /// change, and everything would be built again that a plain `cargo` in a shell has built.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments);
        let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
            command.env_remove(name);
        }
        command
    }
}

/// The program of this name on `PATH` (and in the places of root's tools).
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

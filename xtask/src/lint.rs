//! `cargo xtask lint`: everything that judges the source without running the product.

use crate::{
    step::{Failed, Steps},
    workspace::{Workspace, on_path},
};

/// All checks. Each runs, so that one run shows every fault.
///
/// # Errors
/// Names the first check that failed.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<(), Failed> {
    let mut results = vec![steps.run("formatting", &mut workspace.cargo(&["fmt", "--all", "--check"]))];
    let clippy = ["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    results.push(steps.run("clippy", &mut workspace.cargo(&clippy)));
    let mut doc =
        workspace.cargo(&["doc", "--release", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    results.push(steps.run("docs", &mut doc));
    let tidy = ["test", "--release", "--package", "xtask", "--test", "tidy", "--quiet"];
    results.push(steps.run("tidy rules", &mut workspace.cargo(&tidy)));
    if on_path("cargo-deny").is_some() {
        let deny = ["deny", "--offline", "check", "licenses", "bans", "sources"];
        results.push(steps.run("cargo-deny", &mut workspace.cargo(&deny)));
    } else {
        steps.skip("cargo-deny", "not installed; the tidy rules cover licences, bans and sources");
    }
    results.into_iter().collect()
}

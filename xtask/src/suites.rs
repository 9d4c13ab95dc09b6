//! `cargo xtask test`: Rust tests, doc tests, then the Python suites against the release binary.

use crate::{
    setup::{self, Models, Pythons},
    step::{Failed, Steps},
    workspace::{BUILD, Workspace, on_path},
};
use std::process::Command;

/// What `test` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the real models (half a gigabyte of packages, and minutes).
    #[arg(long)]
    quick: bool,
    /// Only the Python suites, against the binary that is there.
    #[arg(long)]
    only_python: bool,
    /// Passed on to pytest, after `--`.
    #[arg(last = true)]
    pytest: Vec<String>,
}

/// Everything. The Rust suites come first: they are the faster to fail.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn test(workspace: &Workspace, steps: &mut Steps, args: &Args) -> Result<(), Failed> {
    let models = if args.quick { Models::LeftOut } else { Models::Wanted };
    let pythons = setup::run(workspace, steps, models)?;
    if !args.only_python {
        steps.run("build", &mut workspace.cargo(&BUILD))?;
        rust(workspace, steps, &pythons)?;
    }
    let suites: &[&str] = if args.quick {
        &["tests/clients", "tests/attacks", "tests/chaos"]
    } else {
        &["tests/clients", "tests/attacks", "tests/chaos", "tests/e2e"]
    };
    let mut run = pytest(workspace, &pythons, suites);
    run.args(&args.pytest);
    steps.run("Python suites", &mut run)
}

/// Only the chaos suite, on a fresh build.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn chaos(workspace: &Workspace, steps: &mut Steps) -> Result<(), Failed> {
    let pythons = setup::run(workspace, steps, Models::LeftOut)?;
    steps.run("build", &mut workspace.cargo(&BUILD))?;
    steps.run("chaos suite", &mut pytest(workspace, &pythons, &["tests/chaos"]))
}

fn rust(workspace: &Workspace, steps: &mut Steps, installed: &Pythons) -> Result<(), Failed> {
    let mut tests = if on_path("cargo-nextest").is_some() {
        workspace.cargo(&["nextest", "run", "--release", "--workspace", "--no-fail-fast"])
    } else {
        workspace.cargo(&["test", "--release", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    tests.env("AIOS_TEST_BAO", &installed.bao);
    if setup::go_is_there() {
        tests.env("AIOS_TEST_GO", "1");
    }
    tests.env("AIOS_TEST_MOTO", &installed.moto_server);
    if let Some(module) = setup::softhsm() {
        tests.env("AIOS_TEST_SOFTHSM", module);
    }
    steps.run("Rust tests", &mut tests)?;
    steps.run("doc tests", &mut workspace.cargo(&["test", "--release", "--workspace", "--doc", "--quiet"]))
}

fn pytest(workspace: &Workspace, pythons: &Pythons, suites: &[&str]) -> Command {
    let mut command = workspace.command(&pythons.clients, &["-m", "pytest"]);
    command
        .args(["-c", "tests/pytest.ini", "--rootdir", "tests", "-ra"])
        .args(suites)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", workspace.root().join("tests"))
        .env("AIOS_BIN", workspace.release("aios"))
        .env("AIOS_TARGET", workspace.target())
        .env("AIOS_TEST_BAO", &pythons.bao)
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env_remove("HTTP_PROXY")
        .env_remove("HTTPS_PROXY")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy");
    if let Some(models) = &pythons.models {
        command.env("AIOS_MODELS_PYTHON", models);
    }
    command
}

//! `cargo xtask bench NAME`.

use crate::{
    setup,
    step::{Failed, Steps},
    workspace::{BUILD, Workspace},
};
use std::path::PathBuf;

/// What `bench` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which figures: `proxy`, `policy` or `seal`.
    name: Name,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Write charts into this directory.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Passed on to the benchmark, after `--`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// The benchmarks that there are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Name {
    /// The data path beside nginx and a bare pass-through.
    Proxy,
    /// Decisions beside plain casbin and Cedar.
    Policy,
    /// Sealing beside plain AES-256-GCM, and hits of the key cache.
    Seal,
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Policy => "policy",
            Self::Seal => "seal",
        }
    }
}

/// Cedar is built for this benchmark alone.
const WITH_CEDAR: [&str; 6] = ["build", "--release", "--package", "bench", "--features", "cedar"];

/// Builds what is measured, then measures it.
///
/// # Errors
/// When a part is missing or a call fails: no figure is given over faults.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, args: &Args) -> Result<(), Failed> {
    let mut bench = workspace.command(workspace.release("bench"), &[args.name.as_str()]);
    bench.arg("--scratch").arg(workspace.target());
    match args.name {
        Name::Proxy => {
            setup::debian(workspace, steps)?;
            steps.run("build", &mut workspace.cargo(&BUILD))?;
            bench.arg("--aios").arg(workspace.release("aios"));
        }
        Name::Seal => steps.run("build", &mut workspace.cargo(&BUILD))?,
        Name::Policy => steps.run("build", &mut workspace.cargo(&WITH_CEDAR))?,
    }
    if args.json {
        bench.arg("--json");
    }
    if let Some(directory) = &args.svg {
        bench.arg("--svg").arg(directory);
    }
    bench.args(&args.rest);
    steps.run(&format!("bench {}", args.name.as_str()), &mut bench)
}

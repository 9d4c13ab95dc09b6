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
    /// Which figures: `proxy`.
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
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
        }
    }
}

/// Builds what is measured, then measures it.
///
/// # Errors
/// When a part is missing or a call fails: no figure is given over faults.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, args: &Args) -> Result<(), Failed> {
    setup::debian(workspace, steps)?;
    steps.run("build", &mut workspace.cargo(&BUILD))?;
    let mut bench = workspace.command(workspace.release("bench"), &[args.name.as_str()]);
    bench.arg("--aios").arg(workspace.release("aios")).arg("--scratch").arg(workspace.target());
    if args.json {
        bench.arg("--json");
    }
    if let Some(directory) = &args.svg {
        bench.arg("--svg").arg(directory);
    }
    bench.args(&args.rest);
    steps.run(&format!("bench {}", args.name.as_str()), &mut bench)
}

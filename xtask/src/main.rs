//! The project's own commands: `cargo xtask test | lint | bench NAME | chaos | setup`.
//!
//! Each prints every step that it takes, and its time. The exit code says all: 0 only if every step succeeded.

mod bench;
mod lint;
mod setup;
mod step;
mod suites;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use step::{Failed, Steps};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need, build, and run all of them.
    Test(suites::Args),
    /// Formatting, clippy, docs, the tidy rules, licences.
    Lint,
    /// Take the figures of a benchmark.
    Bench(bench::Args),
    /// Only the tests that kill, starve and disconnect.
    Chaos,
    /// Only install what the tests need.
    Setup,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut steps = Steps::default();
    let done = run(cli.command, &mut steps);
    steps.summary();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            step::complain(&failed);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, steps: &mut Steps) -> Result<(), Failed> {
    let workspace = workspace::Workspace::find()?;
    match command {
        Command::Test(args) => suites::test(&workspace, steps, &args),
        Command::Lint => lint::run(&workspace, steps),
        Command::Bench(args) => bench::run(&workspace, steps, &args),
        Command::Chaos => suites::chaos(&workspace, steps),
        Command::Setup => setup::run(&workspace, steps, setup::Models::Wanted).map(drop),
    }
}

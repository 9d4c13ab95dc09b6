//! Steps: what runs, how long it took, and how it ended. They are told on standard error: standard output belongs to
//! what is run, such as the figures of a benchmark.
#![expect(clippy::print_stderr, reason = "a command line program")]

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A step that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {why}")]
pub(crate) struct Failed {
    step: String,
    why: String,
}

impl Failed {
    /// A failure of `step`.
    pub(crate) fn because(step: impl Into<String>, why: impl ToString) -> Self {
        Self { step: step.into(), why: why.to_string() }
    }
}

/// The steps of this run.
#[derive(Default)]
pub(crate) struct Steps(Vec<(String, Duration, &'static str)>);

impl Steps {
    /// Runs a command with its output shown. Standard input is closed.
    ///
    /// # Errors
    /// When it cannot be started or does not exit with 0.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> Result<(), Failed> {
        let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        eprintln!("\n==> {name}\n    {} {}", command.get_program().to_string_lossy(), words.join(" "));
        let start = Instant::now();
        let ended = command.stdin(Stdio::null()).status();
        let why = match ended {
            Ok(status) if status.success() => None,
            Ok(status) => Some(status.to_string()),
            Err(error) => Some(format!("{} cannot be started: {error}", command.get_program().to_string_lossy())),
        };
        let took = start.elapsed();
        self.0.push((name.to_owned(), took, if why.is_none() { "ok" } else { "FAILED" }));
        eprintln!("    {} in {:.1} s", if why.is_none() { "ok" } else { "FAILED" }, took.as_secs_f64());
        why.map_or(Ok(()), |why| Err(Failed { step: name.to_owned(), why }))
    }

    /// Notes something that is not done, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        eprintln!("\n==> {name}\n    skipped: {why}");
        self.0.push((name.to_owned(), Duration::ZERO, "skipped"));
    }

    /// Prints all steps with their times.
    pub(crate) fn summary(&self) {
        if self.0.len() < 2 {
            return;
        }
        eprintln!("\nsteps");
        for (name, took, ended) in &self.0 {
            eprintln!("  {:>7.1} s  {ended:<8} {name}", took.as_secs_f64());
        }
    }
}

/// Says a line about what goes on.
pub(crate) fn say(line: &str) {
    eprintln!("    {line}");
}

/// Says on standard error what failed.
pub(crate) fn complain(failed: &Failed) {
    eprintln!("\nxtask: {failed}");
}

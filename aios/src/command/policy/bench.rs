//! `aios policy bench DIR`: how long the decisions of a policy take here.

use super::{CommandError, compile};
use crate::output::{self, Exit, Form};
use clap::Args as ClapArgs;
use serde_json::json;
use std::{path::PathBuf, time::Instant};

/// Time the decisions that the tests of a policy ask for.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of documents.
    dir: PathBuf,
    /// How often the questions of all tests are asked.
    #[arg(long, default_value_t = 1_000)]
    rounds: u32,
}

pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let set = compile(&args.dir)?;
    let load = began.elapsed();
    let tests = set.run_tests().len();
    if tests == 0 {
        return Err(CommandError::Usage("the policy has no tests: there is nothing to ask".to_owned()));
    }
    let mut rounds: Vec<f64> = (0..args.rounds.max(1))
        .map(|_| {
            let began = Instant::now();
            std::hint::black_box(set.run_tests());
            began.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(tests).unwrap_or(u32::MAX))
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let at = |percent: usize| rounds.get((rounds.len() - 1) * percent / 100).copied().unwrap_or_default();
    match form {
        Form::Json => output::json(&json!({
            "rules": set.rule_count(), "tests": tests, "load_ms": load.as_secs_f64() * 1e3, "p50_us": at(50), "p99_us": at(99),
        })),
        Form::Human => output::line(format!(
            "{} rules loaded in {:.1} ms; {tests} tests, each with its comparison: p50 {:.1} us, p99 {:.1} us",
            set.rule_count(),
            load.as_secs_f64() * 1e3,
            at(50),
            at(99)
        )),
    }
    Ok(Exit::Ok)
}

//! `aios policy test DIR`.

use super::{CommandError, compile};
use crate::output::{self, Exit, Form};
use clap::Args as ClapArgs;
use policy_engine::{TestOutcome, TestTable, junit};
use serde_json::json;
use std::path::PathBuf;

/// Run the `[[test]]` cases beside the rules.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of documents.
    dir: PathBuf,
    /// Say how well the tests exercise rules and conditions.
    #[arg(long)]
    coverage: bool,
    /// Fail when fewer than this many percent of the rules are decided by a test.
    #[arg(long, value_name = "PERCENT")]
    min_coverage: Option<u8>,
    /// Write the outcomes to this file as JUnit XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    let set = compile(&args.dir)?;
    let outcomes = set.run_tests();
    if let Some(path) = &args.junit {
        std::fs::write(path, junit(&outcomes)).map_err(CommandError::file(path))?;
    }
    let coverage = (args.coverage || args.min_coverage.is_some()).then(|| set.coverage());
    match form {
        Form::Json => output::json(&json!({ "outcomes": outcomes, "coverage": coverage })),
        Form::Human => {
            output::line(TestTable(&outcomes).to_string());
            if let Some(coverage) = &coverage {
                output::line(coverage.to_string());
            }
        }
    }
    let enough = match (args.min_coverage, &coverage) {
        (Some(percent), Some(coverage)) => {
            coverage.decided().saturating_mul(100) >= coverage.rules.len().saturating_mul(usize::from(percent))
        }
        _ => true,
    };
    Ok(if enough && outcomes.iter().all(TestOutcome::passed) { Exit::Ok } else { Exit::Failed })
}

//! `aios policy matrix DIR`.

use super::{CommandError, compile};
use crate::output::{self, Exit, Form};
use clap::Args as ClapArgs;
use serde_json::json;
use std::path::PathBuf;

/// The whole table of who may do what.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of documents.
    dir: PathBuf,
    /// The most rows; a table is whole or not printed.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// A table to compare with; fails where it differs.
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
}

pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    let matrix = compile(&args.dir)?.matrix(args.rows).map_err(|error| CommandError::Usage(error.to_string()))?;
    let Some(path) = &args.golden else {
        match form {
            Form::Json => output::json(&json!(matrix)),
            Form::Human => output::line(matrix.to_string().trim_end()),
        }
        return Ok(Exit::Ok);
    };
    let golden = std::fs::read_to_string(path).map_err(CommandError::file(path))?;
    let text = matrix.to_string();
    let differs = golden.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = differs
        .or_else(|| (golden.trim_end() != text.trim_end()).then(|| golden.lines().count().min(text.lines().count())));
    match (form, line) {
        (Form::Json, line) => output::json(&json!({ "same": line.is_none(), "line": line.map(|at| at + 1) })),
        (Form::Human, None) => output::line("the table is the same"),
        (Form::Human, Some(at)) => {
            let of = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
            output::line(format!("line {} differs\n- {}\n+ {}", at + 1, of(&golden), of(&text)));
        }
    }
    Ok(if line.is_none() { Exit::Ok } else { Exit::Failed })
}

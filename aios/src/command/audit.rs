//! `aios audit verify|export|tail`.

use crate::output::{self, Exit, Form};
use audit_log::{
    VerifierKeys,
    verify::{LogReadError, Progress, Report, SignedLog, Verdict, verify_dir},
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Verify, export or follow a ledger.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check every leaf, tile and the signed checkpoint; says what was checked and what was not.
    Verify {
        /// The ledger's directory, such as .aios/ledger/host.
        dir: PathBuf,
        /// The verifier keys, one a line; without it, `keys` beside the directory.
        #[arg(long)]
        keys: Option<PathBuf>,
    },
    /// Write the signed records.
    Export {
        /// The ledger's directory.
        dir: PathBuf,
        /// The verifier keys.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// The format.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// The file to write; without it, standard output.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Show the last signed records.
    Tail {
        /// The ledger's directory.
        dir: PathBuf,
        /// The verifier keys.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// How many records.
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u64,
        /// Go on with new records as they are signed.
        #[arg(long, short = 'f')]
        follow: bool,
    },
}

/// A format of exports.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line: index, leaf, leaf hash.
    Jsonl,
}

pub(crate) fn run(command: &Command, form: Form) -> Exit {
    let (dir, keys) = match command {
        Command::Verify { dir, keys } | Command::Export { dir, keys, .. } | Command::Tail { dir, keys, .. } => {
            (dir, keys)
        }
    };
    let keys = match verifier_keys(dir, keys.as_deref()) {
        Ok(keys) => keys,
        Err(message) => {
            output::error(form, &message);
            return Exit::Usage;
        }
    };
    match command {
        Command::Verify { .. } => verify(form, dir, &keys),
        Command::Export { format: Format::Jsonl, output, .. } => export(form, dir, &keys, output.as_deref()),
        Command::Tail { lines, follow, .. } => tail(form, dir, &keys, *lines, *follow),
    }
}

/// The keys that vouch for a ledger: the given ones, or those beside it.
pub(crate) fn verifier_keys(dir: &Path, given: Option<&Path>) -> Result<VerifierKeys, String> {
    if !dir.is_dir() {
        return Err(format!("{} is no directory", dir.display()));
    }
    let beside = dir.join("..").join("keys");
    let path = given.unwrap_or(&beside);
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("cannot read the verifier keys {}: {e}", path.display()))?;
    let keys = VerifierKeys::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if keys.is_empty() { Err(format!("{} holds no key", path.display())) } else { Ok(keys) }
}

/// A bar on standard error, where a person looks on.
fn bar(what: &'static str) -> impl FnMut(Progress) {
    let show = std::io::stderr().is_terminal();
    move |progress| {
        if show && progress.total > 0 {
            let percent = progress.done.saturating_mul(100) / progress.total;
            let filled = usize::try_from(percent / 4).unwrap_or(25);
            let end = if progress.done >= progress.total { "\n" } else { "" };
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r{what} [{:<25}] {percent:>3} %{end}", "#".repeat(filled.min(25)));
        }
    }
}

pub(crate) fn exit_of(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Sound => Exit::Ok,
        Verdict::Tampered => Exit::Failed,
        Verdict::Incomplete => Exit::Incomplete,
    }
}

fn verify(form: Form, dir: &Path, keys: &VerifierKeys) -> Exit {
    let report = verify_dir(dir, keys, &mut bar("verifying"));
    match form {
        Form::Json => match serde_json::to_value(&report) {
            Ok(value) => output::json(&value),
            Err(error) => output::error(form, &error.to_string()),
        },
        Form::Human => print(&report),
    }
    exit_of(&report)
}

fn print(report: &Report) {
    let verdict = match report.verdict {
        Verdict::Sound => "SOUND: all that the checkpoint covers is there and as it was signed",
        Verdict::Tampered => "TAMPERED: something is not as it was signed",
        Verdict::Incomplete => "INCOMPLETE: nothing contradicts the signature, but not all could be checked",
    };
    output::line(verdict);
    output::line(format!(
        "log {}, {} leaves, root {}\nsigned by {}",
        report.origin.as_deref().unwrap_or("(no accepted checkpoint)"),
        report.size,
        report.root,
        report.signed_by.join(", ")
    ));
    let records = &report.records;
    output::line(format!(
        "{} intents, {} outcomes, {} refusals, {} events; {} intents without an outcome",
        records.intents,
        records.outcomes,
        records.refusals,
        records.events,
        report.open_intents.len()
    ));
    let rows = report.checked.iter().map(|check| vec![check.what.to_owned(), check.count.to_string()]);
    output::line(output::table(&["checked", "count"], rows));
    if !report.not_checked.is_empty() {
        output::line(output::table(&["not checked"], report.not_checked.iter().map(|what| vec![what.clone()])));
    }
    if report.problem_count > 0 {
        let rows = report.problems.iter().map(|p| vec![format!("{:?}", p.severity).to_lowercase(), p.what.clone()]);
        output::line(output::table(&["problem", "what"], rows));
    }
}

fn export(form: Form, dir: &Path, keys: &VerifierKeys, path: Option<&Path>) -> Exit {
    let log = match SignedLog::open(dir, keys) {
        Ok(log) => log,
        Err(error) => return unreadable(form, &error),
    };
    let range = 0..log.checkpoint().size;
    let written = match path {
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            log.export_jsonl(range, &mut out, &mut |_| {})
        }
        Some(path) => match File::create(path) {
            Ok(file) => log.export_jsonl(range, &mut BufWriter::new(file), &mut bar("exporting")),
            Err(error) => {
                output::error(form, &format!("cannot write {}: {error}", path.display()));
                return Exit::Incomplete;
            }
        },
    };
    match written {
        Ok(lines) => {
            if let Some(path) = path {
                match form {
                    Form::Json => output::json(&json!({ "records": lines, "file": path.display().to_string() })),
                    Form::Human => output::line(format!("{lines} records in {}", path.display())),
                }
            }
            Exit::Ok
        }
        Err(error) => {
            output::error(form, &output::chain(&error));
            Exit::Incomplete
        }
    }
}

fn unreadable(form: Form, error: &LogReadError) -> Exit {
    output::error(form, &output::chain(error));
    match error {
        LogReadError::Checkpoint(_) => Exit::Failed,
        _ => Exit::Incomplete,
    }
}

fn tail(form: Form, dir: &Path, keys: &VerifierKeys, lines: u64, follow: bool) -> Exit {
    let mut shown: Option<u64> = None;
    loop {
        let log = match SignedLog::open(dir, keys) {
            Ok(log) => log,
            Err(error) => return unreadable(form, &error),
        };
        let size = log.checkpoint().size;
        let from = shown.unwrap_or_else(|| size.saturating_sub(lines));
        let read = log.leaves::<LogReadError>(from..size.max(from), |index, leaf| {
            let leaf: Value = serde_json::from_slice(leaf).unwrap_or(Value::Null);
            match form {
                Form::Json => output::json(&json!({ "index": index, "leaf": leaf })),
                Form::Human => output::line(summary(index, &leaf)),
            }
            Ok(())
        });
        if let Err(error) = read {
            return unreadable(form, &error);
        }
        shown = Some(size.max(from));
        if !follow {
            return Exit::Ok;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// One record in one line.
fn summary(index: u64, leaf: &Value) -> String {
    let text = |key: &str| leaf.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
    let rest = match text("kind").as_str() {
        "outcome" => {
            let code = leaf.pointer("/error/code").and_then(Value::as_str).unwrap_or("");
            let total = leaf.pointer("/latency_us/total").and_then(Value::as_u64).unwrap_or(0);
            format!("{} {code} {total} us", text("status"))
        }
        "refusal" => {
            let code = leaf.pointer("/error/code").and_then(Value::as_str).unwrap_or("-");
            format!("{} {} {code}", text("action"), text("resource"))
        }
        "event" => text("event"),
        _ => {
            let rules = leaf
                .get("rules")
                .and_then(Value::as_array)
                .map_or_else(String::new, |rules| rules.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
            format!("{} {} by {rules}", text("action"), text("resource"))
        }
    };
    let record: String = text("record").chars().take(8).collect();
    format!("{index:>8} {:<8} {record:<8} {:<10} {rest}", text("kind"), text("tenant"))
}

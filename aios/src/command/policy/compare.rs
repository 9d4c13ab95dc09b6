//! `aios policy diff OLD NEW` and `aios policy replay DIR --ledger LEDGER`.

use super::{
    CommandError, compile,
    recorded::{as_recorded, decision},
};
use crate::{
    command::audit::verifier_keys,
    output::{self, Exit, Form},
};
use audit_log::verify::{LogReadError, SignedLog};
use clap::Args as ClapArgs;
use policy_engine::{Change, replay::Replay};
use serde_json::json;
use std::path::PathBuf;

/// Who gains or loses what from one policy to another.
#[derive(ClapArgs)]
pub(crate) struct DiffArgs {
    /// The directory of the old documents.
    old: PathBuf,
    /// The directory of the new documents.
    new: PathBuf,
    /// The most rows; a comparison is whole or not printed.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
}

/// Decide the recorded calls of a ledger again, by a candidate policy.
#[derive(ClapArgs)]
pub(crate) struct ReplayArgs {
    /// The directory of the candidate's documents.
    dir: PathBuf,
    /// The ledger's directory, such as .aios/ledger/host.
    #[arg(long)]
    ledger: PathBuf,
    /// The verifier keys, one a line; without it, `keys` beside the ledger.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// How many examples of each change are named.
    #[arg(long, default_value_t = 3)]
    examples: usize,
}

/// Exit code 0 if nothing changes, 1 if something does.
pub(super) fn diff(args: &DiffArgs, form: Form) -> Result<Exit, CommandError> {
    let (old, new) = (compile(&args.old)?, compile(&args.new)?);
    let diff = old.diff(&new, args.rows).map_err(|error| CommandError::Usage(error.to_string()))?;
    match form {
        Form::Json => output::json(&json!(diff)),
        Form::Human => output::line(diff.to_string().trim_end()),
    }
    Ok(if diff.tenants.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// Exit code 0 if nothing changes, 1 if something does, 2 if something could not be decided again.
pub(super) fn replay(args: &ReplayArgs, form: Form) -> Result<Exit, CommandError> {
    let candidate = compile(&args.dir)?;
    let keys = verifier_keys(&args.ledger, args.keys.as_deref()).map_err(CommandError::Usage)?;
    let unreadable = |error: &LogReadError| CommandError::Usage(output::chain(error));
    let log = SignedLog::open(&args.ledger, &keys).map_err(|error| unreadable(&error))?;
    let mut replay = Replay::new(&candidate, args.examples, as_recorded);
    log.leaves(0..log.checkpoint().size, |_, leaf| {
        if let Some(recorded) = decision(leaf) {
            replay.add(&recorded);
        }
        Ok::<_, LogReadError>(())
    })
    .map_err(|error| unreadable(&error))?;
    let report = replay.report();
    match form {
        Form::Json => output::json(&json!({
            "counts": {
                "newly_denied": report.count(Change::NewlyDenied),
                "newly_allowed": report.count(Change::NewlyAllowed),
                "other_reason": report.count(Change::OtherReason),
                "other_terms": report.count(Change::OtherTerms),
                "not_replayed": report.not_replayed(),
            },
            "report": report,
        })),
        Form::Human => output::line(report.to_string().trim_end()),
    }
    Ok(match (report.changes.is_empty(), report.not_replayed()) {
        (false, _) => Exit::Failed,
        (true, 0) => Exit::Ok,
        (true, _) => Exit::Incomplete,
    })
}

//! `aios policy lint DIR`.

use super::{CommandError, compile};
use crate::{
    output::{self, Exit, Form},
    policies,
};
use clap::Args as ClapArgs;
use policy_engine::lint::{Finding, Severity, Surroundings};
use proxy::config::Config;
use serde_json::json;
use std::path::PathBuf;

/// Find what a policy says that its authors can hardly mean; fails on errors.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of documents.
    dir: PathBuf,
    /// A sidecar's configuration: patterns are held against its upstreams.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// Show notes and accepted findings too.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    let upstreams = match &args.config {
        None => None,
        Some(path) => {
            let config = Config::load(path).map_err(|errors| CommandError::Usage(errors.to_string()))?;
            Some(config.upstreams.into_iter().map(|upstream| upstream.name).collect())
        }
    };
    let findings = compile(&args.dir)?.lint(&Surroundings { now: policies::now(), upstreams });
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let (notes, accepted) = (count(Severity::Note), count(Severity::Accepted));
    match form {
        Form::Json => output::json(&json!({
            "errors": errors, "warnings": warnings, "notes": notes, "accepted": accepted, "findings": findings,
        })),
        Form::Human => {
            findings
                .iter()
                .filter(|finding| args.all || shown(finding))
                .for_each(|finding| output::line(finding.to_string()));
            output::line(format!("{errors} errors, {warnings} warnings, {notes} notes, {accepted} accepted"));
        }
    }
    Ok(if errors > 0 || (args.strict && warnings > 0) { Exit::Failed } else { Exit::Ok })
}

fn shown(finding: &Finding) -> bool {
    matches!(finding.severity, Severity::Error | Severity::Warning)
}

//! `aios policy ...`: write, check, explain and ship policies.

mod bench;
mod bundle;
mod compare;
mod convert;
mod explain;
mod lint;
mod recorded;
mod tables;
mod test;

use crate::{
    output::{self, Exit, Form},
    policies::PolicyError,
};
use clap::Subcommand;
use policy_engine::{LoadError, Options, PolicySet};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Write, check, explain and ship policies.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find what a policy says that its authors can hardly mean; fails on errors.
    Lint(lint::Args),
    /// Run the `[[test]]` cases beside the rules.
    Test(test::Args),
    /// Say why one call is allowed or denied.
    Explain(explain::Args),
    /// The whole table of who may do what.
    Matrix(tables::Args),
    /// Who gains or loses what from one policy to another.
    Diff(compare::DiffArgs),
    /// Decide the recorded calls of a ledger again, by a candidate policy.
    Replay(compare::ReplayArgs),
    /// Make a key that signs bundles; prints its verifier key.
    Key(bundle::KeyArgs),
    /// Put a policy into a signed bundle; lints and tests come first.
    Sign(bundle::SignArgs),
    /// Check a bundle and say what it holds.
    Verify(bundle::VerifyArgs),
    /// Let an older version run instead of the newest, or the newest again.
    Rollback(bundle::RollbackArgs),
    /// Convert a casbin model and policy into documents, or say line by line why not.
    Import(convert::Args),
    /// Print the JSON Schema of documents, for editors.
    Schema,
    /// Time the decisions that the tests of a policy ask for.
    Bench(bench::Args),
}

pub(crate) fn run(command: &Command, form: Form) -> Exit {
    let done = match command {
        Command::Lint(args) => lint::run(args, form),
        Command::Test(args) => test::run(args, form),
        Command::Explain(args) => explain::run(args, form),
        Command::Matrix(args) => tables::run(args, form),
        Command::Diff(args) => compare::diff(args, form),
        Command::Replay(args) => compare::replay(args, form),
        Command::Key(args) => bundle::key(args, form),
        Command::Sign(args) => bundle::sign(args, form),
        Command::Verify(args) => bundle::verify(args, form),
        Command::Rollback(args) => bundle::rollback(args, form),
        Command::Import(args) => convert::run(args, form),
        Command::Schema => {
            output::line(format!("{:#}", policy_engine::schema()));
            Ok(Exit::Ok)
        }
        Command::Bench(args) => bench::run(args, form),
    };
    done.unwrap_or_else(|error| refuse(form, &error))
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Usage(String),
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        Self::Policy(PolicyError::Load(error))
    }
}

impl CommandError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Compiles a directory, without its tests and lints.
fn compile(directory: &Path) -> Result<PolicySet, CommandError> {
    let documents = PolicySet::read_dir(directory)?;
    Ok(PolicySet::compile_with(&documents, Options::default()).map_err(LoadError::Defective)?)
}

/// Says why, every defect on a line of its own.
fn refuse(form: Form, error: &CommandError) -> Exit {
    let defects = match error {
        CommandError::Policy(PolicyError::Load(LoadError::Defective(defects))) => defects.as_slice(),
        _ => &[],
    };
    if form == Form::Json && !defects.is_empty() {
        let listed = defects.iter().map(|defect| {
            json!({ "file": &*defect.file, "line": defect.line, "key": defect.key, "message": defect.message, "hint": defect.hint })
        });
        output::json(&json!({ "error": "the policy has defects", "defects": listed.collect::<Vec<_>>() }));
    } else {
        output::error(form, &output::chain(error));
    }
    match error {
        CommandError::Policy(PolicyError::Tests(_) | PolicyError::Lints(_)) => Exit::Failed,
        _ => Exit::Usage,
    }
}

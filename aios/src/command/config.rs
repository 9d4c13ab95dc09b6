//! `aios config check FILE`.

use crate::output::{self, Exit, Form};
use clap::Subcommand;
use proxy::config::Config;
use serde_json::json;
use std::path::PathBuf;

/// Work on configuration files.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Parse a file, apply the environment, and report every fault with its key.
    Check {
        /// The TOML file.
        file: PathBuf,
    },
}

pub(crate) fn run(command: &Command, form: Form) -> Exit {
    let Command::Check { file } = command;
    match Config::load(file) {
        Ok(config) => {
            match form {
                Form::Json => output::json(
                    &json!({ "ok": true, "upstreams": config.upstreams.len(), "issuers": config.issuers.len() }),
                ),
                Form::Human => output::line(format!(
                    "{}: good ({} upstreams, {} issuers)",
                    file.display(),
                    config.upstreams.len(),
                    config.issuers.len()
                )),
            }
            Exit::Ok
        }
        Err(errors) => {
            match form {
                Form::Json => output::json(&json!({ "ok": false, "errors": errors.0.iter()
                    .map(|d| json!({ "key": d.key, "message": d.message })).collect::<Vec<_>>() })),
                Form::Human => {
                    let rows = errors.0.iter().map(|d| vec![d.key.clone(), d.message.clone()]);
                    output::line(output::table(&["key", "fault"], rows));
                }
            }
            Exit::Usage
        }
    }
}

//! What the commands print, and how they end.

use comfy_table::{Table, presets};
use serde_json::Value;
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Tables and sentences.
    Human,
    /// JSON, one value a line.
    Json,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and what was checked holds.
    Ok,
    /// What was checked does not hold.
    Failed,
    /// It could not be run fully.
    Incomplete,
    /// Wrong usage or a bad configuration.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Incomplete => 2,
            Exit::Usage => 64,
        })
    }
}

/// Writes a line to standard output. A closed pipe is no error of ours.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Writes a JSON value as one line.
pub(crate) fn json(value: &Value) {
    line(value.to_string());
}

/// Writes an error to standard error, or as JSON to standard output.
pub(crate) fn error(form: Form, message: &str) {
    match form {
        Form::Json => json(&serde_json::json!({ "error": message })),
        Form::Human => {
            let _ = writeln!(std::io::stderr().lock(), "error: {message}");
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A plain table.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Sends logs to standard error; `AIOS_LOG` sets the level (default `info`).
pub(crate) fn logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("AIOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,hyper=warn,vaultrs=off,rustify=off"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

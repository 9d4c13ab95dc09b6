//! Query parameters.

use super::error::{WireError, tame};
use crate::vector::{Passage, WriteOrdering};

/// Which parameters a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// `timeout`
    Timeout,
    /// `wait`, `ordering`, `timeout`
    Write,
    /// `consistency`, `timeout`
    Read,
}

/// Reads the query.
///
/// `wait` is checked and not kept: a write is always carried out before it is answered, which is more than
/// `wait=false` asks for, and what a later payload change in the same sidecar relies on. `consistency` is
/// checked and not kept: reads go to the store's default.
pub(super) fn read(query: Option<&str>, takes: Takes) -> Result<Passage, WireError> {
    let mut passage = Passage::default();
    let mut seen: Vec<&str> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(WireError::RepeatedParameter);
        }
        seen.push(name);
        match (name, takes) {
            ("wait", Takes::Write) => {
                if !matches!(value, "true" | "false") {
                    return Err(WireError::wrong("wait", "true or false"));
                }
            }
            ("ordering", Takes::Write) => {
                passage.ordering = Some(match value {
                    "weak" => WriteOrdering::Weak,
                    "medium" => WriteOrdering::Medium,
                    "strong" => WriteOrdering::Strong,
                    _ => return Err(WireError::wrong("ordering", "weak, medium or strong")),
                });
            }
            ("consistency", Takes::Read) => {
                if !matches!(value, "majority" | "quorum" | "all") && value.parse::<u32>().is_err() {
                    return Err(WireError::wrong("consistency", "majority, quorum, all or a number"));
                }
            }
            ("timeout", Takes::Timeout | Takes::Write | Takes::Read) => {
                let seconds = value.parse().map_err(|_| WireError::wrong("timeout", "a number of seconds"))?;
                passage.timeout_seconds = Some(seconds);
            }
            _ => return Err(WireError::UnknownParameter { name: tame(name).to_owned() }),
        }
    }
    Ok(passage)
}

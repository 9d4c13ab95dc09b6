//! Exports.

use std::io::{self, Write};
use std::ops::Range;

use super::Progress;
use super::signed_log::{LogReadError, SignedLog};
use crate::hex;
use crate::layout::leaf_hash;
use crate::record::{NotCanonical, check_canonical};

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read, or does not match its tree.
    #[error("log cannot be exported")]
    Log(#[from] LogReadError),
    /// A leaf is no canonical JSON, so that it fits no line.
    #[error("leaf {index} is not canonical")]
    Leaf {
        /// The index of the leaf.
        index: u64,
        /// The fault.
        #[source]
        source: NotCanonical,
    },
    /// The export cannot be written.
    #[error("export cannot be written")]
    Write(#[source] io::Error),
}

impl SignedLog {
    /// Writes the entries in `range` as JSON Lines, in order, in memory that does not grow with the
    /// log: `{"index":N,"leaf":{...},"leaf_hash":"<64 hex digits>"}`. The leaf stands there byte for
    /// byte, so `leaf_hash` can be checked: SHA-256 of a zero byte and the leaf.
    ///
    /// `progress` is called once for every 256 leaves and at the end. Gives the number of lines.
    ///
    /// # Errors
    /// [`ExportError`]; lines before the fault have been written.
    pub fn export_jsonl(
        &self,
        range: Range<u64>,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<u64, ExportError> {
        let total = range.end.saturating_sub(range.start);
        let mut done = 0;
        self.leaves(range, |index, leaf| {
            check_canonical(leaf).map_err(|source| ExportError::Leaf { index, source })?;
            let hash = hex::encode(&leaf_hash(leaf).0);
            let line = write!(out, "{{\"index\":{index},\"leaf\":")
                .and_then(|()| out.write_all(leaf))
                .and_then(|()| writeln!(out, ",\"leaf_hash\":\"{hash}\"}}"));
            line.map_err(ExportError::Write)?;
            done += 1;
            if done % 256 == 0 {
                progress(Progress { done, total });
            }
            Ok::<(), ExportError>(())
        })?;
        out.flush().map_err(ExportError::Write)?;
        progress(Progress { done, total });
        Ok(done)
    }
}

//! What is wrong with a document, and where.

use std::fmt;
use std::sync::Arc;

/// One defect of a policy document. A set with any defect does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The name of the document.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The key path, such as `rule[2].then.record`; empty for the document as a whole.
    pub key: String,
    /// What is wrong, in one clause.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

impl std::error::Error for Defect {}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn defect(&self, message: impl Into<String>, hint: impl Into<String>) -> Defect {
        Defect {
            file: Arc::clone(&self.file),
            line: self.line,
            key: self.key.clone(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

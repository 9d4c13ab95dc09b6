//! Reading a directory of documents.

use crate::document::{Defect, Document};
use crate::set::PolicySet;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// Why a directory of policies was not loaded. The author or operator is at fault, or the disk.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory or a document could not be read.
    #[error("could not read {path}")]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds no document.
    #[error("no policy document (*.toml) in {path}")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// Documents have defects: all of them, one a line.
    #[error("the policy has {} defect(s):{}", .0.len(), listed(.0))]
    Defective(Vec<Defect>),
}

fn listed(defects: &[Defect]) -> String {
    defects.iter().fold(String::new(), |mut text, defect| {
        let _ = write!(text, "\n  {defect}");
        text
    })
}

impl PolicySet {
    /// Reads every `*.toml` file directly in a directory, sorted by name, and compiles them. Blocking: call
    /// it at start, or off the path of calls.
    ///
    /// # Errors
    /// [`LoadError`] when anything cannot be read, when there is no document, or with all defects.
    pub fn load_dir(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::compile(&Self::read_dir(path)?).map_err(LoadError::Defective)
    }

    /// Reads every `*.toml` file directly in a directory, without compiling them. Blocking.
    ///
    /// # Errors
    /// [`LoadError`] when anything cannot be read or there is no document.
    pub fn read_dir(path: impl AsRef<Path>) -> Result<Vec<Document>, LoadError> {
        let path = path.as_ref();
        let unreadable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| LoadError::Unreadable { path, source }
        };
        let mut documents = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable(path))? {
            let file = entry.map_err(unreadable(path))?.path();
            if file.extension().is_some_and(|e| e == "toml") {
                let text = std::fs::read_to_string(&file).map_err(unreadable(&file))?;
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                documents.push(Document { name, text });
            }
        }
        if documents.is_empty() {
            return Err(LoadError::Empty { path: path.to_path_buf() });
        }
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(documents)
    }
}

//! The file that makes a directory a collection.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FILE: &str = "manifest.json";
const FORMAT: u32 = 1;

/// What the store itself keeps about a collection. The engine keeps its own configuration beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    /// The collection's name as the caller gave it.
    pub(crate) name: String,
    /// The caller's own notes on the collection.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) metadata: Map<String, Value>,
}

impl Manifest {
    /// A manifest of the current format.
    pub(crate) const fn new(name: String, metadata: Map<String, Value>) -> Self {
        Self { format: FORMAT, name, metadata }
    }

    /// Writes the manifest so that after a crash it is there as a whole or not at all. From its return
    /// on the collection exists.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join("manifest.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(FILE))?;
        sync_dir(dir)
    }

    /// Reads the manifest of a directory; `None` if there is none, which means that a crash
    /// interrupted a creation or a deletion and the directory is to be removed.
    pub(crate) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let manifest: Self = serde_json::from_slice(&bytes)?;
        if manifest.format != FORMAT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "manifest of an unknown format"));
        }
        Ok(Some(manifest))
    }

    /// Removes the manifest. From its return on the collection does not exist, whatever files remain.
    pub(crate) fn remove(dir: &Path) -> io::Result<()> {
        fs::remove_file(dir.join(FILE))?;
        sync_dir(dir)
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Manifest::read(dir.path()).unwrap().is_none());
        Manifest::new("../odd name".into(), Map::new()).write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap().unwrap().name, "../odd name");
        Manifest::remove(dir.path()).unwrap();
        assert!(Manifest::read(dir.path()).unwrap().is_none());
    }

    #[test]
    fn another_format_is_an_error_not_an_empty_collection() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), r#"{"format":2,"name":"a"}"#).unwrap();
        assert!(Manifest::read(dir.path()).is_err());
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Manifest::read(dir.path()).is_err());
    }
}

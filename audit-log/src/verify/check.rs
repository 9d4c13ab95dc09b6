//! The verification of a whole directory.

use std::fs;
use std::path::Path;

use tlog_tiles::Hash;

use super::Progress;
use super::pairing::Pairing;
use super::report::{Report, Verdict};
use super::signed_log::{LogReadError, SignedLog, TileBytes, read, read_tile};
use super::tail::check_tail;
use crate::causes::describe;
use crate::hex;
use crate::keys::VerifierKeys;
use crate::layout::{TILE_WIDTH, TileKind, entries_of, leaf_hash, levels_of, tile_path, tiles_of};
use crate::record::check_canonical;
use crate::tree::{Edge, FullTile};

/// Checks everything in the directory of a log that the given keys can vouch for: the signature of
/// the checkpoint; every leaf, its canonical form and its hash; every tile of every level; the root;
/// superseded partial tiles; the pairing of intents and outcomes; and the write-ahead log against
/// the tree. It reads, and changes nothing. The log may grow meanwhile.
///
/// `progress` is called for every 256 leaves. All faults are in the report; this does not fail.
#[must_use]
pub fn verify_dir(dir: &Path, keys: &VerifierKeys, progress: &mut dyn FnMut(Progress)) -> Report {
    let mut report = Report::new();
    let log = match SignedLog::open(dir, keys) {
        Ok(log) => log,
        Err(error) => {
            let what = describe(&error);
            match error {
                LogReadError::Checkpoint(_) => report.tampered(what),
                _ => report.incomplete(what),
            }
            report.not_checked.push("everything: there is no accepted checkpoint".to_owned());
            return report;
        }
    };
    let head = log.checkpoint();
    report.origin = Some(head.origin.clone());
    report.size = head.size;
    report.root = hex::encode(&head.root);
    report.signed_by.clone_from(&head.signed_by);
    report.extension.clone_from(&head.extension);
    report.count("signature of the checkpoint", head.signed_by.len() as u64);

    let mut check =
        TreeCheck { log: &log, report: &mut report, edge: Some(Edge::default()), pairing: Pairing::default() };
    check.run(progress);
    let TreeCheck { pairing, .. } = check;
    report.records = pairing.counts;
    report.open_intents = pairing.open_intents();
    if report.records.other_schema > 0 {
        let what = format!("the fields of {} leaves of a later schema", report.records.other_schema);
        report.not_checked.push(what);
    }
    check_tail(&log, keys, &mut report);
    report.not_checked.push(
        "whether the log is complete: a log that was replaced as a whole by an older or another \
         signed one is found by comparing checkpoints, not by looking at one directory"
            .to_owned(),
    );
    report.not_checked.push("the truth of the records: the log proves what was written, and when in order".to_owned());
    report
}

struct TreeCheck<'a> {
    log: &'a SignedLog,
    report: &'a mut Report,
    /// The tree as the leaves give it; `None` once leaves are missing, so that no root follows.
    edge: Option<Edge>,
    pairing: Pairing,
}

impl TreeCheck<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(Progress)) {
        let size = self.log.checkpoint().size;
        let (full, partial) = tiles_of(TileKind::Entries, size);
        for number in 0..full + u64::from(partial > 0) {
            let hashes = self.bundle(number);
            self.grow(number, hashes);
            progress(Progress { done: size.min((number + 1) * TILE_WIDTH), total: size });
        }
        self.finish();
    }

    /// Checks a bundle: gives the hashes of its leaves, if it can be read.
    fn bundle(&mut self, number: u64) -> Option<Vec<Hash>> {
        let bundle = self.tile(TileKind::Entries, number)?;
        let path = self.path(TileKind::Entries, number);
        let Some((entries, used)) = entries_of(&bundle.bytes, bundle.width) else {
            self.report.tampered(format!("{path} is cut short"));
            return None;
        };
        if used != bundle.bytes.len() && !bundle.superseded {
            self.report.tampered(format!("{path} has bytes behind its last entry"));
        }
        for (index, leaf) in (number * TILE_WIDTH..).zip(&entries) {
            if let Err(fault) = check_canonical(leaf) {
                self.report.tampered(format!("leaf {index} is {fault}"));
            }
            if let Err(what) = self.pairing.take(index, leaf) {
                self.report.incomplete(format!("leaf {index} {what}"));
            }
        }
        self.report.count("leaves in canonical form", bundle.width);
        self.partials(TileKind::Entries, number, bundle.bytes.get(..used).unwrap_or_default());
        Some(entries.into_iter().map(leaf_hash).collect())
    }

    /// Checks the level 0 tile against the leaves, and the tiles that they complete above it.
    fn grow(&mut self, number: u64, leaves: Option<Vec<Hash>>) {
        let tile = self.tile(TileKind::Hashes(0), number);
        let on_disk = tile.as_ref().map(|tile| tile.bytes.as_slice());
        if let (Some(leaves), Some(on_disk)) = (&leaves, on_disk) {
            let wrong: Vec<u64> = (number * TILE_WIDTH..)
                .zip(leaves.iter().zip(on_disk.as_chunks::<32>().0))
                .filter(|(_, (leaf, hash))| leaf.0 != **hash)
                .map(|(index, _)| index)
                .collect();
            for index in wrong {
                self.report.tampered(format!("leaf {index} does not have the hash that the tree has for it"));
            }
            self.report.count("leaf hashes", leaves.len() as u64);
        }
        // Without the leaves, their hashes in the tile still lead to the root.
        let from_tile = || on_disk.map(|d| d.as_chunks::<32>().0.iter().copied().map(Hash).collect());
        let Some(hashes) = leaves.or_else(from_tile) else {
            self.edge = None;
            return;
        };
        if let Some(on_disk) = on_disk {
            self.partials(TileKind::Hashes(0), number, on_disk);
        }
        let Some(edge) = &mut self.edge else { return };
        let full: Vec<FullTile> = hashes.into_iter().flat_map(|hash| edge.push(hash)).collect();
        for tile in full {
            self.compare(TileKind::Hashes(tile.level), tile.number, &tile.hashes);
        }
    }

    /// Checks the partial tiles and the root.
    fn finish(&mut self) {
        let Some(edge) = self.edge.take() else {
            self.report.not_checked.push("the root: leaves and their hashes are missing".to_owned());
            return;
        };
        let head = self.log.checkpoint();
        for (level, hashes) in edge.partial_tiles().filter(|(_, hashes)| !hashes.is_empty()) {
            let (number, _) = tiles_of(TileKind::Hashes(level), head.size);
            self.compare(TileKind::Hashes(level), number, hashes);
        }
        let root = edge.root();
        if edge.size() == head.size && root.is_ok_and(|root| root.0 == head.root) {
            self.report.count("root", 1);
        } else {
            self.report.tampered("the leaves do not have the signed root".to_owned());
        }
        self.report.count("levels of the tree", levels_of(head.size).count() as u64);
    }

    /// Compares a tile with what it must be. Level 0 has been read already.
    fn compare(&mut self, kind: TileKind, number: u64, wanted: &[u8]) {
        let Some(tile) = self.tile(kind, number) else {
            return;
        };
        if tile.bytes == wanted {
            self.report.count("tiles", 1);
        } else {
            let path = self.path(kind, number);
            self.report.tampered(format!("{path} does not match the leaves"));
        }
        if kind != TileKind::Hashes(0) {
            self.partials(kind, number, wanted);
        }
    }

    /// Checks narrower versions of a tile: each must be the beginning of it. Wider ones are beyond
    /// the checkpoint.
    fn partials(&mut self, kind: TileKind, number: u64, wanted: &[u8]) {
        let Ok(listing) = fs::read_dir(tile_path(self.log.dir(), kind, number, TILE_WIDTH).with_extension("p")) else {
            return;
        };
        for path in listing.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let width = name.and_then(|name| name.parse::<u64>().ok()).filter(|w| (1..TILE_WIDTH).contains(w));
            let (Some(width), Ok(bytes)) = (width, read(&path)) else {
                continue;
            };
            let beginning = match kind {
                TileKind::Hashes(_) => usize::try_from(width * 32).ok().and_then(|end| wanted.get(..end)),
                TileKind::Entries => entries_of(wanted, width).and_then(|(_, end)| wanted.get(..end)),
            };
            match beginning {
                Some(beginning) if beginning == bytes => self.report.count("superseded partial tiles", 1),
                Some(_) => self.report.tampered(format!("{} does not match the tree", path.display())),
                None => {
                    self.report.not_checked.push(format!("{}: beyond the checkpoint", path.display()));
                }
            }
        }
    }

    fn tile(&mut self, kind: TileKind, number: u64) -> Option<TileBytes> {
        match read_tile(self.log.dir(), kind, number, self.log.checkpoint().size) {
            Ok(tile) => Some(tile),
            Err(error @ LogReadError::Mismatch(_)) => {
                self.report.tampered(describe(&error));
                None
            }
            Err(error) => {
                self.report.incomplete(describe(&error));
                None
            }
        }
    }

    fn path(&self, kind: TileKind, number: u64) -> String {
        let (full, partial) = tiles_of(kind, self.log.checkpoint().size);
        let width = if number < full { TILE_WIDTH } else { partial };
        tile_path(self.log.dir(), kind, number, width).display().to_string()
    }
}

impl Report {
    /// Whether all that the checkpoint covers is there and as it was signed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.verdict == Verdict::Sound
    }
}

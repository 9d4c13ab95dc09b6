//! Reopening after crashes, and refusing what no crash leaves.

use std::fs;

use audit_log::verify::{SignedLog, Verdict};
use audit_log::{Ledger, OpenError, SigningKey};

use crate::support::{Home, calls, copy, files, intent, outcome};

/// Offsets of the frames of a segment, and where the last one ends.
fn frames(segment: &[u8]) -> Vec<usize> {
    let mut at = vec![64];
    loop {
        let start = *at.last().unwrap();
        let length = u32::from_le_bytes(segment[start..start + 4].try_into().unwrap());
        if length == 0 {
            return at;
        }
        at.push((start + 56 + usize::try_from(length).unwrap()).next_multiple_of(8));
    }
}

fn segment(home: &Home) -> std::path::PathBuf {
    files(&home.host().join("wal")).into_iter().find(|p| p.extension().is_some_and(|e| e == "wal")).unwrap()
}

async fn crashed(calls_made: u32) -> Home {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..calls_made).await;
    home.crash_image()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_without_a_checkpoint() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..400).await;
    let open = ledger.intent(intent(1000)).await.unwrap();
    let image = home.crash_image();
    let before = image.verify();
    assert_eq!((before.verdict, before.size, before.unsigned_records), (Verdict::Sound, 0, 801));
    let again = image.open().unwrap();
    let recovery = again.recovery();
    assert_eq!((recovery.entries, recovery.replayed, recovery.torn_bytes), (801, 801, 0));
    // It goes on where it ended.
    assert_eq!(calls(&again, 2000..2001).await, 802);
    again.close().await.unwrap();
    let report = image.verify();
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    assert_eq!(report.open_intents.len(), 1);
    assert_eq!((report.open_intents[0].record.as_str(), report.open_intents[0].index), ("r1000", 800));
    ledger.outcome(open, outcome(0)).await.unwrap();
}

#[tokio::test]
async fn a_log_goes_on_over_many_openings_and_sizes() {
    let home = Home::new();
    let mut size = 0;
    for round in 0..12 {
        let ledger = home.open().unwrap();
        assert_eq!(ledger.recovery().entries, size);
        calls(&ledger, round * 1000..round * 1000 + 23 * round).await;
        size += u64::from(46 * round);
        ledger.close().await.unwrap();
        drop(ledger);
        let report = home.verify();
        assert_eq!((report.verdict, report.size), (Verdict::Sound, size), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn a_write_torn_at_any_byte_of_the_last_frame_is_dropped() {
    let image = crashed(3).await;
    let path = segment(&image);
    let whole = fs::read(&path).unwrap();
    let at = frames(&whole);
    let (start, end) = (at[at.len() - 2], at[at.len() - 1]);
    // Every eighth place, and both ends.
    for torn in (start..end - 8).step_by(8).chain([start + 1, end - 9]) {
        let home = image.crash_image();
        let mut bytes = whole.clone();
        bytes[torn..].fill(0);
        bytes[torn] = !whole[torn];
        fs::write(segment(&home), &bytes).unwrap();
        let ledger = home.open().unwrap_or_else(|e| panic!("torn at {torn}: {e}"));
        assert_eq!(ledger.recovery().entries, 5, "torn at {torn}");
        assert!(ledger.recovery().torn_bytes > 0);
        ledger.close().await.unwrap();
        let report = home.verify();
        assert_eq!((report.verdict, report.open_intents.len()), (Verdict::Sound, 1), "torn at {torn}");
    }
}

#[tokio::test]
async fn damage_before_an_acknowledged_frame_refuses_to_start() {
    let image = crashed(3).await;
    let whole = fs::read(segment(&image)).unwrap();
    let at = frames(&whole);
    for byte in (0..at[at.len() - 2]).step_by(29) {
        let home = image.crash_image();
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x20;
        fs::write(segment(&home), &bytes).unwrap();
        assert!(matches!(home.open(), Err(OpenError::Wal { .. })), "byte {byte}");
        assert_ne!(home.verify().verdict, Verdict::Sound, "byte {byte}");
    }
}

#[tokio::test]
async fn removed_files_refuse_to_start() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..200).await;
    ledger.close().await.unwrap();
    drop(ledger);
    let host = home.host();
    for path in files(&host) {
        let name = path.strip_prefix(&host).unwrap().to_owned();
        if name.ends_with("lock") || name.to_string_lossy().ends_with(".tmp") {
            continue;
        }
        let copy = home.crash_image();
        fs::remove_file(copy.host().join(&name)).unwrap();
        let opened = copy.open();
        assert!(
            matches!(opened, Err(OpenError::NoCheckpoint(_) | OpenError::Missing(_) | OpenError::Wal { .. })),
            "{}: {opened:?}",
            name.display()
        );
    }
}

#[tokio::test]
async fn another_key_refuses_to_start() {
    let home = Home::new();
    home.open().unwrap().close().await.unwrap();
    let other = SigningKey::generate("aios.test/host").unwrap();
    let opened = Ledger::open(&home.host(), other, Home::config());
    assert!(matches!(opened, Err(OpenError::Checkpoint { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_tree_set_back_behind_its_write_ahead_log_is_noticed() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..20).await;
    ledger.close().await.unwrap();
    drop(ledger);
    let old = home.crash_image();
    let ledger = home.open().unwrap();
    calls(&ledger, 20..40).await;
    ledger.close().await.unwrap();
    drop(ledger);
    // The write-ahead log of today under the tree of yesterday.
    fs::remove_dir_all(old.host().join("wal")).unwrap();
    copy(&home.host().join("wal"), &old.host().join("wal"));
    let opened = old.open().unwrap();
    assert_eq!(opened.recovery().entries, 80, "the write-ahead log brings the rest back");
    drop(opened);
    // The other way round, the write-ahead log ends before the tree.
    let mixed = home.crash_image();
    let image = crashed(3).await;
    fs::remove_dir_all(mixed.host().join("wal")).unwrap();
    copy(&image.host().join("wal"), &mixed.host().join("wal"));
    assert!(matches!(mixed.open(), Err(OpenError::Wal { .. })));
    // And its entries are others: this is caught although both files are sound in themselves.
    assert_eq!(mixed.verify().verdict, Verdict::Incomplete);
}

#[tokio::test]
async fn files_of_an_interrupted_run_do_no_harm() {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..10).await;
    ledger.close().await.unwrap();
    drop(ledger);
    fs::write(home.host().join("tmp").join("17"), b"half a tile").unwrap();
    fs::write(home.host().join("wal").join("spare-9.tmp"), b"half a segment").unwrap();
    // Tiles beyond the checkpoint, as a crash between tiles and checkpoint leaves them.
    fs::write(home.host().join("tile/0/000.p/21"), vec![7; 21 * 32]).unwrap();
    fs::write(home.host().join("tile/entries/000.p/21"), b"garbage").unwrap();
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    let ledger = home.open().unwrap();
    let last = ledger.intent(intent(99)).await.unwrap();
    assert_eq!(last.index(), 20);
    ledger.close().await.unwrap();
    drop((last, ledger));
    let report = home.verify();
    assert_eq!((report.verdict, report.size), (Verdict::Sound, 21), "{:?}", report.problems);
    let log = SignedLog::open(&home.host(), &home.keys).unwrap();
    log.inclusion_proof(20).unwrap().check(log.checkpoint().root, &log.leaf(20).unwrap()).unwrap();
}

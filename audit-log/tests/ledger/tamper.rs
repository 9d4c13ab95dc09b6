//! Every byte of what the checkpoint covers.

use std::fs;

use audit_log::verify::{Report, Verdict, verify_dir};
use audit_log::{SigningKey, VerifierKeys};

use crate::support::{Home, calls, files};

async fn closed(calls_made: u32) -> Home {
    let home = Home::new();
    let ledger = home.open().unwrap();
    calls(&ledger, 0..calls_made).await;
    ledger.close().await.unwrap();
    home
}

#[tokio::test]
async fn every_flipped_byte_is_caught() {
    // 258 entries: a full tile and bundle, a partial one of each, and a second level.
    let home = closed(129).await;
    // The write-ahead log repeats all entries; without it the tree must stand for itself.
    fs::remove_dir_all(home.host().join("wal")).unwrap();
    assert_eq!(home.verify().verdict, Verdict::Sound);
    let mut flips = 0_u32;
    for path in files(&home.host()) {
        let name = path.strip_prefix(home.host()).unwrap().to_owned();
        if !(name.starts_with("tile") || name.ends_with("checkpoint")) {
            continue;
        }
        let good = fs::read(&path).unwrap();
        // All of the small files; of the large ones every 503rd byte.
        let step = if good.len() > 4096 { 503 } else { 1 };
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            let report = home.verify();
            assert_eq!(report.verdict, Verdict::Tampered, "{} byte {at}: {report:?}", name.display());
            flips += 1;
        }
        for bad in [&good[..good.len() - 1], &[&good[..], b"\0"].concat()] {
            fs::write(&path, bad).unwrap();
            assert_eq!(home.verify().verdict, Verdict::Tampered, "{} length", name.display());
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(home.verify().verdict, Verdict::Incomplete, "{} removed", name.display());
        fs::write(&path, &good).unwrap();
    }
    assert!(flips > 900, "{flips}");
    assert_eq!(home.verify().verdict, Verdict::Sound);
}

#[tokio::test]
async fn superseded_partial_tiles_are_checked_too() {
    let home = Home::new();
    for round in 0..2 {
        let ledger = home.open().unwrap();
        calls(&ledger, round * 10..round * 10 + 5).await;
        ledger.close().await.unwrap();
    }
    for old in ["tile/0/000.p/10", "tile/entries/000.p/10"] {
        let path = home.host().join(old);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[40] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(home.verify().verdict, Verdict::Tampered, "{old}");
        fs::write(&path, good).unwrap();
    }
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Sound);
    assert!(report.checked.iter().any(|c| c.what == "superseded partial tiles" && c.count >= 2), "{report:?}");
}

#[tokio::test]
async fn entries_that_are_swapped_consistently_still_miss_the_root() {
    let home = closed(10).await;
    fs::remove_dir_all(home.host().join("wal")).unwrap();
    let (tile, bundle) = (home.host().join("tile/0/000.p/20"), home.host().join("tile/entries/000.p/20"));
    // Swap two neighbouring entries, in the bundle and in the tile.
    let bytes = fs::read(&bundle).unwrap();
    let length = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])) + 2;
    let (first, second) = (length(0), length(length(0)));
    let swapped = [&bytes[first..first + second], &bytes[..first], &bytes[first + second..]].concat();
    fs::write(&bundle, swapped).unwrap();
    let mut hashes = fs::read(&tile).unwrap();
    let (left, right) = hashes.split_at_mut(32);
    left.swap_with_slice(&mut right[..32]);
    fs::write(&tile, hashes).unwrap();
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Tampered);
    assert!(report.problems.iter().any(|p| p.what.contains("signed root")), "{report:?}");
}

#[tokio::test]
async fn a_changed_write_ahead_log_is_caught() {
    let home = closed(10).await;
    let sound = home.verify();
    assert_eq!(sound.verdict, Verdict::Sound);
    assert!(sound.checked.iter().any(|c| c.what.starts_with("entries of the write-ahead log") && c.count == 20));
    let other = Home::new();
    let ledger = other.open().unwrap();
    calls(&ledger, 50..60).await;
    ledger.close().await.unwrap();
    drop(ledger);
    fs::remove_dir_all(home.host().join("wal")).unwrap();
    crate::support::copy(&other.host().join("wal"), &home.host().join("wal"));
    let report = home.verify();
    assert_eq!(report.verdict, Verdict::Tampered, "{report:?}");
}

#[tokio::test]
async fn without_the_right_key_nothing_is_sound() {
    let home = closed(3).await;
    let verify = |text: &str| -> Report { verify_dir(&home.host(), &VerifierKeys::parse(text).unwrap(), &mut |_| {}) };
    let other = SigningKey::generate("aios.test/host").unwrap();
    for text in [other.verifier_key(), ""] {
        let report = verify(text);
        assert_eq!(report.verdict, Verdict::Tampered);
        assert!(report.checked.is_empty() && !report.not_checked.is_empty());
    }
    let nowhere = verify_dir(&home.dir.path().join("nowhere"), &home.keys, &mut |_| {});
    assert_eq!(nowhere.verdict, Verdict::Incomplete);
}

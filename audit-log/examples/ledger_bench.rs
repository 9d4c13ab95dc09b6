//! Measures the ledger: `ledger_bench DIR [SECONDS] [WRITERS] [os]`. Prints one JSON object.
//!
//! In each of several rounds a raw preallocated `write` + `fdatasync` loop runs before the ledger
//! does, in the same directory, so that the two can be compared. Without `os`, every record is on
//! stable storage when it is acknowledged. Then the log is reopened and verified.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program, not the product")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use audit_log::verify::verify_dir;
use audit_log::{Durability, EventRecord, Ledger, LedgerConfig, SigningKey, UnixMillis, VerifierKeys, Word};

const ROUNDS: u32 = 3;
const PAYLOAD: usize = 1024;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| "ledger-bench".to_owned()));
    let seconds: u64 = args.next().map_or(3, |n| n.parse().unwrap());
    let writers: usize = args.next().map_or(64, |n| n.parse().unwrap());
    let durability = if args.next().as_deref() == Some("os") { Durability::Os } else { Durability::Fsync };
    std::fs::create_dir_all(&dir).unwrap();
    let key = SigningKey::load_or_generate(&dir.join("signing.key"), "aios.bench/host").unwrap();
    let keys = VerifierKeys::parse(key.verifier_key()).unwrap();
    let config = LedgerConfig { durability, ..LedgerConfig::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();

    let (mut raw, mut acks, mut elapsed) = (Vec::new(), Vec::new(), Duration::ZERO);
    let ledger = Ledger::open(&dir.join("host"), key, config.clone()).unwrap();
    for _ in 0..ROUNDS {
        raw.extend(raw_flushes(&dir, Duration::from_secs(1)));
        let start = Instant::now();
        acks.extend(runtime.block_on(load(&ledger, writers, Duration::from_secs(seconds))));
        elapsed += start.elapsed();
    }
    runtime.block_on(ledger.close()).unwrap();
    drop(ledger);

    let start = Instant::now();
    let key = SigningKey::load(&dir.join("signing.key")).unwrap();
    drop(Ledger::open(&dir.join("host"), key, config).unwrap());
    let reopen = start.elapsed();
    let start = Instant::now();
    let report = verify_dir(&dir.join("host"), &keys, &mut |_| {});
    let verify = start.elapsed();
    raw.sort_unstable();
    acks.sort_unstable();
    println!(
        "{{\"writers\":{writers},\"durability\":\"{durability:?}\",\"records\":{},\"records_per_s\":{:.0},\
         \"ack_p50_ms\":{:.3},\"ack_p99_ms\":{:.3},\"raw_fdatasync_p50_ms\":{:.3},\
         \"raw_fdatasync_p99_ms\":{:.3},\"reopen_ms\":{:.1},\"verified\":\"{:?}\",\"verify_leaves_per_s\":{:.0}}}",
        acks.len(),
        rate(acks.len(), elapsed),
        millis(&acks, 50),
        millis(&acks, 99),
        millis(&raw, 50),
        millis(&raw, 99),
        reopen.as_secs_f64() * 1000.0,
        report.verdict,
        rate(usize::try_from(report.size).unwrap(), verify),
    );
}

/// Writes 4 KiB into a preallocated file and flushes it, again and again.
fn raw_flushes(dir: &Path, time: Duration) -> Vec<Duration> {
    let file = File::create(dir.join("raw")).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (start, mut taken) = (Instant::now(), Vec::new());
    for n in 0_u64.. {
        if start.elapsed() > time {
            break;
        }
        let one = Instant::now();
        file.write_all_at(&[7; 4096], (n % 4096) * 4096).unwrap();
        file.sync_data().unwrap();
        taken.push(one.elapsed());
    }
    taken
}

/// Records of about 1 KiB from many tasks, each waiting for its own before the next.
async fn load(ledger: &Ledger, writers: usize, time: Duration) -> Vec<Duration> {
    let event = EventRecord {
        time: UnixMillis::try_from(std::time::SystemTime::now()).unwrap(),
        event: Word::literal("bench.record"),
        tenant: None,
        principal: None,
        details: (0..PAYLOAD / 128)
            .map(|n| (Word::lossy(&format!("detail{n}")), Word::lossy(&"x".repeat(115))))
            .collect(),
    };
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (ledger, event) = (ledger.clone(), event.clone());
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while start.elapsed() < time {
                    let one = Instant::now();
                    ledger.event(event.clone()).await.unwrap();
                    taken.push(one.elapsed());
                }
                taken
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

fn millis(sorted: &[Duration], percent: usize) -> f64 {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}

fn rate(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / time.as_secs_f64()
}

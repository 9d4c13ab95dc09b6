//! Faults injected at every step that changes the file system.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::disk::{Disk, Fault};
use super::{Class, LedgerConfig, LedgerError, Log, OpenError, Writable};
use crate::keys::{SigningKey, VerifierKeys};
use crate::record::{CallStatus, IntentRecord, OutcomeRecord, Word};
use crate::verify::{SignedLog, Verdict, verify_dir};
use crate::{Ledger, record};

const SMALL: LedgerConfig = LedgerConfig {
    durability: super::Durability::Fsync,
    checkpoint_interval: Duration::from_millis(1),
    deadline: Duration::from_secs(20),
    queue_bytes: 1 << 20,
    segment_bytes: 256 * 1024,
};

struct Bench {
    dir: TempDir,
    keys: VerifierKeys,
}

impl Bench {
    fn new() -> Self {
        // In memory where there is such a directory: faults are made, so real flushes add nothing.
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        let key = SigningKey::load_or_generate(&dir.path().join("key"), "aios.test/host").unwrap();
        let keys = VerifierKeys::parse(key.verifier_key()).unwrap();
        Self { dir, keys }
    }

    fn log_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("log")
    }

    fn open(&self, disk: Disk, config: LedgerConfig) -> Result<Log, OpenError> {
        let key = SigningKey::load(&self.dir.path().join("key")).unwrap();
        Log::open_on(disk, &self.log_dir(), key, config)
    }

    /// Opens with a sound disk, closes, verifies, and checks that every acknowledged leaf is there.
    fn recover_and_compare(&self, acknowledged: &BTreeMap<u64, Vec<u8>>, context: &str) {
        let log = self.open(Disk::default(), SMALL).unwrap_or_else(|e| panic!("{context}: {e:?}"));
        log.close().unwrap_or_else(|e| panic!("{context}: {e}"));
        let report = verify_dir(&self.log_dir(), &self.keys, &mut |_| {});
        assert_eq!(report.verdict, Verdict::Sound, "{context}: {:?}", report.problems);
        let signed = SignedLog::open(&self.log_dir(), &self.keys).unwrap();
        for (index, leaf) in acknowledged {
            assert_eq!(signed.leaf(*index).unwrap(), *leaf, "{context}: leaf {index}");
        }
    }
}

/// An event of about `size` bytes.
fn leaf(n: usize, size: usize) -> Vec<u8> {
    format!("{{\"event\":\"e{n}\",\"kind\":\"event\",\"pad\":\"{}\",\"v\":1}}", "x".repeat(size)).into_bytes()
}

fn append(log: &Log, class: Class, leaf: &[u8]) -> Result<u64, LedgerError> {
    let (tell, told) = mpsc::channel();
    log.shared.append(leaf.to_vec(), class, Box::new(move |done| tell.send(done).unwrap()))?;
    told.recv().expect("done is called exactly once")
}

#[test]
fn without_a_flush_a_caller_writes_for_itself_and_for_others() {
    let bench = Bench::new();
    let log = bench.open(Disk::default(), LedgerConfig { durability: super::Durability::Os, ..SMALL }).unwrap();
    let (tell, told) = mpsc::channel();
    log.append(leaf(0, 50), Class::Start, Box::new(move |done| tell.send(done).unwrap())).unwrap();
    // No thread had to be waited for.
    assert_eq!(told.try_recv().unwrap().unwrap(), 0);
    // Enough for several segments, from several threads.
    let indexes = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..5)
            .map(|n| {
                let log = &log;
                scope.spawn(move || {
                    let send = |m: usize| {
                        let (tell, told) = mpsc::channel();
                        let done = Box::new(move |done: Result<u64, LedgerError>| tell.send(done).unwrap());
                        log.append(leaf(n * 1_000 + m, 2_000), Class::Start, done).unwrap();
                        told.recv().unwrap().unwrap()
                    };
                    (0..100).map(send).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        all.sort_unstable();
        all
    });
    assert_eq!(indexes, (1..401).collect::<Vec<_>>());
    log.close().unwrap();
    let report = verify_dir(&bench.log_dir(), &bench.keys, &mut |_| {});
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    assert_eq!(report.records.events, 401);
}

/// 12 entries of up to 60 KB over several segments; gives what was acknowledged.
fn script(log: &Log) -> BTreeMap<u64, Vec<u8>> {
    let mut acknowledged = BTreeMap::new();
    let mut failed = false;
    for n in 0..12 {
        let leaf = leaf(n, if n % 2 == 0 { 60_000 } else { 50 });
        match append(log, Class::Start, &leaf) {
            Ok(index) => {
                assert!(!failed, "taken after a failure");
                acknowledged.insert(index, leaf);
            }
            Err(LedgerError::Failed { .. }) => failed = true,
            Err(other) => panic!("{other:?}"),
        }
    }
    acknowledged
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// Runs the script with step `at` failing, and `lasting` with all steps after it.
fn run_with_fault(at: usize, torn: usize, lasting: bool) -> bool {
    let bench = Bench::new();
    let steps = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&steps);
    let disk = Disk::failing(move |_, _| {
        let step = counter.fetch_add(1, Ordering::SeqCst);
        let hit = step == at || (lasting && step > at);
        hit.then(|| Fault { written: if step == at { torn } else { 0 }, error: io_error() })
    });
    let acknowledged = match bench.open(disk, SMALL) {
        Ok(log) => {
            let acknowledged = script(&log);
            let closed = log.close();
            let hit = steps.load(Ordering::SeqCst) > at;
            assert!(!hit || closed.is_err(), "a failed step {at} must stop the log");
            acknowledged
        }
        Err(OpenError::Io(_)) => BTreeMap::new(),
        Err(other) => panic!("step {at}: {other:?}"),
    };
    bench.recover_and_compare(&acknowledged, &format!("step {at}, torn {torn}, lasting {lasting}"));
    steps.load(Ordering::SeqCst) > at
}

#[test]
fn a_crash_at_any_step_loses_nothing_acknowledged() {
    let mut at = 0;
    while run_with_fault(at, 0, true) {
        at += 1;
    }
    assert!(at > 40, "only {at} steps were reached");
}

#[test]
fn one_failed_step_stops_the_log_for_good_and_loses_nothing() {
    let mut at = 0;
    while run_with_fault(at, 0, false) {
        at += 1;
    }
    assert!(at > 40, "only {at} steps were reached");
}

#[test]
fn a_write_torn_at_any_step_loses_nothing_acknowledged() {
    let mut at = 0;
    while run_with_fault(at, 33, true) {
        at += 3;
    }
    assert!(at > 40, "only {at} steps were reached");
}

#[test]
fn a_full_disk_refuses_starts_keeps_room_for_ends_and_recovers() {
    let bench = Bench::new();
    let full = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&full);
    let disk = Disk::failing(move |action, path| {
        let grows = action == "reserve" || path.to_string_lossy().contains("/log/tmp/");
        (seen.load(Ordering::SeqCst) && grows && action != "rename")
            .then(|| Fault { written: 0, error: io::Error::from(io::ErrorKind::StorageFull) })
    });
    let log = bench.open(disk, SMALL).unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut put = |class, n, size| {
        let leaf = leaf(n, size);
        let done = append(&log, class, &leaf);
        if let Ok(index) = done {
            acknowledged.insert(index, leaf);
        }
        done
    };
    full.store(true, Ordering::SeqCst);
    let mut n = 0;
    loop {
        n += 1;
        match put(Class::Start, n, 20_000) {
            Ok(_) => assert!(n < 100, "never full"),
            Err(LedgerError::DiskFull) => break,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(log.shared.health().writable, Writable::DiskFull);
    for n in 0..3 {
        put(Class::End, 1000 + n, 15_000).expect("room is kept for the ends of calls");
    }
    assert!(matches!(put(Class::Start, 2000, 20_000), Err(LedgerError::DiskFull)));
    full.store(false, Ordering::SeqCst);
    let patience = Instant::now() + Duration::from_secs(10);
    while let Err(error) = put(Class::Start, 3000, 20_000) {
        assert!(matches!(error, LedgerError::DiskFull) && Instant::now() < patience, "{error:?}");
        std::thread::yield_now();
    }
    assert_eq!(log.shared.health().writable, Writable::Yes);
    log.close().unwrap();
    drop(log);
    bench.recover_and_compare(&acknowledged, "after a full disk");
}

#[test]
fn a_full_disk_for_good_still_closes_and_loses_nothing() {
    let bench = Bench::new();
    let opened = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&opened);
    let disk = Disk::failing(move |action, _| {
        (seen.load(Ordering::SeqCst) && matches!(action, "create" | "reserve"))
            .then(|| Fault { written: 0, error: io::Error::from(io::ErrorKind::StorageFull) })
    });
    let log = bench.open(disk, SMALL).unwrap();
    opened.store(true, Ordering::SeqCst);
    let first = leaf(0, 100);
    let index = append(&log, Class::Start, &first).unwrap();
    log.close().unwrap();
    assert!(log.shared.health().tree_delays > 0, "the tree could not be written");
    drop(log);
    bench.recover_and_compare(&BTreeMap::from([(index, first)]), "full for good");
}

/// Holds back flushes of the write-ahead log until it is opened.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        drop(self.moved.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
    }
}

fn gated(bench: &Bench, config: LedgerConfig) -> (Ledger, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let seen = Arc::clone(&gate);
    let disk = Disk::failing(move |action, path: &Path| {
        if action == "flush" && path.extension().is_some_and(|e| e == "wal") {
            seen.pass();
        }
        None
    });
    (Ledger::over(bench.open(disk, config).unwrap()), gate)
}

fn intent(n: u64) -> IntentRecord {
    use vocab::{RecordId, TenantId};
    IntentRecord {
        record: RecordId::new(&format!("r{n}")).unwrap(),
        time: record::UnixMillis::new(record::Count::from(1_u32)),
        tenant: TenantId::new("acme").unwrap(),
        principal: record::Pseudonym::new("0123456789abcdef").unwrap(),
        subject: record::Subject {
            action: Word::literal("model.chat"),
            resource: Word::literal("model:openai/gpt"),
            upstream: None,
            region: None,
            model: None,
            collection: None,
        },
        decision: record::Decision {
            policy: Word::literal("p1"),
            rules: [Word::literal("r1")].into(),
            obligations: std::collections::BTreeSet::default(),
            facts: record::Facts::default(),
            shadow: [].into(),
            compared: None,
        },
        coverage: BTreeMap::default(),
        labels: BTreeMap::default(),
        request: None,
        request_bytes: record::Count::from(10_u32),
        correlation: record::Correlation::default(),
    }
}

#[tokio::test]
async fn a_hanging_disk_gives_a_deadline_and_the_late_intent_is_abandoned() {
    let bench = Bench::new();
    let (ledger, gate) = gated(&bench, LedgerConfig { deadline: Duration::from_millis(50), ..SMALL });
    gate.set(true);
    assert!(matches!(ledger.intent(intent(1)).await, Err(LedgerError::Deadline(_))));
    gate.set(false);
    ledger.close().await.unwrap();
    assert_eq!(ledger.health().abandoned_intents, 1);
    assert_eq!(ledger.health().open_intents, 0);
    drop(ledger);
    let report = verify_dir(&bench.log_dir(), &bench.keys, &mut |_| {});
    // The ledger was closed before it could take the `abandoned` outcome, or took it just in time.
    assert_eq!(report.verdict, Verdict::Sound);
    assert_eq!(report.records.intents, 1);
    assert_eq!(report.records.outcomes + report.open_intents.len() as u64, 1);
}

#[tokio::test]
async fn a_cancelled_wait_still_ends_in_an_outcome() {
    let bench = Bench::new();
    let (ledger, gate) = gated(&bench, SMALL);
    gate.set(true);
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.intent(intent(1)).await.map(|_| ()) }
    });
    // One turn of the single-threaded runtime: the task has queued its record and waits.
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    gate.set(false);
    // The next intent is written behind the abandoned outcome or before it; its own outcome follows.
    let next = ledger.intent(intent(2)).await.unwrap();
    let done = OutcomeRecord::bare(record::UnixMillis::new(record::Count::from(2_u32)), CallStatus::Completed);
    ledger.outcome(next, done).await.unwrap();
    ledger.close().await.unwrap();
    drop(ledger);
    let report = verify_dir(&bench.log_dir(), &bench.keys, &mut |_| {});
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
    assert_eq!((report.records.intents, report.records.outcomes), (2, 2));
}

#[tokio::test]
async fn a_full_queue_turns_starts_away_and_takes_ends() {
    let bench = Bench::new();
    let (ledger, gate) = gated(&bench, LedgerConfig { queue_bytes: 2_000, ..SMALL });
    let first = ledger.intent(intent(0)).await.unwrap();
    gate.set(true);
    let waiting: Vec<_> = (1..40)
        .map(|n| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.intent(intent(n)).await.map(|_| ()) })
        })
        .collect();
    let turned_away = AtomicU64::new(0);
    let done = OutcomeRecord::bare(record::UnixMillis::new(record::Count::from(2_u32)), CallStatus::Completed);
    tokio::task::yield_now().await;
    let end = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.outcome(first, done).await }
    });
    tokio::task::yield_now().await;
    gate.set(false);
    for task in waiting {
        match task.await.unwrap() {
            Ok(()) => {}
            Err(LedgerError::Overloaded) => {
                turned_away.fetch_add(1, Ordering::Relaxed);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    end.await.unwrap().expect("the end of a call is never turned away");
    assert!(turned_away.load(Ordering::Relaxed) > 0);
    ledger.close().await.unwrap();
    assert!(matches!(ledger.intent(intent(99)).await, Err(LedgerError::Closed)));
}

#[test]
fn one_writer_per_directory() {
    let bench = Bench::new();
    let first = bench.open(Disk::default(), SMALL).unwrap();
    assert!(matches!(bench.open(Disk::default(), SMALL), Err(OpenError::Locked(_))));
    first.close().unwrap();
    drop(first);
    bench.open(Disk::default(), SMALL).unwrap();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    for config in [
        LedgerConfig { segment_bytes: 1000, ..SMALL },
        LedgerConfig { segment_bytes: 300_001, ..SMALL },
        LedgerConfig { checkpoint_interval: Duration::ZERO, ..SMALL },
        LedgerConfig { deadline: Duration::ZERO, ..SMALL },
    ] {
        assert!(matches!(bench.open(Disk::default(), config), Err(OpenError::Config(_))));
    }
}

#[test]
fn a_panic_of_either_thread_stops_the_log_and_closing_returns() {
    for folder in ["wal", "tmp"] {
        let bench = Bench::new();
        let armed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&armed);
        let disk = Disk::failing(move |action, path| {
            let hit = action == "write" && path.parent().is_some_and(|p| p.ends_with(folder));
            assert!(!(hit && seen.load(Ordering::SeqCst) && path.extension().is_none_or(|e| e != "tmp")));
            None
        });
        let log = bench.open(disk, SMALL).unwrap();
        armed.store(true, Ordering::SeqCst);
        let (tell, told) = mpsc::channel();
        let done = Box::new(move |done: Result<u64, LedgerError>| drop(tell.send(done)));
        log.shared.append(leaf(0, 10), Class::Start, done).unwrap();
        let acknowledged = told.recv().is_ok_and(|done| done.is_ok());
        assert_eq!(acknowledged, folder == "tmp", "the tree thread is off the acknowledgement path");
        assert!(matches!(log.close(), Err(LedgerError::Failed { .. })));
        drop(log);
        let kept = acknowledged.then(|| (0, leaf(0, 10)));
        bench.recover_and_compare(&kept.into_iter().collect(), folder);
    }
}

//! `kill -9` of a real process in the middle of writing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use audit_log::verify::{SignedLog, Verdict};
use audit_log::{Durability, Ledger, LedgerConfig};

use crate::support::{Home, intent, outcome};

const DIR: &str = "AIOS_TEST_KILL_DIR";

fn config(durability: Durability) -> LedgerConfig {
    LedgerConfig { durability, checkpoint_interval: Duration::from_millis(3), ..Home::config() }
}

/// The process that gets killed: it prints the index and the record id of what is acknowledged.
#[test]
#[ignore = "is started and killed by the other test"]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let durability = if dir.join("os").exists() { Durability::Os } else { Durability::Fsync };
    let key = audit_log::SigningKey::load(&dir.join("signing.key")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&dir.join("host"), key, config(durability)).unwrap();
        let start = u32::try_from(ledger.recovery().entries).unwrap() * 100;
        let writers: Vec<_> = (0..8_u32)
            .map(|writer| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    for n in (start + writer..).step_by(8) {
                        let open = ledger.intent(intent(n)).await.unwrap();
                        let (index, id) = (open.index(), open.record_id().clone());
                        writeln!(std::io::stdout(), "\nacknowledged {index} {id}").unwrap();
                        ledger.outcome(open, outcome(n)).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn every_acknowledged_intent_survives_kill_9() {
    for durability in [Durability::Fsync, Durability::Os] {
        let home = Home::new();
        if durability == Durability::Os {
            std::fs::write(home.dir.path().join("os"), b"").unwrap();
        }
        let mut acknowledged = BTreeMap::new();
        for round in 0..5 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["kill::child", "--exact", "--ignored", "--nocapture"])
                .env(DIR, home.dir.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
            let mut parse = |line: String| {
                let mut words = line.split(' ');
                if words.next() == Some("acknowledged")
                    && let (Some(index), Some(id)) = (words.next(), words.next())
                {
                    acknowledged.insert(index.parse::<u64>().unwrap(), id.to_owned());
                }
            };
            // Each round dies at another point of the work.
            for line in lines.by_ref().take(60 + 90 * round) {
                parse(line);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            lines.for_each(parse);
        }
        let ledger = Ledger::open(&home.host(), home.key(), config(durability)).unwrap();
        drop(ledger);
        let report = home.verify();
        assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.problems);
        assert!(acknowledged.len() > 100, "{}", acknowledged.len());
        let log = SignedLog::open(&home.host(), &home.keys).unwrap();
        for (index, id) in &acknowledged {
            let leaf = String::from_utf8(log.leaf(*index).unwrap()).unwrap();
            assert!(leaf.contains(&format!("\"record\":\"{id}\"")), "{index} {id}: {leaf}");
        }
    }
}

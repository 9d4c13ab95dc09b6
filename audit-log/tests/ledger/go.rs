//! The log under an independent implementation: Go's `sumdb/note` and `sumdb/tlog`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{Home, calls};

/// Runs `tests/go-verify`. `None` where Go is not installed, unless `AIOS_TEST_GO=1` demands it.
fn go_verify(binary: &Path, dir: &Path, vkey: &str) -> Output {
    Command::new(binary).arg(dir).arg(vkey).output().unwrap()
}

fn build(home: &Home) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/go-verify/main.go");
    let binary = home.dir.path().join("go-verify");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&binary, &source])
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOFLAGS", "")
        .env("GOCACHE", home.dir.path().join("go-cache"))
        .output();
    let required = std::env::var("AIOS_TEST_GO").is_ok_and(|v| v == "1");
    match built {
        Ok(built) if built.status.success() => Some(binary),
        Ok(built) if required => panic!("go build: {}", String::from_utf8_lossy(&built.stderr)),
        Err(error) if required => panic!("go: {error}"),
        _ => {
            // Not a pass: without Go this test says nothing. `AIOS_TEST_GO=1` makes it fail instead.
            eprintln!("skipped: Go with golang.org/x/mod in GOPATH mode is not installed");
            None
        }
    }
}

#[tokio::test]
async fn checkpoint_and_every_inclusion_proof_verify_with_go() {
    let home = Home::new();
    let Some(binary) = build(&home) else { return };
    let vkey = home.key().verifier_key().to_owned();
    for (from, to) in [(0, 1), (1, 128), (128, 150), (150, 400)] {
        let ledger = home.open().unwrap();
        calls(&ledger, from..to).await;
        ledger.close().await.unwrap();
        drop(ledger);
        let run = go_verify(&binary, &home.host(), &vkey);
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
        let size = 2 * to;
        assert!(out.contains(&format!("entries={size} proofs={size}")), "{out}");
    }
    // The same program refuses a log with one changed byte, and another key.
    let bundle = home.host().join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(!go_verify(&binary, &home.host(), &vkey).status.success());
    let other = audit_log::SigningKey::generate("aios.test/host").unwrap();
    assert!(!go_verify(&binary, &home.host(), other.verifier_key()).status.success());
}

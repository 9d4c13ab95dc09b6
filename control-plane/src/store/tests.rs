use super::*;
use std::{fs, os::unix::fs::PermissionsExt};
use vocab::TenantId;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn every_file_of_the_database_is_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let store = Store::open(&path).await.unwrap();
    store.ensure_tenant(&TenantId::new("acme").unwrap()).await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
        files += 1;
    }
    assert_eq!(files, 3, "database, write-ahead log, shared memory, and nothing left over");
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    Store::open(&path).await.unwrap().close().await;
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
        let refused = Store::open(&path).await.err().unwrap();
        assert!(matches!(refused, OpenError::Exposed { mode, .. } if mode == exposed), "{refused:?}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("notes.txt");
    fs::write(&text, "these are my notes, and they are longer than a header ".repeat(40)).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(&text).unwrap();
    assert!(matches!(Store::open(&text).await, Err(OpenError::NotOurs)));
    assert_eq!(fs::read(&text).unwrap(), before);
    assert!(matches!(Store::open(dir.path()).await, Err(OpenError::NotAFile { .. })));
    let missing = dir.path().join("no/such/dir/control.db");
    assert!(matches!(Store::open(&missing).await, Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn many_stores_may_open_one_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { Store::open(&path).await })
        })
        .collect();
    for store in opened {
        store.await.unwrap().unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn durability_settings_are_what_they_are_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("control.db")).await.unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(store.pool()).await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(store.pool()).await.unwrap();
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(store.pool()).await.unwrap();
    assert_eq!((journal.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
}

#[tokio::test]
async fn a_full_database_is_a_typed_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    Store::open(&path).await.unwrap().close().await;
    let full = SqliteConnectOptions::new().filename(&path).pragma("max_page_count", "1");
    let store = Store::connect(full, 1).await.unwrap();
    let mut seen = Vec::new();
    // A page has room for some rows yet: write until there is none.
    for n in 0..2_000 {
        let tenant = TenantId::new(&format!("tenant-{n:04}-{}", "x".repeat(40))).unwrap();
        match store.ensure_tenant(&tenant).await {
            Ok(()) => seen.push(tenant),
            Err(e) => {
                assert!(matches!(e, StoreError::Full(_)), "{e:?}");
                assert!(store.tenant(&tenant).await.unwrap().is_none());
                assert_eq!(store.tenants().await.unwrap().len(), seen.len());
                return;
            }
        }
    }
    panic!("the database never filled up");
}

#[tokio::test]
async fn a_read_only_database_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let writable = Store::open(&path).await.unwrap();
    let read_only = SqliteConnectOptions::new().filename(&path).read_only(true);
    let pool = SqlitePoolOptions::new().connect_with(read_only).await.unwrap();
    let store = Store { pool, ..writable.clone() };
    let refused = store.ensure_tenant(&TenantId::new("acme").unwrap()).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))), "{refused:?}");
    assert!(store.tenants().await.unwrap().is_empty(), "reading still works");
}

#[tokio::test]
async fn a_damaged_database_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let store = Store::open(&path).await.unwrap();
    for n in 0..400 {
        store.ensure_tenant(&TenantId::new(&format!("tenant-{n}")).unwrap()).await.unwrap();
    }
    store.close().await;
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xA5;
    }
    fs::write(&path, bytes).unwrap();
    let outcome = Store::open(&path).await;
    assert!(matches!(outcome, Err(OpenError::Store(StoreError::Corrupt(_)) | OpenError::NotOurs)), "{outcome:?}");
}

#[tokio::test]
async fn a_held_write_lock_is_a_transient_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let store = Store::open(&path).await.unwrap();
    let impatient = SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::from_millis(1));
    let pool = SqlitePoolOptions::new().connect_with(impatient).await.unwrap();
    let other = Store { pool, ..store.clone() };
    let held = store.write().await.unwrap();
    let refused = other.ensure_tenant(&TenantId::new("acme").unwrap()).await.err().unwrap();
    assert!(matches!(refused, StoreError::Busy(_)) && refused.is_transient(), "{refused:?}");
    drop(held);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("control.db")).await.unwrap();
    store.close().await;
    assert!(matches!(store.ping().await, Err(StoreError::Closed)));
}

//! What cannot be seen from outside: failing writes, and the last records in memory.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tempfile::TempDir;
use tidings_protocol::event::Timestamp;

use super::*;
use crate::testing::entry;

const ALL: Limit = Limit { records: 100_000, bytes: usize::MAX };

fn log(settings: impl FnOnce(SqliteBuilder) -> SqliteBuilder) -> (TempDir, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let engine = settings(Sqlite::builder(directory.path().join("log.db"))).open().unwrap();
    (directory, engine)
}

fn some(count: usize, bytes: usize) -> Vec<Arc<Entry>> {
    (0..count).map(|_| Arc::new(entry("a", "t", &format!("\"{}\"", "x".repeat(bytes))))).collect()
}

/// Appends of 100 until the first that fails; how many were acknowledged, and why it failed.
async fn append_until_refused(engine: &Sqlite) -> (usize, AppendError) {
    for acknowledged in (0..).step_by(100) {
        assert!(acknowledged < 100_000, "nothing was refused");
        if let Err(error) = engine.append(some(100, 500)).await {
            return (acknowledged, error);
        }
    }
    unreachable!("the loop has no end")
}

fn pragma(name: &'static str, value: i64) -> impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()> + Send {
    move |connection| connection.pragma_update(None, name, value)
}

fn ask(name: &'static str) -> impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<i64> + Send {
    move |connection| connection.pragma_query_value(None, name, |row| row.get(0))
}

#[test]
fn the_checksum_is_the_same_for_ever() {
    // Logs on disks depend on it.
    assert_eq!(log::chain(0, b"{}"), 876_188_151);
    assert_ne!(log::chain(1, b"{}"), log::chain(0, b"{}"));
    assert_ne!(log::chain(0, b"{ }"), log::chain(0, b"{}"));
}

/// SQLite's own bound on the number of pages makes it find the disk full, on every system.
#[tokio::test]
async fn a_full_disk_refuses_appends_keeps_reading_and_resumes() {
    let (_directory, engine) = log(|settings| settings);
    let mut tail = engine.tail(1);
    engine.append(some(10, 500)).await.unwrap();
    engine.write(pragma("max_page_count", 100)).await.unwrap();
    let (acknowledged, error) = append_until_refused(&engine).await;
    let AppendError::Refused(source) = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("full"), "{source}");
    let stored = 10 + acknowledged;
    assert_eq!(engine.bounds().await.unwrap().last, stored as u64, "all or nothing");
    assert_eq!(engine.read(0, ALL).await.unwrap().len(), stored, "reading goes on");
    assert!(engine.append(some(100, 500)).await.is_err(), "there still is no room");

    engine.write(pragma("max_page_count", 1 << 30)).await.unwrap();
    let receipts = engine.append(some(1, 1)).await.unwrap();
    assert_eq!(receipts[0].cursor.seq, stored as u64 + 1, "the refused ones left no hole");
    let mut followed = 0;
    while followed < receipts[0].cursor.seq {
        followed = tail.next().await.unwrap().unwrap().last().unwrap().seq;
    }
    let records = engine.read(0, ALL).await.unwrap();
    assert_eq!(records.len(), stored + 1, "every checksum fits its predecessor's");
}

/// A key refused on a full disk is not taken for known afterwards.
#[tokio::test]
async fn what_was_refused_can_be_retried_with_the_same_keys() {
    let (_directory, engine) = log(|settings| settings);
    engine.append(some(1, 1)).await.unwrap();
    engine.write(pragma("max_page_count", 10)).await.unwrap();
    let entries = some(200, 500);
    assert!(matches!(engine.append(entries.clone()).await, Err(AppendError::Refused(_))));
    engine.write(pragma("max_page_count", 1 << 30)).await.unwrap();
    let receipts = engine.append(entries.clone()).await.unwrap();
    assert!(receipts.iter().all(|receipt| !receipt.duplicate));
    let receipts = engine.append(entries).await.unwrap();
    assert!(receipts.iter().all(|receipt| receipt.duplicate));
}

/// Room that trimming makes is room for what comes.
#[tokio::test]
async fn space_of_trimmed_records_is_used_again() {
    let (_directory, engine) = log(|settings| settings.records(1_000));
    for _ in 0..20 {
        engine.append(some(100, 500)).await.unwrap();
    }
    let pages = engine.write(ask("page_count")).await.unwrap();
    for _ in 0..100 {
        engine.append(some(100, 500)).await.unwrap();
    }
    let later = engine.write(ask("page_count")).await.unwrap();
    assert!(later <= pages + pages / 10, "{pages} pages grew to {later}");
}

#[tokio::test]
async fn the_write_ahead_log_starts_over() {
    let (directory, engine) = log(|settings| settings);
    for _ in 0..200 {
        engine.append(some(100, 500)).await.unwrap();
    }
    drop(engine);
    let file = directory.path().join("log.db");
    assert!(!directory.path().join("log.db-wal").exists(), "an orderly end leaves one file");
    let engine = Sqlite::open(&file).unwrap();
    let mut longest = 0;
    for _ in 0..200 {
        engine.append(some(100, 500)).await.unwrap();
        longest = longest.max(std::fs::metadata(directory.path().join("log.db-wal")).unwrap().len());
    }
    // 200 appends write 14 MB; a checkpoint is due after 4 MiB of entries, or a little more as pages.
    assert!(longest < 10 << 20, "{longest} bytes");
}

#[tokio::test]
async fn retention_by_bytes() {
    let (_directory, engine) = log(|settings| settings.bytes(100_000));
    for _ in 0..10 {
        engine.append(some(50, 500)).await.unwrap();
    }
    let kept = engine.read(0, ALL).await.unwrap();
    let bytes: usize = kept.iter().map(|record| record.entry.to_bytes().len()).sum();
    let one = kept[0].entry.to_bytes().len();
    assert!(bytes <= 100_000 && bytes + one > 100_000, "{bytes}");
}

#[tokio::test]
async fn retention_by_age_of_the_newest_record() {
    let (_directory, engine) = log(|settings| settings.age(Duration::from_secs(10)));
    for second in 0..30 {
        let at = |entry: Entry| Entry { timestamp: Timestamp(1_000_000 + second * 1_000), ..entry };
        engine.append(vec![Arc::new(at(entry("a", "t", "1")))]).await.unwrap();
    }
    let bounds = engine.bounds().await.unwrap();
    assert_eq!((bounds.first, bounds.last), (20, 30));
}

/// Opened with tighter bounds, it trims to them by itself, step by step.
#[tokio::test]
async fn a_backlog_of_trimming_is_worked_off_while_idle() {
    let (_directory, engine) = log(|settings| settings);
    for _ in 0..50 {
        engine.append(some(100, 1)).await.unwrap();
    }
    let path = engine.path().to_owned();
    drop(engine);
    let engine = Sqlite::builder(path).records(10).open().unwrap();
    let trimmed = async {
        while engine.bounds().await.unwrap().first != 4_991 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), trimmed).await.unwrap();
    assert_eq!(engine.read(0, ALL).await.unwrap().len(), 10);
}

/// A tail that lags further than the memory goes reads the file, and both sides fit.
#[tokio::test]
async fn a_tail_goes_over_from_the_file_to_memory() {
    let (_directory, engine) = log(|settings| settings);
    for _ in 0..12 {
        engine.append(some(1_000, 1)).await.unwrap();
    }
    assert!(engine.shared.recent.lock().from(1, 1).is_none(), "the first records are only in the file");
    let mut tail = engine.tail(1);
    let mut next = 1;
    while next <= 12_000 {
        for record in tail.next().await.unwrap().unwrap() {
            assert_eq!(record.seq, next);
            next += 1;
        }
    }
}

#[tokio::test]
async fn a_record_changed_on_disk_is_an_error_and_never_delivered() {
    let (_directory, engine) = log(|settings| settings);
    engine.append(some(10, 1)).await.unwrap();
    let harm = |connection: &rusqlite::Connection| {
        connection.execute("UPDATE records SET entry = replace(entry, '\"t\"', '\"u\"') WHERE seq = 5", [])
    };
    assert_eq!(engine.write(harm).await.unwrap(), 1);
    let error = engine.read(0, ALL).await.unwrap_err();
    assert_eq!(error.0.to_string(), "record 5 does not fit its checksum");
    assert_eq!(engine.read(5, ALL).await.unwrap().len(), 5, "the others can be read");
}

/// Somebody's SQLite tool in the middle of a write transaction.
#[tokio::test]
async fn a_writer_from_outside_is_waited_for() {
    let (_directory, engine) = log(|settings| settings);
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut append = std::pin::pin!(engine.append(some(1, 1)));
    assert!((&mut append).now_or_never().is_none());
    assert_eq!(engine.bounds().await.unwrap().last, 0, "reading goes on");
    outsider.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append.await.unwrap()[0].cursor.seq, 1);
}

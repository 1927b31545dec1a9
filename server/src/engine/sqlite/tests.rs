//! Behaviour that cannot be seen from outside: failing writes, the last records in memory, entries of a newer version,
//! and clocks.

use std::{sync::atomic::AtomicU64, time::Duration};

use futures_util::{FutureExt, StreamExt};
use tempfile::TempDir;
use tidings_protocol::event::Timestamp;

use super::*;
use crate::{
    engine::conformance::{self, Subject, Unknown},
    testing::entry,
};

const ALL: Limit = Limit { records: 100_000, bytes: usize::MAX };
const DEADLINE: Duration = Duration::from_secs(30);

fn log(settings: impl FnOnce(SqliteBuilder) -> SqliteBuilder) -> (TempDir, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let engine = settings(Sqlite::builder(directory.path().join("log.db"))).open().unwrap();
    (directory, engine)
}

fn some(count: usize, bytes: usize) -> Vec<Arc<Entry>> {
    let timestamp = Timestamp(crate::clock::wall_clock_ms());
    let make = |_| Entry { timestamp, ..entry("a", "t", &format!("\"{}\"", "x".repeat(bytes))) };
    (0..count).map(make).map(Arc::new).collect()
}

async fn append(engine: &Sqlite, entries: Vec<Arc<Entry>>) -> Vec<Receipt> {
    engine.append(entries, DEADLINE).await.unwrap()
}

/// All records of the log.
async fn all(engine: &Sqlite) -> Vec<Record> {
    let base = engine.bounds().await.unwrap().base();
    engine.read(base, ALL).await.unwrap()
}

async fn trim(engine: &Sqlite) {
    while engine.trim().await.unwrap().more {}
}

/// Appends entries of 100 bytes until one fails. Returns how many were acknowledged, and the error.
async fn append_until_refused(engine: &Sqlite) -> (usize, AppendError) {
    for acknowledged in (0..).step_by(100) {
        assert!(acknowledged < 100_000, "nothing was refused");
        if let Err(error) = engine.append(some(100, 500), DEADLINE).await {
            return (acknowledged, error);
        }
    }
    unreachable!("the loop has no end")
}

fn pragma(name: &'static str, value: i64) -> impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send {
    move |connection| connection.pragma_update(None, name, value)
}

fn ask(name: &'static str) -> impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<i64> + Send {
    move |connection| connection.pragma_query_value(None, name, |row| row.get(0))
}

#[test]
fn the_checksum_is_the_same_for_ever() {
    // Existing logs depend on this value.
    assert_eq!(row::chain(0, b"{}"), 876_188_151);
    assert_ne!(row::chain(1, b"{}"), row::chain(0, b"{}"));
    assert_ne!(row::chain(0, b"{ }"), row::chain(0, b"{}"));
}

/// SQLite's own limit on the number of pages simulates a full disk, on every system.
#[tokio::test]
async fn a_full_disk_refuses_appends_keeps_reading_and_resumes() {
    let (_directory, engine) = log(|settings| settings);
    let mut tail = engine.tail(engine.bounds().await.unwrap().base());
    append(&engine, some(10, 500)).await;
    engine.write(pragma("max_page_count", 100)).await.unwrap();
    let (acknowledged, error) = append_until_refused(&engine).await;
    let AppendError::Refused(source) = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("full"), "{source}");
    let stored = 10 + acknowledged;
    assert_eq!(engine.bounds().await.unwrap().last, stored as u64, "all or nothing");
    assert_eq!(all(&engine).await.len(), stored, "reading goes on");
    assert!(engine.append(some(100, 500), DEADLINE).await.is_err(), "there still is no room");

    engine.write(pragma("max_page_count", 1 << 30)).await.unwrap();
    let receipts = append(&engine, some(1, 1)).await;
    assert_eq!(receipts[0].cursor.seq, stored as u64 + 1, "the refused appends left no hole");
    let mut followed = 0;
    while followed < receipts[0].cursor.seq {
        followed = tail.next().await.unwrap().unwrap().records.last().map_or(followed, |last| last.seq);
    }
    let records = all(&engine).await;
    assert_eq!(records.len(), stored + 1, "every tag follows its predecessor's");
}

/// A key that was refused on a full disk does not count as known afterwards.
#[tokio::test]
async fn a_refused_append_can_be_retried_with_the_same_keys() {
    let (_directory, engine) = log(|settings| settings);
    append(&engine, some(1, 1)).await;
    engine.write(pragma("max_page_count", 10)).await.unwrap();
    let entries = some(200, 500);
    assert!(matches!(engine.append(entries.clone(), DEADLINE).await, Err(AppendError::Refused(_))));
    engine.write(pragma("max_page_count", 1 << 30)).await.unwrap();
    let receipts = append(&engine, entries.clone()).await;
    assert!(receipts.iter().all(|receipt| !receipt.duplicate));
    let receipts = append(&engine, entries).await;
    assert!(receipts.iter().all(|receipt| receipt.duplicate));
}

/// Trimming frees space that later records use.
#[tokio::test]
async fn space_of_trimmed_records_is_used_again() {
    let (_directory, engine) = log(|settings| settings.records(1_000));
    for _ in 0..20 {
        append(&engine, some(100, 500)).await;
        trim(&engine).await;
    }
    let pages = engine.write(ask("page_count")).await.unwrap();
    for _ in 0..100 {
        append(&engine, some(100, 500)).await;
        trim(&engine).await;
    }
    let later = engine.write(ask("page_count")).await.unwrap();
    assert!(later <= pages + pages / 10, "{pages} pages grew to {later}");
}

#[tokio::test]
async fn the_write_ahead_log_starts_over() {
    let (directory, engine) = log(|settings| settings);
    for _ in 0..200 {
        append(&engine, some(100, 500)).await;
    }
    drop(engine);
    let file = directory.path().join("log.db");
    assert!(!directory.path().join("log.db-wal").exists(), "closing the log leaves one file");
    let engine = Sqlite::open(&file).unwrap();
    let mut longest = 0;
    for _ in 0..200 {
        append(&engine, some(100, 500)).await;
        longest = longest.max(std::fs::metadata(directory.path().join("log.db-wal")).unwrap().len());
    }
    // 200 appends write 14 MB; a checkpoint is due after 4 MiB of entries, or a little more as pages.
    assert!(longest < 10 << 20, "{longest} bytes");
}

#[tokio::test]
async fn retention_by_bytes() {
    let (_directory, engine) = log(|settings| settings.bytes(100_000));
    for _ in 0..10 {
        append(&engine, some(50, 500)).await;
    }
    trim(&engine).await;
    let kept = all(&engine).await;
    let bytes: usize = kept.iter().map(|record| record.entry.to_bytes().len()).sum();
    let one = kept[0].entry.to_bytes().len();
    assert!(bytes <= 100_000 && bytes + one > 100_000, "{bytes}");
}

/// The wall clock of this test.
static WALL: AtomicU64 = AtomicU64::new(START);
const START: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

/// Neither while the log is open nor across a restart does it trim; a record that is too old by the log's own clock is
/// trimmed.
#[tokio::test]
async fn a_wall_clock_that_jumps_a_week_for_a_moment_trims_nothing() {
    let wall = || WALL.load(Ordering::Relaxed);
    let (directory, engine) = log(|settings| settings.wall(wall).age(Duration::from_secs(3_600)));
    let at = |timestamp| vec![Arc::new(Entry { timestamp: Timestamp(timestamp), ..entry("a", "t", "1") })];
    append(&engine, at(START - 2 * HOUR)).await;
    append(&engine, at(START)).await;
    trim(&engine).await;
    assert_eq!(all(&engine).await.len(), 1, "the record of two hours ago was trimmed");
    WALL.store(START + 168 * HOUR, Ordering::Relaxed);
    trim(&engine).await;
    assert_eq!(all(&engine).await.len(), 1);
    drop(engine);
    let path = directory.path().join("log.db");
    let open = || Sqlite::builder(&path).wall(wall).age(Duration::from_secs(3_600)).open().unwrap();
    let engine = open();
    trim(&engine).await;
    assert_eq!(all(&engine).await.len(), 1, "the log was opened while the clock is wrong");
    drop(engine);
    WALL.store(START + 1, Ordering::Relaxed);
    let engine = open();
    trim(&engine).await;
    assert_eq!(all(&engine).await.len(), 1, "the log was opened when the clock is right again");
}

/// A log opened with tighter bounds is trimmed to them step by step.
#[tokio::test]
async fn a_backlog_is_trimmed_in_bounded_steps() {
    let (_directory, engine) = log(|settings| settings);
    for _ in 0..50 {
        append(&engine, some(100, 1)).await;
    }
    let path = engine.path().to_owned();
    drop(engine);
    let engine = Sqlite::builder(path).records(10).open().unwrap();
    let mut steps = 0;
    loop {
        let step = engine.trim().await.unwrap();
        assert!(step.removed <= 1_000, "{step:?}");
        steps += 1;
        if !step.more {
            break;
        }
    }
    assert_eq!((steps, all(&engine).await.len()), (5, 10));
}

fn on(channel: &str) -> Arc<Entry> {
    Arc::new(Entry { timestamp: Timestamp(crate::clock::wall_clock_ms()), ..entry(channel, "t", "1") })
}

/// The key with the oldest last use is dropped, and neither it nor any other missing key counts as unused.
#[tokio::test]
async fn a_summary_that_is_full_takes_no_key_for_silent() {
    let (_directory, engine) = log(|settings| settings.records(1).summary_keys(6));
    for channel in ["a", "b", "c", "d", "a", "e", "end"] {
        append(&engine, vec![on(channel)]).await;
        trim(&engine).await;
    }
    // Each channel has a key of its own, and all share the key of everything.
    let key = |channel: &str| on(channel).routing_keys()[0];
    let moved = |channels: [&str; 6]| channels.map(key);
    let all_there = engine.moved(&moved(["a", "b", "c", "d", "e", "silent"])).await.unwrap();
    assert_eq!(all_there, [5, 2, 3, 4, 6, 0]);
    append(&engine, vec![on("f"), on("g"), on("end")]).await;
    trim(&engine).await;
    let moved = engine.moved(&moved(["a", "b", "c", "g", "end", "silent"])).await.unwrap();
    assert_eq!(moved, [5, 4, 4, 9, 7, 4], "b, c and d gave way");
}

/// The tags of older records are unknown, and a cursor there is neither confirmed nor denied.
#[tokio::test]
async fn tags_are_kept_as_long_as_set() {
    let (_directory, engine) = log(|settings| settings.records(1).summary_tags(2_000));
    let receipts = append(&engine, some(6_000, 1)).await;
    trim(&engine).await;
    let cursors = [receipts[10], receipts[3_000], receipts[4_500], receipts[5_990]].map(|receipt| receipt.cursor);
    use Location::{Diverged, Forgotten, Trimmed};
    assert_eq!(engine.locate(&cursors).await.unwrap(), [Forgotten, Forgotten, Trimmed, Trimmed]);
    let other = cursors.map(|cursor| Cursor { tag: cursor.tag ^ 1, ..cursor });
    assert_eq!(engine.locate(&other).await.unwrap(), [Forgotten, Forgotten, Diverged, Diverged]);
    let read = engine.read(cursors[0], ALL).await;
    assert!(matches!(read, Err(ReadError::Forgotten)), "{read:?}");
}

/// The hub is unhealthy at once, and acknowledged records can still be read.
#[tokio::test]
async fn a_dead_writer_fails_appends_bounds_and_tails_at_once() {
    let (_directory, engine) = log(|settings| settings);
    let end = append(&engine, some(10, 1)).await[9].cursor;
    let mut tail = engine.tail(end);
    tail.next().await.unwrap().unwrap();
    let died = engine.write(|_| -> rusqlite::Result<()> { panic!("the writer dies, as this test wants it to") }).await;
    assert!(died.is_err());
    assert!(matches!(engine.append(some(1, 1), DEADLINE).await, Err(AppendError::Refused(_))));
    assert!(engine.bounds().await.is_err() && engine.trim().await.is_err());
    assert!(matches!(tail.next().await, Some(Err(ReadError::Unavailable(_)))));
}

/// An append whose key meets a damaged index does not fail the other appends of its transaction.
#[tokio::test]
async fn an_append_that_meets_damage_is_refused_alone() {
    let (_directory, engine) = log(|settings| settings);
    let known = some(2, 1);
    append(&engine, known.clone()).await;
    // The row that the index has for the second key is gone, and the index entry is not.
    let harm = |connection: &mut rusqlite::Connection| {
        connection.execute_batch("UPDATE records SET entry = '{}', header = x'00' WHERE seq = 2")
    };
    engine.write(harm).await.unwrap();
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends = futures_util::future::join3(
        engine.append(some(1, 1), DEADLINE),
        engine.append(vec![known[1].clone()], DEADLINE),
        engine.append(some(1, 1), DEADLINE),
    );
    let release = async { outsider.execute_batch("ROLLBACK").unwrap() };
    let ((one, harmed, two), ()) = futures_util::future::join(appends, release).await;
    assert_eq!((one.unwrap()[0].cursor.seq, two.unwrap()[0].cursor.seq), (3, 4));
    assert!(matches!(harmed, Err(AppendError::Refused(_))), "{harmed:?}");
}

/// A tail that lags beyond the records in memory reads the file, and both parts fit together.
#[tokio::test]
async fn a_tail_goes_over_from_the_file_to_memory() {
    let (_directory, engine) = log(|settings| settings);
    let first = append(&engine, some(1, 1)).await[0].cursor;
    for _ in 0..12 {
        append(&engine, some(1_000, 1)).await;
    }
    assert!(
        engine.shared().recent.lock().after(first.seq, first.tag, 1).is_none(),
        "the first records are only in the file"
    );
    let mut tail = engine.tail(first);
    let mut next = 2;
    while next <= 12_001 {
        for record in tail.next().await.unwrap().unwrap().records {
            assert_eq!(record.seq, next);
            next += 1;
        }
    }
}

/// Another SQLite tool is in the middle of a write transaction.
#[tokio::test]
async fn a_writer_from_outside_is_waited_for() {
    let (_directory, engine) = log(|settings| settings);
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut append = std::pin::pin!(engine.append(some(1, 1), DEADLINE));
    assert!((&mut append).now_or_never().is_none());
    assert_eq!(engine.bounds().await.unwrap().last, 0, "reading goes on");
    outsider.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append.await.unwrap()[0].cursor.seq, 1);
}

/// Logs in directories that exist until the test ends.
#[derive(Default)]
struct Raw(Mutex<Vec<TempDir>>);

impl Subject for Raw {
    type Engine = Sqlite;

    async fn fresh(&self) -> Sqlite {
        let (directory, engine) = log(|settings| settings);
        self.0.lock().push(directory);
        engine
    }

    async fn keeping(&self, _: u64) -> Sqlite {
        self.fresh().await
    }
}

impl Unknown for Raw {
    async fn append_bytes(&self, engine: &Sqlite, key: &str, bytes: &[u8]) {
        let entry = Arc::new(Entry { key: tidings_protocol::Key::new(key).unwrap(), ..entry("a", "t", "1") });
        let stored = Stored { entry, json: bytes.to_vec(), keys: Vec::new() };
        let (reply, answer) = oneshot::channel();
        let (deadline, claimed) = (Instant::now() + DEADLINE, Arc::default());
        let waiting = Backlog::new(usize::MAX).admit(std::slice::from_ref(&stored.entry)).unwrap();
        let append = Append { entries: vec![stored], deadline, claimed, is_ours: false, reply, waiting };
        engine.submit(Job::Append(append)).await.unwrap();
        answer.await.unwrap().unwrap();
        // This makes the engine read the file, because memory still has the record as it was handed over.
        engine.shared().recent.lock().clear();
    }
}

#[tokio::test]
async fn an_entry_of_a_newer_version_is_void() {
    conformance::unknown::an_entry_of_a_newer_version_is_void(&Raw::default()).await;
}

/// Several callers may request a step while the writer is busy with one group; each is answered.
#[tokio::test]
async fn every_caller_of_trim_is_answered() {
    let (_directory, engine) = log(|settings| settings.records(10));
    append(&engine, some(5_000, 1)).await;
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appended = engine.append(some(1, 1), DEADLINE);
    let trims = futures_util::future::join_all((0..4).map(|_| engine.trim()));
    let release = async { outsider.execute_batch("ROLLBACK").unwrap() };
    let all = futures_util::future::join3(appended, trims, release);
    let (_, trims, ()) = tokio::time::timeout(DEADLINE, all).await.expect("an answer to each");
    let removed: u64 = trims.into_iter().map(|trim| trim.unwrap().removed).sum();
    assert_eq!(removed, 5_001 - 10);
}

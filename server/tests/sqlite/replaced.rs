//! Files that are removed, replaced or filled while a hub runs, and older copies that are put in their place while none
//! runs.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tidings::engine::{AppendError, Engine, ReadError, Sqlite};

use crate::{
    damaged::Log,
    lines,
    log::{ALL, append, follow, numbered},
};

/// Checks that appends are refused from the next one on (except within the same millisecond) with this reason, and that
/// the hub is unhealthy.
async fn is_noticed(engine: &Sqlite, path: &Path, why: &str) {
    let began = Instant::now();
    let refused = loop {
        match engine.append(vec![numbered(7)], Duration::from_secs(10)).await {
            // Within that millisecond SQLite itself may find the missing file, and refuse for that reason.
            Err(AppendError::Refused(source)) if source.to_string().contains(why) => {
                break Err(AppendError::Refused(source));
            }
            Ok(_) | Err(AppendError::Refused(_)) => {
                assert!(began.elapsed() < Duration::from_secs(1), "nothing was noticed");
            }
            unknown => break unknown,
        }
    };
    let Err(AppendError::Refused(source)) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains(why), "{source}");
    assert!(engine.bounds().await.is_err(), "and the hub is unhealthy");
    for _ in 0..20 {
        assert!(engine.append(vec![numbered(8)], Duration::from_secs(10)).await.is_err());
    }
    let told = lines::about(path).iter().filter(|line| line.contains(why)).count();
    assert!((1..=2).contains(&told), "{told} lines about it");
}

async fn running(directory: &Path) -> Sqlite {
    lines::collect();
    let engine = Sqlite::open(directory.join("log.db")).unwrap();
    append(&engine, (0..50).map(numbered).collect()).await;
    engine
}

#[tokio::test]
async fn a_file_removed_under_a_running_hub() {
    let directory = tempfile::tempdir().unwrap();
    let engine = running(directory.path()).await;
    let end = engine.bounds().await.unwrap().end();
    let mut tail = engine.tail(end);
    tail.next().await.unwrap().unwrap();
    let path = engine.path().to_owned();
    let aside = directory.path().join("aside.db");
    fs::rename(&path, &aside).unwrap();
    is_noticed(&engine, &path, "has been removed").await;
    assert!(matches!(tail.next().await, Some(Err(ReadError::Unavailable(_)))));
    // Nothing was written meanwhile, so the log continues after the file is put back.
    fs::rename(&aside, &path).unwrap();
    assert_eq!(append(&engine, vec![numbered(50)]).await[0].cursor.seq, 51);
}

#[tokio::test]
async fn a_file_replaced_under_a_running_hub() {
    let directory = tempfile::tempdir().unwrap();
    let engine = running(directory.path()).await;
    let copy = directory.path().join("copy.db");
    fs::copy(engine.path(), &copy).unwrap();
    fs::rename(&copy, engine.path()).unwrap();
    is_noticed(&engine, engine.path(), "another file has been put in place").await;
}

#[tokio::test]
async fn a_file_truncated_under_a_running_hub() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    drop(running(directory.path()).await);
    let engine = Sqlite::open(&path).unwrap();
    append(&engine, vec![numbered(50)]).await;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8_192).unwrap();
    is_noticed(&engine, &path, "has been truncated").await;
}

#[tokio::test]
async fn a_write_ahead_log_removed_under_a_running_hub() {
    let directory = tempfile::tempdir().unwrap();
    let engine = running(directory.path()).await;
    fs::remove_file(directory.path().join("log.db-wal")).unwrap();
    is_noticed(&engine, engine.path(), "has been removed").await;
}

/// A client that had read beyond the copy receives a gap, and another one receives a gap for what the copy lacks.
#[tokio::test]
async fn an_older_copy_put_in_place_of_the_log() {
    let log = Log::of(100).await;
    let copy = fs::read(&log.path).unwrap();
    let engine = Sqlite::open(&log.path).unwrap();
    let later = append(&engine, (100..120).map(numbered).collect()).await;
    drop(engine);
    fs::write(&log.path, &copy).unwrap();
    let engine = Sqlite::open(&log.path).unwrap();
    let bounds = engine.bounds().await.unwrap();
    assert_eq!(bounds.end(), later[19].cursor);
    let followed = follow(&engine, bounds.base(), bounds.end()).await;
    assert_eq!(followed.records.len(), 100);
    let ranges: Vec<_> = followed.damaged.iter().map(|(from, through, _)| (*from, *through)).collect();
    assert_eq!(ranges, [(101, 120)]);
    assert!(matches!(engine.read(later[5].cursor, ALL).await, Err(ReadError::Diverged)));
    assert_eq!(append(&engine, vec![numbered(120)]).await[0].cursor.seq, 121);
    let line = lines::about(&log.path).into_iter().find(|line| line.contains("an older copy"));
    assert!(line.is_some_and(|line| line.contains("from=101 through=120")));
}

#[tokio::test]
async fn another_log_put_in_place_of_the_log() {
    let log = Log::of(100).await;
    let other = Log::of(30).await;
    fs::copy(&other.path, &log.path).unwrap();
    let engine = Sqlite::open(&log.path).unwrap();
    assert_eq!(
        engine.bounds().await.unwrap().end(),
        other.receipts[29].cursor,
        "the acknowledged position of the first log does not count"
    );
    assert!(matches!(engine.read(log.receipts[9].cursor, ALL).await, Err(ReadError::Epoch)));
    assert_eq!(append(&engine, vec![numbered(30)]).await[0].cursor.seq, 31);
}

#[tokio::test]
async fn a_condition_that_lasts_is_logged_once() {
    let directory = tempfile::tempdir().unwrap();
    let engine = running(directory.path()).await;
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    // SQLite gives up after five seconds.
    for _ in 0..2 {
        let refused = engine.append(vec![numbered(51)], Duration::from_secs(20)).await;
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    }
    let told = lines::about(engine.path()).iter().filter(|line| line.contains("an append failed")).count();
    assert_eq!(told, 1);
    outsider.execute_batch("ROLLBACK").unwrap();
    append(&engine, vec![numbered(51)]).await;
}

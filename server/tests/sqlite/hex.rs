//! Any byte and any page of any file: whatever is changed, only records that were written are delivered, and missing
//! ones are reported, or the file is refused.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;
use tidings::engine::{Engine, OpenErrorKind, Sqlite, conformance::entry_on};

use crate::{
    damaged::{Log, PAGE, check_records},
    log::{ALL, append, follow, numbered},
};

const CHANGES: usize = 400;

/// Opens these bytes as the log. Checks that missing records are reported (`true`), or that the file is refused with a
/// kind (`false`).
async fn told_or_refused(log: &Log, bytes: &[u8], what: &str) -> bool {
    let directory = tempfile::tempdir_in(&log.directory).unwrap();
    let path = directory.path().join("again.db");
    fs::write(&path, bytes).unwrap();
    fs::copy(log.directory.path().join("log.db-lock"), directory.path().join("again.db-lock")).unwrap();
    let engine = match Sqlite::open(&path) {
        Ok(engine) => engine,
        Err(error) => {
            assert_ne!(error.kind(), OpenErrorKind::Locked, "{what}: {error}");
            return false;
        }
    };
    let bounds = match engine.bounds().await {
        Ok(bounds) => bounds,
        Err(_) => return false,
    };
    if bounds.epoch != log.receipts[0].cursor.epoch {
        // All clients receive a gap, because it is another log.
        return true;
    }
    assert_eq!(bounds.last, log.receipts.len() as u64, "{what}: the log ends where it ended");
    let followed = follow(&engine, bounds.base(), bounds.end()).await;
    check_records(&followed.records);
    let told: u64 = followed.damaged.iter().map(|(from, through, _)| through - from + 1).sum();
    let whole = told + followed.records.len() as u64 == bounds.last - (bounds.first - 1);
    assert!(whole || followed.unavailable.is_some(), "{what}: {told} of {bounds:?} told");
    // A record that can be appended is at the end, and can be read.
    if let Ok(receipts) = engine.append(vec![entry_on("room:next", "1")], Duration::from_secs(10)).await {
        assert_eq!(receipts[0].cursor.seq, bounds.last + 1, "{what}: no number is used again");
        let read = engine.read(bounds.end(), ALL).await.unwrap();
        assert_eq!((read.len(), read[0].tag), (1, receipts[0].cursor.tag), "{what}");
    }
    true
}

#[tokio::test]
async fn any_byte_of_the_file() {
    let log = Log::of(150).await;
    let sound = fs::read(&log.path).unwrap();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..CHANGES {
        let mut bytes = sound.clone();
        // Half of the offsets are in SQLite's own structures: the first page, and the beginnings of pages.
        let at = match round % 4 {
            0 => random.usize(..PAGE),
            1 => random.usize(..sound.len() / PAGE) * PAGE + random.usize(..64),
            _ => random.usize(..sound.len()),
        };
        bytes[at] ^= random.u8(1..);
        told_or_refused(&log, &bytes, &format!("seed {seed}, round {round}: byte {at}")).await;
    }
}

#[tokio::test]
async fn a_file_cut_anywhere() {
    let log = Log::of(150).await;
    let sound = fs::read(&log.path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for pages in 1..sound.len() / PAGE {
        told_or_refused(&log, &sound[..pages * PAGE], &format!("cut after {pages} pages")).await;
        let cut = random.usize(pages * PAGE..(pages + 1) * PAGE);
        told_or_refused(&log, &sound[..cut], &format!("cut at {cut}")).await;
    }
}

/// Everything is in the write-ahead log, as after `kill -9`. One byte of it is changed, or it is cut or removed.
#[tokio::test]
async fn any_byte_of_the_write_ahead_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let engine = Sqlite::open(&path).unwrap();
    let mut receipts = Vec::new();
    for number in 0..100 {
        receipts.extend(append(&engine, vec![numbered(number)]).await);
    }
    // The writer has noted the last acknowledgement when it gets to this.
    engine.metadata().swap("none", None, None).await.unwrap();
    let [database, ahead, lock] =
        ["", "-wal", "-lock"].map(|suffix| fs::read(format!("{}{suffix}", path.display())).unwrap());
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = 0;
    for round in 0..200 {
        let mut bytes = ahead.clone();
        let at = random.usize(..ahead.len());
        match round % 5 {
            0 => bytes.truncate(at),
            1 if round < 2 => bytes.clear(),
            _ => bytes[at] ^= random.u8(1..),
        }
        let again = tempfile::tempdir_in(&directory).unwrap();
        let again = again.path().join("log.db");
        for (suffix, bytes) in [("", &database), ("-wal", &bytes), ("-lock", &lock)] {
            fs::write(format!("{}{suffix}", again.display()), bytes).unwrap();
        }
        let what = format!("seed {seed}, round {round}: byte {at}");
        let engine = Sqlite::open(&again).unwrap();
        let bounds = engine.bounds().await.unwrap();
        assert_eq!(bounds.end(), receipts[99].cursor, "{what}: the log ends where it was acknowledged");
        let followed = follow(&engine, bounds.base(), bounds.end()).await;
        assert!(followed.unavailable.is_none(), "{what}: {:?}", followed.unavailable);
        check_records(&followed.records);
        told += usize::from(!followed.damaged.is_empty());
        let next = append(&engine, vec![numbered(1_000)]).await;
        assert_eq!(next[0].cursor.seq, 101, "{what}");
    }
    assert!(told > 150, "{told} of 200: most changes lose something");
}

/// A change of the bytes of a page.
type Change<'a> = &'a dyn Fn(&mut [u8]);

/// Each page in turn is zeroed, half zeroed, inverted, and replaced by one of another log and of another database.
#[tokio::test]
async fn a_damaged_page_is_told_or_the_file_refused() {
    let log = Log::of(300).await;
    let sound = fs::read(&log.path).unwrap();
    let other = fs::read(&Log::of(300).await.path).unwrap();
    let foreign = foreign(log.directory.path());
    let pages = sound.len() / PAGE;
    assert!(pages > 40);
    let mut refused = 0;
    for page in 0..pages {
        let range = page * PAGE..(page + 1) * PAGE;
        let kinds: [(&str, Change<'_>); 5] = [
            ("zeroed", &|bytes| bytes.fill(0)),
            ("half zeroed", &|bytes| bytes[PAGE / 2..].fill(0)),
            ("filled", &|bytes| bytes.fill(0xa5)),
            ("of another log", &|bytes| {
                bytes.copy_from_slice(other.get(range.clone()).unwrap_or(&sound[range.clone()]));
            }),
            ("of another database", &|bytes| bytes.copy_from_slice(&foreign[PAGE..2 * PAGE])),
        ];
        for (kind, change) in kinds {
            let mut bytes = sound.clone();
            change(&mut bytes[range.clone()]);
            if bytes == sound {
                continue;
            }
            refused += usize::from(!told_or_refused(&log, &bytes, &format!("page {page} {kind}")).await);
        }
    }
    assert!(refused < 60, "{refused} of {} files were refused", pages * 5);
}

/// A database of another application.
fn foreign(directory: &Path) -> Vec<u8> {
    let path = directory.join("foreign.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE records (seq INTEGER PRIMARY KEY, entry TEXT)").unwrap();
    for number in 0..100 {
        connection.execute("INSERT INTO records VALUES (?1, ?2)", (number, "x".repeat(100))).unwrap();
    }
    connection.close().unwrap();
    fs::read(path).unwrap()
}

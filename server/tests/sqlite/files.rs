//! Every file that must not be opened is reported by its kind, and left unchanged.

use std::{fs, path::Path, process::Command};

use rusqlite::Connection;
use tidings::engine::{OpenErrorKind, Sqlite};

use crate::log::{append, numbered, reopen};

fn kind(path: &Path) -> OpenErrorKind {
    let error = Sqlite::open(path).unwrap_err();
    assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    error.kind()
}

/// Creates a log with some records, and closes it.
async fn closed(path: &Path) {
    let engine = Sqlite::open(path).unwrap();
    for number in 0..100 {
        append(&engine, vec![numbered(number)]).await;
    }
}

#[test]
fn a_text_file_is_foreign_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.db");
    let text = "dear diary ".repeat(1_000);
    fs::write(&path, &text).unwrap();
    assert_eq!(kind(&path), OpenErrorKind::Foreign);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no file was created beside it");
}

#[test]
fn another_applications_database_is_foreign() {
    let directory = tempfile::tempdir().unwrap();
    for (name, sql) in [
        ("plain.db", "CREATE TABLE users (name TEXT)"),
        ("marked.db", "PRAGMA application_id = 77; CREATE TABLE records (name TEXT)"),
        ("versioned.db", "PRAGMA user_version = 1"),
    ] {
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(kind(&path), OpenErrorKind::Foreign, "{name}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 3, "no file was created beside them");
}

#[tokio::test]
async fn a_newer_version_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    closed(&path).await;
    for (version, expected) in [(4, OpenErrorKind::Newer), (2, OpenErrorKind::Older)] {
        Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
        assert_eq!(kind(&path), expected);
    }
}

#[tokio::test]
async fn damage_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let sound = directory.path().join("sound.db");
    closed(&sound).await;
    let bytes = fs::read(&sound).unwrap();
    let path = directory.path().join("damaged.db");

    let mut damaged = bytes.clone();
    damaged[4096..].fill(0xa5);
    fs::write(&path, &damaged).unwrap();
    assert_eq!(kind(&path), OpenErrorKind::Corrupt, "garbage behind the first page");

    for sql in ["DELETE FROM log", "DROP TABLE log", "UPDATE log SET epoch = epoch + 1", "UPDATE log SET bytes = 7"] {
        fs::write(&path, &bytes).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert_eq!(kind(&path), OpenErrorKind::Corrupt, "{sql}");
    }

    fs::write(&path, &bytes).unwrap();
    reopen(&path).await;
}

#[test]
fn a_file_that_cannot_be_reached_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(kind(&directory.path().join("no-such-directory/log.db")), OpenErrorKind::Io);
    assert_eq!(kind(directory.path()), OpenErrorKind::Io);
}

#[tokio::test]
async fn an_empty_file_becomes_a_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    fs::write(&path, "").unwrap();
    closed(&path).await;
    assert_eq!(reopen(&path).await.1.len(), 100);
}

#[tokio::test]
async fn a_file_is_opened_by_one_engine_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let engine = Sqlite::open(&path).unwrap();
    assert_eq!(kind(&path), OpenErrorKind::Locked, "in this process");
    #[cfg(unix)]
    {
        let link = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(Sqlite::open(link).unwrap_err().kind(), OpenErrorKind::Locked, "by another name");
    }
    append(&engine, vec![numbered(0)]).await;
    drop(engine);
    assert_eq!(reopen(&path).await.1.len(), 1, "the file is free as soon as the engine is dropped");
}

/// A child shares its parent's open files until it executes another program, and with them the lock.
#[cfg(unix)]
#[test]
fn a_file_is_free_as_soon_as_the_engine_is_dropped_even_while_a_program_is_started() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !has_ended.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let outcome = (0..300).find_map(|_| Sqlite::open(&path).err());
        has_ended.store(true, Ordering::Relaxed);
        assert!(outcome.is_none(), "{outcome:?}");
    });
}

#[tokio::test]
async fn another_process_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let _engine = Sqlite::open(&path).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "files::child_that_opens", "--ignored", "--nocapture"]).env("TIDINGS_LOG", &path);
    let answer = String::from_utf8(child.output().unwrap().stdout).unwrap();
    assert!(answer.contains("opening: Err(Locked)"), "{answer}");
}

#[test]
#[ignore = "the other process of another_process_is_told_at_once"]
#[allow(clippy::print_stdout)]
fn child_that_opens() {
    let path = std::env::var("TIDINGS_LOG").unwrap();
    println!("opening: {:?}", Sqlite::open(path).map(drop).map_err(|error| error.kind()));
}

/// One reason for this format: people can look into the log while the hub runs.
#[tokio::test]
async fn any_tool_may_read_it_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let engine = Sqlite::open(&path).unwrap();
    append(&engine, vec![numbered(0), numbered(1)]).await;
    let tool = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let seen = "SELECT count(*), max(entry ->> '$.channel') FROM records";
    let seen = tool.query_row(seen, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
    assert_eq!(seen, (2, "room:1".to_owned()));
    append(&engine, vec![numbered(2)]).await;
}

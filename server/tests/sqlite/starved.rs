//! A process that runs out of a resource: no file descriptor is left, the disk is full, or a file may not grow. Each
//! test runs in a process of its own, which really has no more.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidings::engine::{AppendError, Engine, ReadError, Sqlite};

use crate::{
    lines,
    log::{ALL, append, numbered},
};

/// How many calls fail.
const FAILURES: usize = 500;
/// How many lines may be logged about them: one for each condition, of which a failure may have two.
const LINES: usize = 3;

/// The log of a child process.
fn path() -> PathBuf {
    std::env::var("TIDINGS_LOG").unwrap().into()
}

/// Runs a child with a log in this directory, after these shell commands.
fn run(child: &str, directory: &Path, prepare: &str) {
    let output = Command::new("sh")
        .args(["-c", &format!("{prepare} exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("starved::{child}"), "--ignored", "--nocapture"])
        .env("TIDINGS_LOG", directory.join("log.db"))
        .env("TIDINGS_DIRECTORY", directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn check_lines(path: &Path, words: &str) {
    let lines = lines::about(path);
    assert!(lines.iter().any(|line| line.contains(words)), "{lines:#?}");
    assert!(lines.len() <= LINES, "{} lines: {lines:#?}", lines.len());
}

/// Appends until very many appends were not acknowledged. After there is room again, every acknowledged record is
/// there, and no refused one.
async fn check_full(path: &Path, words: &str, make_room: impl FnOnce()) {
    lines::collect();
    let engine = Sqlite::open(path).unwrap();
    let base = engine.bounds().await.unwrap().base();
    let (mut acknowledged, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut failures = 0;
    for number in 0.. {
        // Pages that were copied out of the write-ahead log make room for a few more appends.
        match engine.append(vec![numbered(number)], Duration::from_secs(30)).await {
            Ok(_) => _ = acknowledged.insert(key(number)),
            Err(error) => {
                failures += 1;
                if matches!(error, AppendError::Refused(_)) {
                    refused.insert(key(number));
                }
            }
        }
        if failures == FAILURES {
            break;
        }
    }
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    assert_eq!(engine.read(base, ALL).await.unwrap().len(), acknowledged.len(), "reading goes on");
    check_lines(path, words);
    make_room();
    let receipts = append(&engine, vec![numbered(1_000_000), numbered(0)]).await;
    assert!(!receipts[0].duplicate && receipts[1].duplicate);
    drop(engine);
    let engine = Sqlite::open(path).unwrap();
    let stored = engine.read(base, ALL).await.unwrap();
    let stored: BTreeSet<_> = stored.iter().map(|record| record.entry.key.to_string()).collect();
    assert!(acknowledged.is_subset(&stored) && refused.is_disjoint(&stored));
}

fn key(number: usize) -> String {
    numbered(number).key.to_string()
}

#[tokio::test]
#[ignore = "the process of a_process_without_file_descriptors_goes_on_when_it_has_some_again"]
async fn child_without_file_descriptors() {
    lines::collect();
    let path = path();
    let engine = Sqlite::open(&path).unwrap();
    let base = engine.bounds().await.unwrap().base();
    append(&engine, (0..10).map(numbered).collect()).await;
    // Readers that hang need the idle connections.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..limit }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let mut failed = 0;
    for _ in 0..FAILURES {
        // Four reads at once, one of which has the open connection.
        let reads = (0..4).map(|_| engine.read(base, ALL));
        for read in futures_util::future::join_all(reads).await {
            match read {
                Ok(records) => assert_eq!(records.len(), 10),
                Err(ReadError::Unavailable(_)) => failed += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(failed > 100, "{failed}");
    // The writer has its files open already.
    append(&engine, vec![numbered(10)]).await;
    check_lines(&path, "unable to open");
    drop(taken);
    assert_eq!(engine.read(base, ALL).await.unwrap().len(), 11);
}

#[test]
fn a_process_without_file_descriptors_goes_on_when_it_has_some_again() {
    run("child_without_file_descriptors", tempfile::tempdir().unwrap().path(), "");
}

#[tokio::test]
#[ignore = "the process of a_file_that_may_not_grow_refuses_appends_until_it_may"]
async fn child_whose_files_may_not_grow() {
    check_full(&path(), "I/O", || {
        let limit = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    })
    .await;
}

/// The kernel refuses to write beyond 512 KiB (`EFBIG`), where a full disk would answer `ENOSPC`.
#[test]
fn a_file_that_may_not_grow_refuses_appends_until_it_may() {
    let directory = tempfile::tempdir().unwrap();
    run("child_whose_files_may_not_grow", directory.path(), "trap '' XFSZ; ulimit -S -f 1024;");
}

#[tokio::test]
#[ignore = "the process of a_full_disk_refuses_appends_until_it_has_room"]
async fn child_on_a_full_disk() {
    let directory = PathBuf::from(std::env::var("TIDINGS_DIRECTORY").unwrap());
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 512 << 10]).unwrap();
    check_full(&path(), "full", || fs::remove_file(ballast).unwrap()).await;
}

/// On a file system of 1 MiB in memory, which this process mounts in a namespace of its own. If the system allows that
/// to nobody, only the test before this one applies.
#[test]
fn a_full_disk_refuses_appends_until_it_has_room() {
    let directory = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m none \"$0\"";
    let probe = Command::new("unshare").args(["-rm", "sh", "-c", mount]).arg(directory.path()).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: this user may not mount a file system of a name space of its own: {probe:?}");
        return;
    }
    let prepare =
        "exec unshare -rm sh -c 'mount -t tmpfs -o size=1m none \"$TIDINGS_DIRECTORY\" && exec \"$@\"' sh \"$@\";";
    run("child_on_a_full_disk", directory.path(), prepare);
}

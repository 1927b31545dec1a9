//! kill -9 at any moment. (It does not simulate a power failure: bytes that were written but not fsynced survive the
//! process. `torn` does.)

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tidings::engine::{Engine, Sqlite};

use crate::log::{append, numbered, reopen};

/// How often the child is started and killed.
const ROUNDS: usize = 25;

/// Appends in batches of several sizes from several callers, and prints every acknowledged key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that nothing_acknowledged_is_missing_after_kill_9 kills"]
async fn child_that_appends() {
    let path = std::env::var("TIDINGS_LOG").unwrap();
    let start: usize = std::env::var("TIDINGS_START").unwrap().parse().unwrap();
    let engine = &Sqlite::open(path).unwrap();
    let batch = |task: usize, round: usize| async move {
        let first = start + task * 100_000 + round * 100;
        let numbers: Vec<_> = (first..first + 1 + (round * 7 + task * 13) % 60).collect();
        append(engine, numbers.iter().map(|number| numbered(*number)).collect()).await;
        (task, round, numbers)
    };
    let mut running: FuturesUnordered<_> = (0..4).map(|task| batch(task, 0)).collect();
    let mut out = std::io::stdout();
    while let Some((task, round, numbers)) = running.next().await {
        // One write, so that a line is either complete or missing.
        let line = numbers.iter().fold("acked".to_owned(), |line, number| format!("{line} {number}")) + "\n";
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
        running.push(batch(task, round + 1));
    }
}

/// Runs the child until it has printed `lines` lines and for `spin` more steps, and kills it. Returns every number that
/// it printed.
fn run_and_kill(path: &Path, start: usize, lines: usize, spin: u32) -> BTreeSet<usize> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child_that_appends", "--ignored", "--nocapture"])
        .env("TIDINGS_LOG", path)
        .env("TIDINGS_START", start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while said.len() < lines {
        let line = output.next().expect("the child runs until it is killed").unwrap();
        said.extend(line.strip_prefix("acked ").map(str::to_owned));
    }
    // The kill may come anywhere between two acknowledgements.
    for step in 0..spin {
        std::hint::black_box(step);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Lines that it printed before it died and that were not read yet count as well.
    said.extend(output.map_while(Result::ok).filter_map(|line| line.strip_prefix("acked ").map(str::to_owned)));
    said.iter().flat_map(|line| line.split(' ')).map(|number| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn nothing_acknowledged_is_missing_after_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.db");
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acknowledged = BTreeSet::new();
    let mut epoch = None;
    for round in 0..ROUNDS {
        acknowledged.extend(run_and_kill(&path, round * 1_000_000, random.usize(1..60), random.u32(..3_000_000)));
        let (engine, records) = reopen(&path).await;
        let now = engine.bounds().await.unwrap().epoch;
        assert_eq!(*epoch.get_or_insert(now), now, "the epoch is stored");
        let stored: BTreeSet<_> = records.iter().map(|record| record.entry.key.as_str()).collect();
        assert_eq!(stored.len(), records.len(), "every key once");
        for number in &acknowledged {
            assert!(
                stored.contains(&*format!("key-{number}")),
                "{number} was acknowledged; seed {seed}, round {round}"
            );
        }
        // A retry of an acknowledged append is a duplicate, in a log that was never closed.
        let last = acknowledged.last().copied().unwrap();
        assert!(append(&engine, vec![numbered(last)]).await[0].duplicate);
    }
}

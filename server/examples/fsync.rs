//! How many events a second are published with an fsync before each acknowledgement, compared with what SQLite itself
//! can do on the same disk in the same minute:
//!
//! ```text
//! cargo run --release --package tidings --features sqlite --example fsync
//! ```
//!
//! "SQLite" is a plain loop on one connection: the same tables and settings, prepared rows, one transaction per batch.
//! "hub" is `hub.publish` and `hub.publish_all` in process, where each event is checked, serialized, hashed, committed,
//! fsynced, acknowledged, read by the hub's tail and encoded for its streams. Each figure is the best of three
//! alternating rounds, because a disk's speed varies.
#![allow(clippy::print_stdout)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tidings::{Event, Hub, engine::Sqlite};

/// How long each measurement runs; there are six, three times each.
const ROUND: Duration = Duration::from_millis(800);
const ROUNDS: usize = 3;
const BATCH: usize = 100;
const TASKS: usize = 32;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn payload() -> serde_json::Value {
    serde_json::json!({"text": "x".repeat(189)})
}

fn events(count: usize) -> Result<Vec<Event>, Error> {
    let payload = payload();
    (0..count).map(|_| Ok(Event::new("bench:fsync", "measured", &payload)?)).collect()
}

/// SQLite alone, with `batch` rows per transaction. Returns rows per second.
fn sqlite(directory: &Path, batch: usize) -> Result<f64, Error> {
    let directory = tempfile::tempdir_in(directory)?;
    let path = directory.path().join("plain.db");
    // This creates the engine's own tables and row width, once, because the rows below are not a log that the engine
    // would open again.
    drop(Sqlite::open(&path)?);
    let connection = Connection::open(&path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let first: i64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM records", [], |row| row.get(0))?;
    let entry = format!(
        r#"{{"key":"{}","timestamp":"2023-11-14T22:13:20.000Z","audience":"channel","channel":"bench:fsync","type":"measured","payload":{}}}"#,
        uuid::Uuid::now_v7(),
        payload()
    );
    let keys: Vec<_> = (0..1_000_000).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    let mut insert = connection.prepare(
        "INSERT INTO records (seq, tag, key, timestamp, bytes, header, entry)
         VALUES (?1, 1, ?2, 1700000000000, ?1, zeroblob(32), ?3)",
    )?;
    let (mut begin, mut commit) = (connection.prepare("BEGIN IMMEDIATE")?, connection.prepare("COMMIT")?);
    let started = Instant::now();
    let mut rows = 0;
    while started.elapsed() < ROUND {
        begin.execute([])?;
        for _ in 0..batch {
            insert.execute(params![first + 1 + i64::try_from(rows)?, keys[rows % keys.len()], entry])?;
            rows += 1;
        }
        commit.execute([])?;
    }
    Ok(per_second(rows, started))
}

#[allow(clippy::cast_precision_loss)]
fn per_second(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}

/// `tasks` that publish `batch` events at a time. Returns events per second.
async fn hub(directory: &Path, tasks: usize, batch: usize) -> Result<f64, Error> {
    // The log has a file of its own, because the previous one may still be closing.
    let directory = tempfile::tempdir_in(directory)?;
    let hub = Hub::builder().engine(Sqlite::open(directory.path().join("hub.db"))?).build().await?;
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let mut published = 0;
                while started.elapsed() < ROUND {
                    let receipts = hub.publish_all(events(batch)?).await?;
                    published += receipts.iter().filter(|receipt| !receipt.duplicate).count();
                }
                Ok::<_, Error>(published)
            })
        })
        .collect();
    let mut published = 0;
    for task in running {
        published += task.await??;
    }
    Ok(per_second(published, started))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // The directory to measure in, to test a disk other than that of the system's temporary files.
    let directory = match std::env::args_os().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let directory = directory.path();
    let names = [
        "SQLite, 1 row per transaction".to_owned(),
        "hub, one at a time".to_owned(),
        format!("hub, one at a time in {TASKS} tasks"),
        format!("SQLite, {BATCH} rows per transaction"),
        format!("hub, batches of {BATCH}"),
        format!("hub, batches of {BATCH} in 4 tasks"),
    ];
    let mut best = [0.0_f64; 6];
    for _ in 0..ROUNDS {
        let round = [
            sqlite(directory, 1)?,
            hub(directory, 1, 1).await?,
            hub(directory, TASKS, 1).await?,
            sqlite(directory, BATCH)?,
            hub(directory, 1, BATCH).await?,
            hub(directory, 4, BATCH).await?,
        ];
        best.iter_mut().zip(round).for_each(|(best, figure)| *best = best.max(figure));
    }
    println!("fsynced events per second, best of {ROUNDS}, 200 B payloads:");
    for (name, figure) in names.iter().zip(best) {
        println!("{name:>34}  {figure:>9.0}");
    }
    Ok(())
}

//! What hubs that share a log on PostgreSQL or Redis do, compared with what the server itself can do by its own tool
//! (`pgbench`, `redis-benchmark`), in the same minute, with the same durability and the same number of rows or entries in
//! a commit:
//!
//! ```text
//! cargo xtask bench --cluster
//! ```
//!
//! The tool writes entries as wide as the engine's, and nothing else: no numbers, keys or tags. With several tasks the hub
//! commits what waits together, and the tool commits each alone; so the hub may exceed the tool. Without a directory as
//! argument the servers keep their data in memory, where an fsync costs nothing.
#![allow(clippy::print_stdout)]

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use tidings::{
    Cursor, Event, Hub,
    engine::{Engine, Limit},
};
use tidings_servers::{Postgres, Redis};

/// How long each measurement of publishing runs.
const ROUND: Duration = Duration::from_secs(3);
/// How many tasks publish at once, and how many events each publishes at a time.
const LOADS: [(usize, usize); 4] = [(1, 1), (32, 1), (256, 1), (4, 100)];
/// How many events are published, one by one, to measure how long they take to another hub; and how many a second.
const EVENTS: u32 = 500;
const RATE: u32 = 100;
/// PostgreSQL takes 100 connections unless it is configured otherwise.
const CONNECTIONS: usize = 90;
const PAYLOAD: usize = 189;
/// What an entry of such an event weighs in the log.
const ENTRY: usize = 400;
const PAGE: Limit = Limit { records: 10_000, bytes: 8 << 20 };

#[tokio::main]
async fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let server = match &directory {
        Some(directory) => Postgres::start_in(directory)?,
        None => Postgres::start()?,
    };
    server.tool("psql", &["-q", "-c", "CREATE TABLE bench (seq bigserial PRIMARY KEY, entry text)"])?;
    let folder = server.directory().to_owned();
    let own = |tasks: usize, batch: usize| {
        let script = folder.join("script.sql");
        let rows = format!("INSERT INTO bench (entry) SELECT repeat('x', {ENTRY}) FROM generate_series(1, {batch});");
        fs::write(&script, rows)?;
        let (clients, seconds) = (tasks.min(CONNECTIONS).to_string(), ROUND.as_secs().to_string());
        let script = script.display().to_string();
        let arguments = ["-n", "-M", "prepared", "-j", "2", "-c", &clients, "-T", &seconds, "-f", &script];
        let said = server.tool("pgbench", &arguments)?;
        let figure = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
        Ok(figure.context("pgbench says no tps")? * batch as f64)
    };
    let open = async || Ok(Arc::new(tidings_postgres::Postgres::open(server.url()).await?) as Arc<dyn Engine>);
    measure("PostgreSQL", "pgbench", open, own).await?;

    let server = match &directory {
        Some(directory) => {
            let directory = directory.display().to_string();
            Redis::with(&["--appendonly", "yes", "--appendfsync", "always", "--dir", &directory])?
        }
        None => Redis::start()?,
    };
    let entry = "x".repeat(ENTRY);
    let own = |tasks: usize, batch: usize| {
        let (clients, batch) = (tasks.to_string(), batch.to_string());
        let arguments = ["-c", &clients, "-P", &batch, "-n", "100000", "-q", "XADD", "bench", "*", "entry", &entry];
        requests_per_second(&server.benchmark(&arguments)?)
    };
    let open = async || Ok(Arc::new(tidings_redis::Redis::open(server.url()).await?) as Arc<dyn Engine>);
    measure("Redis", "redis-benchmark", open, own).await?;
    println!(
        "the engine's script alone:  {:.0} calls/s of one entry, by redis-benchmark with 256 clients",
        script(&server)?
    );
    Ok(())
}

/// What the server does of the engine's own appends, without a hub: numbers, keys and tags, but neither tails nor trimming.
fn script(server: &Redis) -> Result<f64> {
    let text = concat!(include_str!("../../redis/src/text.lua"), include_str!("../../redis/src/append.lua"));
    let script = redis::Script::new(text);
    let mut connection = redis::Client::open(server.url())?.get_connection()?;
    script.prepare_invoke().load(&mut connection)?;
    let head = [("epoch", 1), ("last", 0), ("tag", 0), ("bytes", 0)];
    redis::cmd("HSET").arg("{script}head").arg(&head).exec(&mut connection)?;
    let entry = "x".repeat(ENTRY);
    let options = ["-c", "256", "-r", "1000000000", "-n", "100000", "-q", "EVALSHA", script.get_hash(), "3"];
    let keys = ["{script}log", "{script}keys", "{script}head"];
    // One entry: its key, of which redis-benchmark draws another each time, tag, deadline, payload, routing keys, bytes.
    let values = ["1", "key:__rand_int__", "7", "4000000000000000", "189", "1,2", &entry];
    let said = server.benchmark(&[&options[..], &keys, &values].concat())?;
    requests_per_second(&said)
}

/// The figure that redis-benchmark says last.
fn requests_per_second(said: &str) -> Result<f64> {
    let figure = said.split(['\r', '\n']).find_map(|line| {
        let (before, _) = line.split_once(" requests per second")?;
        before.rsplit(' ').next()?.parse::<f64>().ok()
    });
    figure.context("redis-benchmark says no rate")
}

async fn measure(
    server: &str,
    tool: &str,
    open: impl AsyncFn() -> Result<Arc<dyn Engine>>,
    own: impl Fn(usize, usize) -> Result<f64>,
) -> Result<()> {
    println!("\n{server}, events of {PAYLOAD} B, {} s each\n", ROUND.as_secs());
    println!("{:>6} {:>6} {:>14} {:>16} {:>7}   ack p50, p99", "tasks", "batch", "hub, events/s", tool, "ratio");
    let hub = Hub::builder().engine(open().await?).build().await?;
    for (tasks, batch) in LOADS {
        let limit = own(tasks, batch)?;
        let (rate, acknowledged) = publish(&hub, tasks, batch).await?;
        println!("{tasks:>6} {batch:>6} {rate:>14.0} {limit:>16.0} {:>7.2}   {}", rate / limit, shown(acknowledged));
    }
    let another = Hub::builder().engine(open().await?).build().await?;
    let (published, acknowledged) = deliver(&hub, &another).await?;
    println!("\nto a listener at another hub, {RATE} events/s, p50 and p99:");
    println!("  from publish()            {}", shown(published));
    println!("  from its acknowledgement  {}", shown(acknowledged));

    let engine = open().await?;
    let (mut at, started, mut records) = (engine.bounds().await?.base(), Instant::now(), 0_usize);
    loop {
        let page = engine.read(at, PAGE).await?;
        let Some(last) = page.last() else { break };
        (at, records) = (Cursor { seq: last.seq, tag: last.tag, ..at }, records + page.len());
    }
    println!(
        "read from its beginning:    {:.0} records/s, {records} records",
        records as f64 / started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    let third = Hub::builder().engine(engine).build().await?;
    println!("a hub starts:               {:.2} s, with a window of 100,000 records", started.elapsed().as_secs_f64());
    for hub in [hub, another, third] {
        hub.drain(Duration::ZERO).await;
    }
    Ok(())
}

fn event(number: u32) -> Result<Event> {
    Ok(Event::new("bench:cluster", "measured", &serde_json::json!({ "n": number, "text": "x".repeat(PAYLOAD - 18) }))?)
}

/// Publishes from so many tasks, for one round. Returns events per second, and how long each call took.
async fn publish(hub: &Hub, tasks: usize, batch: usize) -> Result<(f64, Vec<Duration>)> {
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < ROUND {
                    let events: Vec<_> = (0..batch).map(|_| event(0)).collect::<Result<_>>()?;
                    let called = Instant::now();
                    hub.publish_all(events).await?;
                    times.push(called.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await??);
    }
    Ok(((times.len() * batch) as f64 / started.elapsed().as_secs_f64(), times))
}

/// How long events take from one hub to another, since they were published and since that was acknowledged. An event may
/// come before its acknowledgement; then it took nothing from there.
async fn deliver(from: &Hub, to: &Hub) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let mut listener = to.listen("bench:cluster")?;
    let arrived = tokio::spawn(async move {
        let mut arrived = Vec::new();
        while let Some(item) = listener.next().await {
            // What was published before the listener began may still come; it bears the number 0.
            if item?.json::<serde_json::Value>()?["n"] != 0 {
                arrived.push(Instant::now());
            }
            if arrived.len() == EVENTS as usize {
                break;
            }
        }
        anyhow::Ok(arrived)
    });
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    let (mut published, mut acknowledged) = (Vec::new(), Vec::new());
    for number in 1..=EVENTS {
        tick.tick().await;
        published.push(Instant::now());
        from.publish(event(number)?).await?;
        acknowledged.push(Instant::now());
    }
    let arrived =
        tokio::time::timeout(Duration::from_secs(30), arrived).await.context("not all events arrived")???;
    let since = |times: Vec<Instant>| {
        times.iter().zip(&arrived).map(|(from, to)| to.saturating_duration_since(*from)).collect()
    };
    Ok((since(published), since(acknowledged)))
}

/// The median and the 99th percentile.
fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
    format!("{:.2} ms, {:.2} ms", at(50), at(99))
}

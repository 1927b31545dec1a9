//! What many hubs cost the server that holds their log: real tails of one log, each with connections of its own, and
//! events at a steady rate. `docs/scale.md` calculates with these figures:
//!
//! ```text
//! cargo xtask bench --tails
//! ```
//!
//! The server's processor time without tails, in the same minute, is subtracted; what is left is for each record and
//! tail. The network's bytes are those of the loopback interface, so nothing else may use it.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures_util::{StreamExt, future};
use tidings::{
    Event, Hub,
    engine::{Engine, Tail},
};
use tidings_servers::{Postgres, Redis};
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};

const TAILS: [usize; 4] = [0, 1, 10, 100];
/// How often a second events are published, how many each time, and for how long.
const RATE: u32 = 200;
const BATCHES: [usize; 2] = [1, 20];
const SECONDS: u32 = 10;
/// As in `docs/scale.md`: an event of about 330 bytes.
const PAYLOAD: usize = 189;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Postgres::start()?;
    let open = async || Ok(Arc::new(tidings_postgres::Postgres::open(server.url()).await?) as Arc<dyn Engine>);
    measure("PostgreSQL", open, || server.cpu()).await?;
    let server = Redis::start()?;
    let open = async || Ok(Arc::new(tidings_redis::Redis::open(server.url()).await?) as Arc<dyn Engine>);
    measure("Redis", open, || server.cpu()).await
}

async fn measure(
    name: &str,
    open: impl AsyncFn() -> Result<Arc<dyn Engine>>,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<()> {
    println!("\n{name}, {SECONDS} s each\n");
    println!(
        "events/s  tails  p50, p99 from publish()  server: ms CPU/s  \u{b5}s a record and tail  bytes a record and tail"
    );
    let hub = Hub::builder().engine(open().await?).build().await?;
    for batch in BATCHES {
        let mut alone: Option<(Duration, u64)> = None;
        for count in TAILS {
            let start = open().await?.bounds().await?.end();
            let mut handles = Vec::new();
            for _ in 0..count {
                handles.push(open().await?);
            }
            let mut tails: Vec<_> = handles.iter().map(|handle| handle.tail(start)).collect();
            // The first batch comes at once, and says that the tail stands.
            for tail in &mut tails {
                tail.next().await.context("the tail ended")?.map_err(anyhow::Error::from)?;
            }
            let events = batch * (RATE * SECONDS) as usize;
            let readers: Vec<_> = tails.into_iter().map(|tail| read(tail, events)).collect();
            let (spent, sent) = (cpu()?, loopback()?);
            let published = publish(&hub, batch).await?;
            let read = timeout(Duration::from_secs(60), future::try_join_all(readers)).await.context("in time")??;
            let (spent, sent) = (cpu()?.saturating_sub(spent), loopback()? - sent);
            let mut times = Vec::new();
            for arrived in read {
                times.extend(published.iter().zip(arrived?).map(|(from, to)| to.saturating_duration_since(*from)));
            }
            let each = alone.map(|(cpu, bytes)| {
                let deliveries = (count * events) as f64;
                let cpu = spent.saturating_sub(cpu).as_secs_f64() * 1e6 / deliveries;
                format!("  {cpu:>19.1}  {:>23.0}", sent.saturating_sub(bytes) as f64 / deliveries)
            });
            let busy = spent.as_secs_f64() * 1_000.0 / f64::from(SECONDS);
            let late = if count > 0 { shown(times) } else { String::new() };
            let rate = batch * RATE as usize;
            println!("{rate:>8}  {count:>5}  {late:>23}  {busy:>16.0}{}", each.unwrap_or_default());
            alone.get_or_insert((spent, sent));
            future::join_all(handles.iter().map(Engine::close)).await;
        }
    }
    hub.drain(Duration::ZERO).await;
    Ok(())
}

/// When each of so many events arrives on a tail.
fn read(mut tail: Tail, events: usize) -> JoinHandle<Result<Vec<Instant>>> {
    tokio::spawn(async move {
        let mut arrived = Vec::new();
        while arrived.len() < events {
            let batch = tail.next().await.context("the tail ended")??;
            arrived.extend(batch.records.iter().map(|_| Instant::now()));
        }
        Ok(arrived)
    })
}

async fn publish(hub: &Hub, batch: usize) -> Result<Vec<Instant>> {
    let mut tick = interval(Duration::from_secs(1) / RATE);
    let mut published = Vec::new();
    for number in 0..RATE * SECONDS {
        tick.tick().await;
        let payload = serde_json::json!({ "n": number, "text": "x".repeat(PAYLOAD - 18) });
        let events =
            (0..batch).map(|_| Event::new("bench:tails", "measured", &payload)).collect::<Result<Vec<_>, _>>()?;
        published.extend(vec![Instant::now(); batch]);
        hub.publish_all(events).await?;
    }
    Ok(published)
}

/// The bytes that the loopback interface has carried.
fn loopback() -> Result<u64> {
    let table = fs::read_to_string("/proc/net/dev")?;
    let line = table.lines().find_map(|line| line.trim().strip_prefix("lo:")).context("no loopback interface")?;
    Ok(line.split_whitespace().next().context("no figures")?.parse()?)
}

/// The median and the 99th percentile.
fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
    format!("{:.2} ms, {:.2} ms", at(50), at(99))
}

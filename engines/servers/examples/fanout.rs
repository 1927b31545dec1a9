//! What a delivery costs the hubs, where one hub holds all streams and where three hold a third each: processor time of
//! the hubs' processes, kernel and user, by the events that were received.
//!
//! ```text
//! cargo xtask bench --fanout
//! ```
//!
//! Each hub is a process of its own on one PostgreSQL. The streams are plain HTTP/1 connections, spread evenly over the
//! hubs and the channels; events are published at the first hub, to one channel after the other.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::{Router, extract::State, routing::post};
use tidings::{
    Event, Hub,
    auth::{Auth, AuthRequest, Identity},
};
use tidings_postgres::Postgres as Engine;
use tidings_servers::{Postgres, processor_time};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

const STREAMS: usize = 15_000;
/// Channels, and events a second: 30,000 deliveries a second where all streams receive each event, otherwise 20,000.
const SHAPES: [(usize, u32); 4] = [(1, 2), (15, 20), (150, 200), (750, 1_000)];
const SECONDS: u32 = 10;
const ROUNDS: usize = 3;
const HUBS: [usize; 2] = [1, 3];
const PAYLOAD: usize = 189;
/// Occurs once in each event and nowhere else on a stream.
const MARK: u8 = b'@';

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1) {
        Some(url) => serve(&url).await,
        None => measure().await,
    }
}

/// One hub, which prints its address.
async fn serve(url: &str) -> Result<()> {
    let hub = Hub::builder().engine(Engine::open(url).await?).build().await?;
    let auth = |_: AuthRequest| async { Ok(Identity::anonymous()) };
    let routes = tidings::routes(hub.clone(), auth.allow("shape:*")?);
    let app = Router::new().route("/publish", post(publish)).with_state(hub).nest("/events", routes);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    tidings::serve(listener, app).await?;
    Ok(())
}

async fn publish(State(hub): State<Hub>, channel: String) -> Result<(), tidings::PublishError> {
    let payload = serde_json::json!({ "text": format!("@{}", "x".repeat(PAYLOAD - 12)) });
    hub.publish(Event::new(&channel, "measured", &payload).expect("a valid event")).await?;
    Ok(())
}

async fn measure() -> Result<()> {
    println!("{STREAMS} streams, events of {PAYLOAD} B, {SECONDS} s each, medians of {ROUNDS} rounds\n");
    println!("receivers  events/s  hubs   \u{b5}s a delivery   beside one hub");
    for (channels, rate) in SHAPES {
        let mut figures = HUBS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (figures, hubs) in figures.iter_mut().zip(HUBS) {
                figures.push(round(hubs, channels, rate).await?);
            }
        }
        let medians = figures.map(|mut figures| {
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        });
        for (hubs, median) in HUBS.into_iter().zip(medians) {
            let receivers = STREAMS / channels;
            println!("{receivers:>9}  {rate:>8}  {hubs:>4}  {median:>14.2}  {:>15.2}", median / medians[0]);
        }
    }
    Ok(())
}

/// Processor time of all hubs for each delivery, in µs.
async fn round(hubs: usize, channels: usize, rate: u32) -> Result<f64> {
    let server = Postgres::start()?;
    let mut running = Vec::new();
    for _ in 0..hubs {
        running.push(start(&server.url()).await?);
    }
    let received = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for number in 0..STREAMS {
        let stream = open(&running[number / channels % hubs].address, number % channels).await?;
        streams.spawn(read(stream, received.clone()));
    }
    // The hubs have nothing left to do with the openings.
    sleep(Duration::from_secs(2)).await;
    let mut publisher = BufReader::new(TcpStream::connect(&running[0].address).await?);
    let cpu = || running.iter().map(|hub| processor_time(hub.pid)).sum::<Duration>();
    let (before, mut tick) = (cpu(), interval(Duration::from_secs(1) / rate));
    for number in 0..rate * SECONDS {
        tick.tick().await;
        let channel = format!("shape:{}", number as usize % channels);
        let head =
            "POST /publish HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length:";
        publisher.get_mut().write_all(format!("{head}{}\r\n\r\n{channel}", channel.len()).as_bytes()).await?;
        let mut line = String::new();
        publisher.read_line(&mut line).await?;
        ensure!(line.contains("200"), "publishing: {line}");
        while line != "\r\n" {
            line.clear();
            publisher.read_line(&mut line).await?;
        }
    }
    let all = u64::from(rate * SECONDS) * (STREAMS / channels) as u64;
    let until = Instant::now() + Duration::from_secs(30);
    while received.load(Ordering::Relaxed) < all && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
    let (spent, received) = (cpu() - before, received.load(Ordering::Relaxed));
    ensure!(received == all, "{received} of {all} deliveries");
    Ok(spent.as_secs_f64() * 1e6 / all as f64)
}

struct Running {
    address: String,
    pid: i32,
    /// Dropping it ends the process.
    _child: Child,
    /// The process would end if its output were closed and written to.
    _output: BufReader<ChildStdout>,
}

async fn start(url: &str) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.arg(url).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("a pipe")?);
    let mut address = String::new();
    timeout(Duration::from_secs(30), output.read_line(&mut address)).await.context("a hub does not start")??;
    let pid = i32::try_from(child.id().context("the hub has ended")?)?;
    Ok(Running { address: address.trim().to_owned(), pid, _child: child, _output: output })
}

/// Opens a stream, and reads until it is open.
async fn open(address: &str, channel: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /events?channels=shape:{channel} HTTP/1.1\r\nhost: bench\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = [0; 4_096];
    let (mut length, mut head) = (0, String::new());
    while !head.contains("connected") {
        let read = stream.read(&mut bytes[length..]).await?;
        ensure!(read > 0 && length + read < bytes.len(), "no stream: {head}");
        length += read;
        head = String::from_utf8_lossy(&bytes[..length]).into_owned();
    }
    Ok(stream)
}

async fn read(mut stream: TcpStream, received: Arc<AtomicU64>) {
    let mut bytes = [0; 2_048];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        let marks = bytes[..read].iter().filter(|byte| **byte == MARK).count();
        received.fetch_add(marks as u64, Ordering::Relaxed);
    }
}

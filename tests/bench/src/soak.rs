//! Soak: everything at once for as long as you like, on a hub of each engine, and the hub's resources meanwhile.
//! Streams come and go, events are published, channels are subscribed, unsubscribed, granted and revoked, presence is
//! on, and some clients do not read.

mod picture;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

pub use self::picture::svg;
use crate::{
    payload::BYTES,
    process::Process,
    publisher::{self, Connection, Load},
    swarm::Swarm,
};

/// How many streams are open; the next constant is how many of them are replaced each second.
const STREAMS: usize = 5_000;
const CHANGES: usize = 50;
/// Events per second, each received by one in a hundred streams.
const RATE: f64 = 200.0;
const LISTS: usize = 100;
/// Clients that never read, which the server drops now and then.
const SLOW: usize = 20;
/// The minute from which on memory should not grow, because the default window holds ten minutes.
const SETTLED: usize = 15;

/// The figures of a hub for one minute.
#[derive(Debug, Clone, Copy)]
pub struct Minute {
    /// Resident memory in MiB.
    pub resident: f64,
    /// Files and sockets.
    pub descriptors: usize,
    /// The median time from due to read, in ms.
    pub p50: f64,
    /// The 99th percentile of the time from due to read, in ms.
    pub p99: f64,
    /// Open streams.
    pub open: usize,
    /// Streams that the server ended.
    pub lost: usize,
    /// Events that streams received.
    pub events: u64,
}

/// The result of one engine's hub.
#[derive(Debug)]
pub struct Course {
    /// The engine's name.
    pub engine: &'static str,
    /// The figures, minute by minute.
    pub minutes: Vec<Minute>,
    /// Descriptors that remain after all streams were closed, beyond those before.
    pub left: i64,
}

impl Course {
    /// The relative growth of resident memory since it should have settled; `None` if the run is too short.
    #[must_use]
    pub fn growth(&self) -> Option<f64> {
        let (settled, last) = (self.minutes.get(SETTLED - 1)?, self.minutes.last()?);
        (self.minutes.len() > SETTLED).then(|| last.resident / settled.resident - 1.0)
    }
}

/// Runs a hub on this engine for this many minutes, and calls `show` for each.
///
/// # Errors
///
/// If the hub or the generator fails.
pub fn run(
    hub: &Path,
    engine: &'static str,
    minutes: usize,
    folder: &Path,
    show: impl Fn(usize, &Minute),
) -> Result<Course> {
    let mut command = Command::new(hub);
    command.args(["--listen", "127.0.0.1:0", "--heartbeat-ms", "15000", "--presence", "2000,60000", "--backend"]);
    if engine == "sqlite" {
        let file: PathBuf = folder.join("soak.db");
        command.arg("--engine").arg(format!("sqlite:{}", file.display()));
    }
    let (process, address) = Process::start(&command, &folder.join(format!("{engine}.log")))?;
    let before = process.descriptors()?;
    let done = AtomicBool::new(false);
    let minutes = thread::scope(|scope| -> Result<_> {
        let beside = [
            scope.spawn(|| publish(address, &done)),
            scope.spawn(|| command_channels(address, &done)),
            scope.spawn(|| never_read(address, &done)),
        ];
        let course = listen(&process, address, minutes, show);
        done.store(true, Ordering::Release);
        for worker in beside {
            worker.join().unwrap_or_else(|_| bail!("a client panicked"))?;
        }
        course
    })?;
    let left = settled_descriptors(&process, before)?;
    Ok(Course { engine, minutes, left })
}

/// How many more descriptors there are than before, once all clients have gone; connections need a moment to end.
#[allow(clippy::cast_possible_wrap, reason = "thousands")]
fn settled_descriptors(process: &Process, before: usize) -> Result<i64> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = process.descriptors()?;
        if now <= before || Instant::now() > deadline {
            return Ok(now as i64 - before as i64);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds and MiB")]
fn listen(
    process: &Process,
    address: SocketAddr,
    minutes: usize,
    show: impl Fn(usize, &Minute),
) -> Result<Vec<Minute>> {
    let patience = Duration::from_secs(30);
    let request = |number: usize| {
        format!(
            "GET /api/events?user=u{}&deviceId=d{number}&channels=item:{number},list:{} HTTP/1.1\r\nhost: {address}\r\n\r\n",
            number % STREAMS,
            number % LISTS,
        )
    };
    let mut swarm = Swarm::new()?;
    swarm.open(address, STREAMS, 64, Instant::now() + patience, request)?;
    let mut course = Vec::new();
    for minute in 1..=minutes {
        swarm.forget_latencies();
        let events = swarm.tally().events;
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let second = Instant::now() + Duration::from_secs(1);
            swarm.leave(CHANGES);
            swarm.open(address, CHANGES, 8, second + patience, request)?;
            swarm.read_until(second, |_| false)?;
        }
        let tally = swarm.tally();
        let millis = |quantile| tally.latency.value_at_quantile(quantile) as f64 / 1e6;
        let now = Minute {
            resident: process.memory()?.resident / 1_024.0,
            descriptors: process.descriptors()?,
            p50: millis(0.5),
            p99: millis(0.99),
            open: tally.open,
            lost: tally.lost,
            events: tally.events - events,
        };
        show(minute, &now);
        course.push(now);
    }
    Ok(course)
}

fn publish(address: SocketAddr, done: &AtomicBool) -> Result<()> {
    let next = AtomicUsize::new(0);
    let load = Load { rate: Some(RATE), events: u64::MAX, within: Duration::from_secs(1 << 30), bytes: BYTES };
    let published = publisher::publish_until(address, load, done, |payload| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        // One event in a hundred is for the clients that do not read.
        let channel = if number % 100 == 99 { String::from("slow") } else { format!("list:{}", number % LISTS) };
        post(address, "/api/events/publish", &format!(r#"{{"channel":"{channel}","type":"tick","payload":{payload}}}"#))
    })?;
    ensure!(published.failure.is_none(), "publishing failed: {}", published.failure.unwrap_or_default());
    Ok(())
}

fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Has a stream subscribe and unsubscribe ever new channels, and has the backend revoke and restore channels of users.
fn command_channels(address: SocketAddr, done: &AtomicBool) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(format!("GET /api/events?user=commander HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let id = connection_id(&mut stream)?;
    // The stream is read and its content ignored; otherwise it would be a slow reader.
    stream.set_nonblocking(true)?;
    let mut calls = Connection::open(address)?;
    let mut buffer = vec![0; 64 << 10];
    for number in 0_usize.. {
        if done.load(Ordering::Acquire) {
            break;
        }
        let channel = format!(r#"{{"connectionId":"{id}","requestId":"r{number}","channels":["chat:{number}"]}}"#);
        calls.post(&post(address, "/api/events/subscribe?user=commander", &channel))?;
        calls.post(&post(address, "/api/events/unsubscribe?user=commander", &channel))?;
        let user = number % STREAMS;
        calls.post(&post(address, &format!("/backend/give/u{user}/given:{user}"), ""))?;
        calls.post(&post(address, &format!("/backend/take/u{user}/given:{user}"), ""))?;
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn connection_id(stream: &mut TcpStream) -> Result<String> {
    const NAME: &[u8] = b"\"connectionId\":\"";
    let (mut text, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let length = stream.read(&mut buffer).context("waiting for the first frame")?;
        ensure!(length > 0, "the server ended the stream");
        text.extend_from_slice(&buffer[..length]);
        let Some(at) = memmem::find(&text, NAME) else { continue };
        let id = &text[at + NAME.len()..];
        if let Some(end) = memchr::memchr(b'"', id) {
            return Ok(String::from_utf8(id[..end].to_vec())?);
        }
    }
}

/// Clients that open a stream and read nothing; each is reopened from time to time.
fn never_read(address: SocketAddr, done: &AtomicBool) -> Result<()> {
    let mut streams = Vec::new();
    for number in 0_usize.. {
        if done.load(Ordering::Acquire) {
            break;
        }
        if number % 50 == 0 {
            if streams.len() >= SLOW {
                streams.remove(0);
            }
            let mut stream = TcpStream::connect(address)?;
            let request = format!("GET /api/events?channels=slow,list:1,list:2 HTTP/1.1\r\nhost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            streams.push(stream);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

//! Shows the cost when many clients come back from far behind at once: 300 streams resume 250,000 records back in an
//! SQLite log of 300,000, about 100 matches each, while another user resumes ten events back ten times a second, and a
//! canary listens live.
//!
//! `cargo run --release -p tidings --features sqlite --example comeback`
#![allow(clippy::print_stdout, reason = "the program prints figures")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use tidings::{
    Cursor, Event, Hub, Limits, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::Sqlite,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{interval, sleep},
};

const BEFORE: usize = 50_000;
const AFTER: usize = 250_000;
const STREAMS: usize = 300;
/// One record in this many is for one of the streams.
const EVERY: usize = 8;
const BATCH: usize = 1_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let hub = Hub::builder().engine(Sqlite::open(directory.path().join("log.db"))?).build().await?;
    let auth = |request: AuthRequest| {
        let identity = request.bearer().ok_or(AuthError::Missing).and_then(Identity::user);
        async move { identity }
    };
    // All streams belong to one user here.
    let limits = Limits::default().connections_per_user(10_000).open_rate(Rate::per_second(10_000));
    let routes = Routes::new(hub.clone(), auth.allow("*")?).limits(limits).into_router();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(tidings::serve(listener, Router::new().nest("/events", routes)).into_future());

    let mut since = None;
    let mut matches = vec![0; STREAMS];
    for batch in 0..(BEFORE + AFTER) / BATCH {
        let events = (0..BATCH).map(|index| {
            let number = batch * BATCH + index;
            let of_stream = number >= BEFORE && number.is_multiple_of(EVERY);
            let stream = number / EVERY % STREAMS;
            matches[stream] += usize::from(of_stream);
            let channel = if of_stream { format!("storm:{stream}") } else { format!("noise:{}", number % 997) };
            Event::new(channel, "changed", &format!("{number:0>200}"))
        });
        let receipts = hub.publish_all(events.collect::<Result<Vec<_>, _>>()?).await?;
        if (batch + 1) * BATCH == BEFORE {
            since = receipts.last().map(|receipt| receipt.cursor);
        }
    }
    let since = since.ok_or("nothing was published")?;

    let storming = Arc::new(AtomicBool::new(true));
    let canary = tokio::spawn(canary(hub.clone(), address, storming.clone()));
    let ten = tokio::spawn(ten(hub.clone(), address, storming.clone()));
    sleep(Duration::from_millis(300)).await;

    let started = Instant::now();
    let mut streams = JoinSet::new();
    for (stream, matches) in matches.into_iter().enumerate() {
        streams.spawn(async move {
            let mut reader = Reader::open(address, "storm", &format!("storm:{stream}"), Some(since)).await?;
            reader.read(matches).await?;
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = streams.join_next().await {
        done??;
    }
    println!("{STREAMS} streams, {AFTER} records back: all caught up in {:.2} s", started.elapsed().as_secs_f64());
    storming.store(false, Ordering::Relaxed);
    show("ten events back, another user, until the tenth", ten.await??);
    show("live, until it is read", canary.await??);
    Ok(())
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1))).copied();
    let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1_000.0;
    println!("{what}: {} times, p50 {:.1} ms, p99 {:.1} ms", times.len(), ms(at(50)), ms(at(99)));
}

/// Measures how long a live event takes.
async fn canary(hub: Hub, address: SocketAddr, storming: Arc<AtomicBool>) -> Result<Vec<Duration>, Failure> {
    let mut reader = Reader::open(address, "canary", "canary", None).await?;
    let mut times = Vec::new();
    let mut ticks = interval(Duration::from_millis(20));
    while storming.load(Ordering::Relaxed) {
        ticks.tick().await;
        let started = Instant::now();
        hub.publish(Event::new("canary", "sang", &0)?).await?;
        reader.read(1).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// Measures how long another user takes to receive the last ten events.
async fn ten(hub: Hub, address: SocketAddr, storming: Arc<AtomicBool>) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    let mut ticks = interval(Duration::from_millis(100));
    while storming.load(Ordering::Relaxed) {
        ticks.tick().await;
        let since = hub.cursor();
        for number in 0..10 {
            hub.publish(Event::new("ten", "changed", &number)?).await?;
        }
        let started = Instant::now();
        Reader::open(address, "ten", "ten", Some(since)).await?.read(10).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// A stream on a bare socket, whose events are counted.
struct Reader {
    socket: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Reader {
    async fn open(address: SocketAddr, user: &str, channel: &str, since: Option<Cursor>) -> Result<Self, Failure> {
        let mut socket = TcpStream::connect(address).await?;
        let since = since.map(|since| format!("&lastEventId={since}")).unwrap_or_default();
        let request = format!(
            "GET /events?channels={channel}{since} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {user}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await?;
        let mut reader = Self { socket, buffer: Vec::new(), read: 0 };
        while !reader.find(b"event: connected") {
            reader.more().await?;
            if !reader.buffer.starts_with(b"HTTP/1.1 200") && reader.buffer.starts_with(b"HTTP/1.1 ") {
                return Err("the stream was refused".into());
            }
        }
        Ok(reader)
    }

    async fn more(&mut self) -> Result<(), Failure> {
        // Scanned bytes are dropped, except for the possible beginning of a mark.
        let kept = self.read.min(self.buffer.len());
        self.buffer.drain(..kept);
        self.read = 0;
        let mut chunk = vec![0; 64 << 10];
        let count = self.socket.read(&mut chunk).await?;
        if count == 0 {
            return Err("the stream ended".into());
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    /// Whether the mark occurs in the rest of the buffer. If so, moves behind it.
    fn find(&mut self, mark: &[u8]) -> bool {
        match self.buffer[self.read..].windows(mark.len()).position(|window| window == mark) {
            Some(at) => {
                self.read += at + mark.len();
                true
            }
            None => {
                self.read = self.read.max(self.buffer.len().saturating_sub(mark.len()));
                false
            }
        }
    }

    /// Reads this many events; a gap is an error.
    async fn read(&mut self, mut events: usize) -> Result<(), Failure> {
        while events > 0 {
            if self.find(b"data: {\"channel\"") {
                events -= 1;
            } else {
                self.more().await?;
            }
        }
        Ok(())
    }
}

//! POSTs at a rate over a few kept connections. An event is due at its time whether or not the server has acknowledged
//! the earlier ones. If all connections are busy the event is sent late, and its stamp still says when it was due.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;

use crate::payload::{payload, stamp};

/// The most POSTs in flight.
const CONNECTIONS: usize = 16;
/// A server that does not acknowledge within this time has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many events to publish, and when.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Events per second; `None` publishes as fast as they are acknowledged.
    pub rate: Option<f64>,
    /// The most events.
    pub events: u64,
    /// The time after which nothing is published.
    pub within: Duration,
    /// The length of each payload in bytes.
    pub bytes: usize,
}

/// The result of publishing.
#[derive(Debug)]
pub struct Published {
    /// When the first event was due.
    pub start: Instant,
    /// How many events were acknowledged.
    pub events: u64,
    /// The time from sending a POST to its answer, in nanoseconds.
    pub acknowledged: Histogram<u64>,
    /// Why not all events were acknowledged: a publish was refused or not answered in time, and its publisher stopped
    /// there.
    pub failure: Option<String>,
}

/// Publishes. Returns when everything was acknowledged or has failed.
///
/// # Errors
///
/// If nothing was acknowledged.
pub fn publish(address: SocketAddr, load: Load, request: impl Fn(&str) -> String + Sync) -> Result<Published> {
    publish_until(address, load, &AtomicBool::new(false), request)
}

/// Publishes until it is told to end.
///
/// # Errors
///
/// If nothing was acknowledged.
pub fn publish_until(
    address: SocketAddr,
    load: Load,
    done: &AtomicBool,
    request: impl Fn(&str) -> String + Sync,
) -> Result<Published> {
    let start = Instant::now();
    let acknowledged = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
    let published = Mutex::new(Published { start, events: 0, acknowledged, failure: None });
    let next = AtomicU64::new(0);
    let work = || -> Result<()> {
        let mut connection = Connection::open(address)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = match load.rate {
                #[allow(clippy::cast_precision_loss, reason = "it counts thousands")]
                Some(rate) => start + Duration::from_secs_f64(number as f64 / rate),
                None => Instant::now(),
            };
            let is_over = number >= load.events || due.max(Instant::now()) >= start + load.within;
            if is_over || done.load(Ordering::Acquire) {
                return Ok(());
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let sent = Instant::now();
            connection.post(&request(&payload(stamp(due), load.bytes)))?;
            let took = u64::try_from(sent.elapsed().as_nanos())?;
            let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
            published.events += 1;
            published.acknowledged.saturating_record(took);
        }
    };
    let ends: Vec<Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a publisher panicked"))).collect()
    });
    let mut published = published.into_inner().unwrap_or_else(PoisonError::into_inner);
    for error in ends.into_iter().filter_map(Result::err) {
        ensure!(published.events > 0, error);
        published.failure.get_or_insert_with(|| format!("{error:#}"));
    }
    Ok(published)
}

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nothing listens there.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).context("connecting to publish")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { socket, answer: Vec::new() })
    }

    /// Sends a request, and reads the answer.
    ///
    /// # Errors
    ///
    /// If the request is refused, or not answered in time.
    pub fn post(&mut self, request: &str) -> Result<()> {
        self.socket.write_all(request.as_bytes()).context("publishing")?;
        self.answer.clear();
        let mut buffer = [0; 4_096];
        while !is_whole(&self.answer)? {
            let length = self.socket.read(&mut buffer).context("waiting for a publish to be acknowledged")?;
            ensure!(length > 0, "the server ended the publisher's connection");
            self.answer.extend_from_slice(&buffer[..length]);
        }
        Ok(())
    }
}

/// Whether the answer is complete.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer)? else { return Ok(false) };
    if !response.code.is_some_and(|code| (200..300).contains(&code)) {
        bail!("a publish was refused: {}", String::from_utf8_lossy(answer));
    }
    let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    Ok(match header("content-length") {
        Some(length) => answer.len() - head >= std::str::from_utf8(length.value)?.trim().parse::<usize>()?,
        None if header("transfer-encoding").is_some() => answer.ends_with(b"0\r\n\r\n"),
        // A 204 has no body.
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_at_its_last_byte() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
        assert!(!is_whole(&text[..text.len() - 1]).unwrap());
        assert!(is_whole(text).unwrap());
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(is_whole(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}

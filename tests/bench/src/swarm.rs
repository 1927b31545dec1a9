//! Thousands of streams on one epoll and one thread, as cheap as a client can be: a socket, some 100 bytes of state,
//! and one read whenever data has arrived. The swarm's own cost reduces what remains for the servers it measures.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
};
use socket2::{Domain, Socket, Type};

use crate::{payload, reader::Reader};

/// The most epoll events taken at once.
const BATCH: usize = 1_024;
/// The number of loopback addresses that streams connect from. Each address has ports of its own: once half of the ports of one are in
/// use, the kernel searches for up to 5 ms for the next, and the search would take most of a storm.
const SOURCES: usize = 16;
/// The most bytes read at once.
const READ: usize = 256 << 10;

/// The totals over all streams.
#[derive(Debug)]
pub struct Tally {
    /// Streams whose head has arrived.
    pub open: usize,
    /// Streams that were refused or that ended.
    pub lost: usize,
    /// Streams that [left](Swarm::leave) by themselves.
    pub gone: usize,
    /// Why the first of the lost streams was lost.
    pub first_loss: Option<String>,
    /// Streams that have received as many payloads as was [asked for](Swarm::count_those_with).
    pub caught_up: usize,
    /// Payloads received.
    pub events: u64,
    /// Bytes received, heads and frames included.
    pub bytes: u64,
    /// Reads that returned data.
    pub reads: u64,
    /// When the last payload arrived.
    pub last_event: Option<Instant>,
    /// The time from when an event was due to when it was read, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Tally {
    fn new() -> Result<Self> {
        let latency = Histogram::new_with_bounds(1_000, 600_000_000_000, 3)?;
        Ok(Self {
            open: 0,
            lost: 0,
            gone: 0,
            first_loss: None,
            caught_up: 0,
            events: 0,
            bytes: 0,
            reads: 0,
            last_event: None,
            latency,
        })
    }
}

impl Tally {
    /// The number of streams that are not being opened.
    fn settled(&self) -> usize {
        self.open + self.lost + self.gone
    }
}

#[derive(Debug)]
struct Stream {
    socket: Socket,
    /// The rest of the request to send.
    request: Option<String>,
    reader: Reader,
    /// The payloads received.
    events: u64,
}

/// A set of open streams.
pub struct Swarm {
    epoll: OwnedFd,
    streams: Vec<Option<Stream>>,
    tally: Tally,
    ready: Vec<epoll::Event>,
    buffer: Vec<u8>,
    /// How many payloads a stream needs to count as caught up.
    goal: u64,
}

impl Swarm {
    /// An empty swarm.
    ///
    /// # Errors
    ///
    /// If the system grants no epoll.
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            streams: Vec::new(),
            tally: Tally::new()?,
            ready: Vec::with_capacity(BATCH),
            buffer: vec![0; READ],
            goal: 1,
        })
    }

    /// Resets the latency histogram.
    pub fn forget_latencies(&mut self) {
        self.tally.latency.reset();
    }

    /// Counts streams as caught up after this many payloads; applies to streams opened from now on.
    pub fn count_those_with(&mut self, payloads: u64) {
        self.goal = payloads;
    }

    /// The totals so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Opens streams, at most `at_once` of them in progress at a time, until all are open or the time is over.
    ///
    /// # Errors
    ///
    /// If the system grants no more sockets.
    pub fn open(
        &mut self,
        address: SocketAddr,
        count: usize,
        at_once: usize,
        deadline: Instant,
        mut request: impl FnMut(usize) -> String,
    ) -> Result<()> {
        let goal = self.streams.len() + count;
        while self.tally.settled() < goal && Instant::now() < deadline {
            let under_way = self.streams.len() - self.tally.settled();
            for _ in 0..(goal - self.streams.len()).min(at_once.saturating_sub(under_way)) {
                let request = request(self.streams.len());
                self.start(address, request)?;
            }
            self.poll(deadline)?;
        }
        Ok(())
    }

    /// Closes the oldest open streams.
    pub fn leave(&mut self, count: usize) {
        let oldest =
            self.streams.iter_mut().filter(|stream| stream.as_ref().is_some_and(|stream| stream.reader.is_open()));
        for stream in oldest.take(count) {
            *stream = None;
            self.tally.open -= 1;
            self.tally.gone += 1;
        }
    }

    fn start(&mut self, address: SocketAddr, request: String) -> Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).context("one more socket")?;
        socket.set_nonblocking(true)?;
        // Otherwise thousands of closed connections would stay in TIME_WAIT for a minute, each with its port.
        socket.set_linger(Some(Duration::ZERO))?;
        if let SocketAddr::V4(address) = address
            && address.ip().is_loopback()
        {
            let last = u8::try_from(self.streams.len() % SOURCES)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 1 + last), 0)).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(error).with_context(|| format!("connecting to {address}"));
            }
            _ => {}
        }
        let data = epoll::EventData::new_u64(self.streams.len() as u64);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::OUT)?;
        self.streams.push(Some(Stream { socket, request: Some(request), reader: Reader::default(), events: 0 }));
        Ok(())
    }

    /// Reads until `done` returns true, which is asked after every round, or the time is over.
    ///
    /// # Errors
    ///
    /// If epoll fails.
    pub fn read_until(&mut self, deadline: Instant, mut done: impl FnMut(&Tally) -> bool) -> Result<()> {
        while !done(&self.tally) && Instant::now() < deadline {
            // The wait is short, because `done` may depend on other threads.
            self.poll(deadline.min(Instant::now() + Duration::from_millis(20)))?;
        }
        Ok(())
    }

    fn poll(&mut self, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs())?, tv_nsec: left.subsec_nanos().into() };
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            result => result?,
        };
        for at in 0..self.ready.len() {
            let slot = usize::try_from(self.ready[at].data.u64())?;
            self.serve(slot);
        }
        Ok(())
    }

    fn serve(&mut self, slot: usize) {
        let Some(stream) = &mut self.streams[slot] else { return };
        let was_open = stream.reader.is_open();
        let result = match stream.request.take() {
            Some(request) => stream.send(&self.epoll, slot, &request),
            None => stream.read(&mut self.buffer, &mut self.tally, self.goal),
        };
        if !was_open && stream.reader.is_open() {
            self.tally.open += 1;
        }
        if let Err(error) = result {
            self.tally.open -= usize::from(stream.reader.is_open());
            self.tally.lost += 1;
            self.tally.first_loss.get_or_insert_with(|| format!("{error:#}"));
            self.streams[slot] = None;
        }
    }
}

impl Stream {
    /// Sends the request on an established connection; it is small enough for the socket to take it whole.
    fn send(&mut self, epoll: &OwnedFd, slot: usize, request: &str) -> Result<()> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error).context("connecting");
        }
        self.socket.write_all(request.as_bytes()).context("sending the request")?;
        epoll::modify(epoll, &self.socket, epoll::EventData::new_u64(slot as u64), epoll::EventFlags::IN)?;
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally, goal: u64) -> Result<()> {
        let length = match self.socket.read(buffer) {
            Ok(0) => anyhow::bail!("the server ended the stream"),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("reading"),
        };
        let now = Instant::now();
        let stamp = payload::stamp(now);
        tally.reads += 1;
        tally.bytes += length as u64;
        let before = tally.events;
        self.reader.push(&buffer[..length], &mut |due| {
            tally.events += 1;
            tally.latency.saturating_record(stamp.saturating_sub(due));
        })?;
        if tally.events > before {
            let had = self.events;
            self.events += tally.events - before;
            tally.caught_up += usize::from((had + 1..=self.events).contains(&goal));
            tally.last_event = Some(now);
        }
        Ok(())
    }
}

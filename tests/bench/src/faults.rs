//! The same faults for every peer: plain readers whose connections are cut at random and who stay away for up to 16 s,
//! and a server that is killed three times. The run counts acknowledged events that a reader never received, separately
//! with and without a reported gap.

mod ledger;

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use tidings_protocol::sse::Decoder;

use self::ledger::{Ledger, Missed};
use crate::{
    payload::{BYTES, payload, stamp},
    peer::{Kind, Speaker},
    publisher::Connection,
    reader::{self, BodyReader},
};

const READERS: u64 = 30;
/// Events per second.
const RATE: u32 = 100;
/// The interval at which the server is killed.
const KILL: Duration = Duration::from_secs(8);
const KILLS: u32 = 3;
/// When nothing new has arrived for this long at the end, a reader has all that it will get.
const SILENCE: Duration = Duration::from_secs(3);

/// The column headings for the rows that [`Outcome`] prints.
pub const HEADINGS: &str =
    "peer         acknowledged  missed without a word (readers)  missed and told  needless gaps  heard twice";

/// The events that a peer's readers have missed.
#[derive(Debug)]
pub struct Outcome {
    name: String,
    acknowledged: usize,
    /// How many readers have missed events without a reported gap.
    deceived: usize,
    missed: Missed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, acknowledged, deceived, missed } = self;
        let silent = format!("{} ({deceived})", missed.silent);
        write!(
            f,
            "{name:<12} {acknowledged:>12}  {silent:>31}  {:>15}  {:>13}  {:>11}",
            missed.told, missed.needless, missed.twice,
        )
    }
}

/// A random seed.
#[must_use]
pub fn draw_seed() -> u64 {
    fastrand::u64(..)
}

/// Runs the faults against one peer.
///
/// # Errors
///
/// If the server does not start, or a reader cannot parse its output.
pub fn run(name: &str, kind: &Kind, logs: &Path, seed: u64) -> Result<Outcome> {
    let mut server = kind.start(name, Duration::from_secs(15), logs)?;
    // The server starts with the files that it keeps on disk from the beginning.
    server.kill_and_start()?;
    let speaker = (*server).clone();
    let acknowledged = Mutex::new(Vec::new());
    let (calm, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let ledgers = thread::scope(|scope| -> Result<Vec<Ledger>> {
        let publisher = scope.spawn(|| publish(&speaker, &acknowledged, &done));
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                let random = fastrand::Rng::with_seed(seed ^ (number + 1));
                let (speaker, calm) = (&speaker, &calm);
                scope.spawn(move || read(speaker, usize::try_from(number)?, random, calm))
            })
            .collect();
        let killed = (0..KILLS).try_for_each(|_| {
            thread::sleep(KILL);
            server.kill_and_start()
        });
        thread::sleep(KILL);
        done.store(true, Ordering::Release);
        publisher.join().unwrap_or_else(|_| bail!("the publisher panicked"))?;
        calm.store(true, Ordering::Release);
        let ledgers = readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| bail!("a reader panicked")));
        let ledgers = ledgers.collect();
        killed?;
        ledgers
    })?;
    let acknowledged = acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(!acknowledged.is_empty(), "nothing was acknowledged");
    let each: Vec<_> = ledgers.iter().map(|ledger| ledger.judge(&acknowledged)).collect();
    let deceived = each.iter().filter(|missed| missed.silent > 0).count();
    let missed = each.into_iter().sum();
    Ok(Outcome { name: name.to_owned(), acknowledged: acknowledged.len(), deceived, missed })
}

/// Publishes at the rate. A failed publish is not repeated, because it is unknown whether it was stored.
fn publish(speaker: &Speaker, acknowledged: &Mutex<Vec<u64>>, done: &AtomicBool) -> Result<()> {
    let mut connection = None;
    while !done.load(Ordering::Acquire) {
        let next = Instant::now() + Duration::from_secs(1) / RATE;
        if connection.is_none() {
            connection = Connection::open(speaker.address).ok();
        }
        if let Some(open) = &mut connection {
            let stamp = stamp(Instant::now());
            match open.post(&speaker.publish(&payload(stamp, BYTES))) {
                Ok(()) => acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(stamp),
                Err(_) => connection = None,
            }
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Reads, is cut, stays away and reconnects; once the faults are over, reads until nothing more arrives.
fn read(speaker: &Speaker, number: usize, mut random: fastrand::Rng, calm: &AtomicBool) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    while !calm.load(Ordering::Acquire) {
        let cut = Duration::from_millis(random.u64(500..4_000));
        // A server that is down, or goes down, counts as another cut.
        let _ = read_once(speaker, number, &mut ledger, Some(Instant::now() + cut));
        let away = if random.u8(..) < 64 { random.u64(..16_000) } else { random.u64(..300) };
        let back = Instant::now() + Duration::from_millis(away);
        while Instant::now() < back && !calm.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    read_once(speaker, number, &mut ledger, None)?;
    Ok(ledger)
}

fn read_once(speaker: &Speaker, number: usize, ledger: &mut Ledger, until: Option<Instant>) -> Result<()> {
    let mut stream = TcpStream::connect(speaker.address)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let asked = ledger.id.clone();
    stream.write_all(speaker.subscribe(number, asked.as_deref()).as_bytes())?;
    let (mut body, mut decoder, mut buffer) = (BodyReader::default(), Decoder::new(), vec![0; 64 << 10]);
    let (mut is_open, mut last) = (false, Instant::now());
    while until.map_or_else(|| last.elapsed() < SILENCE, |until| Instant::now() < until) {
        let length = match stream.read(&mut buffer) {
            Ok(0) => bail!("the server ended the stream"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut failed = None;
        body.push(&buffer[..length], &mut |data| {
            let decoded = decoder.push(data, |message| {
                if speaker.tells_gap(message.event, message.data) {
                    ledger.gap();
                }
                reader::find(message.data.as_bytes(), &mut |stamp| {
                    ledger.heard(stamp);
                    last = Instant::now();
                });
                if let Some(id) = speaker.id_of(ledger.id.as_deref(), message.last_event_id, message.data) {
                    ledger.id = Some(id);
                }
            });
            failed = failed.take().or(decoded.err());
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if let (false, Some(head)) = (is_open, body.head()) {
            is_open = true;
            if speaker.head_tells_gap(head, asked.as_deref()) {
                ledger.gap();
            }
        }
    }
    Ok(())
}

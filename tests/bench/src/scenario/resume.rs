//! Resume: 1,000 clients return at the same moment, and each has missed 1,000 events.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memchr::memmem;

use super::{QUIET, Record, Start};
use crate::{
    payload::{BYTES, MARK},
    peer::Server,
    publisher::{self, Load},
    report::Key,
    swarm::Swarm,
};

const CLIENTS: usize = 1_000;
const MISSED: u64 = 1_000;

#[allow(clippy::cast_precision_loss, reason = "counts of millions")]
pub(super) fn run(patience: Duration, start: Start<'_>, record: Record<'_>) -> Result<Option<String>> {
    let server = start(QUIET)?;
    let id = last_id(&server, patience)?;
    let load = Load { rate: None, events: MISSED, within: patience, bytes: BYTES };
    let missed = publisher::publish(server.address, load, |payload| server.publish(payload))?;
    ensure!(missed.events == MISSED, "only {} events could be published", missed.events);

    let mut swarm = Swarm::new()?;
    let before = server.process.cpu()?;
    let (from, expected) = (Instant::now(), CLIENTS as u64 * MISSED);
    let end = from + patience;
    swarm.open(server.address, CLIENTS, CLIENTS, end, |number| server.subscribe(number, Some(&id)))?;
    swarm.read_until(end, |tally| tally.events >= expected)?;
    let took = from.elapsed().as_secs_f64();
    let after = server.process.cpu()?;
    let tally = swarm.tally();
    ensure!(tally.lost == 0, "{} streams lost: {}", tally.lost, tally.first_loss.as_deref().unwrap_or_default());
    ensure!(tally.events > 0, "nothing came");
    let events = tally.events as f64;
    record(Key::ResumeRate, events / took);
    record(Key::ResumeCpu, (after.user + after.system - before.user - before.system) / events);
    let note = || format!("{} of {expected} events came within {took:.0} s", tally.events);
    Ok((tally.events != expected).then(note))
}

/// Receives one event, and returns its id.
pub(super) fn last_id(server: &Server, patience: Duration) -> Result<String> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(server.subscribe(0, None).as_bytes())?;
    let mut text = Vec::new();
    read_to(&mut stream, &mut text, b"\r\n\r\n")?;
    publisher::publish(server.address, Load { rate: None, events: 1, within: patience, bytes: BYTES }, |payload| {
        server.publish(payload)
    })?;
    read_to(&mut stream, &mut text, MARK)?;
    // The rest of that event: a server may send its id after its data.
    let mark = memmem::rfind(&text, MARK).context("the event's payload")?;
    while memmem::find(&text[mark..], b"\n\n").is_none() {
        read_more(&mut stream, &mut text)?;
    }
    server.last_id(&String::from_utf8_lossy(&text)).context("an id")
}

fn read_to(stream: &mut TcpStream, text: &mut Vec<u8>, end: &[u8]) -> Result<()> {
    while memmem::find(text, end).is_none() {
        read_more(stream, text)?;
    }
    Ok(())
}

fn read_more(stream: &mut TcpStream, text: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 4_096];
    let length = stream.read(&mut buffer).context("waiting for the first event")?;
    ensure!(length > 0, "the server ended the stream");
    text.extend_from_slice(&buffer[..length]);
    Ok(())
}

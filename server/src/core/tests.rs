//! The core without a runtime: a log in a `Vec`, steps called by hand, frames abbreviated as text.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::task::ArcWake;
use serde_json::Value;
use tidings_protocol::{
    ConnectionId, Cursor, Pattern, RequestId, SessionId, UserId,
    frame::{Closing, ClosingReason, GapReason},
    sse::{Decoder, Message},
};

use super::{
    Backfill, Core, Link, NotRefreshed, Opening, Refresh, ShutOut, Start, SubscribeCall, Verdict,
    subscriptions::NotSubscribed,
};
use crate::{
    access::{AccessState, Channels, Issued},
    connection::{Concern, Fetched, Hole, Names, Since, Skip, Step},
    engine::{Batch, Location, RoutingKey},
    record::{Audience, Entry, Record},
    segment::Segment,
    testing::entry,
    window::{Lineage, WindowBounds},
};

const MANY: usize = 1 << 20;

/// A core, and all records that its log ever held.
struct Fixture {
    core: Core,
    log: Vec<Record>,
    /// Records up to here were trimmed from the log.
    trimmed: u64,
    /// About records before this one nothing is known any more.
    forgotten: u64,
    /// The damaged record, and its keys if they are known.
    damaged: Option<(u64, Option<HashSet<RoutingKey>>)>,
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl ArcWake for Count {
    fn wake_by_ref(count: &Arc<Self>) {
        count.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn at(seq: u64) -> Cursor {
    Cursor { epoch: 1, seq, tag: if seq == 0 { 0 } else { u32::try_from(seq).unwrap() + 1_000 } }
}

fn fixture(window_records: usize) -> Fixture {
    let bounds = WindowBounds { records: window_records, bytes: usize::MAX, age_ms: u64::MAX };
    let core = Core::new(at(0), bounds, AccessState::default());
    Fixture { core, log: Vec::new(), trimmed: 0, forgotten: 0, damaged: None }
}

impl Fixture {
    fn append(&mut self, entry: Entry) {
        let place = at(self.log.len() as u64 + 1);
        self.log.push(Record { seq: place.seq, tag: place.tag, entry: Arc::new(entry) });
        self.apply_from(self.log.len() - 1);
    }

    /// Applies the records of the log from this index on.
    fn apply_from(&self, index: usize) {
        let batch = Batch { after: at(index as u64), records: self.log[index..].to_vec() };
        self.core.apply(&batch).unwrap();
    }

    fn publish(&mut self, channels: &[&str]) {
        for channel in channels {
            self.append(entry(channel, "t", "1"));
        }
    }

    fn open(&self, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_as(Names::default(), channels, start)
    }

    fn open_as(&self, names: Names, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_with(names, None, channels, start)
    }

    fn open_with(&self, names: Names, issued: Issued, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_asking(names, issued, granted(channels), start)
    }

    fn open_asking(&self, names: Names, issued: Issued, channels: Channels, start: Start) -> Arc<Link> {
        let id = ConnectionId::new(format!("c{}", fastrand::u64(..))).unwrap();
        let opening = Opening { id, names, channels, limit: 100, issued, start, permit: None, is_bare: false };
        self.core.open(opening, 0, |greeting| {
            let id = greeting.id.map(|position| format!("id: {position}\n")).unwrap_or_default();
            let refused = serde_json::json!({"rejected": greeting.refused});
            Bytes::from(format!("{id}event: connected\ndata: {refused}\n\n"))
        })
    }

    /// The frames that the connection writes at this time, without reading the log.
    fn said_at(&self, link: &Link, now_ms: u64) -> Vec<String> {
        let mut said = Vec::new();
        while let Step::Write(frames) = self.core.step(link, 1 << 20, now_ms) {
            said.extend(shorts(&frames));
        }
        said
    }

    fn subscribe(&self, link: &Arc<Link>, request: &str, channels: &[&str], since: Since) {
        let not = self.core.subscribe(link, call(request, granted(channels), since), None, 100);
        assert_eq!(not, Ok(NotSubscribed::default()));
    }

    fn refresh(&self, link: &Link, issued: Issued, channels: &Channels) -> Result<(), NotRefreshed> {
        self.core.refresh(link, Refresh { issued, expires_ms: None, channels, may_watch: |_: &_| true })
    }

    /// All frames that the connection writes, with pages served from the log.
    fn drain(&self, link: &Link, max_bytes: usize) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            match self.core.step(link, max_bytes, 0) {
                Step::Write(frames) => said.extend(shorts(&frames)),
                Step::Read { after } => self.core.page(link, after, self.fetch(link, after)),
                Step::Idle | Step::End => return said,
            }
        }
    }

    fn hear(&self, link: &Link) -> Vec<String> {
        self.drain(link, MANY)
    }

    /// The records of the log after a position, two at a time.
    fn fetch(&self, link: &Link, after: Cursor) -> Fetched {
        if after.seq < self.forgotten {
            return Err(Hole::Gap(GapReason::Trimmed));
        }
        if after.seq < self.trimmed {
            let mut last = HashMap::from_iter(self.core.routing_keys(link).into_iter().map(|key| (key, 0)));
            for record in self.log.iter().filter(|record| record.seq <= self.trimmed) {
                for key in record.entry.routing_keys() {
                    last.entry(key).and_modify(|last| *last = record.seq);
                }
            }
            let concern = Concern::Moved(after.seq, last);
            return Err(Hole::Skip(Skip { to: at(self.trimmed), reason: GapReason::Trimmed, concern }));
        }
        if let Some((through, keys)) = &self.damaged
            && after.seq + 1 == *through
        {
            let concern = keys.clone().map_or(Concern::All, Concern::Keys);
            return Err(Hole::Skip(Skip { to: at(*through), reason: GapReason::Damaged, concern }));
        }
        let held = |record: &&Record| record.seq > after.seq;
        let records: Vec<_> = self.log.iter().filter(held).take(2).cloned().collect();
        let damaged = self.damaged.as_ref().map(|(seq, _)| *seq).filter(|seq| *seq > after.seq);
        let up_to = damaged.unwrap_or(u64::MAX);
        Ok(Arc::new(Segment::read(after, &records[..records.partition_point(|record| record.seq < up_to)])))
    }
}

fn patterns(channels: &[&str]) -> Vec<Pattern> {
    channels.iter().map(|channel| channel.parse().unwrap()).collect()
}

fn granted(channels: &[&str]) -> Channels {
    Channels { granted: patterns(channels), by_server: Vec::new() }
}

fn call(request: &str, channels: Channels, since: Since) -> SubscribeCall {
    SubscribeCall {
        request: Some(RequestId::new(request).unwrap()),
        channels,
        addressed: false,
        backfill: backfill(since),
    }
}

/// Requested channels that no grant covers.
fn ungranted(channels: &[&str]) -> Channels {
    Channels { granted: Vec::new(), by_server: patterns(channels) }
}

/// The abbreviations of the frames in these pieces.
fn shorts(pieces: &[Bytes]) -> Vec<String> {
    let text = String::from_utf8(pieces.concat()).unwrap();
    text.split_inclusive("\n\n").map(|frame| short(frame.as_bytes())).collect()
}

/// The abbreviation of a frame: its name unless it is an event, its subject, and the position of its id.
fn short(frame: &[u8]) -> String {
    let mut said = Vec::new();
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let own = |text: &str| text.to_owned();
    let read = |message: Message<'_>| {
        messages.push((own(message.event), own(message.data), own(message.last_event_id)));
    };
    decoder.push(frame, read).unwrap();
    for (event, data, id) in messages {
        let data: Value = serde_json::from_str(&data).unwrap();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let seq = |text: &str| text.parse::<Cursor>().map(|cursor| cursor.seq).unwrap_or_default();
        said.push(match event.as_str() {
            "message" => format!("{} {}", seq(&id), text("channel")),
            "backfill" => format!("backfill {} {} {}", text("requestId"), seq(&text("cursor")), text("channel")),
            "subscribed" => format!("subscribed {} {}", text("requestId"), seq(&text("cursor"))),
            "gap" => {
                let addressed = if data["addressed"] == true { " addressed" } else { "" };
                format!("gap {}{addressed} {}", data["channels"], text("reason"))
            }
            "closing" => format!("closing {}", text("reason")),
            "revoked" => format!("revoked {} {}", data["channels"], text("code")),
            "connected" if data["rejected"][0].is_string() => format!("connected without {}", data["rejected"]),
            name => name.to_owned(),
        });
    }
    if let Ok(id) = decoder.last_event_id().parse::<Cursor>() {
        said.push(format!("@{}", id.seq));
    }
    said.join(" ")
}

mod access;
mod life;
mod live;
mod orders;
mod resume;
mod subscribe;

fn backfill(since: Since) -> Backfill {
    Backfill { since, lineage: Lineage::default() }
}

fn resume(seq: u64) -> Start {
    Start::Resume { cursor: at(seq), late: Vec::new(), lineage: Lineage::default() }
}

fn addressed(to: &str) -> Entry {
    Entry { audience: Audience::Users(vec![to.parse().unwrap()]), ..entry("label", "t", "1") }
}

//! The stream between a hub and a client: the hub's own body, polled when it asks for it, and the bytes in flight.

use std::collections::BTreeSet;

use axum::body::Body;
use bytes::BytesMut;
use tidings::record::{Audience, Entry};
use tidings_protocol::{
    Cursor, Pattern,
    frame::{Gap, GapReason},
    sse::Decoder,
};

use super::{
    client::Teller,
    ear::Violation,
    engine::Log,
    pipe::Pipe,
    truth::{Place, Stored},
};

/// One SSE event as the client reads it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) data: String,
    pub(super) id: Option<Cursor>,
}

/// The subject of a client's request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) patterns: Vec<Pattern>,
    pub(super) addressed: bool,
    pub(super) since: Option<Cursor>,
}

pub(super) struct Wire {
    pipe: Pipe,
    decoder: Decoder,
    /// The client reads nothing for now.
    pub(super) stalled: bool,
    /// The node on which it was opened; below, how often that node had started over.
    pub(super) node: usize,
    pub(super) resets: u32,
    /// The node had read lost records when it opened or wrote this, and did not know it yet.
    pub(super) astray: bool,
    /// How often the log had lost something when it was opened.
    pub(super) losses: u64,
    /// The end of the log when the node last wrote this; the node may have read up to there in the engine.
    pub(super) read_up_to: Option<Place>,
    /// A position that the client sent was no longer in the log when the stream was opened.
    pub(super) misplaced: bool,
    /// The cursors that the client sent.
    pub(super) cursors: Vec<Cursor>,
    /// The requests on this stream, and from where.
    asked: Vec<Asked>,
    /// The patterns that the server has confirmed, and not revoked since.
    pub(super) carries: BTreeSet<Pattern>,
    /// The last `id:`.
    pub(super) id: Option<Cursor>,
    /// Where the stream continued after a gap on some channels.
    pub(super) goes_on: Option<Cursor>,
    /// The latest cursor in any frame.
    pub(super) latest: Option<Cursor>,
}

impl Wire {
    pub(super) fn new(body: Body, node: usize, resets: u32) -> Self {
        Self {
            pipe: Pipe::new(body),
            decoder: Decoder::new(),
            stalled: false,
            node,
            resets,
            astray: false,
            losses: 0,
            read_up_to: None,
            misplaced: false,
            cursors: Vec::new(),
            carries: BTreeSet::new(),
            asked: Vec::new(),
            id: None,
            goes_on: None,
            latest: None,
        }
    }

    /// The complete body of an answer that is not a stream has arrived.
    pub(super) fn receives(&mut self, body: Body) {
        self.pipe.put(body);
        self.pump(usize::MAX, |bytes, out| out.extend_from_slice(bytes));
    }

    /// Lets the hub write, as far as the buffers in between take it. `tamper` transforms each write. Returns whether
    /// the hub wrote.
    pub(super) fn pump(&mut self, buffers: usize, tamper: impl FnMut(&[u8], &mut BytesMut)) -> bool {
        self.pipe.pump(buffers, tamper)
    }

    /// Reads up to this many bytes; a frame may end within them or continue after them.
    pub(super) fn read(&mut self, bytes: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.is_silent() || self.stalled {
            return messages;
        }
        let read = self.decoder.push(&self.pipe.take(bytes), |message| {
            messages.push(Message {
                event: message.event.to_owned(),
                data: message.data.to_owned(),
                id: message.last_event_id.parse().ok(),
            });
        });
        read.expect("frames are short");
        messages
    }

    /// Whether nothing arrives any more, and neither end notices.
    pub(super) fn is_silent(&self) -> bool {
        self.pipe.is_silent
    }

    pub(super) fn silence(&mut self) {
        self.pipe.is_silent = true;
    }

    pub(super) fn has_bytes(&self) -> bool {
        self.pipe.has_bytes() && !self.is_silent() && !self.stalled
    }

    /// Whether the server has ended it, and the client has read the last byte.
    pub(super) fn is_over(&self) -> bool {
        self.pipe.is_over()
    }

    /// Breaks the connection after the bytes in flight. Returns the server's end, which may live on unaware.
    pub(super) fn cut(&mut self) -> Option<Body> {
        self.pipe.cut()
    }

    /// The bytes in flight are lost too.
    pub(super) fn discard(&mut self) {
        self.pipe.discard();
    }
}

/// The facts that the judges need.
impl Wire {
    /// A frame with this `id:` has arrived; without one, the previous `id:` stays.
    pub(super) fn moves_on(&mut self, id: Option<Cursor>, gap: bool) -> Result<(), Violation> {
        let Some(id) = id else { return Ok(()) };
        if let Some(before) = self.id.filter(|before| !gap && (before.epoch != id.epoch || before.seq > id.seq)) {
            return Err(Violation::new("ids never go backwards", format!("{id} after {before}")));
        }
        if gap {
            // Whatever an earlier gap on some channels said, the stream goes on here.
            (self.latest, self.goes_on) = (Some(id), None);
        } else if self.id != Some(id) {
            self.reaches(id);
        }
        self.id = Some(id);
        Ok(())
    }

    /// The stream begins here, and does not say so.
    pub(super) fn begins(&mut self, at: Option<Cursor>) {
        (self.id, self.latest) = (at, at);
    }

    /// The client asks for these channels from there on.
    pub(super) fn asks(&mut self, asked: Asked) {
        self.asked.push(asked);
    }

    /// The cursor that a client stores.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        let is_later = |at: &Cursor| self.id.is_none_or(|id| id.epoch == at.epoch && id.seq < at.seq);
        self.goes_on.filter(is_later).or(self.id)
    }

    /// A frame names this cursor.
    pub(super) fn reaches(&mut self, at: Cursor) {
        if self.latest.is_none_or(|latest| latest.epoch != at.epoch || latest.seq < at.seq) {
            self.latest = Some(at);
        }
    }

    /// Whether a gap is allowed on this stream: a position that the client sent is not in the log, or no longer; or the
    /// node found that it has read another log.
    pub(super) fn may_gap(&self, log: &Log, teller: Teller, user: &str, gap: &Gap) -> bool {
        let lost = |at: Cursor| log.truth.find(at).is_none_or(|place| log.truth.get(place).lost);
        if self.astray || self.misplaced || teller.astray || teller.resets > self.resets {
            return true;
        }
        let has_read_lost = self.read_up_to.is_some_and(|place| log.truth.get(place).lost);
        let asked_in_vain = |channels: &[Pattern]| {
            self.asked.iter().any(|asked| {
                let is_meant = asked.patterns.iter().any(|channel| channels.contains(channel));
                (is_meant || gap.addressed && asked.addressed) && asked.since.is_some_and(|since| log.fails(since))
            })
        };
        match &gap.channels {
            None if has_read_lost => true,
            None if gap.reason == GapReason::Damaged => self.lacks(log, None, |_| true),
            None => self.cursors.iter().any(|at| lost(*at)) || self.latest.is_some_and(|at| log.fails(at)),
            // The gap named a cursor that is no longer in the log.
            Some(_) if has_read_lost => true,
            Some(channels) if gap.request_id.is_some() && asked_in_vain(channels) => true,
            // Each of these channels lacks something, and no other one is named.
            Some(channels) => {
                let since = |is_meant: &dyn Fn(&Asked) -> bool| {
                    let asked = self.asked.iter().filter(|asked| gap.request_id.is_some() && is_meant(asked));
                    asked.filter_map(|asked| asked.since).min_by_key(|since| since.seq)
                };
                let lacks = |channel: &Pattern| {
                    let from = since(&|asked| asked.patterns.contains(channel));
                    self.lacks(log, from, |entry| {
                        entry.audience == Audience::Channel && entry.channel.overlaps(channel)
                    })
                };
                let is_addressed = |entry: &Entry| match &entry.audience {
                    Audience::Users(users) => users.iter().any(|one| one.as_str() == user),
                    Audience::Device(one, _) => one.as_str() == user,
                    _ => false,
                };
                let from = since(&|asked| asked.addressed);
                channels.iter().all(lacks) && (!gap.addressed || self.lacks(log, from, is_addressed))
            }
        }
    }

    /// Whether a matching record may be missing after a cursor, or after this stream's position.
    fn lacks(&self, log: &Log, from: Option<Cursor>, is_like: impl Fn(&Entry) -> bool) -> bool {
        let named = self.cursors.iter().copied().min_by_key(|at| at.seq);
        let Some(from) = from.or(named).or(self.id) else { return true };
        let mut missing =
            log.truth.missing().filter(|stored| stored.at.epoch == from.epoch && stored.at.seq > from.seq);
        // A damaged record of unknown receivers may match anything, and a key without room in the summary counts as
        // used.
        let is_missing =
            |stored: &Stored| stored.damage == Some(false) || stored.entry.as_deref().is_some_and(&is_like);
        log.floor() > from.seq || missing.any(is_missing)
    }

    /// Whether the client asked for the event's channel, by a pattern that the user `may` receive.
    pub(super) fn asks_for(&self, entry: &Entry, may: impl Fn(&Pattern) -> bool) -> bool {
        let mut asked = self.asked.iter().flat_map(|asked| &asked.patterns);
        entry.audience != Audience::Channel || asked.any(|one| one.overlaps(&entry.channel) && may(one))
    }
}

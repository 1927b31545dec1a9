//! A client that polls instead of keeping a stream, by the rules of the specification only, and its judges.

use std::{future::Future, pin::Pin};

use axum::body::Body;
use http::{Request, StatusCode};
use tidings_client::routes::Hears;
use tidings_protocol::{
    Cursor, Pattern,
    command::{PollChannel, PollRequest},
    event::EventFrame,
    frame::{Frame, Gap, Polled},
};

use super::{
    client::Teller,
    ear::{Ear, Violation},
    engine::Log,
    journal::Journal,
    person::{PATTERNS, Person, is_granted},
    shown::shown,
    wire::{Asked, Message, Wire},
};

/// An answer in flight.
pub(super) type Answering = Pin<Box<dyn Future<Output = (StatusCode, Body)>>>;

/// What one poll asked for, and the line on which its answer comes.
pub(super) struct Asking {
    pub(super) answer: Answering,
    pub(super) wire: Wire,
    /// For each handler, the `since` that the poll asked for.
    since: Vec<Option<String>>,
}

pub(super) struct Poller {
    pub(super) person: Person,
    pub(super) ears: Vec<Listening>,
    /// The `id:` of the last `polled`.
    cursor: Option<String>,
    /// The latest cursor in any frame.
    seen: Option<Cursor>,
    pub(super) asking: Option<Asking>,
    /// The last poll was answered, and returned nothing.
    pub(super) is_quiet: bool,
    pub(super) heard: u64,
    pub(super) polls: u64,
    journal: Journal,
}

pub(super) struct Listening {
    pub(super) ear: Ear,
    /// The cursor from which the handler still asks for its past.
    since: Option<String>,
}

impl Poller {
    /// A client that polls all channels, one by one, and addressed events.
    pub(super) fn new(index: usize, journal: Journal) -> Self {
        // It is not a tab of anyone; it has a session of its own.
        let person = Person::new(index * 2, 1_000);
        Self {
            person,
            ears: Vec::new(),
            cursor: None,
            seen: None,
            asking: None,
            is_quiet: false,
            heard: 0,
            polls: 0,
            journal,
        }
    }

    /// Adds a channel or, the first time, addressed events.
    pub(super) fn listen(&mut self, log: &Log, pattern: usize, since: Option<&str>) {
        let (hears, pattern): (_, Pattern) = match self.ears.is_empty() {
            true => (Hears::Addressed, "*".parse().expect("a pattern")),
            false => (Hears::Channels, PATTERNS[pattern].parse().expect("a pattern")),
        };
        if self.ears.iter().any(|one| one.ear.hears == hears && one.ear.pattern == pattern) {
            return;
        }
        // A malformed cursor is refused, as by every call.
        let since = since.filter(|since| since.parse::<Cursor>().is_ok() && hears == Hears::Channels);
        let at = since.and_then(|since| since.parse().ok());
        let mut ear = Ear::new(&log.truth, hears, pattern, at);
        if since.is_none() && self.cursor.is_none() {
            // The start of a poll without a cursor is known only from its end.
            ear.gap_on_channel(&log.truth, None, None);
        }
        self.ears.push(Listening { ear, since: since.map(str::to_owned) });
    }

    /// The next poll. Its judges learn through `wire` what it asks for.
    pub(super) fn request(&self, wait_ms: u64, wire: &mut Wire) -> Request<Body> {
        let channels = self.ears.iter().filter(|one| one.ear.hears == Hears::Channels);
        let channels: Vec<_> = channels
            .map(|one| PollChannel {
                channel: one.ear.pattern.clone(),
                since: one.since.as_deref().and_then(|at| at.parse().ok()),
            })
            .collect();
        for PollChannel { channel, since } in &channels {
            wire.asks(Asked { patterns: vec![channel.clone()], addressed: false, since: *since });
        }
        let cursor: Option<Cursor> = self.cursor.as_deref().and_then(|at| at.parse().ok());
        let seen = self.seen.filter(|_| cursor.is_some());
        wire.cursors = cursor.into_iter().chain(seen).collect();
        let body = PollRequest {
            channels,
            addressed_since: None,
            last_event_id: cursor,
            seen,
            device_id: self.person.device.parse().ok(),
            session_id: self.person.session.parse().ok(),
            wait_ms,
        };
        let body = serde_json::to_string(&body).expect("a poll can be written");
        self.journal.note(|| format!("{} polls {body}", self.person.session));
        let request = Request::post("/poll")
            .header("authorization", format!("Bearer {}", self.person.user))
            .header("content-type", "application/json")
            .body(Body::from(body));
        request.expect("a good request")
    }

    /// The poll was sent, and waits for its answer.
    pub(super) fn asks(&mut self, answer: Answering, wire: Wire) {
        self.polls += 1;
        self.is_quiet = false;
        let since = self.ears.iter().map(|one| one.since.clone()).collect();
        self.asking = Some(Asking { answer, wire, since });
    }

    /// The complete answer has arrived.
    pub(super) fn takes(&mut self, log: &Log, teller: Teller, asking: Asking, body: Body) -> Result<(), Violation> {
        let Asking { mut wire, since, .. } = asking;
        let since = &since[..];
        wire.receives(body);
        let messages = wire.read(usize::MAX);
        let frames = messages.iter().map(|message| {
            self.journal.note(|| {
                let id = message.id.map(|id| id.to_string()).unwrap_or_default();
                format!("{} polled {} {id} {}", self.person.session, message.event, message.data)
            });
            let frame = Frame::parse(&message.event, &message.data);
            let frame =
                frame.map_err(|error| Violation::new("frames can be read", format!("{error}: {}", message.data)))?;
            frame.map(|frame| (message, frame)).ok_or_else(|| Violation::new("frames are known", &message.data))
        });
        let frames = frames.collect::<Result<Vec<_>, _>>()?;
        let Some((last, Frame::Polled(polled))) = frames.last() else {
            return Err(Violation::new("a poll ends with where it ends", format!("{:?}", messages.last())));
        };
        self.begins(log, polled, since);
        for (message, frame) in &frames {
            self.frame(log, &mut wire, teller, message, frame, since)?;
        }
        self.ends(log, last, polled)?;
        self.is_quiet = frames.len() == 1;
        Ok(())
    }

    /// Like `takes`, without receiving its content.
    pub(super) fn takes_for_heard(&mut self, asking: Asking, body: Body) {
        let mut wire = asking.wire;
        wire.receives(body);
        let end = wire.read(usize::MAX).pop().and_then(|message| message.id);
        self.cursor = end.map(|at| at.to_string()).or(self.cursor.take());
    }

    /// A channel that a poll accepts is carried from where the poll begins.
    fn begins(&mut self, log: &Log, polled: &Polled, since: &[Option<String>]) {
        let start = self.cursor.as_deref().and_then(|at| at.parse().ok()).and_then(|at| log.truth.find(at));
        for (one, since) in self.ears.iter_mut().zip(since) {
            let accepted = one.ear.hears == Hears::Addressed || polled.channels.contains(&one.ear.pattern);
            if accepted && since.is_none() && !one.ear.settled {
                // Without a cursor, the start becomes known from the first event, a gap, or the end.
                one.ear.settle(&log.truth, start);
                // A refused handler has missed events meanwhile, and knows it.
                if std::mem::take(&mut one.ear.returned) {
                    one.ear.gap_on_channel(&log.truth, start, None);
                }
            }
        }
    }

    fn ends(&mut self, log: &Log, message: &Message, polled: &Polled) -> Result<(), Violation> {
        let Some(id) = message.id else {
            return Err(Violation::new("a poll ends with where it ends", &message.data));
        };
        let place = log.truth.find(id);
        for one in &mut self.ears {
            let rejected = polled.rejected.iter().any(|rejected| rejected.channel == one.ear.pattern);
            if one.ear.hears == Hears::Channels && rejected {
                let may_be = !is_granted(&one.ear.pattern) || log.was_revoked(self.person.user, &one.ear.pattern);
                if !may_be {
                    return Err(Violation::new("what is granted is not refused", one.ear.pattern.to_string()));
                }
                one.ear.refuse();
                // The handler begins again, from where it is accepted.
                one.since = None;
            } else if one.since.is_none() && !one.ear.refused {
                one.ear.settle(&log.truth, place);
            }
        }
        self.cursor = Some(id.to_string());
        self.reaches(id);
        Ok(())
    }

    fn reaches(&mut self, at: Cursor) {
        if self.seen.is_none_or(|seen| seen.epoch != at.epoch || seen.seq < at.seq) {
            self.seen = Some(at);
        }
    }

    fn frame(
        &mut self,
        log: &Log,
        wire: &mut Wire,
        teller: Teller,
        message: &Message,
        frame: &Frame,
        since: &[Option<String>],
    ) -> Result<(), Violation> {
        let is_whole_gap = matches!(frame, Frame::Gap(gap) if gap.channels.is_none());
        if let Frame::Gap(gap) = frame
            && !wire.may_gap(log, teller, self.person.user, gap)
        {
            let detail = format!("{:?}, {}", gap.channels, gap.reason);
            return Err(Violation::new("a gap only where a fault could cause one", detail));
        }
        wire.moves_on(message.id, is_whole_gap)?;
        match frame {
            Frame::Event(event) => {
                let at = message.id.ok_or_else(|| Violation::new("every event says where it stands", &message.data))?;
                self.event(log, wire, event, at, None, since)?;
            }
            Frame::Backfill(event) => {
                let at =
                    event.cursor.ok_or_else(|| Violation::new("every event says where it stands", &message.data))?;
                let request = event.request_id.as_ref().map(tidings_protocol::RequestId::as_str);
                self.event(log, wire, event, at, request, since)?;
            }
            Frame::Gap(gap) => self.gap(log, message, gap, since),
            Frame::Subscribed(subscribed) => {
                let place = log.truth.find(subscribed.cursor);
                let id = subscribed.request_id.as_str();
                for (one, since) in self.ears.iter_mut().zip(since) {
                    let is_meant = subscribed.channels.contains(&one.ear.pattern) && one.ear.hears == Hears::Channels;
                    if is_meant && since.as_deref() == Some(id) {
                        one.ear.settle(&log.truth, place);
                        one.ear.returned = false;
                        one.since = None;
                    }
                }
                self.reaches(subscribed.cursor);
            }
            Frame::Revoked(revoked) => {
                for one in &mut self.ears {
                    if one.ear.hears == Hears::Channels && revoked.channels.contains(&one.ear.pattern) {
                        one.ear.refuse();
                        one.since = None;
                    }
                }
            }
            Frame::Closing(_) | Frame::Polled(_) => {}
            other => return Err(Violation::new("what a poll does not carry", format!("{other:?}"))),
        }
        Ok(())
    }

    fn event(
        &mut self,
        log: &Log,
        wire: &Wire,
        event: &EventFrame,
        at: Cursor,
        request: Option<&str>,
        since: &[Option<String>],
    ) -> Result<(), Violation> {
        let place = shown(log, wire, &self.person, false, event, at)?;
        let hears = if event.to.is_some() { Hears::Addressed } else { Hears::Channels };
        for (one, since) in self.ears.iter_mut().zip(since) {
            let is_meant = one.ear.hears == hears && one.ear.pattern.overlaps(&event.channel) && !one.ear.refused;
            // A handler that waits for its past receives nothing else; the others have received theirs.
            if !is_meant || request != since.as_deref().filter(|_| one.since.is_some()) {
                continue;
            }
            self.heard += 1;
            let may_be_refused = log.was_revoked(self.person.user, &one.ear.pattern) || !is_granted(&one.ear.pattern);
            one.ear.hear(&log.truth, &self.person, place, may_be_refused)?;
            if one.since.is_some() {
                one.since = Some(at.to_string());
            }
        }
        self.reaches(at);
        Ok(())
    }

    fn gap(&mut self, log: &Log, message: &Message, gap: &Gap, since: &[Option<String>]) {
        let goes_on = message.id.and_then(|id| log.truth.find(id));
        if gap.channels.is_none() {
            self.seen = message.id;
        }
        for (one, since) in self.ears.iter_mut().zip(since) {
            let is_named = match &gap.channels {
                None if one.ear.refused => continue,
                None => {
                    one.ear.gap(&log.truth, goes_on);
                    // A handler that waits for its past has refetched it up to here.
                    one.since = one.since.take().and(message.id.map(|at| at.to_string()));
                    continue;
                }
                Some(_) if one.ear.hears == Hears::Addressed => gap.addressed,
                Some(channels) => channels.contains(&one.ear.pattern),
            };
            let is_meant = gap.request_id.as_ref().is_none_or(|id| since.as_deref() == Some(id.as_str()));
            if is_named && is_meant {
                one.ear.gap_on_channel(&log.truth, None, gap.cursor.and_then(|at| log.truth.find(at)));
            }
        }
    }

    /// Whether the client has everything that it asked for.
    pub(super) fn is_well(&self) -> bool {
        let told = |one: &Listening| one.ear.refused || one.ear.settled;
        self.is_quiet && self.asking.is_none() && self.ears.iter().all(told)
    }
}

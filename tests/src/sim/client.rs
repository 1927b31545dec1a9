//! A tab: the real state machine, its stream and its requests, and the handlers, each with a judge of its own. One room: it is
//! the translation between the state machine's words and the judges', both ways.

use std::collections::HashMap;

use axum::body::Body;
use http::{Request, StatusCode};
use serde::Deserialize;
use tidings::record::Order;
use tidings_client::session::{
    self, Action, Answer, Backoff, Config, Exclusion, HandlerId, Hears, Identity, Session, State,
};
use tidings_protocol::{
    Cursor, Pattern,
    command::{CheckAnswer, SubscribeAnswer, SubscribeRequest},
    event::EventFrame,
    frame::Frame,
    problem::Problem,
};

use super::{
    ear::{Ear, Violation},
    engine::Log,
    journal::Journal,
    person::{Person, is_granted},
    profile::{self, Post, Tab, Word},
    sabotage::{Deafness, Sabotage},
    truth::Place,
    wire::{Message, Wire},
};

pub(super) struct Client {
    pub(super) person: Person,
    pub(super) session: Session,
    /// How far its clock is ahead.
    pub(super) ahead_ms: u64,
    pub(super) ears: Vec<Ear>,
    /// The ears of the session's handlers.
    handlers: HashMap<HandlerId, usize>,
    /// The page was rendered with a text that is no cursor; to be told so once.
    owed_gap: bool,
    /// Its page, as its browser knows it.
    pub(super) tab: Tab,
    /// What it calls itself among the others.
    name: Option<String>,
    /// What the tab that leads calls it.
    number: String,
    /// Where the handler that it last confirmed begins.
    begins: Option<Cursor>,
    /// Nothing runs in it.
    pub(super) frozen: bool,
    /// What it asks of its browser.
    pub(super) requests: Vec<profile::Request>,
    /// The data of the frame that is being read.
    data: Option<String>,
    /// The latest position on the stream that it follows.
    followed: Option<Cursor>,
    /// Events that came by another tab's stream, and how often it took over.
    pub(super) relayed: u64,
    pub(super) handovers: u64,
    waited: bool,
    /// What the page was rendered with.
    page: Option<Cursor>,
    /// A stream that was asked for.
    pub(super) opening: Option<String>,
    pub(super) wire: Option<Wire>,
    /// Counts streams, so that nothing of one is handed in after it was closed.
    streams: u32,
    pub(super) calls: Vec<Call>,
    /// The hub's ends of streams that the client has closed.
    pub(super) orphans: Vec<Body>,
    pub(super) gaps: Vec<String>,
    /// Gaps of which it was told though it had missed nothing.
    pub(super) needless: u64,
    pub(super) heard: u64,
    journal: Journal,
    deafness: Deafness,
}

/// A request under way, or its answer.
pub(super) struct Call {
    pub(super) request: session::Request,
    pub(super) answer: Option<Answer>,
    pub(super) node: usize,
}

/// What the judge of a gap has to know of the node that told it.
#[derive(Clone, Copy)]
pub(super) struct Teller {
    /// How often it had to start over.
    pub(super) resets: u32,
    /// It has read what is not in the log any more, and does not know yet.
    pub(super) astray: bool,
}

/// The payload of every record.
#[derive(Deserialize)]
struct Numbered {
    n: usize,
}

impl Client {
    pub(super) fn new(
        index: usize,
        page: u32,
        since: Option<&str>,
        share: bool,
        sabotage: Option<Sabotage>,
        journal: Journal,
    ) -> Self {
        let person = Person::new(index, page);
        let reconnect = Some(Backoff { base_ms: 50, cap_ms: 1_000, max_attempts: u32::MAX });
        let config = Config { since: since.map(str::to_owned), reconnect, share, ..Config::new("/") };
        let identity = Identity { device_id: person.device.to_owned(), session_id: person.session.clone() };
        let seed = u64::from(page) << 8 | index as u64;
        Self {
            person,
            session: Session::new(config, identity, seed),
            ahead_ms: 1_000_000 * index as u64,
            ears: Vec::new(),
            handlers: HashMap::new(),
            owed_gap: since.is_some_and(|since| since.parse::<Cursor>().is_err()),
            tab: (index, page),
            name: None,
            number: String::new(),
            begins: None,
            frozen: false,
            requests: Vec::new(),
            data: None,
            followed: None,
            relayed: 0,
            handovers: 0,
            waited: false,
            page: since.and_then(|since| since.parse().ok()),
            opening: None,
            wire: None,
            streams: 0,
            calls: Vec::new(),
            orphans: Vec::new(),
            gaps: Vec::new(),
            needless: 0,
            heard: 0,
            journal,
            deafness: Deafness::new(sabotage),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.session.state() == State::Open
    }

    pub(super) fn subscribe(&mut self, log: &Log, pattern: Pattern, since: Option<&str>) {
        let handler = self.session.subscribe(pattern.clone(), since);
        let since = since.map(str::parse::<Cursor>);
        let mut ear = Ear::new(&log.truth, Hears::Channels, pattern, since.and_then(Result::ok));
        ear.owed_gap = matches!(since, Some(Err(_)));
        ear.page = self.page.filter(|_| self.session.shares()).and_then(|at| log.truth.find(at));
        self.handlers.insert(handler, self.ears.len());
        self.ears.push(ear);
    }

    pub(super) fn on(&mut self, log: &Log, label: Pattern) {
        let handler = self.session.on(label.clone());
        self.handlers.insert(handler, self.ears.len());
        let mut ear = Ear::new(&log.truth, Hears::Addressed, label, None);
        ear.page = self.page.filter(|_| self.session.shares()).and_then(|at| log.truth.find(at));
        self.ears.push(ear);
    }

    /// The channels that a handler hears by their own name.
    pub(super) fn exact(&self) -> Vec<Pattern> {
        let ears = self.handlers.values().map(|ear| &self.ears[*ear]);
        ears.filter(|ear| ear.hears == Hears::Channels).map(|ear| ear.pattern.clone()).collect()
    }

    pub(super) fn unsubscribe(&mut self, now: u64, which: usize) {
        let mut handlers: Vec<_> = self.handlers.keys().copied().collect();
        handlers.sort();
        let Some(handler) = handlers.get(which % handlers.len().max(1)) else { return };
        self.session.unsubscribe(now, *handler);
        let ear = self.handlers.remove(handler).expect("it was just listed");
        self.ears[ear].gone = true;
    }

    /// The stream that was asked for is there.
    pub(super) fn opened(&mut self, wire: Wire) {
        self.streams += 1;
        self.wire = Some(wire);
    }

    /// Does what the session wants done.
    pub(super) fn act(&mut self, now: u64, log: &Log, frame: Option<(Option<Cursor>, bool)>) -> Result<(), Violation> {
        let mut gapped = Vec::new();
        loop {
            while self.session.is_dirty() {
                self.session.flush(now);
            }
            let Some(action) = self.session.next_action() else { return Ok(()) };
            self.journal.note(|| format!("{} does {action:?}", self.person.session));
            let latest = self.latest().and_then(|at| log.truth.find(at));
            match action {
                Action::Open { url } => {
                    // A gap after which the stream is opened at once goes on from another tab's place.
                    let goes_on = url.split_once("lastEventId=").and_then(|(_, at)| at.split('&').next()?.parse().ok());
                    let goes_on = goes_on.and_then(|at| log.truth.find(at));
                    gapped.drain(..).for_each(|ear: usize| self.ears[ear].gap(&log.truth, goes_on));
                    self.opening = Some(url);
                }
                Action::Close => {
                    self.opening = None;
                    self.orphans.extend(self.wire.take().and_then(|mut wire| wire.cut()));
                }
                Action::Send(request) => {
                    let node = self.wire.as_ref().map_or(0, |wire| wire.node);
                    self.calls.push(Call { request, answer: None, node });
                }
                Action::Settled { handler, refusal } => {
                    let Some(ear) = self.handlers.get(&handler).map(|index| &mut self.ears[*index]) else { continue };
                    let revoked = log.was_revoked(self.person.user, &ear.pattern);
                    if refusal.is_none() {
                        let follows = self.wire.is_none() && ear.hears == Hears::Addressed;
                        let begins = self.begins.filter(|_| follows).and_then(|at| log.truth.find(at));
                        ear.settle(&log.truth, begins.or(latest));
                        self.deafness.settled(handler, self.latest());
                    } else if is_granted(&ear.pattern) && !revoked || ear.hears == Hears::Addressed {
                        return Err(Violation::new("what is granted is not refused", ear.pattern.to_string()));
                    } else {
                        ear.refuse();
                    }
                }
                Action::Gap { channels, reason, handlers } => {
                    self.gaps.push(reason.clone().into_owned());
                    self.deafness.gap(channels.is_none());
                    let mut ears: Vec<usize> =
                        handlers.iter().filter_map(|handler| self.handlers.get(handler)).copied().collect();
                    if reason == "malformed" {
                        self.owed(channels.as_deref(), &ears, latest)?;
                        continue;
                    }
                    if reason == "refused" {
                        for ear in ears {
                            if !std::mem::take(&mut self.ears[ear].returned) {
                                let detail = format!("{channels:?}, {reason}");
                                return Err(Violation::new("a gap only where a fault could cause one", detail));
                            }
                        }
                        continue;
                    }
                    if !frame.is_some_and(|(_, justified)| justified) || reason == "unknown" {
                        return Err(Violation::new(
                            "a gap only where a fault could cause one",
                            format!("{channels:?}, {reason}"),
                        ));
                    }
                    if channels.is_none() {
                        let addressed = self.handlers.values().filter(|ear| self.ears[**ear].hears == Hears::Addressed);
                        ears.extend(addressed);
                        self.needless += u64::from(reason == "trimmed" && self.has_all(log));
                        let goes_on = frame.and_then(|(id, _)| id).and_then(|id| log.truth.find(id));
                        ears.iter().for_each(|ear| self.ears[*ear].gap(&log.truth, goes_on));
                        gapped = ears;
                    } else {
                        ears.iter().for_each(|ear| self.ears[*ear].gap_on_channel(latest));
                    }
                }
                Action::State(_) | Action::Error(_) => {}
                Action::Enter { tab, user } => {
                    self.waited = false;
                    self.name = Some(tab.clone());
                    self.requests.push(profile::Request::Enter { name: tab, group: user.unwrap_or_default() });
                }
                Action::Exit => self.requests.push(profile::Request::Exit),
                Action::Steal => self.requests.push(profile::Request::Steal),
                Action::Watch { tab } => self.requests.push(profile::Request::Watch(tab)),
                Action::Post { message, with_frame } => {
                    let message = self.deafness.joins(message);
                    let data = self.data.clone().filter(|_| with_frame);
                    let post = Post { message, data, latest: self.latest(), frame };
                    self.requests.push(profile::Request::Post(post));
                }
            }
        }
    }

    /// Whether all that the tab's handlers have heard goes on in the log, so that it has nothing to be told of.
    fn has_all(&self, log: &Log) -> bool {
        let ears = self.handlers.values().map(|ear| &self.ears[*ear]);
        let mut places = ears.filter(|ear| ear.settled && !ear.refused).map(Ear::place).peekable();
        let goes_on = |place: Option<Place>| place.is_some_and(|place| !log.fails(log.truth.get(place).at));
        places.peek().is_some() && places.all(goes_on)
    }

    /// The latest position on the stream, its own or another tab's.
    fn latest(&self) -> Option<Cursor> {
        self.wire.as_ref().map_or(self.followed, |wire| wire.latest)
    }

    /// What the browser hands to the tab.
    pub(super) fn told(&mut self, now: u64, log: &Log, word: Word) -> Result<(), Violation> {
        self.journal.note(|| format!("{} is told {word:?}", self.person.session));
        match word {
            Word::Locked => {
                self.handovers += u64::from(self.waited);
                self.session.locked(now);
            }
            Word::Held => {
                self.waited = true;
                self.session.held(now);
            }
            Word::Lost => self.session.lost(),
            Word::Gone(tab) => self.session.gone(&tab),
            Word::Told(post) => {
                if self.wire.is_none() && post.message.starts_with(char::is_uppercase) {
                    self.followed = post.latest;
                    self.begins_at(&post.message);
                }
                let mut heard = Vec::new();
                self.session.told(now, &post.message, &mut heard);
                self.relayed(log, &heard, post.data.as_deref())?;
                let frame = match post.message.split(' ').collect::<Vec<_>>()[..] {
                    // It says itself from where the stream goes on.
                    ["G", _, _, at, ..] => post.frame.map(|(_, justified)| (at.parse().ok(), justified)),
                    _ => post.frame,
                };
                return self.act(now, log, frame);
            }
        }
        self.act(now, log, None)
    }

    /// Keeps where a handler of this tab is told to begin. What is addressed to a user moves the stream's cursor; its latest
    /// position may be further, by what it confirmed to others.
    fn begins_at(&mut self, message: &str) {
        let words: Vec<_> = message.split(' ').collect();
        match words[..] {
            ["W", _, _, tab, _, number, ..] if Some(tab) == self.name.as_deref() => self.number = number.to_owned(),
            ["K", _, _, handler, cursor, ..] if handler.split_once('.').is_some_and(|(tab, _)| tab == self.number) => {
                self.begins = cursor.parse().ok();
            }
            _ => {}
        }
    }

    /// A record that came by another tab's stream.
    fn relayed(&mut self, log: &Log, heard: &[HandlerId], data: Option<&str>) -> Result<(), Violation> {
        if heard.is_empty() {
            return Ok(());
        }
        let data = data.unwrap_or_default();
        let event: EventFrame = serde_json::from_str(data)
            .map_err(|error| Violation::new("frames can be read", format!("{error}: {data}")))?;
        let place = log.truth.find(event.position);
        let Some((place, entry)) = place.and_then(|place| Some((place, log.truth.get(place).entry.as_deref()?))) else {
            return Err(Violation::new("what was published is what arrives", data));
        };
        if !self.person.shares(entry) {
            return Err(Violation::new("nobody is shown what is not for them", data));
        }
        if event.except.as_ref().is_some_and(|except| self.session.hides(&exclusion(except))) {
            return Ok(());
        }
        for handler in heard {
            let Some(ear) = self.handlers.get(handler) else { continue };
            self.heard += 1;
            self.relayed += 1;
            let ear = &mut self.ears[*ear];
            let revoked = log.was_revoked(self.person.user, &ear.pattern);
            ear.hear(&log.truth, &self.person, place, revoked)?;
        }
        Ok(())
    }

    /// The session itself tells of a gap where it was given something that is no cursor.
    fn owed(&mut self, channels: Option<&[Pattern]>, ears: &[usize], latest: Option<Place>) -> Result<(), Violation> {
        let owed = match (channels, ears) {
            (None, _) => std::mem::take(&mut self.owed_gap),
            (Some(_), [ear]) => std::mem::take(&mut self.ears[*ear].owed_gap),
            (Some(_), _) => false,
        };
        if !owed {
            return Err(Violation::new("a gap only where a fault could cause one", format!("{channels:?}, malformed")));
        }
        for ear in ears {
            let ear = &mut self.ears[*ear];
            ear.gap_on_channel(latest);
            // One that was refused before as well has been told of both by this.
            ear.returned = false;
        }
        Ok(())
    }

    /// Reads up to so many bytes of the stream. Returns whether there were any.
    pub(super) fn read(&mut self, now: u64, log: &Log, teller: Teller, bytes: usize) -> Result<bool, Violation> {
        let Some(wire) = &mut self.wire else { return Ok(false) };
        let had = wire.has_bytes();
        let stream = self.streams;
        for message in wire.read(bytes) {
            if self.wire.is_none() || self.streams != stream {
                break;
            }
            self.take(now, log, teller, &message)?;
        }
        if self.streams == stream && self.wire.as_ref().is_some_and(Wire::is_over) {
            self.session.failed(now);
            self.act(now, log, None)?;
            return Ok(true);
        }
        Ok(had)
    }

    /// One event of the stream.
    fn take(&mut self, now: u64, log: &Log, teller: Teller, message: &Message) -> Result<(), Violation> {
        self.journal.note(|| {
            let id = message.id.map(|id| id.to_string()).unwrap_or_default();
            format!("{} reads {} {id} {}", self.person.session, message.event, message.data)
        });
        let frame = Frame::parse(&message.event, &message.data);
        let frame =
            frame.map_err(|error| Violation::new("frames can be read", format!("{error}: {}", message.data)))?;
        let Some(frame) = frame else { return Ok(()) };
        let Some(wire) = &mut self.wire else { return Ok(()) };
        self.data = Some(message.data.clone());
        let justified = match &frame {
            Frame::Gap(gap) => wire.may_gap(log, teller, gap.channels.as_deref()),
            _ => false,
        };
        wire.moves_on(message.id, matches!(&frame, Frame::Gap(gap) if gap.channels.is_none()))?;
        match frame {
            Frame::Event(event) => {
                wire.reaches(event.position);
                self.event(now, log, message, &event)?;
            }
            Frame::Backfill(event) => {
                wire.reaches(event.position);
                self.event(now, log, message, &event)?;
            }
            Frame::Connected(connected) => {
                let connected = session::Connected {
                    id: message.id,
                    connection_id: connected.connection_id.to_string(),
                    user_id: connected.user_id.map(|user| user.to_string()),
                    channels: connected.channels,
                    rejected: connected.rejected.into_iter().map(rejected).collect(),
                    resumed: connected.resumed,
                    heartbeat_ms: connected.heartbeat_ms,
                    expires_in_ms: None,
                    alive_ms: connected.alive_ms.unwrap_or(0),
                    timestamp_ms: 0,
                };
                self.session.frame(now, session::Frame::Connected(connected));
            }
            Frame::Subscribed(subscribed) => {
                wire.reaches(subscribed.position);
                let (request_id, channels) = (subscribed.request_id.to_string(), subscribed.channels);
                let position = Some(subscribed.position);
                self.session.frame(now, session::Frame::Subscribed { request_id, channels, position });
            }
            Frame::Gap(gap) => {
                let reason = gap.reason.as_str().to_owned();
                self.session.frame(
                    now,
                    session::Frame::Gap {
                        channels: gap.channels,
                        reason,
                        request_id: gap.request_id.map(|id| id.to_string()),
                        id: message.id,
                    },
                );
            }
            Frame::Heartbeat => self.session.frame(now, session::Frame::Heartbeat { id: message.id }),
            Frame::Revoked(revoked) => {
                let code = revoked.code.to_string();
                self.session.frame(now, session::Frame::Revoked { channels: revoked.channels, code });
            }
            Frame::Closing(closing) => {
                let reason = closing.reason.as_str().to_owned();
                self.session.frame(now, session::Frame::Closing { reason, retry_ms: closing.retry_ms });
            }
            _ => self.session.frame(now, session::Frame::Other),
        }
        self.act(now, log, Some((message.id, justified)))
    }

    /// A record, live or of the past.
    fn event(&mut self, now: u64, log: &Log, message: &Message, event: &EventFrame) -> Result<(), Violation> {
        let number: Result<Numbered, _> = serde_json::from_str(event.payload.get());
        let place = number.ok().and_then(|number| log.truth.numbered(number.n));
        let Some((place, stored)) = place.map(|place| (place, log.truth.get(place))) else {
            return Err(Violation::new("what was published is what arrives", event.payload.get()));
        };
        if stored.at != event.position {
            return Err(Violation::new("positions are the log's", format!("{} as {}", stored.at, event.position)));
        }
        let Some(wire) = &self.wire else { return Ok(()) };
        let Person { user, session, .. } = &self.person;
        let disconnected = |order: &Order| matches!(order, Order::Disconnect { .. });
        let revoked = |pattern: &Pattern| {
            log.truth.has_lost(user, place, |order| match order {
                Order::Revoke { channels, .. } => channels.overlaps(pattern),
                _ => false,
            })
        };
        let asked = |entry: &tidings::record::Entry| wire.asks_for(entry, |_| false);
        let kept = |entry: &tidings::record::Entry| wire.asks_for(entry, revoked);
        if stored.entry.as_deref().is_some_and(|entry| asked(entry) && !kept(entry))
            || log.truth.has_lost(user, place, disconnected)
        {
            return Err(Violation::new(
                "nothing published after a revocation reaches the revoked",
                format!("{user} {session} {}", stored.at),
            ));
        }
        let may_see =
            |entry| if self.session.shares() { self.person.shares(entry) } else { self.person.may_see(entry) };
        let shown = stored.entry.as_deref().is_some_and(|entry| may_see(entry) && asked(entry));
        if !shown {
            return Err(Violation::new(
                "nobody is shown what is not for them",
                format!("{user} {session} {}", stored.at),
            ));
        }
        let except = event.except.as_ref().map(exclusion);
        let hears = if event.to.is_some() { Hears::Addressed } else { Hears::Channels };
        let route = self.session.routes().find(event.channel.as_str(), hears);
        let mut heard = Vec::new();
        let at = Some(event.position);
        match &event.request_id {
            None => self.session.record(now, route, at, except.as_ref(), &mut heard),
            Some(id) => self.session.backfill(now, id.as_str(), route, at, except.as_ref(), &mut heard),
        }
        if event.request_id.is_some() && message.id == at {
            // By the rule "the `id:` of the latest frame that had one is the cursor".
            self.session.frame(now, session::Frame::Heartbeat { id: at });
        }
        let listening = self.session.routes().handlers(route).to_vec();
        let listening = listening.iter().filter_map(|handler| self.handlers.get(handler).map(|ear| (*handler, *ear)));
        let settled: Vec<_> =
            listening.filter(|(_, ear)| self.ears[*ear].settled).map(|(handler, _)| handler).collect();
        let patterns = |handler: &HandlerId| self.handlers.get(handler).map(|ear| self.ears[*ear].pattern.clone());
        self.deafness.change(&mut heard, &settled, event.request_id.is_none(), event.position, patterns);
        for handler in heard {
            let Some(ear) = self.handlers.get(&handler) else { continue };
            self.heard += 1;
            let ear = &mut self.ears[*ear];
            let revoked = log.was_revoked(self.person.user, &ear.pattern);
            ear.hear(&log.truth, &self.person, place, revoked)?;
        }
        Ok(())
    }

    /// The answer to a request has come, or will not.
    pub(super) fn answered(&mut self, now: u64, log: &Log, number: u32, answer: &Answer) -> Result<(), Violation> {
        self.journal.note(|| format!("{} is answered {number}: {answer:?}", self.person.session));
        self.session.answer(now, number, answer);
        self.act(now, log, None)
    }

    /// Fires the timers that are due.
    pub(super) fn wake(&mut self, now: u64, log: &Log) -> Result<bool, Violation> {
        let mut woken = false;
        for _ in 0..8 {
            if self.session.deadline().is_none_or(|at| at > now) {
                break;
            }
            self.session.wake(now);
            self.act(now, log, None)?;
            woken = true;
        }
        Ok(woken)
    }

    /// The HTTP request for a stream or a call.
    pub(super) fn request(&self, url: &str, body: Option<&str>) -> Request<Body> {
        let request = Request::builder().uri(url).header("authorization", format!("Bearer {}", self.person.user));
        let request = match body {
            Some(body) => {
                let request = request.method("POST").header("content-type", "application/json");
                request.body(Body::from(body.to_owned()))
            }
            None => request.body(Body::empty()),
        };
        request.expect("a good request")
    }

    /// Notes what a call asks for.
    pub(super) fn asks(&mut self, body: &str) {
        let Ok(call) = serde_json::from_str::<SubscribeRequest>(body) else { return };
        if let Some(wire) = &mut self.wire {
            wire.asks(call.channels, call.since);
        }
    }
}

fn exclusion(except: &tidings_protocol::event::Except) -> Exclusion<'_> {
    Exclusion {
        user_id: except.user_id.as_str(),
        session_id: except.session_id.as_ref().map(tidings_protocol::SessionId::as_str),
        device_id: except.device_id.as_ref().map(tidings_protocol::DeviceId::as_str),
    }
}

/// An answer as the session takes it.
pub(super) fn answer(status: StatusCode, body: &[u8]) -> Answer {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let subscribed: Option<SubscribeAnswer> = serde_json::from_slice(body).ok();
    let checked: Option<CheckAnswer> = serde_json::from_slice(body).ok();
    Answer {
        status: Some(status.as_u16()),
        retry_after_ms: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1_000),
        code: problem.as_ref().map(|problem| problem.code.to_string()),
        detail: problem.and_then(|problem| problem.detail),
        user_id: checked.and_then(|answer| answer.user_id).map(|user| user.to_string()),
        rejected: subscribed.map(|answer| answer.rejected.into_iter().map(rejected).collect()).unwrap_or_default(),
        ..Answer::default()
    }
}

fn rejected(rejected: tidings_protocol::frame::Rejected) -> session::Rejected {
    session::Rejected { channel: rejected.channel, code: rejected.code.to_string() }
}

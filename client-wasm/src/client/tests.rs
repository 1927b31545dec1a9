//! Tests of the state machine, driven by hand: time is a number, and the server is the test.

mod calls;
mod connecting;
mod credentials;
mod doubting;
mod failing;
mod gaps;
mod handlers;
mod latency;
mod logs;
mod presence;
mod resuming;
mod sharing;
mod watchdog;

use std::collections::VecDeque;

use tidings_protocol::{Cursor, Pattern};

use super::*;

/// A position in epoch 1 whose tag is its number.
fn at(seq: u64) -> Cursors {
    Cursor { epoch: 1, seq, tag: u32::try_from(seq).unwrap() }.into()
}

/// A page that answers in the server's place, as the driver reports it.
fn web_page() -> Answer {
    Answer { status: Some(200), code: Some("notFound".into()), ..Answer::default() }
}

/// Channels and patterns, separated by spaces.
fn patterns(text: &str) -> Vec<Pattern> {
    text.split_whitespace().map(|one| one.parse().unwrap()).collect()
}

/// A client, its clock, and its actions.
struct Rig {
    core: ClientCore,
    now: u64,
    done: Vec<Action>,
    /// The lifetime of the credentials that the server sends in `connected`.
    expires_in_ms: Option<u64>,
    /// The nonces of the streams that were opened.
    nonces: Vec<String>,
    /// The event that is being read: its kind, channel and number.
    reading: Option<(Hears, String, u64)>,
    /// The events that were posted to other tabs, in their order.
    posted: VecDeque<(Hears, String, u64)>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Config::new("/e"))
    }

    fn with(config: Config) -> Self {
        let identity = Identity { device_id: "d1".into(), session_id: "s1".into() };
        let core = ClientCore::new(config, identity, 42);
        Self {
            core,
            now: 1_000_000,
            done: Vec::new(),
            expires_in_ms: None,
            nonces: Vec::new(),
            reading: None,
            posted: VecDeque::new(),
        }
    }

    /// An open stream, connected at position 10, with these channels.
    fn open(channels: &str) -> Self {
        let mut rig = Self::new();
        for channel in channels.split_whitespace() {
            rig.subscribe(channel);
        }
        rig.core.connect();
        rig.settle();
        rig.connected(channels, 10, false);
        rig.done.clear();
        rig
    }

    fn subscribe(&mut self, channel: &str) -> HandlerId {
        self.core.subscribe(channel.parse().unwrap(), None)
    }

    fn subscribe_since(&mut self, channel: &str, seq: u64) -> HandlerId {
        self.core.subscribe(channel.parse().unwrap(), Some(&at(seq).to_string()))
    }

    /// Flushes the core at the end of the microtask, as the driver does after every input.
    fn settle(&mut self) {
        while self.core.is_dirty() {
            self.core.flush(self.now);
        }
        while let Some(action) = self.core.next_action() {
            if let Action::Post { with_frame: true, .. } = action {
                self.posted.extend(self.reading.clone());
            }
            self.done.push(action);
        }
    }

    /// Lets time pass; the timer fires when it is due.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(deadline) = self.core.deadline().filter(|at| *at <= end) {
            self.now = deadline.max(self.now);
            self.core.wake(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn frame(&mut self, frame: Frame) {
        self.core.frame(self.now, frame);
        self.settle();
    }

    fn connected(&mut self, channels: &str, id: u64, resumed: bool) {
        self.frame(Frame::Connected(Connected {
            id: Some(at(id)),
            connection_id: "n1".into(),
            user_id: Some("ana".into()),
            channels: patterns(channels),
            rejected: Vec::new(),
            resumed,
            heartbeat_ms: 15_000,
            expires_in_ms: self.expires_in_ms,
            alive_ms: 0,
            timestamp_ms: 0,
        }));
    }

    fn heartbeat(&mut self, id: u64) {
        self.frame(Frame::Heartbeat { id: Some(at(id)) });
    }

    fn subscribed(&mut self, request: u32, channels: &str, position: u64) {
        let (channels, position) = (patterns(channels), Some(at(position)));
        self.frame(Frame::Subscribed { request_id: request.to_string(), channels, addressed: false, cursor: position });
    }

    /// The past addressed events that a call asked for have arrived.
    fn subscribed_addressed(&mut self, request: u32, seq: u64) {
        let (request_id, cursor) = (request.to_string(), Some(at(seq)));
        self.frame(Frame::Subscribed { request_id, channels: Vec::new(), addressed: true, cursor });
    }

    fn gap(&mut self, channels: Option<&str>, id: Option<u64>) {
        let request_id = None;
        self.frame(Frame::Gap {
            channels: channels.map(patterns),
            addressed: false,
            cursor: None,
            reason: "trimmed".into(),
            request_id,
            id: id.map(at),
        });
    }

    /// Delivers a record on a channel; returns the handlers that received it.
    fn record(&mut self, channel: &str, seq: u64) -> Vec<HandlerId> {
        self.read(None, Hears::Channels, channel, seq)
    }

    /// Delivers an event, of the past if a call asked for it; returns the handlers that received it.
    fn read(&mut self, call: Option<u32>, hears: Hears, channel: &str, seq: u64) -> Vec<HandlerId> {
        self.reading = Some((hears, channel.to_owned(), seq));
        let route = self.core.routes().find(channel, hears);
        let at = (hears != Hears::Presence).then(|| at(seq));
        let mut heard = Vec::new();
        match call {
            Some(call) => self.core.backfill(self.now, &call.to_string(), route, at, None, &mut heard),
            None => self.core.record(self.now, route, at, None, &mut heard),
        }
        self.settle();
        heard
    }

    /// Delivers a record of the past; returns the handlers that received it.
    fn backfill(&mut self, request: u32, channel: &str, seq: u64) -> Vec<HandlerId> {
        self.read(Some(request), Hears::Channels, channel, seq)
    }

    fn fail(&mut self) {
        self.core.failed(self.now);
        self.settle();
    }

    fn answer(&mut self, number: u32, answer: Answer) {
        self.core.answer(self.now, number, answer);
        self.settle();
    }

    fn status(&mut self, number: u32, status: u16) {
        self.answer(number, Answer { status: Some(status), ..Answer::default() });
    }

    /// Fails the stream and waits until the next one is requested.
    fn reopen(&mut self) -> String {
        self.fail();
        self.pass(self.core.deadline().unwrap() - self.now);
        self.opened()
    }

    /// The URL of the only stream that was opened since the last call.
    fn opened(&mut self) -> String {
        let urls = self.take(|action| match action {
            Action::Open { url } => Some(url.clone()),
            _ => None,
        });
        let [url] = &urls[..] else { panic!("opened {urls:?}") };
        // The nonce differs each time, so it is not compared.
        let (url, nonce) = url.rsplit_once("protocol=2&nonce=").unwrap();
        self.nonces.push(nonce.to_owned());
        url.trim_end_matches(['&', '?']).to_owned()
    }

    fn opened_any(&mut self) -> bool {
        !self.take(|action| matches!(action, Action::Open { .. }).then_some(())).is_empty()
    }

    /// The requests that were sent since the last call.
    fn sent(&mut self) -> Vec<Request> {
        self.take(|action| match action {
            Action::Send(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// The only request that was sent since the last call.
    fn sent_one(&mut self) -> Request {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn failures(&mut self) -> Vec<Failure> {
        self.take(|action| match action {
            Action::Error(failure) => Some(failure.clone()),
            _ => None,
        })
    }

    /// The handlers that were confirmed or refused, with the refusals.
    fn settled(&mut self) -> Vec<(HandlerId, Option<String>)> {
        self.take(|action| match action {
            Action::Settled { handler, refusal } => Some((*handler, refusal.as_deref().map(str::to_owned))),
            _ => None,
        })
    }

    /// Delivers a gap among addressed events, and on these channels.
    fn gap_among_addressed(&mut self, channels: &str) {
        let (channels, reason) = (Some(patterns(channels)), "trimmed".into());
        self.frame(Frame::Gap { channels, addressed: true, cursor: None, reason, request_id: None, id: None });
    }

    /// The reported gaps: their channels and handlers.
    fn gaps(&mut self) -> Vec<(Option<Vec<Pattern>>, Vec<HandlerId>)> {
        self.take(|action| match action {
            Action::Gap { channels, handlers, .. } => Some((channels.clone(), handlers.clone())),
            _ => None,
        })
    }

    fn statuses(&mut self) -> Vec<Status> {
        self.take(|action| match action {
            Action::State(status) => Some(status.clone()),
            _ => None,
        })
    }

    /// The actions of one kind since the last call, in their order.
    fn take<T>(&mut self, pick: impl Fn(&Action) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.done.retain(|action| match pick(action) {
            Some(value) => {
                taken.push(value);
                false
            }
            None => true,
        });
        taken
    }
}

/// The channels in a stream's URL, separated by spaces.
fn channels_of(url: &str) -> String {
    parameter(url, "channels").unwrap_or_default().replace(',', " ")
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

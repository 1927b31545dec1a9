//! A tab: the real state machine, its stream and its requests, and its handlers, each with a judge of its own. It
//! translates between the state machine and the judges, in both directions.

mod acts;
mod reading;
mod relay;
mod watching;

use std::collections::{BTreeMap, HashMap};

use axum::body::Body;
use http::{Request, StatusCode};
use tidings_client::client::{self, Answer, Backoff, ClientCore, Config, Exclusion, HandlerId, Hears, Identity, State};
use tidings_protocol::{
    Cursor, Pattern,
    command::{CheckAnswer, SubscribeAnswer, SubscribeRequest},
    problem::Problem,
};

use super::{
    ear::{Ear, Violation},
    engine::Log,
    journal::Journal,
    person::Person,
    profile::{self, Tab},
    roster::Roster,
    sabotage::{Deafness, Sabotage},
    wire::{Asked, Wire},
};

pub(super) struct Client {
    pub(super) person: Person,
    pub(super) core: ClientCore,
    /// How far the tab's clock is ahead.
    pub(super) ahead_ms: u64,
    pub(super) ears: Vec<Ear>,
    /// The ears of the core's handlers.
    handlers: HashMap<HandlerId, usize>,
    /// The server's name for the stream, its own or that of the tab that it follows.
    pub(super) connection_id: Option<String>,
    /// The lists of the presence handlers.
    pub(super) rosters: BTreeMap<HandlerId, Roster>,
    /// The page was rendered with a text that is not a cursor, which must be reported once.
    owed_gap: bool,
    /// The tab's page, as its browser knows it.
    pub(super) tab: Tab,
    /// The tab's name among the other tabs.
    name: Option<String>,
    /// Its latest attempt to join a leading tab, which alone it lets be answered.
    attempt: u32,
    /// The term of the leading tab that it follows, and the position of that tab's stream.
    term: String,
    begins: Option<Cursor>,
    /// Whether no script runs in the tab.
    pub(super) frozen: bool,
    /// The tab's requests to its browser.
    pub(super) requests: Vec<profile::Request>,
    /// The frame that is being read: its name and its data.
    data: Option<(String, String)>,
    /// The latest position on the stream that the tab follows, or on its own stream that has ended.
    followed: Option<Cursor>,
    /// How many events came on another tab's stream; below, how often the tab took over the lead.
    pub(super) relayed: u64,
    pub(super) handovers: u64,
    waited: bool,
    /// The cursor that the page was rendered with.
    page: Option<Cursor>,
    /// The URL of a stream that was requested.
    pub(super) opening: Option<String>,
    pub(super) wire: Option<Wire>,
    /// Counts streams, so that nothing of a stream is passed in after it was closed.
    streams: u32,
    pub(super) calls: Vec<Call>,
    /// The hub's ends of streams that the client has closed.
    pub(super) orphans: Vec<Body>,
    /// The gaps that were reported to the tab: the reason, and whether it had missed nothing.
    pub(super) gaps: Vec<(String, bool)>,
    pub(super) heard: u64,
    /// How many frames about presence its handlers received.
    pub(super) seen: u64,
    journal: Journal,
    deafness: Deafness,
}

/// A request in flight, or its answer.
pub(super) struct Call {
    pub(super) request: client::Request,
    pub(super) answer: Option<Answer>,
    pub(super) node: usize,
}

/// The facts about a node that the judge of its gaps needs.
#[derive(Clone, Copy)]
pub(super) struct Teller {
    /// How often the node had to start over.
    pub(super) resets: u32,
    /// The node has read records that the log has lost, and does not know it yet.
    pub(super) astray: bool,
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
            core: ClientCore::new(config, identity, seed),
            ahead_ms: 1_000_000 * index as u64,
            ears: Vec::new(),
            handlers: HashMap::new(),
            connection_id: None,
            rosters: BTreeMap::new(),
            owed_gap: since.is_some_and(|since| since.parse::<Cursor>().is_err()),
            tab: (index, page),
            name: None,
            term: String::new(),
            attempt: 0,
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
            heard: 0,
            seen: 0,
            journal,
            deafness: Deafness::new(sabotage),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.core.state() == State::Open
    }

    pub(super) fn subscribe(&mut self, log: &Log, pattern: Pattern, since: Option<&str>) {
        let handler = self.core.subscribe(pattern.clone(), since);
        let since = since.map(str::parse::<Cursor>);
        self.deafness.made(handler, since.and_then(Result::ok));
        let mut ear = Ear::new(&log.truth, Hears::Channels, pattern, since.and_then(Result::ok));
        ear.owed_gap = matches!(since, Some(Err(_)));
        ear.page = self.page.filter(|_| self.core.shares()).and_then(|at| log.truth.find(at));
        self.handlers.insert(handler, self.ears.len());
        self.ears.push(ear);
    }

    pub(super) fn on(&mut self, log: &Log, label: Pattern) {
        let handler = self.core.on(label.clone());
        self.handlers.insert(handler, self.ears.len());
        let mut ear = Ear::new(&log.truth, Hears::Addressed, label, None);
        ear.page = self.page.filter(|_| self.core.shares()).and_then(|at| log.truth.find(at));
        self.ears.push(ear);
    }

    /// The channels that a handler subscribes to by their own name.
    pub(super) fn exact(&self) -> Vec<Pattern> {
        let ears = self.handlers.values().map(|ear| &self.ears[*ear]);
        ears.filter(|ear| ear.hears == Hears::Channels).map(|ear| ear.pattern.clone()).collect()
    }

    pub(super) fn unsubscribe(&mut self, now: u64, which: usize) {
        let mut handlers: Vec<_> = self.handlers.keys().copied().collect();
        handlers.sort();
        let Some(handler) = handlers.get(which % handlers.len().max(1)) else { return };
        self.core.unsubscribe(now, *handler);
        let ear = self.handlers.remove(handler).expect("it was just listed");
        self.ears[ear].gone = true;
    }

    /// The requested stream was opened.
    pub(super) fn opened(&mut self, wire: Wire) {
        self.streams += 1;
        self.wire = Some(wire);
        self.rosters.values_mut().for_each(Roster::begins_anew);
    }

    /// The latest position on the stream, the tab's own or another tab's.
    fn latest(&self) -> Option<Cursor> {
        self.wire.as_ref().map_or(self.followed, |wire| wire.latest)
    }

    /// The answer to a request has arrived, or will not.
    pub(super) fn answered(&mut self, now: u64, log: &Log, number: u32, answer: Answer) -> Result<(), Violation> {
        self.journal.note(|| format!("{} is answered {number}: {answer:?}", self.person.session));
        self.core.answer(now, number, answer);
        self.act(now, log, None)
    }

    /// Fires the timers that are due.
    pub(super) fn wake(&mut self, now: u64, log: &Log) -> Result<bool, Violation> {
        let mut woken = false;
        for _ in 0..8 {
            if self.core.deadline().is_none_or(|at| at > now) {
                break;
            }
            self.core.wake(now);
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

    /// Records what a call asks for.
    pub(super) fn asks(&mut self, body: &str) {
        let Ok(call) = serde_json::from_str::<SubscribeRequest>(body) else { return };
        if let Some(wire) = &mut self.wire {
            wire.asks(Asked { patterns: call.channels, addressed: call.addressed, since: call.since });
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

/// An answer in the form that the core takes.
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
        rejected: subscribed
            .map(|answer| answer.rejected.into_iter().map(crate::frames::rejected).collect())
            .unwrap_or_default(),
        ..Answer::default()
    }
}

//! The life of a connection: opening, failing, finding out why, waiting, and the watchdog over an open stream.

use std::borrow::Cow;

use tidings_protocol::Pattern;

use super::{
    Action, Answer, Ask, Cursors, Session, State, Status, Trouble,
    address::{HEX, add, list},
    calls::{CALL_MS, Calls},
    credentials::{Refresh, Step},
    follower::Leader,
    presence::Watch,
    subscription::{Standing, Subscription, raise},
    tabs::{LOCK_MS, Part, Tabs},
};
use crate::{routes::Hears, text::push_number};

/// The interval between heartbeats until a server says its own (its default).
pub(super) const HEARTBEAT_MS: u64 = 15_000;
/// A stream that lived this long ends a row of failures. Not `connected` alone: a server that crashes upon every
/// connection would be met by its whole crowd, again and again, at the first and shortest wait.
const STABLE_MS: u64 = 5_000;
/// `online` and a tab becoming visible spread over this much.
const PROMPT_MS: u64 = 500;
/// The diagnosis of a failed connection may take this long.
pub(super) const DIAGNOSIS_MS: u64 = 10_000;
/// What was asked for longer ago than this is asked for anew where there is reason to doubt that it still comes; each time after
/// twice as long, so that a slow network is not begun anew for ever by somebody who switches tabs.
const DOUBT_MS: u64 = 1_000;
const MOST_DOUBLINGS: u32 = 5;
/// A server may ask for more patience than this, and gets no more.
const RETRY_AFTER_MS: u64 = 300_000;
/// A timer that fires later than this was held back (a hidden tab, a sleeping machine), and so may have been the stream.
pub(super) const LATE_MS: u64 = 2_000;

/// Where the connection stands, and what belongs to that.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a session has one, and moves it seldom")]
pub(super) enum Phase {
    /// Nobody asked for it.
    Idle,
    /// It is not known yet whether another tab has a stream. After this time this one goes without the others.
    Asking { until: u64 },
    /// Another tab has one; the server is asked whether the user is the same.
    Verifying { request: u32, until: u64 },
    /// The tab that leads is asked for a stream since the first time; asked again at the second.
    Joining { since: u64, until: u64, status: Status },
    /// Ended, or given up.
    Closed,
    /// Asked for; opened at the end of the microtask, with all that is subscribed until then.
    Starting,
    /// Asked for; the credentials for it are not there yet.
    Authorising { request: u32, until: u64, step: Step },
    /// Opened; nothing heard of it.
    Connecting(Attempt),
    /// `connected` came, of the server or of the tab that leads.
    Open(Stream),
    /// It failed, and the server is asked why; at last, whether it is there at all.
    Diagnosing { request: u32, until: u64, probes: bool },
    /// The next attempt comes at this time; a firm one is not brought forward by `online` or a tab that is shown.
    Waiting { since: u64, until: u64, firm: bool },
    /// The page is in the browser's back/forward cache.
    Suspended,
}

/// A stream that has not answered.
#[derive(Debug)]
pub(super) struct Attempt {
    /// It fails at this time.
    pub(super) until: u64,
    /// The channels in its URL.
    pub(super) asked: Vec<Pattern>,
    /// The cursor in its URL.
    pub(super) cursor: Option<Cursors>,
}

/// What is at the other end of a stream.
#[derive(Debug)]
pub(super) enum Source {
    /// The server.
    Server,
    /// The tab that leads, which has the server's.
    Leader(Leader),
}

/// A stream that has answered.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) source: Source,
    pub(super) connection_id: String,
    /// Not resumed although a cursor was sent: a `gap` follows. Until it has come, the old cursor stays, or a cut between
    /// the two would turn the gap into silence; and nothing is asked for from it, or the gap would be told twice.
    pub(super) awaits_gap: bool,
    pub(super) calls: Calls,
    pub(super) refresh: Refresh,
    pub(super) watch: Watch,
    opened_at: u64,
    pub(super) heard_at: u64,
    /// The watchdog looks at this time. It does not move with every message.
    watch_at: u64,
    /// It looked, late, and let one more interval pass.
    pub(super) grace_used: bool,
    /// Something must have been heard after this time, when the watchdog looks.
    probing_since: Option<u64>,
}

impl Stream {
    pub(super) fn new(now: u64, source: Source, connection_id: String, heartbeat_ms: u64, alive_ms: u64) -> Self {
        Self {
            source,
            connection_id,
            awaits_gap: false,
            calls: Calls::default(),
            refresh: Refresh::default(),
            watch: Watch::new(now, alive_ms),
            opened_at: now,
            heard_at: now,
            watch_at: now.saturating_add(silence_limit(heartbeat_ms)),
            grace_used: false,
            probing_since: None,
        }
    }
}

/// Silence for this long means that nothing will come.
pub(super) fn silence_limit(heartbeat_ms: u64) -> u64 {
    heartbeat_ms.saturating_add(heartbeat_ms).saturating_add(heartbeat_ms / 2)
}

impl Phase {
    pub(super) fn state(&self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Closed => State::Closed,
            Self::Starting
            | Self::Asking { .. }
            | Self::Verifying { .. }
            | Self::Authorising { .. }
            | Self::Connecting(_) => State::Connecting,
            Self::Joining { status, .. } | Self::Open(Stream { source: Source::Leader(Leader { status, .. }), .. }) => {
                status.state
            }
            Self::Open(_) => State::Open,
            Self::Diagnosing { .. } | Self::Waiting { .. } | Self::Suspended => State::Waiting,
        }
    }

    /// Whether there is a stream of the server's, which has to be closed.
    fn has_stream(&self) -> bool {
        matches!(self, Self::Connecting(_) | Self::Open(Stream { source: Source::Server, .. }))
    }

    /// Whether the other end of the stream is a tab.
    pub(super) fn is_led(&self) -> bool {
        matches!(self, Self::Open(Stream { source: Source::Leader(_), .. }))
    }
}

impl Session {
    /// Opens a stream, unless that is another tab's to do. Its URL holds what is to go on from where the stream's cursor stands; all else is asked for by
    /// calls, once the stream is there.
    pub(super) fn open_stream(&mut self, now: u64, ticket: &str) {
        let cursor = self.cursor;
        let resumes = cursor.is_some() && !self.untried;
        // A tab that followed may have been told where a handler began, and not yet where the stream was.
        for subscription in self.subscriptions.iter_mut().filter(|_| cursor.is_none()) {
            subscription.begin_from_mark();
        }
        let mut channels = String::new();
        let mut asked: Vec<Pattern> = Vec::new();
        // With a cursor, what was confirmed goes on from there. Without one all begins with the stream, and with the page's
        // own all that was there from the start begins with that. But on a resumed stream what is new would hear the past.
        let due = |subscription: &Subscription| match subscription.standing {
            Standing::Active => subscription.hears == Hears::Channels,
            Standing::Pending { since: None, .. } => {
                subscription.hears == Hears::Channels && !resumes && (subscription.owner == 0 || cursor.is_none())
            }
            _ => false,
        };
        for subscription in self.subscriptions.iter().filter(|one| due(one)) {
            if !asked.contains(&subscription.pattern) && list(&mut channels, &subscription.pattern) {
                asked.push(subscription.pattern.clone());
            }
        }
        // What found no room is asked for by a call, from the cursor on; another tab does so itself.
        let mut expelled = Vec::new();
        for subscription in &mut self.subscriptions {
            if due(subscription) && cursor.is_some() && !asked.contains(&subscription.pattern) {
                subscription.standing = Standing::Pending { since: cursor, call: None };
                subscription.heard(cursor);
                expelled.push(subscription.id);
            }
        }
        expelled.into_iter().for_each(|id| self.expel(id));
        // A stream that several tabs share is no single one's.
        let session_id = self.tabs.is_none().then_some(&*self.identity.session_id);
        let mut url = self.address.stream(&channels, &self.identity.device_id, session_id, &cursor, &self.seen, ticket);
        // No cache may answer with a stream that it has stored: a service worker's would replay it.
        add(&mut url, "nonce=");
        push_number(&mut url, self.nonces.up_to(u64::MAX), HEX);
        let until = now.saturating_add(silence_limit(self.heartbeat_ms));
        self.enter(Phase::Connecting(Attempt { until, asked, cursor }));
        self.actions.push(Action::Open { url });
    }

    /// The stream failed or ended.
    pub fn failed(&mut self, now: u64) {
        match &self.phase {
            Phase::Connecting(_) => self.diagnose(now, false),
            Phase::Open(Stream { source: Source::Server, .. }) => self.lose(now, None),
            _ => {}
        }
    }

    /// An attempt failed, or was silent for too long. EventSource does not say why; a request can.
    fn diagnose(&mut self, now: u64, silent: bool) {
        self.was_silent = silent;
        self.leave();
        self.failures = self.failures.saturating_add(1);
        self.ask_why(now, Ask::Server);
    }

    fn ask_why(&mut self, now: u64, ask: Ask) {
        let request = self.ask(ask, "", None);
        let until = now.saturating_add(DIAGNOSIS_MS);
        self.enter(Phase::Diagnosing { request, until, probes: ask == Ask::Probe });
    }

    /// A stream that was open is gone.
    pub(super) fn lose(&mut self, now: u64, trouble: Option<Trouble>) {
        if self.phase.is_led() {
            return self.rejoin(now);
        }
        self.count(now);
        self.leave();
        self.retry(now, 0, false, trouble);
    }

    /// Whether the stream that ends here ends a row of failures, or is one more of them.
    fn count(&mut self, now: u64) {
        if let Phase::Open(stream) = &self.phase {
            let stable = now.saturating_sub(stream.opened_at) >= STABLE_MS;
            self.failures = if stable { 0 } else { self.failures.saturating_add(1) };
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, now: u64, number: u32, answer: &Answer) {
        if self.refresh_answered(now, number, answer)
            || self.presence_answered(now, number, answer)
            || self.reported_latency(number, answer)
        {
            return;
        }
        match self.phase {
            Phase::Diagnosing { request, .. } if request == number => self.refused(now, answer),
            Phase::Authorising { request, .. } if request == number => self.authorised(now, answer),
            Phase::Verifying { request, .. } if request == number => self.verified(now, answer),
            Phase::Open(_) => self.call_answered(now, number, answer),
            _ => {}
        }
    }

    /// Tells why there is no stream, once that is known. Where no answer came, another origin's server may be there all the
    /// same, and its answer hidden from this page.
    pub(super) fn reported(&mut self, now: u64, answer: &Answer) {
        let probed = matches!(self.phase, Phase::Diagnosing { probes: true, .. });
        if answer.status.is_none() && self.cross_origin && !probed {
            self.ask_why(now, Ask::Probe);
        } else {
            self.diagnosed(now, answer);
        }
    }

    pub(super) fn diagnosed(&mut self, now: u64, answer: &Answer) {
        let mut trouble = trouble(answer);
        // The server answers and its stream does not: somebody between us holds the whole answer back until it ends, and may hold
        // the connection to the server for as long. So the next attempts, which will hardly fare better, are few. Once is no proof: a
        // request may be lost.
        let is_buffered = self.was_silent
            && self.failures > 1
            && trouble.code == "network"
            && matches!(answer.status, Some(200..=299));
        if is_buffered {
            trouble.code = "buffered".into();
        }
        if matches!(answer.status, Some(401 | 403)) {
            // Another tab may have better credentials.
            self.exit();
        }
        let least = match answer.status {
            // New credentials are the user's to bring, and `connect` asks at once.
            Some(401 | 403) => self.reconnect.map_or(0, |backoff| backoff.cap_ms),
            _ if is_buffered => RETRY_AFTER_MS,
            _ => retry_after(answer),
        };
        // A server that is away may be back for somebody who looks; one that has had enough of us has not.
        let firm = least > 0 && matches!(answer.status, Some(401 | 403 | 429));
        self.retry(now, least, firm, Some(trouble));
    }

    /// Plans the next attempt, not before `least` milliseconds, or gives up.
    fn retry(&mut self, now: u64, least: u64, firm: bool, trouble: Option<Trouble>) {
        if let Some(backoff) = self.reconnect.filter(|backoff| self.failures < backoff.max_attempts) {
            let wait = backoff.wait(self.failures, &mut self.random).max(least);
            self.wait(now, wait, firm, trouble);
        } else {
            self.exit();
            self.enter(Phase::Closed);
            let trouble = trouble.unwrap_or_else(|| Trouble { code: "network".into(), ..Trouble::default() });
            self.actions.push(Action::Error(trouble));
        }
    }

    fn wait(&mut self, now: u64, wait: u64, firm: bool, trouble: Option<Trouble>) {
        self.enter(Phase::Waiting { since: now, until: now.saturating_add(wait), firm });
        if let Some(trouble) = trouble {
            self.post_trouble(&trouble);
            self.actions.push(Action::Error(Trouble { will_retry: true, ..trouble }));
        }
    }

    /// The server ends the stream and says when to come back.
    pub(super) fn dismissed(&mut self, now: u64, reason: String, retry_ms: u64) {
        let retry_ms = retry_ms.min(RETRY_AFTER_MS);
        self.count(now);
        self.leave();
        // Two streams that replace each other would go on for ever.
        if reason == "replaced" {
            self.exit();
            self.enter(Phase::Closed);
            return self.actions.push(Action::Error(Trouble { code: Cow::Owned(reason), ..Trouble::default() }));
        }
        // A drain is the server's business, as long as we may come back.
        let trouble = (reason != "drain").then(|| Trouble { code: Cow::Owned(reason), ..Trouble::default() });
        if self.failures == 0 && self.reconnect.is_some() {
            self.wait(now, retry_ms, true, trouble);
        } else {
            self.retry(now, retry_ms, retry_ms > 0, trouble);
        }
    }

    /// The network came back.
    pub fn online(&mut self, now: u64) {
        self.probe_or_retry_now(now, false);
    }

    /// The tab became visible.
    pub fn visible(&mut self, now: u64) {
        self.probe_or_retry_now(now, false);
    }

    /// There is reason to doubt that what is awaited still comes. A wait is cut short; an open stream has to prove that it lives,
    /// and a leader that it is there; all else is begun anew.
    pub(super) fn probe_or_retry_now(&mut self, now: u64, connect: bool) {
        self.ask_leader(now, connect);
        let patient_until = self.awaited_since().map(|since| since.saturating_add(DOUBT_MS << self.restarts));
        if patient_until.is_some_and(|until| now >= until) {
            return self.restart(now);
        }
        let prompt = now.saturating_add(self.random.up_to(PROMPT_MS));
        match &mut self.phase {
            Phase::Waiting { until, firm: false, .. } => *until = prompt.min(*until),
            // A server that has nothing to say says so once in every interval. A doubt that stands already keeps its time,
            // or a tab that is shown and hidden all the time would never be answered.
            Phase::Open(Stream { source: Source::Leader(_), calls, .. }) => calls.doubt(now, prompt),
            Phase::Open(stream) if stream.probing_since.is_none_or(|probing_since| stream.heard_at > probing_since) => {
                stream.probing_since = Some(now);
                let proof = now.saturating_add(self.heartbeat_ms).saturating_add(self.heartbeat_ms / 4);
                stream.watch_at = proof.min(stream.heard_at.saturating_add(silence_limit(self.heartbeat_ms)));
                stream.calls.doubt(now, prompt);
            }
            _ => {}
        }
    }

    /// Since when something is awaited that is begun anew where there is doubt.
    fn awaited_since(&self) -> Option<u64> {
        let (until, span) = match &self.phase {
            Phase::Asking { until } => (*until, LOCK_MS),
            Phase::Verifying { until, .. } | Phase::Diagnosing { until, .. } => (*until, DIAGNOSIS_MS),
            Phase::Authorising { until, .. } => (*until, CALL_MS),
            Phase::Connecting(attempt) => (attempt.until, silence_limit(self.heartbeat_ms)),
            _ => return None,
        };
        Some(until.saturating_sub(span))
    }

    /// Begins anew what is awaited.
    fn restart(&mut self, now: u64) {
        self.restarts = (self.restarts + 1).min(MOST_DOUBLINGS);
        if matches!(self.phase, Phase::Asking { .. }) {
            self.exit();
        }
        self.leave();
        self.enter(Phase::Starting);
        self.open(now);
    }

    /// The page goes away, perhaps into the back/forward cache, where a stream would stay open at the server.
    pub fn suspend(&mut self) {
        if !matches!(self.phase, Phase::Idle | Phase::Closed) {
            self.report();
            self.leave();
            self.exit();
            self.enter(Phase::Suspended);
        }
    }

    /// The page came back.
    pub fn resume(&mut self, now: u64) {
        if matches!(self.phase, Phase::Suspended) {
            self.open(now);
        }
    }

    /// When [`Self::wake`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let own = match &self.phase {
            Phase::Connecting(attempt) => Some(attempt.until),
            Phase::Authorising { until, .. }
            | Phase::Diagnosing { until, .. }
            | Phase::Waiting { until, .. }
            | Phase::Verifying { until, .. }
            | Phase::Joining { until, .. }
            | Phase::Asking { until } => Some(*until),
            Phase::Open(stream) => {
                let watch_at = match &stream.source {
                    Source::Server => stream.watch_at,
                    Source::Leader(leader) => leader.watch_at(stream.heard_at, self.heartbeat_ms),
                };
                let calls = sooner(stream.calls.deadline(), stream.watch.due());
                sooner(Some(watch_at), sooner(calls, stream.refresh.due()))
            }
            Phase::Idle | Phase::Closed | Phase::Starting | Phase::Suspended => None,
        };
        let hub = match &self.tabs {
            Some(Tabs { part: Part::Leading(hub), .. }) => hub.deadline(),
            _ => None,
        };
        sooner(hub, sooner(own, self.idle_at))
    }

    /// Time has passed. It may be called early, or late, or for nothing.
    pub fn wake(&mut self, now: u64) {
        if self.idle_at.is_some_and(|at| now >= at) {
            self.idle_at = None;
            if !matches!(self.phase, Phase::Idle | Phase::Closed) {
                self.leave();
                self.exit();
                // Nobody listens, so nobody misses anything; a handler to come begins anew.
                self.forget_position();
                self.failures = 0;
                self.enter(Phase::Idle);
            }
        }
        match &self.phase {
            Phase::Connecting(attempt) if now >= attempt.until => self.diagnose(now, true),
            Phase::Authorising { until, .. } if now >= *until => self.authorised(now, &Answer::default()),
            Phase::Diagnosing { until, .. } if now >= *until => self.diagnosed(now, &Answer::default()),
            Phase::Verifying { until, .. } if now >= *until => self.verified(now, &Answer::default()),
            Phase::Waiting { until, .. } if now >= *until => self.open(now),
            Phase::Asking { until } if now >= *until => self.no_lock(now, *until),
            Phase::Joining { .. } => self.wake_joining(now),
            Phase::Open(_) => {
                self.watch(now);
                self.wake_calls(now);
                self.wake_refresh(now);
                self.wake_presence(now);
            }
            _ => {}
        }
        self.wake_hub(now);
    }

    fn watch(&mut self, now: u64) {
        if self.watch_leader(now) {
            return;
        }
        let Phase::Open(stream) = &mut self.phase else { return };
        if now < stream.watch_at {
            return;
        }
        let proven = match stream.probing_since {
            Some(probing_since) => stream.heard_at > probing_since,
            None => stream.heard_at.saturating_add(silence_limit(self.heartbeat_ms)) > now,
        };
        if proven {
            stream.probing_since = None;
            stream.grace_used = false;
            stream.watch_at = stream.heard_at.saturating_add(silence_limit(self.heartbeat_ms)).max(now + 1);
            self.report();
        } else if !stream.grace_used && now - stream.watch_at >= LATE_MS {
            stream.grace_used = true;
            stream.watch_at = now.saturating_add(self.heartbeat_ms);
        } else {
            self.lose(now, Some(Trouble { code: "silent".into(), ..Trouble::default() }));
        }
    }

    /// The stream gave a sign of life.
    pub(super) fn heard(&mut self, now: u64) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.heard_at = now;
        }
    }

    /// Ends the stream, if there is one. What was asked for on it and not confirmed is asked for again on the next.
    pub(super) fn leave(&mut self) {
        if self.phase.has_stream() {
            self.actions.push(Action::Close);
        }
        for subscription in &mut self.subscriptions {
            if let Standing::Pending { call, .. } = &mut subscription.standing {
                *call = None;
            }
        }
    }

    /// Changes the phase and tells the application.
    pub(super) fn enter(&mut self, phase: Phase) {
        let before = self.phase.state();
        self.phase = phase;
        let status = self.status();
        // A wait is worth telling once more when its length is known.
        if status.state != before || status.retry_in_ms.is_some() {
            self.post_status(&status);
            self.actions.push(Action::State(status));
        }
    }

    /// Where the connection stands, for the application.
    pub(super) fn status(&self) -> Status {
        if let Some(status) = self.led_state() {
            return status.clone();
        }
        let (mut retry_in_ms, mut connection_id) = (None, None);
        match &self.phase {
            Phase::Waiting { since, until, .. } => retry_in_ms = Some(until - since),
            Phase::Open(stream) => connection_id = Some(stream.connection_id.clone()),
            _ => {}
        }
        let attempt = if connection_id.is_some() { 0 } else { self.failures };
        Status { state: self.phase.state(), attempt, retry_in_ms, connection_id }
    }

    /// The stream has brought all up to here.
    pub(super) fn advance(&mut self, now: u64, id: Option<Cursors>) {
        let Phase::Open(stream) = &self.phase else { return };
        if id.is_none() {
            return;
        }
        if stream.awaits_gap {
            // Every stream that does not resume says so itself, next after `connected`. Should one not, we do.
            return self.gap(now, "unknown".to_owned(), id);
        }
        self.cursor = id;
        raise(&mut self.seen, id);
    }
}

fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// How long the server asks to be left alone.
pub(super) fn retry_after(answer: &Answer) -> u64 {
    answer.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS)
}

/// What an answer that does not help says to the application.
pub(super) fn trouble(answer: &Answer) -> Trouble {
    let code = match (&answer.code, answer.status) {
        (Some(code), _) => Cow::Owned(code.clone()),
        (None, None) => "network".into(),
        // The server would have us, so it was the stream alone that failed.
        (None, Some(200..=299)) => "network".into(),
        (None, Some(401)) => "unauthorized".into(),
        (None, Some(403)) => "forbidden".into(),
        (None, Some(404)) => "notFound".into(),
        (None, Some(429)) => "tooManyRequests".into(),
        (None, Some(500..)) => "unavailable".into(),
        (None, Some(_)) => "unexpected".into(),
    };
    let status = answer.status.filter(|status| !(200..=299).contains(status));
    Trouble { code, status, detail: answer.detail.clone(), ..Trouble::default() }
}

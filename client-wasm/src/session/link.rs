//! The life of a connection: opening, failing, finding out why, waiting, and the watchdog over an open stream.

use std::borrow::Cow;

use tidings_protocol::Pattern;

use super::{
    Action, Answer, Ask, Cursors, Session, Status, Trouble,
    address::{HEX, add, list},
    phase::{Attempt, Phase, Source, Stream, silence_limit},
    subscription::{Standing, Subscription, raise},
};
use crate::{routes::Hears, text::push_number};

/// A stream that lived this long ends a row of failures. Not `connected` alone: a server that crashes upon every
/// connection would be met by its whole crowd, again and again, at the first and shortest wait.
const STABLE_MS: u64 = 5_000;
/// The diagnosis of a failed connection may take this long.
pub(super) const DIAGNOSIS_MS: u64 = 10_000;
/// A server may ask for more patience than this, and gets no more.
const RETRY_AFTER_MS: u64 = 300_000;

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
    pub(super) fn diagnose(&mut self, now: u64, silent: bool) {
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

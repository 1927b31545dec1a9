//! Streams that fail or end: finding out why, waiting, giving up.

use super::{
    Answer, Ask, Failure, Session,
    connection::{Connection, DIAGNOSIS_MS, Phase},
    sharing::TabTell,
};

/// A server may ask for more patience than this, and gets no more.
const RETRY_AFTER_MS: u64 = 300_000;
/// Doubled with each failure, the wait after a stream that was silent while the server answered: 20 s after the second one.
const BUFFERED_MS: u64 = 5_000;

impl Session {
    /// The stream failed or ended.
    pub fn failed(&mut self, now: u64) {
        match self.connection.phase() {
            Phase::Connecting { .. } => self.diagnose(now, false),
            Phase::Open { led: false } => self.lose(now, None),
            _ => {}
        }
    }

    /// An attempt failed, or was silent for too long. EventSource does not say why; a request can.
    pub(super) fn diagnose(&mut self, now: u64, silent: bool) {
        self.connection.set_silent(silent);
        self.leave();
        self.connection.fail();
        self.ask_why(now, Ask::Server);
    }

    fn ask_why(&mut self, now: u64, ask: Ask) {
        let request = self.ask(ask, "", None);
        let until = now.saturating_add(DIAGNOSIS_MS);
        self.enter(Phase::Diagnosing { request, until, probes: ask == Ask::Probe });
    }

    /// A stream that was open is gone. Where its other end is a tab, that is asked for another one.
    pub(super) fn lose(&mut self, now: u64, failure: Option<Failure>) {
        if self.connection.is_led() {
            return self.join(now, now);
        }
        self.connection.count(now);
        self.leave();
        self.retry(now, 0, false, failure);
    }

    /// The server would not have us. Where that may be the token's fault, another one is tried.
    pub fn refused(&mut self, now: u64, answer: &Answer) {
        self.leave();
        let counted = matches!(self.connection.phase(), Phase::Diagnosing { .. });
        if answer.status == Some(401) && self.auth.may_renew() {
            self.auth.renew();
            if counted {
                self.connection.take_failure_back();
            }
            self.authorise(now, Some(answer.clone()));
        } else {
            if !counted {
                self.connection.fail();
            }
            self.reported(now, answer);
        }
    }

    /// Tells why there is no stream, once that is known. Where no answer came, another origin's server may be there all the
    /// same, and its answer hidden from this page.
    fn reported(&mut self, now: u64, answer: &Answer) {
        let probed = matches!(self.connection.phase(), Phase::Diagnosing { probes: true, .. });
        if answer.status.is_none() && self.cross_origin && !probed {
            self.ask_why(now, Ask::Probe);
        } else {
            self.diagnosed(now, answer);
        }
    }

    pub(super) fn diagnosed(&mut self, now: u64, answer: &Answer) {
        let mut failure = failure_of(answer);
        // The server answers and its stream does not: somebody between us holds the whole answer back until it ends, and may hold
        // the connection to the server for as long. So the next attempts, which will hardly fare better, are few. Once is no proof: a
        // request may be lost.
        let is_buffered = self.connection.was_silent()
            && self.connection.failures() > 1
            && failure.code == "network"
            && matches!(answer.status, Some(200..=299));
        if is_buffered {
            failure.code = "buffered".into();
        }
        if matches!(answer.status, Some(401 | 403)) {
            // Another tab may have better credentials.
            self.exit();
        }
        let least = match answer.status {
            // New credentials are the user's to bring, and `connect` asks at once.
            Some(401 | 403) => self.connection.longest_wait(),
            // Not so few at first: of several servers one may hang, and another one have answered.
            _ if is_buffered => (BUFFERED_MS << self.connection.failures().min(8)).min(RETRY_AFTER_MS),
            _ => retry_after(answer),
        };
        // A server that is away may be back for somebody who looks; one that has had enough of us has not.
        let firm = least > 0 && matches!(answer.status, Some(401 | 403 | 429));
        self.retry(now, least, firm, Some(failure));
    }

    /// Plans the next attempt, not before `least` milliseconds, or gives up.
    fn retry(&mut self, now: u64, least: u64, firm: bool, failure: Option<Failure>) {
        match self.connection.next_wait(&mut self.random) {
            Some(wait) => self.wait(now, wait.max(least), firm, failure),
            None => self.give_up(failure.unwrap_or_else(|| Failure::of("network".into()))),
        }
    }

    fn wait(&mut self, now: u64, wait: u64, firm: bool, failure: Option<Failure>) {
        self.enter(Phase::Waiting { since: now, until: now.saturating_add(wait), firm });
        if let Some(failure) = failure {
            self.tell_members(TabTell::Failure(failure.clone()));
            self.out.error(Failure { will_retry: true, ..failure });
        }
    }

    fn give_up(&mut self, failure: Failure) {
        self.exit();
        self.enter(Phase::Closed);
        self.out.error(failure);
    }

    /// The server ends the stream and says when to come back.
    pub(super) fn dismissed(&mut self, now: u64, reason: String, retry_ms: u64) {
        let retry_ms = retry_ms.min(RETRY_AFTER_MS);
        self.connection.count(now);
        self.leave();
        // Two streams that replace each other would go on for ever.
        if reason == "replaced" {
            return self.give_up(Failure::of(reason));
        }
        // A drain is the server's business, as long as we may come back.
        let failure = (reason != "drain").then(|| Failure::of(reason));
        if self.connection.failures() == 0 && self.connection.retries() {
            self.wait(now, retry_ms, true, failure);
        } else {
            self.retry(now, retry_ms, retry_ms > 0, failure);
        }
    }

    /// There is reason to doubt that what is awaited still comes. A wait is cut short; an open stream has to prove that it lives,
    /// and a leader that it is there; all else is begun anew.
    pub(super) fn probe_or_retry_now(&mut self, now: u64, connect: bool) {
        self.probe_leader(now, connect);
        if self.connection.may_restart(now) {
            return self.restart(now);
        }
        let prompt = Connection::prompt(now, &mut self.random);
        self.connection.cut_wait(prompt);
        if self.connection.is_led() || self.connection.is_own() && self.connection.probe(now) {
            self.ledger.doubt_calls(now, prompt);
        }
    }

    /// Asks the leader to show that it is there, and not to wait: to see whether its stream lives, or to connect.
    pub(super) fn probe_leader(&mut self, now: u64, connect: bool) {
        if self.connection.is_led()
            && let Some(leader) = self.sharing.leader()
        {
            leader.ask(now);
            self.ask_leader(super::sharing::TabAsk::Probe { connect });
        }
    }
}

/// How long the server asks to be left alone.
pub(super) fn retry_after(answer: &Answer) -> u64 {
    answer.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS)
}

/// What an answer that does not help says to the application.
pub(super) fn failure_of(answer: &Answer) -> Failure {
    let code = match answer.status {
        // The server would have us, so it was the stream alone that failed.
        None | Some(200..=299) => "network",
        Some(401) => "unauthorized",
        Some(403) => "forbidden",
        Some(404) => "notFound",
        Some(429) => "tooManyRequests",
        Some(500..) => "unavailable",
        Some(_) => "unexpected",
    };
    let code = answer.code.as_deref().unwrap_or(code).to_owned();
    let status = answer.status.filter(|status| !(200..=299).contains(status));
    Failure { code, status, detail: answer.detail.clone(), ..Failure::default() }
}

//! Streams that fail or end: the diagnosis, the wait, and giving up.

use super::{
    Answer, Ask, ClientCore, Failure,
    connection::{Connection, DIAGNOSIS_MS, Phase},
    sharing::TabTell,
};

/// The longest wait that a server can request.
const RETRY_AFTER_MS: u64 = 300_000;
/// The wait after a stream that was silent while the server answered, doubled with each one in a row: 20 s after the
/// second one.
const BUFFERED_MS: u64 = 5_000;

impl ClientCore {
    /// The stream failed or ended.
    pub fn failed(&mut self, now: u64) {
        match self.connection.phase() {
            Phase::Connecting { .. } => self.diagnose(now, false),
            Phase::Open { led: false } => self.lose(now, None),
            _ => {}
        }
    }

    /// An attempt failed, or was silent for too long. EventSource hides the reason, so a request finds it out.
    pub(super) fn diagnose(&mut self, now: u64, silent: bool) {
        self.connection.count_silent(silent);
        self.leave();
        self.connection.fail();
        self.ask_why(now, Ask::Server);
    }

    fn ask_why(&mut self, now: u64, ask: Ask) {
        let request = self.ask(ask, "", None);
        let until = now.saturating_add(DIAGNOSIS_MS);
        self.enter(Phase::Diagnosing { request, until, probes: ask == Ask::Probe });
    }

    /// An open stream is lost. If its other end is a tab, that tab is asked for another one.
    pub(super) fn lose(&mut self, now: u64, failure: Option<Failure>) {
        if self.connection.is_led() {
            return self.join(now, now);
        }
        self.connection.count(now);
        self.leave();
        self.retry(now, 0, false, failure);
    }

    /// The server refused the stream. If the token may be the reason, another token is tried.
    pub fn refused(&mut self, now: u64, answer: Answer) {
        self.leave();
        let counted = matches!(self.connection.phase(), Phase::Diagnosing { .. });
        if answer.status == Some(401) && self.auth.may_renew() {
            self.auth.renew();
            if counted {
                self.connection.take_failure_back();
            }
            self.authorise(now, Some(answer));
        } else {
            if !counted {
                self.connection.fail();
            }
            self.reported(now, &answer);
        }
    }

    /// Reports why no stream is open, once that is known. Without an answer, another origin's server may be reachable
    /// all the same, with its answer hidden from this page.
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
        // The server answers but its stream does not: a proxy holds the whole answer back until it ends, and may keep
        // the connection to the server for as long. So the next attempts, which will probably fail too, are rare. A
        // single silent attempt proves nothing, because a request may be lost.
        let silent = self.connection.silent_attempts();
        let is_buffered = silent > 1 && failure.code == "network" && matches!(answer.status, Some(200..=299));
        if is_buffered {
            failure.code = "buffered".into();
        }
        if matches!(answer.status, Some(401 | 403)) {
            // Another tab may have better credentials.
            self.exit();
        }
        let least = match answer.status {
            // The user has to bring new credentials, and `connect` requests the stream at once.
            Some(401 | 403) => self.connection.longest_wait(),
            // The first waits are short: of several servers one may hang, while another one has answered.
            _ if is_buffered => (BUFFERED_MS << silent.min(8)).min(RETRY_AFTER_MS),
            _ => retry_after(answer),
        };
        // A server that was down may be back when the user looks; a server that limits this client is not to be asked
        // earlier.
        let firm = least > 0 && matches!(answer.status, Some(401 | 403 | 429));
        self.retry(now, least, firm, Some(failure));
    }

    /// Plans the next attempt, `least` milliseconds from now at the soonest, or gives up.
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

    /// The server ends the stream and says when to reconnect.
    pub(super) fn dismissed(&mut self, now: u64, reason: String, retry_ms: u64) {
        let retry_ms = retry_ms.min(RETRY_AFTER_MS);
        self.connection.count(now);
        self.leave();
        // Two streams that replace each other would do so for ever.
        if reason == "replaced" {
            return self.give_up(Failure::of(reason));
        }
        // A drain does not concern the application, as long as the client may reconnect.
        let failure = (reason != "drain").then(|| Failure::of(reason));
        if self.connection.failures() == 0 && self.connection.retries() {
            self.wait(now, retry_ms, true, failure);
        } else {
            self.retry(now, retry_ms, retry_ms > 0, failure);
        }
    }

    /// There is reason to doubt the current attempt or stream. A wait is cut short; an open stream has to prove that it
    /// is alive, and a leader that it exists; any other phase is restarted.
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

    /// Asks the leader to show that it exists, and to check its stream or to connect at once. The leader may also be
    /// known only by the answer that it has no stream yet.
    pub(super) fn probe_leader(&mut self, now: u64, connect: bool) {
        if self.connection.is_led()
            && let Some(leader) = self.sharing.leader()
        {
            leader.ask(now);
        } else if !matches!(self.connection.phase(), Phase::Joining { .. }) {
            return;
        }
        self.ask_leader(super::sharing::TabAsk::Probe { connect });
    }
}

/// The wait that the server requests.
pub(super) fn retry_after(answer: &Answer) -> u64 {
    answer.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MS)
}

/// The failure that is reported to the application for an answer.
pub(super) fn failure_of(answer: &Answer) -> Failure {
    let code = match answer.status {
        // The server accepted the request, so only the stream failed.
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

//! The connection: its phase, how often it failed and how long it waits, and whether its stream lives.

mod phase;
mod watchdog;

pub(super) use phase::{CALL_MS, DIAGNOSIS_MS, LOCK_MS, Phase};
pub(super) use watchdog::{LATE_MS, Verdict, silence_limit};

use super::State;
use crate::backoff::{Backoff, Random};
use watchdog::Watchdog;

/// The interval between heartbeats until a server says its own (its default).
const HEARTBEAT_MS: u64 = 15_000;
/// A stream that lived this long ends a row of failures. Not `connected` alone: a server that crashes upon every
/// connection would be met by its whole crowd, again and again, at the first and shortest wait.
const STABLE_MS: u64 = 5_000;
/// What was asked for longer ago than this is asked for anew where there is reason to doubt that it still comes; each time after
/// twice as long, so that a slow network is not begun anew for ever by somebody who switches tabs.
const DOUBT_MS: u64 = 1_000;
const MOST_DOUBLINGS: u32 = 5;
/// `online` and a tab becoming visible spread over this much.
const PROMPT_MS: u64 = 500;

/// The connection, of which there is one at a time.
#[derive(Debug)]
pub(super) struct Connection {
    phase: Phase,
    /// How failed connections are tried again; `None`: not at all.
    reconnect: Option<Backoff>,
    /// Failed attempts since a stream last lived.
    failures: u32,
    /// How often what is awaited was begun anew, because somebody had reason to doubt that it still comes, since anything last
    /// came of it.
    restarts: u32,
    /// The attempt that is being diagnosed was silent until its time was over.
    was_silent: bool,
    heartbeat_ms: u64,
    /// The open stream's name in calls.
    id: String,
    /// Over the open stream.
    watchdog: Watchdog,
}

impl Connection {
    pub(super) fn new(reconnect: Option<Backoff>) -> Self {
        Self {
            phase: Phase::Idle,
            reconnect,
            failures: 0,
            restarts: 0,
            was_silent: false,
            heartbeat_ms: HEARTBEAT_MS,
            id: String::new(),
            watchdog: Watchdog::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Whether there is a stream, of the server or of the tab that leads.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Whether the other end of the stream is a tab.
    pub(super) fn is_led(&self) -> bool {
        matches!(self.phase, Phase::Open { led: true })
    }

    /// Whether there is a stream whose other end is the server.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.phase, Phase::Open { led: false })
    }

    /// The open stream's name in calls.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn set_id(&mut self, id: String) {
        self.id = id;
    }

    pub(super) fn heartbeat_ms(&self) -> u64 {
        self.heartbeat_ms
    }

    /// The server's own interval; 0 leaves it as it was.
    pub(super) fn set_heartbeat(&mut self, ms: u64) {
        if ms > 0 {
            self.heartbeat_ms = ms;
        }
    }

    /// A stream has answered.
    pub(super) fn opened(&mut self, now: u64) {
        self.restarts = 0;
        self.watchdog = Watchdog::new(now, self.heartbeat_ms);
    }

    // ---- attempts ----

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The last failure was none of the server's.
    pub(super) fn take_failure_back(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
    }

    /// The open stream ends here: it ends a row of failures, or is one more of them.
    pub(super) fn count(&mut self, now: u64) {
        if self.is_open() {
            if self.watchdog.age(now) >= STABLE_MS {
                self.failures = 0;
            } else {
                self.fail();
            }
        }
    }

    pub(super) fn was_silent(&self) -> bool {
        self.was_silent
    }

    pub(super) fn set_silent(&mut self, silent: bool) {
        self.was_silent = silent;
    }

    pub(super) fn retries(&self) -> bool {
        self.reconnect.is_some()
    }

    /// No wait of the back-off is longer than this; 0 where failed connections are not tried again.
    pub(super) fn longest_wait(&self) -> u64 {
        self.reconnect.map_or(0, |backoff| backoff.cap_ms)
    }

    /// The wait before the next attempt; `None` where there is none.
    pub(super) fn next_wait(&self, random: &mut Random) -> Option<u64> {
        let backoff = self.reconnect.filter(|backoff| self.failures < backoff.max_attempts)?;
        Some(backoff.wait(self.failures, random))
    }

    /// By which calls on an open stream are tried again. As long as the stream lives they are, also where `reconnect` is off.
    pub(super) fn backoff_of_calls(&self) -> Backoff {
        self.reconnect.unwrap_or_default()
    }

    // ---- doubt ----

    /// When somebody who has reason to doubt is served, so that a crowd is not at once.
    pub(super) fn prompt(now: u64, random: &mut Random) -> u64 {
        now.saturating_add(random.up_to(PROMPT_MS))
    }

    /// Whether what is awaited has been awaited for so long that it may be begun anew.
    pub(super) fn may_restart(&self, now: u64) -> bool {
        self.phase
            .awaited_since(self.heartbeat_ms)
            .is_some_and(|since| now >= since.saturating_add(DOUBT_MS << self.restarts))
    }

    pub(super) fn count_restart(&mut self) {
        self.restarts = (self.restarts + 1).min(MOST_DOUBLINGS);
    }

    /// A wait that is not the server's own wish ends at this time at the latest.
    pub(super) fn cut_wait(&mut self, prompt: u64) {
        if let Phase::Waiting { until, firm: false, .. } = &mut self.phase {
            *until = prompt.min(*until);
        }
    }

    // ---- the watchdog ----

    /// The stream gave a sign of life.
    pub(super) fn heard(&mut self, now: u64) {
        self.watchdog.heard(now);
    }

    /// The tab at the other end did.
    pub(super) fn heard_leader(&mut self, now: u64) {
        self.watchdog.heard_leader(now);
    }

    /// The server's stream has to prove that it lives. Whether it has not been asked for that already.
    pub(super) fn probe(&mut self, now: u64) -> bool {
        self.watchdog.probe(now, self.heartbeat_ms)
    }

    /// Looks whether the server's stream lives.
    pub(super) fn watch(&mut self, now: u64) -> Verdict {
        self.watchdog.look(now, self.heartbeat_ms)
    }

    /// The same of a stream whose other end is a tab, which has to answer by a time if it was asked.
    pub(super) fn watch_leader(&mut self, now: u64, answer_by: Option<u64>) -> Verdict {
        self.watchdog.look_at_leader(now, self.heartbeat_ms, answer_by)
    }

    /// When the connection is to be looked at.
    pub(super) fn deadline(&self, answer_by: Option<u64>) -> Option<u64> {
        match self.phase {
            Phase::Open { led: true } => Some(self.watchdog.leader_due(self.heartbeat_ms, answer_by)),
            Phase::Open { led: false } => Some(self.watchdog.due()),
            phase => phase.until(),
        }
    }

    /// Where the connection stands, for a tab that has none of another's.
    pub(super) fn state(&self) -> State {
        self.phase.state()
    }
}

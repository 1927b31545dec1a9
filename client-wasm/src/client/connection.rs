//! The connection: its phase, its failures and waits, and whether its stream is alive.

mod phase;
mod watchdog;

pub(super) use phase::{CALL_MS, DIAGNOSIS_MS, LOCK_MS, Phase};
pub(super) use watchdog::{LATE_MS, Verdict, silence_limit};

use super::State;
use crate::backoff::{Backoff, Random};
use watchdog::Watchdog;

/// The interval between heartbeats until a server announces its own (the server's default).
const HEARTBEAT_MS: u64 = 15_000;
/// A stream that lived this long ends a series of failures. `connected` alone does not: a server that crashes at every
/// connection would otherwise be met by all its clients again and again after the first and shortest wait.
const STABLE_MS: u64 = 5_000;
/// An attempt that is older than this is restarted where there is reason to doubt its success; after each restart the
/// limit doubles, so that a slow network is not restarted for ever by a user who switches tabs.
const DOUBT_MS: u64 = 1_000;
const MOST_DOUBLINGS: u32 = 5;
/// The time over which reactions to `online` and to a visible tab are spread.
const PROMPT_MS: u64 = 500;

/// The connection; a client has one at a time.
#[derive(Debug)]
pub(super) struct Connection {
    phase: Phase,
    /// How failed connections are retried; `None` disables retries.
    reconnect: Option<Backoff>,
    /// The number of failed attempts since a stream last lived.
    failures: u32,
    /// How many times the attempt was restarted because of doubt, since the last sign of success.
    restarts: u32,
    /// How many of the last attempts were silent until their time was over.
    silent_attempts: u32,
    heartbeat_ms: u64,
    /// The open stream's name in calls.
    id: String,
    /// The watchdog over the open stream.
    watchdog: Watchdog,
}

impl Connection {
    pub(super) fn new(reconnect: Option<Backoff>) -> Self {
        Self {
            phase: Phase::Idle,
            reconnect,
            failures: 0,
            restarts: 0,
            silent_attempts: 0,
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

    /// Whether a stream is open, of the server or of the leading tab.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Whether the other end of the stream is a tab.
    pub(super) fn is_led(&self) -> bool {
        matches!(self.phase, Phase::Open { led: true })
    }

    /// Whether a stream is open whose other end is the server.
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

    /// Sets the server's own interval; 0 keeps the current one.
    pub(super) fn set_heartbeat(&mut self, ms: u64) {
        if ms > 0 {
            self.heartbeat_ms = ms;
        }
    }

    /// A stream has answered.
    pub(super) fn opened(&mut self, now: u64) {
        self.restarts = 0;
        self.silent_attempts = 0;
        self.watchdog = Watchdog::new(now, self.heartbeat_ms);
    }

    // ---- attempts ----

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Takes the last failure back, because the server did not cause it.
    pub(super) fn take_failure_back(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
        self.silent_attempts = 0;
    }

    /// Counts the end of the open stream: it ends a series of failures, or is one more of them.
    pub(super) fn count(&mut self, now: u64) {
        if self.is_open() {
            if self.watchdog.age(now) >= STABLE_MS {
                self.failures = 0;
            } else {
                self.fail();
            }
        }
    }

    pub(super) fn silent_attempts(&self) -> u32 {
        self.silent_attempts
    }

    /// Counts an attempt that has failed, and was silent until its time was over or not.
    pub(super) fn count_silent(&mut self, silent: bool) {
        self.silent_attempts = if silent { self.silent_attempts.saturating_add(1) } else { 0 };
    }

    pub(super) fn retries(&self) -> bool {
        self.reconnect.is_some()
    }

    /// The longest wait of the back-off; 0 if failed connections are not retried.
    pub(super) fn longest_wait(&self) -> u64 {
        self.reconnect.map_or(0, |backoff| backoff.cap_ms)
    }

    /// The wait before the next attempt; `None` without another attempt.
    pub(super) fn next_wait(&self, random: &mut Random) -> Option<u64> {
        let backoff = self.reconnect.filter(|backoff| self.failures < backoff.max_attempts)?;
        Some(backoff.wait(self.failures, random))
    }

    /// The back-off of calls on an open stream. They are retried as long as the stream lives, even if `reconnect` is
    /// off.
    pub(super) fn backoff_of_calls(&self) -> Backoff {
        self.reconnect.unwrap_or_default()
    }

    // ---- doubt ----

    /// When doubt leads to an action, spread so that not all clients act at once.
    pub(super) fn prompt(now: u64, random: &mut Random) -> u64 {
        now.saturating_add(random.up_to(PROMPT_MS))
    }

    /// Whether the current attempt is old enough to be restarted.
    pub(super) fn may_restart(&self, now: u64) -> bool {
        self.phase
            .awaited_since(self.heartbeat_ms)
            .is_some_and(|since| now >= since.saturating_add(DOUBT_MS << self.restarts))
    }

    pub(super) fn count_restart(&mut self) {
        self.restarts = (self.restarts + 1).min(MOST_DOUBLINGS);
    }

    /// Ends a wait that the server did not request at this time at the latest.
    pub(super) fn cut_wait(&mut self, prompt: u64) {
        if let Phase::Waiting { until, firm: false, .. } = &mut self.phase {
            *until = prompt.min(*until);
        }
    }

    // ---- the watchdog ----

    /// The stream showed that it is alive.
    pub(super) fn heard(&mut self, now: u64) {
        self.watchdog.heard(now);
    }

    /// The tab at the other end showed that it is alive.
    pub(super) fn heard_leader(&mut self, now: u64) {
        self.watchdog.heard_leader(now);
    }

    /// Demands that the server's stream proves that it is alive. Says whether that had not been demanded already.
    pub(super) fn probe(&mut self, now: u64) -> bool {
        self.watchdog.probe(now, self.heartbeat_ms)
    }

    /// Checks whether the server's stream is alive.
    pub(super) fn watch(&mut self, now: u64) -> Verdict {
        self.watchdog.look(now, self.heartbeat_ms)
    }

    /// Checks the same of a stream whose other end is a tab, which has to answer by `answer_by` if it was asked.
    pub(super) fn watch_leader(&mut self, now: u64, answer_by: Option<u64>) -> Verdict {
        self.watchdog.look_at_leader(now, self.heartbeat_ms, answer_by)
    }

    /// When the connection has to be checked.
    pub(super) fn deadline(&self, answer_by: Option<u64>) -> Option<u64> {
        match self.phase {
            Phase::Open { led: true } => Some(self.watchdog.leader_due(self.heartbeat_ms, answer_by)),
            Phase::Open { led: false } => Some(self.watchdog.due()),
            phase => phase.until(),
        }
    }

    /// The state of the connection, for a tab that does not use another tab's.
    pub(super) fn state(&self) -> State {
        self.phase.state()
    }
}

//! Time: when a step is due, and what it does.

use super::{
    Answer, ClientCore, Failure,
    auth::Due,
    connection::{LATE_MS, LOCK_MS, Phase, Verdict},
    failing::failure_of,
    sharing::ANSWER_MS,
};
use crate::backoff::sooner;

impl ClientCore {
    /// When [`Self::wake`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let mut due = sooner(self.idle_at, self.sharing.hub_due());
        due = sooner(due, self.connection.deadline(self.sharing.answer_by()));
        if self.connection.is_open() {
            due = sooner(due, sooner(self.ledger.due(), self.auth.refresh_due()));
        }
        due
    }

    /// Handles the passage of time. It may be called early, late, or without need.
    pub fn wake(&mut self, now: u64) {
        if self.idle_at.is_some_and(|at| now >= at) {
            self.idle_at = None;
            self.rest();
        }
        let is_due = self.connection.deadline(None).is_some_and(|due| now >= due);
        match self.connection.phase() {
            Phase::Open { led } => {
                if led {
                    self.watch_leader(now);
                } else {
                    self.watch(now);
                }
                self.wake_calls(now);
                self.wake_refresh(now);
                self.wake_presence(now);
            }
            Phase::Joining { since, .. } => self.wake_joining(now, since, is_due),
            _ if !is_due => {}
            Phase::Connecting { .. } => self.diagnose(now, true),
            Phase::Authorising { .. } => self.authorised(now, Answer::default()),
            Phase::Diagnosing { .. } => self.diagnosed(now, &Answer::default()),
            Phase::Verifying { .. } => self.verified(now, Answer::default()),
            Phase::Waiting { .. } => self.open(now),
            Phase::Asking { until } => self.no_lock(now, until),
            Phase::Idle | Phase::Closed | Phase::Starting | Phase::Suspended => {}
        }
        let heartbeat_ms = self.connection.heartbeat_ms();
        if self.sharing.hub().is_some_and(|hub| hub.beat(now, heartbeat_ms)) {
            self.tell_cursor();
        }
    }

    /// There was no handler for the application's `idle_ms`.
    fn rest(&mut self) {
        if !matches!(self.connection.phase(), Phase::Idle | Phase::Closed) {
            self.leave();
            self.exit();
            self.ledger.forget_cursor();
            self.connection.forget_failures();
            self.enter(Phase::Idle);
        }
    }

    /// The browser has not reported which tab has the lock.
    fn no_lock(&mut self, now: u64, until: u64) {
        if now - until >= LATE_MS {
            // The browser has not run the timer in time either.
            self.enter(Phase::Asking { until: now.saturating_add(LOCK_MS) });
        } else {
            self.go_alone(now);
        }
    }

    fn wake_joining(&mut self, now: u64, since: u64, is_due: bool) {
        if now >= since.saturating_add(ANSWER_MS + LATE_MS) {
            // The leader's answer may have been held back, as the timer was.
            self.join(now, now);
        } else if now >= since.saturating_add(ANSWER_MS) {
            self.steal(now);
        } else if is_due {
            self.join(now, since);
        }
    }

    // ---- an open stream ----

    fn watch(&mut self, now: u64) {
        match self.connection.watch(now) {
            Verdict::Fine | Verdict::Ask => {}
            Verdict::Proven => self.report_latency(),
            Verdict::Dead => self.lose(now, Some(Failure::of("silent".into()))),
        }
    }

    fn watch_leader(&mut self, now: u64) {
        match self.connection.watch_leader(now, self.sharing.answer_by()) {
            Verdict::Fine | Verdict::Proven => {}
            Verdict::Ask => {
                if let Some(leader) = self.sharing.leader() {
                    leader.forget_question();
                }
                self.probe_leader(now, false);
            }
            Verdict::Dead => self.steal(now),
        }
    }

    fn wake_calls(&mut self, now: u64) {
        while self.connection.is_open()
            && let Some(index) = self.ledger.late_call(now)
        {
            // A tab that does not answer has not received the call; the application need not know.
            let failure = self.connection.is_own().then(|| failure_of(&Answer::default()));
            self.call_failed(now, index, 0, false, failure);
        }
        if self.connection.is_open() && self.ledger.wake_calls(now) {
            self.sync_subscriptions(now);
        }
    }

    fn wake_refresh(&mut self, now: u64) {
        if !self.connection.is_open() {
            return;
        }
        match self.auth.refresh().wake(now) {
            Due::Nothing => {}
            Due::Begin => self.refresh(now),
            Due::GiveUp(ask) => self.refresh_answered(now, ask, &Answer::default()),
        }
    }

    fn wake_presence(&mut self, now: u64) {
        if self.connection.is_open() && self.ledger.wake_presence(now) {
            self.say_alive();
            self.ask_presence();
        }
    }
}

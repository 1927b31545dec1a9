//! Time: when something is due, and when what is awaited is taken for dead, or begun anew because there is reason to doubt that it comes.

use super::{
    Answer, Session, Trouble,
    calls::CALL_MS,
    link::DIAGNOSIS_MS,
    phase::{Phase, Source, Stream, silence_limit},
    tabs::{LOCK_MS, Part, Tabs},
};

/// `online` and a tab becoming visible spread over this much.
const PROMPT_MS: u64 = 500;
/// What was asked for longer ago than this is asked for anew where there is reason to doubt that it still comes; each time after
/// twice as long, so that a slow network is not begun anew for ever by somebody who switches tabs.
const DOUBT_MS: u64 = 1_000;
const MOST_DOUBLINGS: u32 = 5;
/// A timer that fires later than this was held back (a hidden tab, a sleeping machine), and so may have been the stream.
pub(super) const LATE_MS: u64 = 2_000;

impl Session {
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
    pub(super) fn awaited_since(&self) -> Option<u64> {
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
    pub(super) fn restart(&mut self, now: u64) {
        self.restarts = (self.restarts + 1).min(MOST_DOUBLINGS);
        if matches!(self.phase, Phase::Asking { .. }) {
            self.exit();
        }
        self.leave();
        self.enter(Phase::Starting);
        self.open(now);
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

    pub(super) fn watch(&mut self, now: u64) {
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
}

fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

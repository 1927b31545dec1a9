//! The watchdog, which decides when an open stream is considered dead.

/// A timer that fires later than this was held back (a hidden tab, a sleeping machine), and the stream may have been
/// held back, too.
pub(in crate::client) const LATE_MS: u64 = 2_000;

/// The silence after which the stream is dead.
pub(in crate::client) fn silence_limit(heartbeat_ms: u64) -> u64 {
    heartbeat_ms.saturating_add(heartbeat_ms).saturating_add(heartbeat_ms / 2)
}

/// The result of a check of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Verdict {
    /// Not due, or to be checked once more.
    Fine,
    /// The stream has proved that it is alive.
    Proven,
    /// The timer was late: a tab at the other end has to be asked once more.
    Ask,
    /// The stream is dead.
    Dead,
}

/// The watchdog over one open stream.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    opened_at: u64,
    heard_at: u64,
    /// The time of the next check, which does not move with every message.
    watch_at: u64,
    /// The last check was late and granted one more interval.
    grace_used: bool,
    /// A sign of life must have arrived after this time, at the next check.
    probing_since: Option<u64>,
}

impl Watchdog {
    pub(super) fn new(now: u64, heartbeat_ms: u64) -> Self {
        let watch_at = now.saturating_add(silence_limit(heartbeat_ms));
        Self { opened_at: now, heard_at: now, watch_at, grace_used: false, probing_since: None }
    }

    /// How long the stream has been open.
    pub(super) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.opened_at)
    }

    pub(super) fn heard(&mut self, now: u64) {
        self.heard_at = now;
    }

    pub(super) fn heard_leader(&mut self, now: u64) {
        self.heard_at = now;
        self.grace_used = false;
    }

    pub(super) fn due(&self) -> u64 {
        self.watch_at
    }

    /// A server without events sends a heartbeat in every interval. A doubt that already exists keeps its deadline,
    /// because a tab that is shown and hidden all the time would otherwise never get an answer.
    pub(super) fn probe(&mut self, now: u64, heartbeat_ms: u64) -> bool {
        if self.probing_since.is_some_and(|probing_since| self.heard_at <= probing_since) {
            return false;
        }
        self.probing_since = Some(now);
        let proof = now.saturating_add(heartbeat_ms).saturating_add(heartbeat_ms / 4);
        self.watch_at = proof.min(self.heard_at.saturating_add(silence_limit(heartbeat_ms)));
        true
    }

    pub(super) fn look(&mut self, now: u64, heartbeat_ms: u64) -> Verdict {
        if now < self.watch_at {
            return Verdict::Fine;
        }
        let silent_at = self.heard_at.saturating_add(silence_limit(heartbeat_ms));
        let proven = match self.probing_since {
            Some(probing_since) => self.heard_at > probing_since,
            None => silent_at > now,
        };
        if proven {
            self.probing_since = None;
            self.grace_used = false;
            self.watch_at = silent_at.max(now + 1);
            Verdict::Proven
        } else if !self.grace_used && now - self.watch_at >= LATE_MS {
            self.grace_used = true;
            self.watch_at = now.saturating_add(heartbeat_ms);
            Verdict::Fine
        } else {
            Verdict::Dead
        }
    }

    /// When a silent tab at the other end is considered dead.
    pub(super) fn leader_due(&self, heartbeat_ms: u64, answer_by: Option<u64>) -> u64 {
        let silent_at = self.heard_at.saturating_add(silence_limit(heartbeat_ms));
        answer_by.map_or(silent_at, |answer_by| silent_at.min(answer_by))
    }

    pub(super) fn look_at_leader(&mut self, now: u64, heartbeat_ms: u64, answer_by: Option<u64>) -> Verdict {
        let due = self.leader_due(heartbeat_ms, answer_by);
        if now < due {
            Verdict::Fine
        } else if !self.grace_used && now - due >= LATE_MS {
            self.grace_used = true;
            self.heard_at = now.saturating_sub(silence_limit(heartbeat_ms)).saturating_add(heartbeat_ms);
            Verdict::Ask
        } else {
            Verdict::Dead
        }
    }
}

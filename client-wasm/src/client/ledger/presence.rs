//! The presence state of one stream. The channels that the application watches are requested in one call, on every
//! stream anew, and the server reports them in the stream. A server with presence also receives, now and then, a report
//! that the stream is still read.

/// The presence state of one stream.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// How often the client reports that the stream is still read; 0 if the server has no presence.
    alive_ms: u64,
    alive_at: u64,
    /// The latest of these calls.
    alive: u32,
    /// Whether the wanted channels differ from those last requested.
    stale: bool,
    /// The call under way.
    call: Option<u32>,
    /// Whether the server was asked for channels.
    watches: bool,
}

impl Presence {
    pub(super) fn new(now: u64, alive_ms: u64) -> Self {
        Self { alive_ms, alive_at: now.saturating_add(alive_ms), stale: true, ..Self::default() }
    }

    pub(super) fn alive_ms(&self) -> u64 {
        self.alive_ms
    }

    /// Sets how often the client reports that the stream is still read.
    pub(super) fn set_alive(&mut self, now: u64, alive_ms: u64) {
        if alive_ms != self.alive_ms {
            self.alive_ms = alive_ms;
            self.alive_at = now.saturating_add(alive_ms);
        }
    }

    /// Notes the call that reports that the stream is still read.
    pub(super) fn says_alive(&mut self, number: u32) {
        self.alive = number;
    }

    /// Notes that other channels are wanted now.
    pub(super) fn change(&mut self) {
        self.stale = true;
    }

    /// Whether the server has yet to be asked, or to answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.stale || self.call.is_some()
    }

    /// Whether the server has to be asked for the channels that are wanted now.
    pub(super) fn take_stale(&mut self) -> bool {
        let asks = self.stale && self.call.is_none();
        if asks {
            self.stale = false;
        }
        asks
    }

    pub(super) fn watches(&self) -> bool {
        self.watches
    }

    /// Notes the call that asks the server.
    pub(super) fn asks(&mut self, number: u32) {
        self.watches = true;
        self.call = Some(number);
    }

    pub(super) fn asked(&self, number: u32) -> bool {
        self.call == Some(number)
    }

    /// Whether this call was one of these.
    pub(super) fn is_ours(&self, number: u32) -> bool {
        self.asked(number) || self.alive == number
    }

    pub(super) fn answered(&mut self) {
        self.call = None;
    }

    /// The call is repeated when the next sign of life is due. No call has the number 0.
    pub(super) fn put_off(&mut self) {
        self.stale = true;
        self.call = Some(0);
    }

    pub(super) fn due(&self) -> Option<u64> {
        (self.alive_ms > 0).then_some(self.alive_at)
    }

    /// Whether a sign of life is due.
    pub(super) fn wake(&mut self, now: u64) -> bool {
        let is_due = self.due().is_some_and(|due| now >= due);
        if is_due {
            self.alive_at = now.saturating_add(self.alive_ms);
            // A call without an answer by now is made again; if both arrive, the later one counts.
            self.stale |= self.call.take().is_some();
        }
        is_due
    }
}

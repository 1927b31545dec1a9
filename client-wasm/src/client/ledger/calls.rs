//! The calls of one stream: those that are under way, and the channels that the server holds because of them.

use tidings_protocol::Pattern;

use super::super::{connection::CALL_MS, cursors::Cursors, sharing::Call};

use crate::backoff::sooner;

/// How long a call may still take where there is reason to doubt its answer.
const DOUBTED_CALL_MS: u64 = 5_000;

/// How long a call to another tab may take; a tab answers as soon as it has received the call.
const TAB_CALL_MS: u64 = 5_000;

/// The calls of one stream.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Vec<CallUnderWay>,
    /// The channels that the server holds, or may hold.
    held: Vec<(Pattern, Hold)>,
    /// The channels that an unsubscribe without an answer left. It may still arrive, also after it was made again and answered.
    doubted: Vec<Pattern>,
    /// The stream's cursor when it confirmed the last of `held`. Later frames come after it.
    confirmed_at: Option<Cursors>,
    /// The channels that the server has granted by itself since the last comparison.
    given: Vec<Pattern>,
    failures: u32,
    /// No call is sent before this time.
    hold_until: Option<u64>,
    /// Whether the server has set that time.
    is_told_to_wait: bool,
}

/// A call without an answer.
#[derive(Debug)]
pub(super) struct CallUnderWay {
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) channels: Vec<Pattern>,
    /// Whether it asks for addressed events as well.
    pub(super) addressed: bool,
    pub(super) since: Option<Cursors>,
    progress: Progress,
}

impl CallUnderWay {
    pub(super) fn new(number: u32, kind: Kind, channels: Vec<Pattern>, since: Option<Cursors>) -> Self {
        Self { number, kind, channels, addressed: false, since, progress: Progress::Failed }
    }

    fn asks(&self) -> Call {
        let channels = self.channels.clone();
        match self.kind {
            Kind::Subscribe => Call::Subscribe { channels, addressed: self.addressed, since: self.since },
            Kind::Unsubscribe => Call::Unsubscribe { channels },
        }
    }
}

/// The state of a channel at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Requested, first by this call. A confirmation of an earlier call belongs to a subscription that has ended
    /// meanwhile.
    Asked(u32),
    /// Confirmed in the stream.
    Confirmed,
    /// An unsubscribe is under way, or was and it is unknown whether it arrived.
    Leaving,
    /// Confirmed for a call that has been refused or taken back, so the stream may carry it: it is unsubscribed, unless
    /// it is requested anew.
    Stray,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Subscribe,
    Unsubscribe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Sent; given up at this time.
    Sent { until: u64 },
    /// It is unknown whether the call arrived. It is sent again under its own number, so that a confirmation still
    /// counts.
    Failed,
}

impl Calls {
    // ---- channels at the server ----

    /// The stream carries these channels from its start.
    pub(super) fn begin_with(channels: &[Pattern]) -> Self {
        let mut calls = Self::default();
        channels.iter().for_each(|channel| calls.set(channel, Hold::Confirmed));
        calls
    }

    /// The stream has confirmed these channels for a call. Channels that were requested again since that call are not
    /// confirmed: the confirmation was already on its way then. Of channels that were refused or unsubscribed since, it
    /// is unknown which came first at the server, as a call may be forwarded late, or be made twice with two answers.
    pub(super) fn confirm(&mut self, call: u32, channels: &[Pattern]) {
        for channel in channels {
            match self.get(channel) {
                Some(Hold::Asked(first)) if call >= first => self.set(channel, Hold::Confirmed),
                None | Some(Hold::Leaving) => self.set(channel, Hold::Stray),
                _ => {}
            }
        }
    }

    pub(super) fn confirmed_at(&self) -> &Option<Cursors> {
        &self.confirmed_at
    }

    /// Notes the cursor of a confirmation; or, without one, that no channel was confirmed since the stream continued at
    /// another position.
    pub(super) fn set_confirmed_at(&mut self, cursor: Option<Cursors>) {
        self.confirmed_at = cursor;
    }

    /// The server grants these channels, whether or not a call asked for them. Refused ones among them may be requested
    /// again.
    pub(super) fn give(&mut self, channels: &[Pattern]) {
        self.given.extend_from_slice(channels);
    }

    pub(super) fn take_given(&mut self) -> Vec<Pattern> {
        std::mem::take(&mut self.given)
    }

    fn set(&mut self, channel: &Pattern, hold: Hold) {
        match self.held.iter_mut().find(|(held, _)| held == channel) {
            Some(held) => held.1 = hold,
            None => self.held.push((channel.clone(), hold)),
        }
    }

    /// Whether the stream carries a channel from this cursor on, or from before it.
    pub(super) fn carries_from(&self, channel: &Pattern, cursor: &Option<Cursors>) -> bool {
        let is_later = |confirmed: &Cursors| cursor.as_ref().is_none_or(|cursor| cursor.misses(confirmed));
        self.get(channel) == Some(Hold::Confirmed) && !self.confirmed_at.as_ref().is_some_and(is_later)
    }

    pub(super) fn get(&self, channel: &Pattern) -> Option<Hold> {
        self.held.iter().find(|(held, _)| held == channel).map(|(_, hold)| *hold)
    }

    /// Whether an unsubscribe of this channel is under way, or may be.
    pub(super) fn may_be_left(&self, channel: &Pattern) -> bool {
        self.get(channel) == Some(Hold::Leaving) || self.doubted.contains(channel)
    }

    /// The channels that the server holds, or may hold, except some.
    pub(super) fn held_but(&self, which: &dyn Fn(&Pattern) -> bool) -> Vec<Pattern> {
        let mut channels = Vec::new();
        for (channel, _) in &self.held {
            if !which(channel) {
                channels.push(channel.clone());
            }
        }
        channels
    }

    /// The stream does not carry the channel.
    pub(super) fn drop_channel(&mut self, channel: &Pattern) {
        self.held.retain(|(held, _)| held != channel);
    }

    /// A call for the channel was refused. The stream may carry the channel because of another call, or of the same one,
    /// which was made twice and decided differently.
    pub(super) fn refuse(&mut self, channel: &Pattern) {
        if self.get(channel) == Some(Hold::Confirmed) {
            return self.set(channel, Hold::Stray);
        }
        self.drop_channel(channel);
    }

    // ---- calls under way ----

    /// Whether calls may be made: requests may overtake each other, so earlier ones have to be answered, or given up
    /// for long enough.
    pub(super) fn may_call(&self) -> bool {
        self.hold_until.is_none() && self.under_way.iter().all(|call| call.progress == Progress::Failed)
    }

    /// Takes the calls that have to be made again.
    pub(super) fn take_failed(&mut self) -> Vec<CallUnderWay> {
        std::mem::take(&mut self.under_way)
    }

    /// Notes that this call is made now, to the server or to a tab. Returns its number and its content.
    pub(super) fn make(&mut self, mut call: CallUnderWay, now: u64, led: bool) -> (u32, Call) {
        for channel in &call.channels {
            match call.kind {
                Kind::Unsubscribe => self.set(channel, Hold::Leaving),
                // One handler may have the channel while another one asks for its past.
                Kind::Subscribe if matches!(self.get(channel), None | Some(Hold::Stray)) => {
                    self.set(channel, Hold::Asked(call.number));
                }
                Kind::Subscribe => {}
            }
        }
        // A tab answers at once, so a tab that does not answer has not received the call.
        call.progress = Progress::Sent { until: now.saturating_add(if led { TAB_CALL_MS } else { CALL_MS }) };
        let made = (call.number, call.asks());
        self.under_way.push(call);
        made
    }

    /// The index of a call among those under way.
    pub(super) fn position(&self, number: u32) -> Option<usize> {
        self.under_way.iter().position(|call| call.number == number)
    }

    /// The index of a call that has been under way for too long.
    pub(super) fn late(&self, now: u64) -> Option<usize> {
        self.under_way.iter().position(|call| matches!(call.progress, Progress::Sent { until } if now >= until))
    }

    /// A call was answered.
    pub(super) fn arrived(&mut self, index: usize) {
        self.failures = 0;
        self.end(index);
        if self.under_way.is_empty() {
            // The call was given up, and answered after all.
            self.hold_until = None;
        }
    }

    /// Ends a call, which was answered: returns the channels that it asked for, or `None` if it was an unsubscribe.
    pub(super) fn end(&mut self, index: usize) -> Option<Vec<Pattern>> {
        let call = self.under_way.remove(index);
        if call.kind == Kind::Subscribe {
            return Some(call.channels);
        }
        // The server may have confirmed one of the channels meanwhile.
        for channel in &call.channels {
            if self.get(channel) == Some(Hold::Leaving) {
                self.drop_channel(channel);
            }
        }
        None
    }

    /// A call failed, perhaps for the moment only: returns the number of failures in a row.
    pub(super) fn failed(&mut self, index: usize) -> u32 {
        if let Some(call) = self.under_way.get_mut(index) {
            call.progress = Progress::Failed;
            if call.kind == Kind::Unsubscribe {
                self.doubted.extend_from_slice(&call.channels);
            }
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// No call is sent before this time, which was set by the server or not.
    pub(super) fn hold(&mut self, until: u64, is_told_to_wait: bool) {
        self.hold_until = Some(until);
        self.is_told_to_wait = is_told_to_wait;
    }

    /// Whether failed calls have to be made again now.
    pub(super) fn wake(&mut self, now: u64) -> bool {
        let is_due = self.hold_until.is_some_and(|at| now >= at);
        if is_due {
            self.hold_until = None;
        }
        is_due
    }

    /// There is reason to doubt that the calls under way will be answered: they are given up soon, and calls that wait
    /// for a retry are retried now.
    pub(super) fn doubt(&mut self, now: u64, prompt: u64) {
        for call in &mut self.under_way {
            if let Progress::Sent { until } = &mut call.progress {
                *until = (*until).min(now.saturating_add(DOUBTED_CALL_MS));
            }
        }
        if !self.is_told_to_wait {
            self.hold_until = self.hold_until.map(|until| until.min(prompt));
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        let mut due = self.hold_until;
        for call in &self.under_way {
            if let Progress::Sent { until } = call.progress {
                due = sooner(due, Some(until));
            }
        }
        due
    }
}

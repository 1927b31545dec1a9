//! The comparison of the channels that the server holds with those that the handlers want; the difference is requested.
//! A new comparison is made only when the calls of the last one have been answered: requests may overtake each other,
//! and an unsubscribe that arrives after the subscribe that followed it would silence the channel.

use tidings_protocol::Pattern;

use super::{
    super::sharing::Call,
    Cursors, Ledger, Outcome, Standing, Subscription,
    calls::{CallUnderWay, Hold, Kind},
    raise, select,
};
use crate::{
    backoff::{Backoff, Random},
    routes::{HandlerId, Hears},
};

/// The result of a comparison.
#[derive(Debug)]
pub(in crate::client) enum Comparison {
    /// There is no call to make, or none yet.
    Nothing,
    /// A wanted channel cannot be requested on this stream.
    Lost,
    /// These calls have to be made; and these handlers are confirmed, having received every event up to the cursor.
    Differs { calls: Vec<(u32, Call)>, there: Vec<HandlerId>, cursor: Option<Cursors> },
}

impl Ledger {
    /// The calls that have to be made to the server, or to the leading tab, with numbers after this one.
    pub(in crate::client) fn compare(&mut self, now: u64, led: bool, numbers: &mut u32) -> Comparison {
        if self.awaits_gap || !self.calls.may_call() {
            return Comparison::Nothing;
        }
        let mut due = self.failed_calls();
        // A call that is made again may still be answered by the refusal of its first time, which may have been decided
        // before the server granted the channel.
        if due.is_empty() {
            self.take_given();
        }
        // An unsubscribe that may still arrive would end a channel that is requested after it. A new stream is not
        // affected by it.
        let mut wanted = self.subscriptions.iter().filter(|one| one.is_wanted());
        if wanted.any(|one| self.calls.may_be_left(&one.pattern)) {
            return Comparison::Lost;
        }
        // A channel that the stream carries already needs no call, only a confirmation to its handler.
        let is_there = |one: &Subscription| {
            one.is_wanted()
                && matches!(one.standing, Standing::Pending { since: None, call: None })
                && self.calls.get(&one.pattern) == Some(Hold::Confirmed)
        };
        let there = select(&self.subscriptions, &is_there);
        self.unsubscribe_calls(numbers, &mut due);
        self.subscribe_calls(numbers, &there, &mut due);
        let mut calls = Vec::new();
        for call in due {
            calls.push(self.calls.make(call, now, led));
        }
        // A confirmation shows the stream's position, as its cursor does.
        let mut cursor = self.cursor;
        raise(&mut cursor, self.calls.confirmed_at());
        Comparison::Differs { calls, there, cursor }
    }

    /// A refused channel that the server now grants by itself may be requested again. Not earlier: the refusal of a
    /// call may still be on its way when its channel is granted.
    fn take_given(&mut self) {
        let channels = self.calls.take_given();
        if channels.is_empty() {
            return;
        }
        for one in &mut self.subscriptions {
            if one.standing.is_refused()
                && one.hears == Hears::Channels
                && channels.iter().any(|given| given.overlaps(&one.pattern))
            {
                one.await_from(&None);
            }
        }
        // A tab whose earlier call is answered with a refusal of one of them has to receive that refusal first.
        self.outcomes.push(Outcome::Given { channels, cursor: *self.calls.confirmed_at() });
    }

    /// The failed calls, under their own numbers, for the handlers that still wait for them.
    fn failed_calls(&mut self) -> Vec<CallUnderWay> {
        let mut calls = self.calls.take_failed();
        calls.retain_mut(|call| {
            let waits = |channel: &Pattern| {
                self.subscriptions.iter().any(|one| one.awaits(call.number) && one.pattern == *channel)
            };
            call.channels.retain(waits);
            call.addressed = self.subscriptions.iter().any(|one| one.awaits(call.number) && one.wants_past());
            call.kind == Kind::Subscribe && (!call.channels.is_empty() || call.addressed)
        });
        calls
    }

    /// Calls that unsubscribe channels without handlers.
    fn unsubscribe_calls(&self, numbers: &mut u32, calls: &mut Vec<CallUnderWay>) {
        let is_wanted =
            |channel: &Pattern| self.subscriptions.iter().any(|one| one.is_wanted() && one.pattern == *channel);
        let unwanted = self.calls.held_but(&is_wanted);
        if !unwanted.is_empty() {
            *numbers += 1;
            calls.push(CallUnderWay::new(*numbers, Kind::Unsubscribe, unwanted, None));
        }
    }

    /// One call for all handlers that begin at the same position, except those that are confirmed.
    fn subscribe_calls(&mut self, numbers: &mut u32, there: &[HandlerId], calls: &mut Vec<CallUnderWay>) {
        let first_new = calls.len();
        for one in self.subscriptions.iter_mut().filter(|one| one.is_wanted() || one.wants_past()) {
            let Standing::Pending { since, call: call @ None } = &mut one.standing else { continue };
            if there.contains(&one.id) {
                continue;
            }
            let same = calls.iter().skip(first_new).position(|call| call.since == *since);
            let index = same.map_or(calls.len(), |index| first_new + index);
            if index == calls.len() {
                *numbers += 1;
                calls.push(CallUnderWay::new(*numbers, Kind::Subscribe, Vec::new(), *since));
            }
            let Some(request) = calls.get_mut(index) else { continue };
            *call = Some(request.number);
            if one.hears != Hears::Channels {
                request.addressed = true;
            } else if !request.channels.contains(&one.pattern) {
                request.channels.push(one.pattern.clone());
            }
        }
    }

    // ---- calls and their answers ----

    /// The index of a call among those under way.
    pub(in crate::client) fn call_under_way(&self, number: u32) -> Option<usize> {
        self.calls.position(number)
    }

    /// The index of a call that has been under way for too long.
    pub(in crate::client) fn late_call(&self, now: u64) -> Option<usize> {
        self.calls.late(now)
    }

    /// A call was answered.
    pub(in crate::client) fn call_arrived(&mut self, index: usize) {
        self.calls.arrived(index);
    }

    /// A call was not valid, and would not be valid if repeated: returns the channels that it asked for, or `None` if
    /// it was an unsubscribe.
    pub(in crate::client) fn call_refused(&mut self, index: usize) -> Option<Vec<Pattern>> {
        self.calls.end(index)
    }

    /// A call failed, perhaps for the moment only: it is made again after the wait of the back-off, and `least`
    /// milliseconds from now at the soonest.
    pub(in crate::client) fn call_failed(
        &mut self,
        now: u64,
        index: usize,
        least: u64,
        is_told_to_wait: bool,
        (backoff, random): (Backoff, &mut Random),
    ) {
        let failures = self.calls.failed(index);
        let wait = backoff.wait(failures, random).max(least);
        self.calls.hold(now.saturating_add(wait), is_told_to_wait);
    }

    /// Whether failed calls have to be made again now.
    pub(in crate::client) fn wake_calls(&mut self, now: u64) -> bool {
        self.calls.wake(now)
    }

    /// There is reason to doubt that the calls under way will be answered.
    pub(in crate::client) fn doubt_calls(&mut self, now: u64, prompt: u64) {
        self.calls.doubt(now, prompt);
    }
}

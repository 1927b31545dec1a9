//! What the server holds is compared with what the handlers want, and the difference is asked for. A new comparison is made
//! only when the last one's calls have been answered: requests may overtake each other, and an unsubscribe that arrives
//! after the subscribe that followed it would be silence.

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

/// What a comparison shows.
#[derive(Debug)]
pub(in crate::session) enum Comparison {
    /// Nothing is asked for, or nothing yet.
    Nothing,
    /// What is wanted cannot be asked for on this stream.
    Lost,
    /// These calls are to be made; and these handlers are there, and have heard all up to the cursor.
    Differs { calls: Vec<(u32, Call)>, there: Vec<HandlerId>, cursor: Option<Cursors> },
}

impl Ledger {
    /// What is to be asked of the server, or of the tab that leads, by calls with numbers after this one.
    pub(in crate::session) fn compare(&mut self, now: u64, led: bool, numbers: &mut u32) -> Comparison {
        if self.awaits_gap || !self.calls.may_call() {
            return Comparison::Nothing;
        }
        self.take_given();
        // An unsubscribe that may still arrive would end what is asked for after it. A new stream knows nothing of it.
        let mut wanted = self.subscriptions.iter().filter(|one| one.is_wanted());
        if wanted.any(|one| self.calls.get(&one.pattern) == Some(Hold::Leaving)) {
            return Comparison::Lost;
        }
        // What the stream carries already needs no call, only to be told.
        let is_there = |one: &Subscription| {
            one.is_wanted()
                && one.standing == (Standing::Pending { since: None, call: None })
                && self.calls.get(&one.pattern) == Some(Hold::Confirmed)
        };
        let there = select(&self.subscriptions, &is_there);
        let mut due = self.failed_calls();
        self.unsubscribe_calls(numbers, &mut due);
        self.subscribe_calls(numbers, &there, &mut due);
        let mut calls = Vec::new();
        for call in due {
            calls.push(self.calls.make(call, now, led));
        }
        // That something was confirmed says where the stream is, as its cursor does.
        let mut cursor = self.cursor;
        raise(&mut cursor, self.calls.confirmed_at());
        Comparison::Differs { calls, there, cursor }
    }

    /// What the server gives of its own will may be had although it was refused. Not before now: a call's refusal may be on its way
    /// when what it refuses is given.
    fn take_given(&mut self) {
        let channels = self.calls.take_given();
        for one in &mut self.subscriptions {
            if one.standing == Standing::Refused
                && one.hears == Hears::Channels
                && channels.iter().any(|given| given.overlaps(&one.pattern))
            {
                one.await_from(&None);
            }
        }
        // A tab that is refused one of them by the answer to a call of before is to be told of that first.
        if !channels.is_empty() {
            self.outcomes.push(Outcome::Given { channels, cursor: *self.calls.confirmed_at() });
        }
    }

    /// Failed calls, under their own numbers, for those who still wait for them.
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

    /// What nobody wants any more.
    fn unsubscribe_calls(&self, numbers: &mut u32, calls: &mut Vec<CallUnderWay>) {
        let is_wanted =
            |channel: &Pattern| self.subscriptions.iter().any(|one| one.is_wanted() && one.pattern == *channel);
        let unwanted = self.calls.held_but(&is_wanted);
        if !unwanted.is_empty() {
            *numbers += 1;
            calls.push(CallUnderWay::new(*numbers, Kind::Unsubscribe, unwanted, None));
        }
    }

    /// One call for all that begin at the same place, but for those that are there.
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

    /// Where a call stands among those under way.
    pub(in crate::session) fn call_under_way(&self, number: u32) -> Option<usize> {
        self.calls.position(number)
    }

    /// One that has been under way for too long.
    pub(in crate::session) fn late_call(&self, now: u64) -> Option<usize> {
        self.calls.late(now)
    }

    /// A call was answered.
    pub(in crate::session) fn call_arrived(&mut self, index: usize) {
        self.calls.arrived(index);
    }

    /// A call was wrong, and would be again: the channels that it asked for. None, where it was to leave them.
    pub(in crate::session) fn call_refused(&mut self, index: usize) -> Option<Vec<Pattern>> {
        self.calls.refused(index)
    }

    /// A call failed in a way that may pass: it is made again after the back-off's wait, and not before `least` milliseconds.
    pub(in crate::session) fn call_failed(
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

    /// Whether the time has come to make calls that failed.
    pub(in crate::session) fn wake_calls(&mut self, now: u64) -> bool {
        self.calls.wake(now)
    }

    /// There is reason to doubt that what is under way is still answered.
    pub(in crate::session) fn doubt_calls(&mut self, now: u64, prompt: u64) {
        self.calls.doubt(now, prompt);
    }
}

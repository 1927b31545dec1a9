//! Subscribing and unsubscribing on a live stream.
//!
//! What the server holds is compared with what the handlers want, and the difference is sent. A new comparison is made
//! only when the last one's calls have been answered: requests may overtake each other, and an unsubscribe that arrives
//! after the subscribe that followed it would be silence.

use tidings_protocol::Pattern;

use super::{
    Action, Answer, Ask, Cursors, Rejected, Request, Session,
    address::call_body,
    link::{retry_after, trouble},
    message::Call,
    phase::{Phase, Source},
    subscription::{Standing, Subscription, raise},
};
use crate::routes::Hears;

/// A call without an answer is given up and sent again after this long.
pub(super) const CALL_MS: u64 = 30_000;

/// So long a call may still take where there is reason to doubt that it is answered.
const DOUBTED_CALL_MS: u64 = 5_000;

/// The same where another tab is called, which answers as soon as it has heard it.
const TAB_CALL_MS: u64 = 5_000;

/// The calls of one stream.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Vec<CallUnderWay>,
    /// The channels that the server holds, or may hold.
    held: Vec<(Pattern, Hold)>,
    /// Where the stream was when it confirmed the last of them. What comes from here on is later.
    pub(super) confirmed_at: Option<Cursors>,
    /// What the server has given of its own will since it was last compared.
    given: Vec<Pattern>,
    failures: u32,
    /// Nothing is sent before this time.
    hold_until: Option<u64>,
    /// The server said so.
    is_told_to_wait: bool,
}

#[derive(Debug)]
struct CallUnderWay {
    number: u32,
    kind: Kind,
    channels: Vec<Pattern>,
    /// It asks for addressed events as well.
    addressed: bool,
    since: Option<Cursors>,
    progress: Progress,
}

impl CallUnderWay {
    fn asks(&self) -> Call {
        let Self { kind, channels, addressed, since, .. } = self;
        match kind {
            Kind::Subscribe => Call::Subscribe { channels: channels.clone(), addressed: *addressed, since: *since },
            Kind::Unsubscribe => Call::Unsubscribe { channels: channels.clone() },
        }
    }
}

/// How a channel stands at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Asked for, first by this call. The confirmation of an earlier one belongs to a subscription that has ended meanwhile.
    Asked(u32),
    /// Confirmed in the stream.
    Confirmed,
    /// An unsubscribe is under way, or was and nobody knows whether it arrived.
    Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Subscribe,
    Unsubscribe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Sent; given up at this time.
    Sent { until: u64 },
    /// Nobody knows whether it arrived. It is sent again under its own number, so that a confirmation still counts.
    Failed,
}

impl Calls {
    /// The stream carries these from its start.
    pub(super) fn begin_with(&mut self, channels: &[Pattern]) {
        channels.iter().for_each(|channel| self.set(channel, Hold::Confirmed));
    }

    /// The stream has confirmed these for a call. What was unsubscribed since that call, or asked for again, is not what is
    /// confirmed: the confirmation was on its way then.
    pub(super) fn confirm(&mut self, call: u32, channels: &[Pattern]) {
        for channel in channels {
            if matches!(self.get(channel), Some(Hold::Asked(first)) if call >= first) {
                self.set(channel, Hold::Confirmed);
            }
        }
    }

    /// The server gives these, whoever asked for them. What was refused of them may be had now.
    pub(super) fn given(&mut self, channels: &[Pattern]) {
        self.given.extend_from_slice(channels);
    }

    fn set(&mut self, channel: &Pattern, hold: Hold) {
        match self.held.iter_mut().find(|(held, _)| held == channel) {
            Some(held) => held.1 = hold,
            None => self.held.push((channel.clone(), hold)),
        }
    }

    /// Whether the stream carries a channel from this cursor on, or from before it.
    pub(super) fn carries_from(&self, channel: &Pattern, cursor: Option<Cursors>) -> bool {
        let is_later = |confirmed: Cursors| cursor.is_none_or(|cursor| cursor.misses(&confirmed));
        self.get(channel) == Some(Hold::Confirmed) && !self.confirmed_at.is_some_and(is_later)
    }

    pub(super) fn get(&self, channel: &Pattern) -> Option<Hold> {
        self.held.iter().find(|(held, _)| held == channel).map(|(_, hold)| *hold)
    }

    /// The server does not hold it.
    pub(super) fn drop_channel(&mut self, channel: &Pattern) {
        self.held.retain(|(held, _)| held != channel);
    }

    /// There is reason to doubt that what is under way is still answered: it is given up soon, and what waits to be tried again
    /// is tried now.
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

    pub(super) fn deadline(&self) -> Option<u64> {
        let calls = self.under_way.iter().filter_map(|call| match call.progress {
            Progress::Sent { until } => Some(until),
            Progress::Failed => None,
        });
        calls.chain(self.hold_until).min()
    }
}

impl Session {
    /// Sends what differs between the server and the handlers.
    pub(super) fn sync_subscriptions(&mut self, now: u64) {
        let Phase::Open(stream) = &mut self.phase else { return };
        let calls = &mut stream.calls;
        if stream.awaits_gap
            || calls.hold_until.is_some()
            || calls.under_way.iter().any(|call| call.progress != Progress::Failed)
        {
            return;
        }
        // Not before: the refusal of a call may come after what makes it void.
        let given = std::mem::take(&mut calls.given);
        let given_at = calls.confirmed_at;
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Refused
                && subscription.hears == Hears::Channels
                && given.iter().any(|given| given.overlaps(&subscription.pattern))
            {
                subscription.standing = Standing::Pending { since: None, call: None };
            }
        }
        self.given_to_others(given, given_at);
        let Phase::Open(stream) = &mut self.phase else { return };
        let calls = &mut stream.calls;
        // An unsubscribe that may still arrive would end what is asked for after it. A new stream knows nothing of it.
        let wanted_again = |subscription: &Subscription| {
            subscription.is_wanted() && calls.get(&subscription.pattern) == Some(Hold::Leaving)
        };
        if self.subscriptions.iter().any(wanted_again) {
            self.lose(now, None);
            return;
        }
        // What the stream carries already needs no call, only to be told.
        let mut there = Vec::new();
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.is_wanted()) {
            if subscription.standing == (Standing::Pending { since: None, call: None })
                && calls.get(&subscription.pattern) == Some(Hold::Confirmed)
            {
                there.push(subscription.id);
            }
        }

        let mut requests: Vec<CallUnderWay> = Vec::new();
        // Failed calls first, under their own numbers, for those who still wait for them.
        for mut call in std::mem::take(&mut calls.under_way) {
            if call.kind == Kind::Subscribe {
                let waits = |channel: &Pattern| {
                    self.subscriptions.iter().any(|one| one.awaits(call.number) && one.pattern == *channel)
                };
                call.channels.retain(waits);
                call.addressed = self.subscriptions.iter().any(|one| one.awaits(call.number) && one.wants_past());
                if !call.channels.is_empty() || call.addressed {
                    requests.push(call);
                }
            }
        }
        let wanted = |channel: &Pattern| {
            self.subscriptions.iter().any(|subscription| subscription.is_wanted() && subscription.pattern == *channel)
        };
        let unwanted: Vec<Pattern> =
            calls.held.iter().map(|(channel, _)| channel).filter(|channel| !wanted(channel)).cloned().collect();
        if !unwanted.is_empty() {
            self.next_request += 1;
            let progress = Progress::Failed;
            requests.push(CallUnderWay {
                number: self.next_request,
                kind: Kind::Unsubscribe,
                channels: unwanted,
                addressed: false,
                since: None,
                progress,
            });
        }
        // One call for all that begin at the same place.
        let first_new = requests.len();
        for subscription in self.subscriptions.iter_mut().filter(|one| one.is_wanted() || one.wants_past()) {
            let is_channel = subscription.hears == Hears::Channels;
            let Standing::Pending { since, call: call @ None } = &mut subscription.standing else { continue };
            if there.contains(&subscription.id) {
                continue;
            }
            let same = requests.iter().skip(first_new).position(|request| request.since == *since);
            let index = same.map_or(requests.len(), |index| first_new + index);
            if index == requests.len() {
                self.next_request += 1;
                requests.push(CallUnderWay {
                    number: self.next_request,
                    kind: Kind::Subscribe,
                    channels: Vec::new(),
                    addressed: false,
                    since: *since,
                    progress: Progress::Failed,
                });
            }
            let Some(request) = requests.get_mut(index) else { continue };
            *call = Some(request.number);
            request.addressed |= !is_channel;
            if is_channel && !request.channels.contains(&subscription.pattern) {
                request.channels.push(subscription.pattern.clone());
            }
        }

        // A tab answers at once, so that one which does not has not heard it.
        let patience = if matches!(stream.source, Source::Leader(_)) { TAB_CALL_MS } else { CALL_MS };
        let mut made = Vec::new();
        for mut call in requests {
            for channel in &call.channels {
                match call.kind {
                    Kind::Unsubscribe => calls.set(channel, Hold::Leaving),
                    // What one handler has, another may be asking the past of.
                    Kind::Subscribe if calls.get(channel).is_none() => calls.set(channel, Hold::Asked(call.number)),
                    Kind::Subscribe => {}
                }
            }
            call.progress = Progress::Sent { until: now.saturating_add(patience) };
            made.push((call.number, call.asks()));
            calls.under_way.push(call);
        }
        // That something was confirmed says where the stream is, as its cursor does.
        let mut mark = self.cursor;
        raise(&mut mark, calls.confirmed_at);
        for (number, call) in made {
            self.make_call(number, call);
        }
        for id in there {
            self.activate(id, mark);
        }
    }

    /// Makes a call on the stream; the number under which the answer comes.
    pub(super) fn call(&mut self, call: Call) -> u32 {
        let number = self.request_number();
        self.make_call(number, call);
        number
    }

    fn make_call(&mut self, number: u32, call: Call) {
        let Phase::Open(stream) = &self.phase else { return };
        if matches!(stream.source, Source::Leader(_)) {
            return self.call_leader(number, call);
        }
        let (name, body) = call_body(&stream.connection_id, number, &call);
        let url = self.address.below(name);
        self.actions.push(Action::Send(Request { number, ask: Ask::Server, url, body: Some(body) }));
    }

    /// The answer to a call.
    pub(super) fn call_answered(&mut self, now: u64, number: u32, answer: &Answer) {
        let may_renew = self.may_renew();
        let Phase::Open(stream) = &mut self.phase else { return };
        let calls = &mut stream.calls;
        let Some(index) = calls.under_way.iter().position(|call| call.number == number) else { return };
        match answer.status {
            Some(200..=299) => {
                calls.failures = 0;
                let call = calls.under_way.remove(index);
                if calls.under_way.is_empty() {
                    // One that was given up, and answered after all.
                    calls.hold_until = None;
                }
                if call.kind == Kind::Unsubscribe {
                    call.channels.iter().for_each(|channel| calls.drop_channel(channel));
                }
                for rejected in &answer.rejected {
                    self.refuse(rejected.clone());
                }
                self.sync_subscriptions(now);
            }
            // The server does not know the stream, so it is not the stream's server any more.
            Some(404) => self.lose(now, None),
            // Another token may do, and is there when the call is tried again.
            Some(401) if may_renew => {
                self.renewed = true;
                self.call_failed(now, index, 0, None);
                self.refresh(now);
            }
            None | Some(401 | 408 | 425 | 429 | 500..) => {
                let least = match answer.status {
                    Some(401) => self.reconnect.unwrap_or_default().cap_ms,
                    _ => retry_after(answer),
                };
                self.call_failed(now, index, least, Some(answer));
            }
            // The request is wrong, and would be again.
            Some(_) => {
                let call = calls.under_way.remove(index);
                let trouble = trouble(answer);
                match call.kind {
                    Kind::Unsubscribe => {
                        call.channels.iter().for_each(|channel| calls.drop_channel(channel));
                        self.actions.push(Action::Error(trouble));
                    }
                    Kind::Subscribe => {
                        for channel in call.channels {
                            self.refuse(Rejected { channel, code: trouble.code.clone().into_owned() });
                        }
                    }
                }
                self.sync_subscriptions(now);
            }
        }
    }

    /// A call failed in a way that may pass.
    fn call_failed(&mut self, now: u64, index: usize, least: u64, answer: Option<&Answer>) {
        let Phase::Open(stream) = &mut self.phase else { return };
        let calls = &mut stream.calls;
        let Some(call) = calls.under_way.get_mut(index) else { return };
        call.progress = Progress::Failed;
        calls.failures = calls.failures.saturating_add(1);
        // As long as the stream lives its calls are tried, also where `reconnect` is off.
        let backoff = self.reconnect.unwrap_or_default();
        let wait = backoff.wait(calls.failures, &mut self.random).max(least);
        calls.hold_until = Some(now.saturating_add(wait));
        calls.is_told_to_wait = least > 0 && answer.is_some_and(|answer| matches!(answer.status, Some(401 | 429)));
        if let Some(answer) = answer {
            let mut trouble = trouble(answer);
            trouble.will_retry = true;
            self.actions.push(Action::Error(trouble));
        }
    }

    pub(super) fn wake_calls(&mut self, now: u64) {
        loop {
            let Phase::Open(stream) = &mut self.phase else { return };
            let late = |call: &CallUnderWay| matches!(call.progress, Progress::Sent { until } if now >= until);
            let Some(index) = stream.calls.under_way.iter().position(late) else { break };
            let is_of_server = matches!(stream.source, Source::Server);
            self.call_failed(now, index, 0, is_of_server.then(Answer::default).as_ref());
        }
        let Phase::Open(stream) = &mut self.phase else { return };
        if stream.calls.hold_until.is_some_and(|at| now >= at) {
            stream.calls.hold_until = None;
            self.sync_subscriptions(now);
        }
    }
}

//! Refused and revoked channels, and when they are requested again.

use super::{
    super::{Failure, Rejected, out::Out},
    Known, Ledger, Outcome, Standing, Subscription,
};
use crate::routes::{HandlerId, Hears};

impl Ledger {
    /// The server refused a channel on this stream.
    pub(in crate::client) fn refuse(&mut self, rejected: Rejected, out: &mut Out) {
        self.calls.refuse(&rejected.channel);
        self.refuse_these(rejected, &|one| one.hears == Hears::Channels, true, out);
    }

    /// The stream no longer carries a channel. A call that asks for the channel may be decided later than that, or
    /// accepted before: it is made again.
    pub(in crate::client) fn revoke(&mut self, rejected: Rejected, out: &mut Out) {
        self.calls.drop_channel(&rejected.channel);
        for subscription in self.subscriptions.iter_mut().filter(|one| one.pattern == rejected.channel) {
            subscription.forget_call();
        }
        let is_meant = |one: &Subscription| one.hears == Hears::Channels && one.standing.is_active();
        // All tabs have received the frame itself.
        self.refuse_these(rejected, &is_meant, false, out);
    }

    /// The stream no longer carries the events that are addressed to the user or device.
    pub(in crate::client) fn revoke_addressed(&mut self, code: &str, out: &mut Out) {
        self.refuse_all(Hears::Addressed, code, false, out);
    }

    /// The server refused or revoked presence on a channel.
    pub(in crate::client) fn refuse_presence(&mut self, rejected: Rejected, out: &mut Out) {
        self.refuse_these(rejected, &|one| one.hears == Hears::Presence, true, out);
    }

    /// The server reports presence on no channel.
    pub(in crate::client) fn refuse_all_presence(&mut self, code: &str, out: &mut Out) {
        self.refuse_all(Hears::Presence, code, true, out);
    }

    /// Refuses all channels of a kind that the stream carries; of addressed events, which another tab's stream carries
    /// without a request, only those of this tab.
    fn refuse_all(&mut self, hears: Hears, code: &str, tells: bool, out: &mut Out) {
        let is_meant = |one: &Subscription| {
            one.hears == hears && one.standing.is_active() && (one.is_own() || hears == Hears::Presence)
        };
        while let Some(one) = self.subscriptions.iter().find(|one| is_meant(one)) {
            let rejected = Rejected { channel: one.pattern.clone(), code: code.to_owned() };
            self.refuse_these(rejected, &is_meant, tells, out);
        }
    }

    /// Refused channels are requested once more, because a new stream or other credentials may change the answer.
    /// (Channels that the server grants by itself: see `comparison`.) A second refusal is not reported again.
    pub(in crate::client) fn ask_again(&mut self) {
        for subscription in &mut self.subscriptions {
            if subscription.standing.is_refused() && subscription.is_own() {
                subscription.await_from(&None);
                if subscription.hears == Hears::Presence {
                    self.presence.change();
                }
            }
        }
    }

    /// Reports a refusal to those of the channel's handlers that are meant, unless they have been told the same last;
    /// and, unless another frame `tells` them, to the tabs that asked.
    fn refuse_these(&mut self, rejected: Rejected, which: &dyn Fn(&Subscription) -> bool, tells: bool, out: &mut Out) {
        let Rejected { channel, code } = rejected;
        let (mut told, cursor) = (false, self.cursor);
        let mut others: Vec<HandlerId> = Vec::new();
        for subscription in &mut self.subscriptions {
            if subscription.standing.is_refused() || subscription.pattern != channel || !which(subscription) {
                continue;
            }
            // If the channel is granted again on a stream that begins before this point, for another tab, the handler
            // has already received every event up to here.
            if subscription.standing.is_active() {
                subscription.hear(&cursor);
            }
            subscription.standing = Standing::Refused;
            if !subscription.is_own() {
                others.push(subscription.id);
                if tells {
                    // The request is forgotten, because the member asks again when there is reason to.
                    let (tab, is_presence) = (subscription.tab, subscription.hears == Hears::Presence);
                    let rejected = Rejected { channel: channel.clone(), code: code.clone() };
                    self.outcomes.push(Outcome::Refused { tab, is_presence, rejected });
                }
            } else if std::mem::replace(&mut subscription.known, Known::Refused) != Known::Refused {
                told = true;
                out.settled(subscription.id, Some(code.clone()));
            }
        }
        if !others.is_empty() {
            self.remove_others(&|one| others.contains(&one.id));
        }
        if told {
            out.error(Failure { code, channel: Some(channel), ..Failure::default() });
        }
    }
}

//! What the server will not have, or no longer, and when it is asked for again.

use super::{
    super::{Failure, Rejected, out::Out},
    Known, Ledger, Outcome, Standing, Subscription,
};
use crate::routes::{HandlerId, Hears};

impl Ledger {
    /// The server will not have a channel, or no longer, on this stream.
    pub(in crate::session) fn refuse(&mut self, rejected: Rejected, out: &mut Out) {
        self.calls.drop_channel(&rejected.channel);
        self.refuse_these(rejected, &|one| one.hears == Hears::Channels, true, out);
    }

    /// The stream no longer carries a channel. A call that asks for it may be judged later than that, or accepted before: it is
    /// made again.
    pub(in crate::session) fn revoke(&mut self, rejected: Rejected, out: &mut Out) {
        self.calls.drop_channel(&rejected.channel);
        for subscription in self.subscriptions.iter_mut().filter(|one| one.pattern == rejected.channel) {
            subscription.forget_call();
        }
        let is_meant = |one: &Subscription| one.hears == Hears::Channels && one.standing == Standing::Active;
        // All tabs have been given the frame itself.
        self.refuse_these(rejected, &is_meant, false, out);
    }

    /// The stream no longer carries what is addressed to the user or device.
    pub(in crate::session) fn revoke_addressed(&mut self, code: &str, out: &mut Out) {
        self.refuse_all(Hears::Addressed, code, false, out);
    }

    /// The server does not tell who is online on a channel, or no longer.
    pub(in crate::session) fn refuse_presence(&mut self, rejected: Rejected, out: &mut Out) {
        self.refuse_these(rejected, &|one| one.hears == Hears::Presence, true, out);
    }

    /// The server tells of nobody who is online.
    pub(in crate::session) fn refuse_all_presence(&mut self, code: &str, out: &mut Out) {
        self.refuse_all(Hears::Presence, code, true, out);
    }

    /// Refuses all of a kind that the stream carries; of addressed events, which a stream of another tab's carries unasked, those of
    /// this tab.
    fn refuse_all(&mut self, hears: Hears, code: &str, tells: bool, out: &mut Out) {
        let is_meant = |one: &Subscription| {
            one.hears == hears && one.standing == Standing::Active && (one.is_own() || hears == Hears::Presence)
        };
        while let Some(one) = self.subscriptions.iter().find(|one| is_meant(one)) {
            let rejected = Rejected { channel: one.pattern.clone(), code: code.to_owned() };
            self.refuse_these(rejected, &is_meant, tells, out);
        }
    }

    /// What was refused is asked for once more: its time may have come by a new stream, or by other credentials. (By what the server
    /// gives as well: see `comparison`.) Should it be refused again, nobody is told again.
    pub(in crate::session) fn ask_again(&mut self) {
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Refused && subscription.is_own() {
                subscription.await_from(&None);
                if subscription.hears == Hears::Presence {
                    self.presence.change();
                }
            }
        }
    }

    /// Tells those of the channel's handlers that are meant, unless that is what they were told last; and where nothing else `tells`
    /// them, the tabs that asked.
    fn refuse_these(&mut self, rejected: Rejected, which: &dyn Fn(&Subscription) -> bool, tells: bool, out: &mut Out) {
        let Rejected { channel, code } = rejected;
        let (mut told, cursor) = (false, self.cursor);
        let mut others: Vec<HandlerId> = Vec::new();
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Refused || subscription.pattern != channel || !which(subscription) {
                continue;
            }
            // Should it come back on a stream that begins before this, for another tab's sake, it has heard all up to here.
            if subscription.standing == Standing::Active {
                subscription.hear(&cursor);
            }
            subscription.standing = Standing::Refused;
            if !subscription.is_own() {
                others.push(subscription.id);
                if tells {
                    // It is forgotten, for the member asks again when there is reason to.
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

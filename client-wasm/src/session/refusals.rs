//! What the server will not have, or no longer, and when it is asked for again.

use std::borrow::Cow;

use super::{
    Action, Rejected, Session, Trouble,
    phase::Phase,
    subscription::{Known, Standing, Subscription},
};
use crate::routes::Hears;

impl Session {
    /// The server will not have a channel, or no longer, on this stream.
    pub(super) fn refuse(&mut self, rejected: Rejected) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.calls.drop_channel(&rejected.channel);
        }
        self.refuse_these(rejected, &|one| one.hears == Hears::Channels, true);
    }

    /// The stream no longer carries a channel. A call that asks for it may be judged later than that, or accepted before: it is
    /// made again.
    pub(super) fn taken(&mut self, rejected: Rejected) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.calls.drop_channel(&rejected.channel);
        }
        for subscription in self.subscriptions.iter_mut().filter(|one| one.pattern == rejected.channel) {
            if let Standing::Pending { call, .. } = &mut subscription.standing {
                *call = None;
            }
        }
        let is_meant = |one: &Subscription| one.hears == Hears::Channels && one.standing == Standing::Active;
        // All tabs have been given the frame itself.
        self.refuse_these(rejected, &is_meant, false);
    }

    /// The stream no longer carries what is addressed to the user or device.
    pub(super) fn addressed_taken(&mut self, code: &str) {
        let is_meant =
            |one: &Subscription| one.owner == 0 && one.hears == Hears::Addressed && one.standing == Standing::Active;
        while let Some(one) = self.subscriptions.iter().find(|one| is_meant(one)) {
            let rejected = Rejected { channel: one.pattern.clone(), code: code.to_owned() };
            self.refuse_these(rejected, &is_meant, false);
        }
    }

    /// What was refused is asked for once more: its time may have come by a new stream, or by other credentials. (By what the server
    /// gives as well: see `sync_subscriptions`.) Should it be
    /// refused again, nobody is told again.
    pub(super) fn ask_again(&mut self) {
        let mut watches = false;
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Refused && subscription.owner == 0 {
                subscription.standing = Standing::Pending { since: None, call: None };
                watches |= subscription.hears == Hears::Presence;
            }
        }
        if watches {
            self.presence_changed();
        }
    }

    /// Tells those of the channel's handlers that are meant, unless that is what they were told last; and where nothing else `tells`
    /// them, the tabs that asked.
    pub(super) fn refuse_these(&mut self, rejected: Rejected, which: &dyn Fn(&Subscription) -> bool, tells: bool) {
        let Rejected { channel, code } = rejected;
        let (mut told, mut others, cursor) = (false, Vec::new(), self.cursor);
        for subscription in &mut self.subscriptions {
            if subscription.standing != Standing::Refused && subscription.pattern == channel && which(subscription) {
                // Should it come back on a stream that begins before this, for another tab's sake, it has heard all up to here.
                if subscription.standing == Standing::Active {
                    subscription.heard(cursor);
                }
                subscription.standing = Standing::Refused;
                if subscription.owner > 0 {
                    others.push((subscription.id, subscription.owner, subscription.hears));
                    continue;
                }
                if std::mem::replace(&mut subscription.known, Known::Refused) != Known::Refused {
                    told = true;
                    let refusal = Some(Cow::Owned(code.clone()));
                    self.actions.push(Action::Settled { handler: subscription.id, refusal });
                }
            }
        }
        for (id, member, hears) in others {
            let rejected = Rejected { channel: channel.clone(), code: code.clone() };
            self.remove_others(&|one| one.id == id);
            if tells {
                self.refused_for_other(member, rejected, hears);
            }
        }
        if told {
            let trouble = Trouble { code: Cow::Owned(code), channel: Some(channel), ..Trouble::default() };
            self.actions.push(Action::Error(trouble));
        }
    }
}

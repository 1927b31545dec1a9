//! Who is online, as far as the handlers of all tabs want to know.

use tidings_protocol::Pattern;

use super::{super::out::Out, Known, Ledger, Standing};
use crate::routes::Hears;

impl Ledger {
    /// The channels of which the server is to tell who is online, where that is not what it was told. `Err` where it tells of nobody.
    pub(in crate::session) fn presence_to_ask(&mut self) -> Option<Result<Vec<Pattern>, ()>> {
        if !self.presence.take_stale() {
            return None;
        }
        let mut channels = Vec::new();
        for subscription in &mut self.subscriptions {
            if subscription.hears == Hears::Presence && subscription.standing != Standing::Refused {
                subscription.standing = Standing::Active;
                if !channels.contains(&subscription.pattern) {
                    channels.push(subscription.pattern.clone());
                }
            }
        }
        // A new stream tells nothing by itself.
        if channels.is_empty() && !self.presence.watches() {
            return None;
        }
        Some(if self.presence.alive_ms() == 0 { Err(()) } else { Ok(channels) })
    }

    /// The server is told of them by this call.
    pub(in crate::session) fn presence_asked(&mut self, number: u32) {
        self.presence.asks(number);
    }

    /// The server is told by this call that somebody reads the stream.
    pub(in crate::session) fn alive_said(&mut self, number: u32) {
        self.presence.says_alive(number);
    }

    /// Whether a call was one of these two; and whether it was the first.
    pub(in crate::session) fn is_presence_call(&self, number: u32) -> Option<bool> {
        self.presence.is_ours(number).then(|| self.presence.asked(number))
    }

    /// Whether the server has yet to be told, or to say, what it tells of.
    pub(in crate::session) fn presence_is_waiting(&self) -> bool {
        self.presence.is_waiting()
    }

    /// The server was told, and tells of all that it does not refuse.
    pub(in crate::session) fn presence_arrived(&mut self) {
        self.presence.answered();
    }

    /// It may be told later.
    pub(in crate::session) fn put_presence_off(&mut self) {
        self.presence.put_off();
    }

    /// The handlers that see who is online from here on.
    pub(in crate::session) fn activate_presence(&mut self, out: &mut Out) {
        let mut index = 0;
        while let Some(one) = self.subscriptions.get(index) {
            index += 1;
            if one.hears == Hears::Presence && one.standing == Standing::Active && one.known != Known::Hears {
                self.activate(one.id, &None, out);
            }
        }
    }

    /// Whether a sign of life is due.
    pub(in crate::session) fn wake_presence(&mut self, now: u64) -> bool {
        self.presence.wake(now)
    }
}

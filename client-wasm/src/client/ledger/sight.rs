//! Presence for the handlers of all tabs.

use tidings_protocol::Pattern;

use super::{super::out::Out, Known, Ledger, Standing};
use crate::routes::Hears;

impl Ledger {
    /// The channels for which the server has to be asked for presence, if they differ from the last request. `Err` if
    /// the server has no presence.
    pub(in crate::client) fn presence_to_ask(&mut self) -> Option<Result<Vec<Pattern>, ()>> {
        if !self.presence.take_stale() {
            return None;
        }
        let mut channels = Vec::new();
        for subscription in &mut self.subscriptions {
            if subscription.hears == Hears::Presence && !subscription.standing.is_refused() {
                subscription.standing = Standing::Active;
                if !channels.contains(&subscription.pattern) {
                    channels.push(subscription.pattern.clone());
                }
            }
        }
        // A new stream reports nothing by itself.
        if channels.is_empty() && !self.presence.watches() {
            return None;
        }
        Some(if self.presence.alive_ms() == 0 { Err(()) } else { Ok(channels) })
    }

    /// Notes the call that asks the server for them.
    pub(in crate::client) fn presence_asked(&mut self, number: u32) {
        self.presence.asks(number);
    }

    /// Notes the call that reports that the stream is still read.
    pub(in crate::client) fn alive_said(&mut self, number: u32) {
        self.presence.says_alive(number);
    }

    /// Whether a call was one of these two; and whether it was the first.
    pub(in crate::client) fn is_presence_call(&self, number: u32) -> Option<bool> {
        self.presence.is_ours(number).then(|| self.presence.asked(number))
    }

    /// Whether the server has yet to be asked, or to answer.
    pub(in crate::client) fn presence_is_waiting(&self) -> bool {
        self.presence.is_waiting()
    }

    /// The server has received the request, and reports presence on all channels that it does not refuse.
    pub(in crate::client) fn presence_arrived(&mut self) {
        self.presence.answered();
    }

    /// The server is asked later.
    pub(in crate::client) fn put_presence_off(&mut self) {
        self.presence.put_off();
    }

    /// Confirms the handlers for presence from here on.
    pub(in crate::client) fn activate_presence(&mut self, out: &mut Out) {
        let mut index = 0;
        while let Some(one) = self.subscriptions.get(index) {
            index += 1;
            if one.hears == Hears::Presence && one.standing.is_active() && one.known != Known::Hears {
                self.activate(one.id, &None, out);
            }
        }
    }

    /// Whether a sign of life is due.
    pub(in crate::client) fn wake_presence(&mut self, now: u64) -> bool {
        self.presence.wake(now)
    }
}

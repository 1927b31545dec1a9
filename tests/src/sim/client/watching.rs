//! The tab's presence handlers.

use tidings_client::client::{self, HandlerId, Hears};
use tidings_protocol::{
    Pattern,
    frame::{Presence, Rejected},
};

use super::Client;
use crate::sim::{ear::Violation, person::sees, roster::Roster};

impl Client {
    pub(in crate::sim) fn watch(&mut self, pattern: Pattern) {
        let handler = self.core.presence(pattern.clone());
        self.rosters.insert(handler, Roster::new(pattern));
    }

    pub(in crate::sim) fn unwatch(&mut self, now: u64, which: usize) {
        let handlers: Vec<_> = self.rosters.keys().copied().collect();
        let Some(handler) = handlers.get(which % handlers.len().max(1)) else { return };
        self.core.unsubscribe(now, *handler);
        self.rosters.remove(handler);
    }

    /// Handles a frame about presence, of the tab's own stream or of another tab's.
    pub(super) fn sees(&mut self, now: u64, frame: Presence) -> Result<(), Violation> {
        if let Some(code) = frame.code {
            let rejected = crate::frames::rejected(Rejected { channel: frame.channel, code });
            self.core.frame(now, client::Frame::PresenceRefused(rejected));
            return Ok(());
        }
        let route = self.core.routes().find(frame.channel.as_str(), Hears::Presence);
        let mut seeing: Vec<HandlerId> = Vec::new();
        self.core.record(now, route, None, None, &mut seeing);
        for handler in seeing {
            if let Some(roster) = self.rosters.get_mut(&handler) {
                self.seen += 1;
                roster.told(&frame, sees(self.person.user, &frame.channel), self.wire.is_none())?;
            }
        }
        Ok(())
    }
}

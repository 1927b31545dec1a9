//! Requests of the tabs that follow to the leading one.

use tidings_protocol::Pattern;

use super::{
    ClientCore,
    sharing::{Call, TabAsk, TabTell, Waiting},
};
use crate::routes::Hears;

impl ClientCore {
    /// Another tab sends a request.
    pub(super) fn on_member_message(&mut self, now: u64, tab: String, ask: TabAsk) {
        let Some(hub) = self.sharing.hub() else { return };
        let member = hub.number_of(&tab);
        match ask {
            TabAsk::Open { attempt, user, channels } => {
                hub.wait(Waiting { name: tab.clone(), attempt, user, channels });
                self.admit_waiting();
                // A tab that has to wait must know that a tab leads.
                if self.sharing.hub().is_some_and(|hub| hub.is_waiting(&tab)) {
                    let status = self.status();
                    self.tell(TabTell::Wait { tab, status }, false);
                }
            }
            TabAsk::Call { number, call } => {
                let Some(member) = member else { return self.send_away(tab) };
                if self.on_call((member, number), call) {
                    self.tell(TabTell::Answer { member, number, status: 200 }, false);
                }
            }
            TabAsk::Labels { labels } => {
                if let Some(member) = member {
                    self.ledger.set_labels(member, labels);
                }
            }
            TabAsk::Probe { connect } => {
                if member.is_none() {
                    self.send_away(tab);
                }
                if connect {
                    self.connect();
                } else {
                    self.probe_or_retry_now(now, false);
                }
                // The request only asks whether the leader is there.
                self.tell_cursor();
            }
        }
    }

    /// A tab that believes to have a stream here has to ask for one.
    fn send_away(&mut self, tab: String) {
        if self.sharing.hub().is_some_and(|hub| !hub.is_waiting(&tab)) {
            self.tell(TabTell::Lead { tab: Some(tab) }, false);
        }
    }

    /// Handles a member's call. Says whether it is answered at once.
    fn on_call(&mut self, (member, number): (u32, u32), call: Call) -> bool {
        match call {
            Call::Subscribe { channels, addressed, since } => {
                let is_open = self.connection.is_open();
                let mut subscribe = |hears, pattern| {
                    self.ledger.subscribe_other((member, number), (hears, pattern), since, is_open, &mut self.out);
                };
                for channel in channels {
                    subscribe(Hears::Channels, channel);
                }
                if addressed {
                    subscribe(Hears::Addressed, Pattern::all());
                }
            }
            Call::Unsubscribe { channels } => self.ledger.unsubscribe_other(member, &channels),
            Call::Presence { channels } => {
                self.ledger.watch_other((member, number), channels);
                if let Some(hub) = self.sharing.hub() {
                    hub.await_presence(member, number);
                }
                return false;
            }
            Call::Alive => {}
        }
        true
    }
}

//! Messages of a leading tab to those that follow.

use tidings_protocol::Pattern;

use super::{
    ClientCore, Connected, Frame, Rejected,
    cursors::Cursors,
    ledger::Outcome,
    sharing::{TabTell, Waiting},
};
use crate::text::text_of;

impl ClientCore {
    /// Passes a frame on to all members.
    pub(super) fn tell_frame(&mut self, frame: Frame) {
        self.tell_members(TabTell::Frame { member: None, frame });
    }

    /// Sends the stream's cursor.
    pub(super) fn tell_cursor(&mut self) {
        let id = self.shared_cursor();
        self.tell_frame(Frame::Heartbeat { id });
    }

    /// Passes an event on to the members that receive it, or else its cursor.
    pub(super) fn relay_event(&mut self, now: u64, id: Option<Cursors>, members: Vec<u32>) {
        if !members.is_empty() {
            self.tell(TabTell::Event { id, members }, true);
        } else if self.sharing.hub().is_some_and(|hub| hub.tells_cursor(now)) {
            self.tell_cursor();
        }
    }

    /// The stream continues here, perhaps with other credentials.
    pub(super) fn tell_renewed(&mut self) {
        if self.goes_on() && self.has_members() {
            let connected = self.connected();
            self.tell_frame(Frame::Connected(connected));
        }
    }

    /// Whether a stream exists, and the position at which it continues is known.
    fn goes_on(&self) -> bool {
        self.connection.is_open() && !self.ledger.awaits_gap()
    }

    /// The first frame of a member's stream.
    #[inline(never)]
    fn connected(&self) -> Connected {
        Connected {
            id: self.ledger.cursor(),
            connection_id: self.connection.id().to_owned(),
            user_id: self.auth.user_id().map(str::to_owned),
            heartbeat_ms: self.connection.heartbeat_ms(),
            alive_ms: self.ledger.alive_ms(),
            ..Connected::default()
        }
    }

    /// Gives streams to the waiting tabs, once a stream exists whose user is known.
    pub(super) fn admit_waiting(&mut self) {
        if !self.goes_on() {
            return;
        }
        let Some(who) = self.sharing.who().map(str::to_owned) else { return };
        let Some(hub) = self.sharing.hub() else { return };
        for one in hub.take_waiting() {
            if one.user == who {
                self.admit(one);
            } else {
                self.tell(TabTell::OtherUser { tab: one.name }, false);
            }
        }
    }

    fn admit(&mut self, one: Waiting) {
        let Waiting { name: tab, attempt, channels, .. } = one;
        let mut connected = self.connected();
        let Some(hub) = self.sharing.hub() else { return };
        let (member, before) = hub.admit(&tab);
        if let Some(before) = before {
            connected.channels = self.ledger.carry_on(before, member, &channels);
        }
        self.ledger.admit(member);
        let (status, frame) = (self.status(), Frame::Connected(connected));
        self.tell(TabTell::Welcome { tab: tab.clone(), attempt, member, status, frame }, false);
        self.out.watch(tab);
    }

    /// The end of an input: sends members the results of their calls.
    pub(super) fn tell_outcomes(&mut self) {
        let mut outcomes = self.ledger.take_outcomes();
        let Some(hub) = self.sharing.hub() else { return };
        let is_settled = self.connection.is_open() && !self.ledger.presence_is_waiting();
        let watching = if is_settled { hub.take_presence_calls() } else { Vec::new() };
        while !outcomes.is_empty() {
            let tell = match outcomes.remove(0) {
                Outcome::Given { channels, cursor } => {
                    let request_id = "server".to_owned();
                    self.tell_frame(Frame::Subscribed { request_id, channels, addressed: false, cursor });
                    continue;
                }
                Outcome::Confirmed { tab, call, channel, cursor } => {
                    let (mut channels, mut addressed) = (Vec::new(), false);
                    note(&mut channels, &mut addressed, channel);
                    outcomes.retain_mut(|one| match one {
                        Outcome::Confirmed { tab: t, call: c, channel, cursor: at }
                            if (*t, *c, *at) == (tab, call, cursor) =>
                        {
                            note(&mut channels, &mut addressed, channel.take());
                            false
                        }
                        _ => true,
                    });
                    let frame = Frame::Subscribed { request_id: text_of(call), channels, addressed, cursor };
                    TabTell::Frame { member: Some(tab), frame }
                }
                Outcome::Refused { tab, is_presence: true, rejected } => {
                    TabTell::Frame { member: Some(tab), frame: Frame::PresenceRefused(rejected) }
                }
                Outcome::Refused { tab, rejected, .. } => {
                    let mut refused: Vec<Rejected> = vec![rejected];
                    outcomes.retain(|one| match one {
                        Outcome::Refused { tab: t, is_presence: false, rejected } if *t == tab => {
                            refused.push(rejected.clone());
                            false
                        }
                        _ => true,
                    });
                    TabTell::Refused { member: tab, rejected: refused }
                }
            };
            self.tell(tell, false);
        }
        for (member, number) in watching {
            self.tell(TabTell::Answer { member, number, status: 200 }, false);
        }
    }
}

/// Notes a channel, or the addressed events.
fn note(channels: &mut Vec<Pattern>, addressed: &mut bool, channel: Option<Pattern>) {
    match channel {
        Some(channel) => channels.push(channel),
        None => *addressed = true,
    }
}

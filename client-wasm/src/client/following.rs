//! Messages of the leading tab to one that follows: frames of its stream, treated as a server's, and its own state.

use super::{
    Answer, ClientCore, Connected, Frame, Status,
    connection::Phase,
    sharing::{Heard, Leader, Message, TabTell},
};

/// A frame of the leader's stream that came with a message, and has handlers in this tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// Its `id:`; empty without one.
    pub id: String,
    /// For an event of the past, the calls of this tab that asked for it: the frame is read once for each.
    pub calls: Vec<u32>,
}

impl ClientCore {
    /// Handles a message of another tab. If the frame in it has handlers in this tab, the frame is returned, to be read
    /// like one of a stream.
    pub fn on_message(&mut self, now: u64, message: Message) -> Option<Relayed> {
        match message {
            Message::Ask { tab, ask } => self.on_member_message(now, tab, ask),
            Message::Tell { term, number, tell } if self.sharing.is_behind() => {
                return self.on_leader_message(now, term, number, tell);
            }
            // A leader ignores other leaders; a leader whose lock was stolen learns that from the browser.
            Message::Tell { .. } => {}
        }
        None
    }

    fn on_leader_message(&mut self, now: u64, term: String, number: u32, tell: TabTell) -> Option<Relayed> {
        let is_joining = matches!(self.connection.phase(), Phase::Joining { .. });
        if !is_joining && !self.connection.is_led() {
            return None;
        }
        let is_me = |tab: &String| self.sharing.is_me(tab);
        match tell {
            TabTell::Lead { tab } if tab.as_ref().is_none_or(is_me) => self.join(now, now),
            TabTell::UserChanged => self.open(now),
            TabTell::OtherUser { tab } if is_me(&tab) => self.split_by_user(now),
            TabTell::Wait { tab, status } if is_joining && is_me(&tab) => self.wait_for_leader(now, status),
            TabTell::Welcome { tab, attempt, member, status, frame } if is_me(&tab) => {
                if self.sharing.is_latest(attempt)
                    && let Frame::Connected(connected) = frame
                {
                    self.welcomed(now, Leader::new(term, member, number), status, &connected);
                }
            }
            _ if is_joining => {}
            tell => return self.on_frame_of_leader(now, &term, number, tell),
        }
        None
    }

    /// The leader has no stream yet.
    fn wait_for_leader(&mut self, now: u64, status: Status) {
        if let Phase::Joining { until, .. } = self.connection.phase() {
            self.connection.set_phase(Phase::Joining { since: now, until });
            self.set_status_of_leader(status);
        }
    }

    fn set_status_of_leader(&mut self, status: Status) {
        if self.sharing.set_status(&status) {
            self.tell_status(status);
        }
    }

    /// The leader has given this tab a stream.
    fn welcomed(&mut self, now: u64, leader: Leader, status: Status, connected: &Connected) {
        if self.connection.is_led() {
            // Two tabs have answered: one that leads, and one whose lock was stolen and that has not noticed it.
            self.ledger.begin_anew();
        }
        self.sharing.joined(leader);
        // The tab may have missed that the leader has another stream.
        self.set_status_of_leader(status);
        self.ledger.begin_led_stream(now, connected);
        self.begin(now, true, connected);
        self.tell_labels();
    }

    /// Handles a frame of the leader's stream.
    fn on_frame_of_leader(&mut self, now: u64, term: &str, number: u32, tell: TabTell) -> Option<Relayed> {
        let leader = self.sharing.leader()?;
        let (heard, me) = (leader.hear(term, number), leader.member());
        match heard {
            Heard::Foreign => return None,
            Heard::Hole => {
                self.join(now, now);
                return None;
            }
            Heard::Next => self.connection.heard_leader(now),
        }
        match tell {
            TabTell::Event { id, members } => {
                if members.contains(&me) {
                    let id = id.map(|id| id.to_text()).unwrap_or_default();
                    return Some(Relayed { id, calls: Vec::new() });
                }
                self.advance(now, &id);
            }
            TabTell::Backfill { calls } => {
                let mut own = Vec::new();
                for (member, call) in calls {
                    if member == me {
                        own.push(call);
                    }
                }
                return (!own.is_empty()).then_some(Relayed { id: String::new(), calls: own });
            }
            TabTell::Frame { member, frame } if member.is_none_or(|member| member == me) => match frame {
                Frame::Connected(connected) => self.renewed(now, connected),
                frame => self.frame(now, frame),
            },
            TabTell::Answer { member, number, status } if member == me => {
                self.answer(now, number, Answer { status: Some(status), ..Answer::default() });
            }
            TabTell::Refused { member, rejected } if member == me => {
                rejected.into_iter().for_each(|rejected| self.refuse(rejected));
                self.sync_subscriptions(now);
            }
            TabTell::Status(status) => self.set_status_of_leader(status),
            TabTell::Failure(failure) => self.out.error(failure),
            _ => {}
        }
        None
    }

    /// The leader's stream, or its credentials, are new.
    fn renewed(&mut self, now: u64, connected: Connected) {
        self.connection.set_heartbeat(connected.heartbeat_ms);
        self.connection.set_id(connected.connection_id);
        self.ledger.set_alive(now, connected.alive_ms);
        self.advance(now, &connected.id);
        self.ask_all_again(now);
    }
}

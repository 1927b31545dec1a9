//! A stream whose other end is the tab that leads: how it is opened, what is said on it, and when it is taken for dead. Everything else
//! about it is as on a stream of the server.

use super::{
    Action, Answer, Connected, Frame, Message, Session, State, Status,
    message::{Call, TabAsk, TabTell},
    phase::{Attempt, Phase, Source, Stream, silence_limit},
    subscription::Standing,
    tabs::{JOIN_MS, NOBODY, Tabs},
    watchdog::LATE_MS,
};
use crate::routes::Hears;

/// A leader that was asked and has said nothing for so long is one no more.
const ANSWER_MS: u64 = 2_000;

/// The tab at the other end of a stream.
#[derive(Debug)]
pub(super) struct Leader {
    term: String,
    /// What it calls this tab.
    member: u32,
    /// How much it has said in its term.
    said: u32,
    /// It was asked at this time whether it is there, and has said nothing since.
    asked_at: Option<u64>,
    pub(super) status: Status,
}

impl Leader {
    /// When a stream that last gave a sign of life at this time has been silent for too long.
    pub(super) fn watch_at(&self, heard_at: u64, heartbeat_ms: u64) -> u64 {
        let silent = heard_at.saturating_add(silence_limit(heartbeat_ms));
        self.asked_at.map_or(silent, |asked_at| silent.min(asked_at.saturating_add(ANSWER_MS)))
    }
}

/// A frame of the leader's stream that came along with a message, and is for handlers of this tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// Its `id:`; empty where it has none.
    pub id: String,
    /// Where it is of the past, the calls of this tab that asked for it: it is to be read once for each.
    pub calls: Vec<u32>,
}

impl Session {
    /// Another tab has posted something. Where the frame that came with it is for this tab, it is to be read like one of a stream.
    pub fn told(&mut self, now: u64, message: Message) -> Option<Relayed> {
        let leads = self.hub().is_some();
        match message {
            Message::Ask { tab, ask } if leads => self.asked(now, tab, ask),
            Message::Tell { term, number, tell } if self.is_behind() => return self.on_tell(now, term, number, tell),
            // What other leaders say is nothing to a leader; one that was robbed learns it from the browser.
            _ => {}
        }
        None
    }

    fn on_tell(&mut self, now: u64, term: String, number: u32, tell: TabTell) -> Option<Relayed> {
        let Tabs { name, opens, .. } = self.tabs.as_ref()?;
        let is_me = |tab: &String| tab == name;
        let leader = match &mut self.phase {
            Phase::Joining { .. } => None,
            Phase::Open(Stream { source: Source::Leader(leader), .. }) => Some(leader),
            _ => return None,
        };
        match &tell {
            TabTell::Lead { tab } if tab.as_ref().is_none_or(is_me) => {
                self.rejoin(now);
                return None;
            }
            TabTell::UserChanged => {
                self.open(now);
                return None;
            }
            TabTell::OtherUser { tab } if is_me(tab) => {
                self.split_by_user(now);
                return None;
            }
            TabTell::Wait { tab, status } if is_me(tab) && leader.is_none() => {
                if let Phase::Joining { since, status: before, .. } = &mut self.phase {
                    *since = now;
                    if before != status {
                        before.clone_from(status);
                        self.actions.push(Action::State(status.clone()));
                    }
                }
                return None;
            }
            TabTell::Welcome { tab, attempt, .. } if is_me(tab) => {
                if attempt == opens
                    && let TabTell::Welcome { member, status, frame: Frame::Connected(connected), .. } = tell
                {
                    self.welcomed(now, Leader { term, member, said: number, asked_at: None, status }, connected);
                }
                return None;
            }
            _ => {}
        }
        let leader = leader.filter(|leader| leader.term == term)?;
        if number != leader.said + 1 {
            // Something is missing.
            self.rejoin(now);
            return None;
        }
        leader.said = number;
        leader.asked_at = None;
        let me = leader.member;
        if let Phase::Open(stream) = &mut self.phase {
            stream.heard_at = now;
            stream.grace_used = false;
        }
        match tell {
            TabTell::Event { id, members } => {
                if members.contains(&me) {
                    let id = id.map(|id| id.to_text()).unwrap_or_default();
                    return Some(Relayed { id, calls: Vec::new() });
                }
                self.advance(now, id);
            }
            TabTell::Backfill { calls } => {
                let calls: Vec<u32> =
                    calls.into_iter().filter(|(member, _)| *member == me).map(|(_, call)| call).collect();
                return (!calls.is_empty()).then_some(Relayed { id: String::new(), calls });
            }
            TabTell::Frame { member, frame } if member.is_none_or(|member| member == me) => match frame {
                Frame::Connected(connected) => self.renewed(now, connected),
                frame => self.frame(now, frame),
            },
            TabTell::Answer { member, number, status } if member == me => {
                self.answer(now, number, &Answer { status: Some(status), ..Answer::default() });
            }
            TabTell::Refused { member, rejected } if member == me => {
                for rejected in rejected {
                    self.refuse(rejected);
                }
                self.sync_subscriptions(now);
            }
            TabTell::Status(status) => self.leads_on(status),
            TabTell::Trouble(trouble) => self.actions.push(Action::Error(trouble)),
            _ => {}
        }
        None
    }

    /// The leader's connection stands like this now.
    fn leads_on(&mut self, status: Status) {
        if let Phase::Open(Stream { source: Source::Leader(leader), .. }) = &mut self.phase
            && std::mem::replace(&mut leader.status, status.clone()) != status
        {
            self.actions.push(Action::State(status));
        }
    }

    /// The stream is there: it begins where the leader's is, and what this tab has yet to hear is asked for by calls.
    fn welcomed(&mut self, now: u64, leader: Leader, connected: Connected) {
        if let Some(tabs) = &mut self.tabs {
            tabs.thefts = 0;
            tabs.labels.clear();
        }
        if connected.heartbeat_ms > 0 {
            self.heartbeat_ms = connected.heartbeat_ms;
        }
        if self.phase.is_led() {
            // Two tabs have answered: one that leads, and one that was robbed and does not know.
            self.begin_all_anew();
        }
        let source = Source::Leader(leader);
        let stream = Stream::new(now, source, connected.connection_id.clone(), self.heartbeat_ms, connected.alive_ms);
        let nothing = Attempt { until: 0, asked: Vec::new(), cursor: None };
        self.begin(now, stream, &nothing, connected);
        self.tell_labels();
    }

    /// The leader's stream is another one, or its credentials are.
    fn renewed(&mut self, now: u64, connected: Connected) {
        if connected.heartbeat_ms > 0 {
            self.heartbeat_ms = connected.heartbeat_ms;
        }
        if let Phase::Open(stream) = &mut self.phase {
            stream.connection_id = connected.connection_id;
            stream.watch.set_alive(now, connected.alive_ms);
        }
        self.advance(now, connected.id);
        self.ask_again();
        self.sync_subscriptions(now);
        self.ask_presence();
    }

    /// Asks the leader for a stream: a new one, to which all that this tab hears is asked for from where each of its handlers is.
    pub(super) fn join(&mut self, now: u64, since: u64, status: Status) {
        self.start_from_page();
        let Some(tabs) = &mut self.tabs else { return };
        tabs.opens += 1;
        let (attempt, user) = (tabs.opens, tabs.who().unwrap_or(NOBODY).to_owned());
        self.begin_all_anew();
        let mut channels = Vec::new();
        for subscription in &self.subscriptions {
            if subscription.hears == Hears::Channels && !channels.contains(&subscription.pattern) {
                channels.push(subscription.pattern.clone());
            }
        }
        self.say_to_leader(TabAsk::Open { attempt, user, channels });
        self.enter(Phase::Joining { since, until: now.saturating_add(JOIN_MS), status });
    }

    /// Asks for another stream, because this one has a hole or the leader knows nothing of it.
    pub(super) fn rejoin(&mut self, now: u64) {
        let status = self.status();
        self.join(now, now, status);
    }

    fn say_to_leader(&mut self, ask: TabAsk) {
        if let Some(tabs) = &self.tabs {
            let message = Message::Ask { tab: tabs.name.clone(), ask };
            self.actions.push(Action::Post { message, with_frame: false });
        }
    }

    /// Says by which labels this tab hears addressed events, if that is not what the leader knows.
    pub(super) fn tell_labels(&mut self) {
        if !self.phase.is_led() {
            return;
        }
        let mut labels = Vec::new();
        for one in self.subscriptions.iter().filter(|one| one.hears == Hears::Addressed) {
            if !labels.contains(&one.pattern) {
                labels.push(one.pattern.clone());
            }
        }
        if let Some(tabs) = &mut self.tabs
            && tabs.labels != labels
        {
            tabs.labels.clone_from(&labels);
            self.say_to_leader(TabAsk::Labels { labels });
        }
    }

    /// Makes a call on a stream whose other end is a tab.
    pub(super) fn call_leader(&mut self, number: u32, call: Call) {
        self.say_to_leader(TabAsk::Call { number, call });
    }

    /// Asks the leader to show that it is there, and not to wait: to see whether its stream lives, or to connect.
    pub(super) fn ask_leader(&mut self, now: u64, connect: bool) {
        if let Phase::Open(Stream { source: Source::Leader(leader), .. }) = &mut self.phase {
            leader.asked_at.get_or_insert(now);
            self.say_to_leader(TabAsk::Probe { connect });
        }
    }

    pub(super) fn wake_joining(&mut self, now: u64) {
        let status = self.status();
        let Phase::Joining { since, until, .. } = self.phase else { return };
        if now >= since.saturating_add(ANSWER_MS + LATE_MS) {
            // The leader's answer may have been held back as the timer was.
            self.join(now, now, status);
        } else if now >= since.saturating_add(ANSWER_MS) {
            self.steal(now, status);
        } else if now >= until {
            self.join(now, since, status);
        }
    }

    /// The watchdog over a stream whose other end is a tab. Whether it was one.
    pub(super) fn watch_leader(&mut self, now: u64) -> bool {
        let heartbeat_ms = self.heartbeat_ms;
        let status = self.status();
        let Phase::Open(stream) = &mut self.phase else { return false };
        let Source::Leader(leader) = &mut stream.source else { return false };
        let watch_at = leader.watch_at(stream.heard_at, heartbeat_ms);
        if now < watch_at {
            return true;
        }
        if !stream.grace_used && now - watch_at >= LATE_MS {
            stream.grace_used = true;
            stream.heard_at = now.saturating_sub(silence_limit(heartbeat_ms)).saturating_add(heartbeat_ms);
            leader.asked_at = None;
            self.ask_leader(now, false);
        } else {
            self.steal(now, status);
        }
        true
    }

    /// Each handler that hears has heard all up to where the tab is: from here on its own mark says so, because another leader's
    /// stream is somewhere else.
    fn begin_all_anew(&mut self) {
        let cursor = self.cursor;
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Active {
                subscription.heard(cursor);
            }
            subscription.begin_anew();
        }
    }

    /// What was there when the page came begins where the page was rendered. A lone tab's first stream does; one that
    /// others use is somewhere else.
    fn start_from_page(&mut self) {
        if !std::mem::take(&mut self.untried) {
            return;
        }
        let cursor = self.cursor;
        for subscription in self.subscriptions.iter_mut().filter(|one| one.hears != Hears::Presence) {
            if let Standing::Pending { since: since @ None, .. } = &mut subscription.standing {
                *since = cursor;
                subscription.heard(cursor);
            }
        }
        self.cursor = None;
    }

    /// Whether the stream's other end is a tab, whose own stream may not be there.
    pub(super) fn led_state(&self) -> Option<&Status> {
        match &self.phase {
            Phase::Joining { status, .. } => Some(status),
            Phase::Open(Stream { source: Source::Leader(leader), .. }) => Some(&leader.status),
            _ => None,
        }
    }
}

/// How a tab stands that has not been told how its leader does.
pub(super) fn unknown_status() -> Status {
    Status { state: State::Connecting, attempt: 0, retry_in_ms: None, connection_id: None }
}

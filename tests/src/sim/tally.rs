//! Counts of what happened in the schedules.

use std::collections::BTreeMap;

use super::client::Client;

/// Counts over one or many schedules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Schedules run.
    pub schedules: u64,
    /// Schedules with one node, with two and with three.
    pub nodes: [u64; 3],
    /// Schedules in which the nodes reach each other.
    pub reaching: u64,
    /// How often a node was asked of the whole cluster.
    pub counted: u64,
    /// Schedules in which the nodes know who is present.
    pub with_presence: u64,
    /// Frames about presence received by handlers.
    pub seen: u64,
    /// How often a node was asked who is present.
    pub asked_who: u64,
    /// Lists of handlers that were compared with who was there.
    pub lists: u64,
    /// Tickets shown to two nodes.
    pub tickets: u64,
    /// Schedules in which the tabs of a browser share a stream.
    pub shared: u64,
    /// Events published.
    pub published: u64,
    /// Streams opened.
    pub streams: u64,
    /// Events received by handlers.
    pub heard: u64,
    /// Events that came on another tab's stream.
    pub relayed: u64,
    /// How often a tab took over from one that was gone.
    pub handovers: u64,
    /// Polls.
    pub polls: u64,
    /// Events received by polling clients.
    pub polled: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Gaps reported to applications, by reason.
    pub gaps: BTreeMap<String, u64>,
    /// Gaps reported to tabs that had missed nothing.
    pub needless: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(super) fn client(&mut self, client: &Client) {
        self.heard += client.heard;
        self.seen += client.seen;
        self.relayed += client.relayed;
        self.handovers += client.handovers;
        for (reason, needless) in &client.gaps {
            *self.gaps.entry(reason.clone()).or_default() += 1;
            *self.needless.entry(reason.clone()).or_default() += u64::from(*needless);
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.shared += other.shared;
        self.nodes.iter_mut().zip(other.nodes).for_each(|(count, more)| *count += more);
        self.reaching += other.reaching;
        self.with_presence += other.with_presence;
        self.seen += other.seen;
        self.asked_who += other.asked_who;
        self.lists += other.lists;
        self.counted += other.counted;
        self.tickets += other.tickets;
        self.published += other.published;
        self.streams += other.streams;
        self.heard += other.heard;
        self.relayed += other.relayed;
        self.handovers += other.handovers;
        self.polls += other.polls;
        self.polled += other.polled;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (reason, count) in &other.gaps {
            *self.gaps.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in &other.needless {
            *self.needless.entry(reason.clone()).or_default() += count;
        }
    }
}

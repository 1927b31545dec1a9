//! Counts of what happened in the schedules of the shell.

use std::collections::BTreeMap;

/// Counts over one or many schedules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellTally {
    /// Schedules run.
    pub schedules: u64,
    /// Pages opened.
    pub pages: u64,
    /// Pages that are to share a stream with others.
    pub sharing: u64,
    /// Commands to pages.
    pub commands: u64,
    /// Events published.
    pub published: u64,
    /// Streams opened.
    pub streams: u64,
    /// Events received by handlers.
    pub heard: u64,
    /// Messages between tabs.
    pub posts: u64,
    /// Leads that were taken from tabs that stood still.
    pub steals: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Gaps reported to handlers, by reason; and how many of them to handlers that had missed nothing.
    pub gaps: BTreeMap<String, (u64, u64)>,
}

impl ShellTally {
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(super) fn gap(&mut self, reason: &str, needed: bool) {
        let counts = self.gaps.entry(reason.to_owned()).or_default();
        counts.0 += 1;
        counts.1 += u64::from(!needed);
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.pages += other.pages;
        self.sharing += other.sharing;
        self.commands += other.commands;
        self.published += other.published;
        self.streams += other.streams;
        self.heard += other.heard;
        self.posts += other.posts;
        self.steals += other.steals;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (reason, (told, needless)) in &other.gaps {
            let counts = self.gaps.entry(reason.clone()).or_default();
            counts.0 += told;
            counts.1 += needless;
        }
    }
}

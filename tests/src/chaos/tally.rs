//! Counts of what happened in a run.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

/// Declares the counts and the names under which they are printed, in that order.
macro_rules! counts {
    ($($count:ident: $name:literal,)*) => {
        /// The things that are counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Count {
            $($count,)*
        }

        const NAMES: &[&str] = &[$($name,)*];
    };
}

counts! {
    Clients: "clients, native",
    Browsers: "clients, Chromium",
    Pollers: "clients that poll",
    Published: "events published",
    Acknowledged: "events acknowledged",
    Duplicates: "  again, as duplicates",
    GivenUp: "  given up by publishers",
    Retried: "publish requests retried",
    Connected: "connects of new pages",
    Reconnected: "reconnects",
    Subscribed: "handlers",
    Unsubscribed: "  ended by applications",
    Delivered: "deliveries to handlers",
    DuplicatesDropped: "duplicates dropped",
    PresenceFrames: "presence frames",
    Polls: "polls answered",
    PollsLost: "  lost, or their answers",
    Cuts: "faults: cut",
    CutsMidFrame: "faults: cut in mid-frame",
    HalfOpens: "faults: half-open",
    Slowdowns: "faults: slow spell",
    Kills: "faults: hub SIGKILL",
    Terminations: "faults: hub SIGTERM",
    Stops: "faults: hub SIGSTOP",
    Wipes: "faults: database lost",
    ServerKills: "faults: server SIGKILL",
    ServerTerminations: "faults: server SIGTERM",
    ServerStops: "faults: server SIGSTOP",
    Swallowed: "faults: frame swallowed",
}

/// The counts, shared by all participants.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [AtomicU64; NAMES.len()],
    /// The failures that clients reported to their applications, by code.
    troubles: Mutex<BTreeMap<String, u64>>,
    /// The gaps, by reason.
    gaps: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(crate) fn add(&self, count: Count) {
        self.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gap(&self, reason: &str) {
        *self.gaps.lock().entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn trouble(&self, code: &str) {
        *self.troubles.lock().entry(code.to_owned()).or_default() += 1;
    }

    #[cfg(test)]
    pub(crate) fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in NAMES.iter().zip(&self.counts) {
            line(f, name, count.load(Ordering::Relaxed))?;
        }
        for (code, times) in &*self.troubles.lock() {
            line(f, &format!("clients told: {code}"), *times)?;
        }
        let gaps = self.gaps.lock();
        line(f, "gaps", gaps.values().sum())?;
        gaps.iter().try_for_each(|(reason, times)| line(f, &format!("  by reason: {reason}"), *times))
    }
}

/// One line of the report.
fn line(f: &mut fmt::Formatter<'_>, name: &str, count: u64) -> fmt::Result {
    writeln!(f, "{name:<28} {count:>9}")
}

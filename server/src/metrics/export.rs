//! The export of a hub's figures to the facade `metrics`, whose recorder (Prometheus, for example) the application
//! installs.

use std::{collections::HashMap, hash::Hash};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use tidings_protocol::{frame::GapReason, problem::Code};

use super::Stats;

/// The counters as they were last exported. The facade is given their growth, so that several hubs of one process add
/// up.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    plain: HashMap<&'static str, u64>,
    gaps: HashMap<GapReason, u64>,
    refusals: HashMap<Code, u64>,
}

impl Exported {
    /// Describes each figure to the recorder.
    pub(crate) fn describe() {
        describe_gauge!(
            "tidings_connections",
            "Open streams; `behind`: those that have not been handed every pending record"
        );
        describe_gauge!("tidings_users", "Users with an open stream");
        describe_gauge!(
            "tidings_lag_records",
            "The most records between a stream that is behind and the end of the log"
        );
        describe_counter!("tidings_published_total", "Events published, by outcome");
        describe_counter!("tidings_deliveries_total", "Events handed to streams, once for each stream");
        describe_counter!("tidings_sent_bytes_total", Unit::Bytes, "Bytes handed to streams");
        describe_counter!("tidings_gaps_total", "Gaps sent, by reason");
        describe_counter!("tidings_refusals_total", "Requests refused, by code");
        describe_histogram!(
            "tidings_publish_seconds",
            Unit::Seconds,
            "Time from the publish call to the engine's answer"
        );
        describe_histogram!(
            "tidings_fan_out_seconds",
            Unit::Seconds,
            "Time from acknowledging an event to handing it to a stream"
        );
        describe_histogram!(
            "tidings_delivery_seconds",
            Unit::Seconds,
            "Time from accepting an event to its arrival, as clients report it"
        );
    }

    /// Exports the present figures. Durations are recorded where they are measured.
    pub(crate) fn export(&mut self, stats: &Stats) {
        let behind = stats.connections_behind.min(stats.connections);
        gauge!("tidings_connections", "state" => "live").set(figure(stats.connections - behind));
        gauge!("tidings_connections", "state" => "behind").set(figure(behind));
        gauge!("tidings_users").set(figure(stats.users));
        gauge!("tidings_lag_records").set(figure(usize::try_from(stats.lag).unwrap_or(usize::MAX)));

        for (outcome, now) in
            [("acknowledged", stats.published), ("refused", stats.publish_refused), ("unknown", stats.publish_unknown)]
        {
            counter!("tidings_published_total", "outcome" => outcome).increment(growth(&mut self.plain, outcome, now));
        }
        counter!("tidings_deliveries_total").increment(growth(&mut self.plain, "deliveries", stats.deliveries));
        counter!("tidings_sent_bytes_total").increment(growth(&mut self.plain, "bytes", stats.sent_bytes));
        for (reason, now) in &stats.gaps {
            let growth = growth(&mut self.gaps, *reason, *now);
            counter!("tidings_gaps_total", "reason" => reason.as_str()).increment(growth);
        }
        for (code, now) in &stats.refusals {
            let growth = growth(&mut self.refusals, *code, *now);
            counter!("tidings_refusals_total", "code" => code.as_str()).increment(growth);
        }
    }
}

/// The growth of a counter since it was last exported.
fn growth<K: Hash + Eq>(told: &mut HashMap<K, u64>, key: K, now: u64) -> u64 {
    now.saturating_sub(told.insert(key, now).unwrap_or(0))
}

#[allow(clippy::cast_precision_loss, reason = "a gauge holds an f64, which is exact up to 2^53")]
fn figure(count: usize) -> f64 {
    count as f64
}

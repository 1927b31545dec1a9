//! How long events take to reach their handlers, if the application wants its server to know. Samples are drawn, so
//! that a burst of events costs a comparison for each event, and one short call.
//!
//! The time of an event runs from its `timestamp` to the moment at which it is passed to its handlers. `connected`
//! aligns the two clocks, so the time that this frame itself took is not included. Events from before the stream are of
//! the past, and are not measured. Of tabs that share a stream, the leading one reports, for its own handlers.

use super::{Answer, address::times_body};
use crate::backoff::Random;

/// The most times of a report, as the protocol defines it.
const MOST: u64 = 100;

/// The settings and the samples.
#[derive(Debug)]
pub(super) struct Latency {
    /// The share of streams that are measured, as a part of 2³².
    share: u64,
    /// The samples of the current or the last stream, if it is measured.
    measured: Option<Measured>,
}

/// The samples of one stream since its last report. They outlive the stream, because browsers end it before they report
/// that the page is left.
#[derive(Debug)]
struct Measured {
    connection_id: String,
    /// The server's time when it sent `connected`, in milliseconds since 1970.
    connected_at: u64,
    /// Our time when `connected` arrived.
    opened_at: u64,
    /// The number of events that could have been measured.
    events: u64,
    /// The index of the sample that the next one replaces.
    slot: u64,
    times: Vec<u64>,
    /// The latest report.
    report: u32,
}

impl Latency {
    pub(super) fn new(share: u64) -> Self {
        Self { share, measured: None }
    }

    /// A stream has begun, and may be one of those that are measured.
    pub(super) fn begin(&mut self, now: u64, connection_id: &str, connected_at: u64, random: &mut Random) {
        let is_drawn = self.share > 0 && connected_at > 0 && random.up_to(u64::from(u32::MAX)) < self.share;
        self.measured = is_drawn.then(|| Measured {
            connection_id: connection_id.to_owned(),
            connected_at,
            opened_at: now,
            events: 0,
            slot: 0,
            times: Vec::new(),
            report: 0,
        });
    }

    pub(super) fn forget(&mut self) {
        self.measured = None;
    }

    /// Whether the event that is about to be passed to its handlers is to be measured: then [`Self::time`] has to
    /// follow. All events between two reports have the same chance.
    pub(super) fn draws(&mut self, random: &mut Random) -> bool {
        let Some(measured) = &mut self.measured else { return false };
        measured.slot = if measured.events < MOST { measured.events } else { random.up_to(measured.events) };
        measured.events += 1;
        measured.slot < MOST
    }

    /// Measures an event that the server accepted at this time, in milliseconds since 1970, and that is now passed to
    /// its handlers.
    pub(super) fn time(&mut self, now: u64, accepted_at: u64) {
        let Some(measured) = &mut self.measured else { return };
        let Some(since_connected) = accepted_at.checked_sub(measured.connected_at) else { return };
        let took = now.saturating_sub(measured.opened_at).saturating_sub(since_connected);
        let slot = usize::try_from(measured.slot).unwrap_or_default();
        match measured.times.get_mut(slot) {
            Some(time) => *time = took,
            None => measured.times.push(took),
        }
    }

    /// The report for the server, to be sent with this call, if there are samples.
    pub(super) fn take_report(&mut self, number: u32) -> Option<String> {
        let measured = self.measured.as_mut()?;
        measured.events = 0;
        if measured.times.is_empty() {
            return None;
        }
        measured.report = number;
        Some(times_body(&measured.connection_id, &std::mem::take(&mut measured.times)))
    }

    /// Handles the answer to a request; says whether the request was a report. A server that does not accept reports,
    /// or limits them, gets no more of them on this stream.
    pub(super) fn answered(&mut self, number: u32, answer: &Answer) -> bool {
        let is_ours = self.measured.as_ref().is_some_and(|measured| measured.report == number);
        if is_ours && !matches!(answer.status, None | Some(200..=299)) {
            self.measured = None;
        }
        is_ours
    }
}

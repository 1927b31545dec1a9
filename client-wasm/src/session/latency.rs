//! How long events take to reach their handlers, where the application wants its server to know: now and then a sample, so
//! that a flood costs a comparison for each event, and one short call.
//!
//! An event took from its `timestamp` to the moment in which it is handed to its handlers. `connected` sets the two clocks
//! beside each other, so what that frame itself took on its way is not in it. Events from before the stream are the
//! past, and say nothing. Of tabs that share a stream the one that has it reports, of its own handlers.

use super::{Answer, address::times_body};
use crate::backoff::Random;

/// The most times of a report, as the protocol has it.
const MOST: u64 = 100;

/// Whether and what is measured.
#[derive(Debug)]
pub(super) struct Latency {
    /// Of the streams that are measured, of 2³².
    share: u64,
    /// Of the stream, or the last one, if it is one of those.
    measured: Option<Measured>,
}

/// What was measured of one stream since its last report. It outlives the stream, which browsers end before they say that the page
/// goes away.
#[derive(Debug)]
struct Measured {
    connection_id: String,
    /// The server's time when it said `connected`, in milliseconds since 1970.
    connected_at: u64,
    /// Ours, when that came.
    opened_at: u64,
    /// So many events could have been measured.
    events: u64,
    /// Which of the times the next one takes the place of.
    slot: u64,
    times: Vec<u64>,
    /// The latest report.
    report: u32,
}

impl Latency {
    pub(super) fn new(share: u64) -> Self {
        Self { share, measured: None }
    }

    /// A stream is there, and may be one of those that are measured.
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

    /// Whether the event that is about to be handed to its handlers is one to measure: then [`Self::time`] is to follow. Of all
    /// events between two reports each has the same chance.
    pub(super) fn draws(&mut self, random: &mut Random) -> bool {
        let Some(measured) = &mut self.measured else { return false };
        measured.slot = if measured.events < MOST { measured.events } else { random.up_to(measured.events) };
        measured.events += 1;
        measured.slot < MOST
    }

    /// An event that the server accepted at this time, in milliseconds since 1970, is handed to its handlers now.
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

    /// What the server is to be told, by this call, if there is anything.
    pub(super) fn take_report(&mut self, number: u32) -> Option<String> {
        let measured = self.measured.as_mut()?;
        measured.events = 0;
        if measured.times.is_empty() {
            return None;
        }
        measured.report = number;
        Some(times_body(&measured.connection_id, &std::mem::take(&mut measured.times)))
    }

    /// The answer to a request, and whether it was to a report. A server that has no use for it, or has had enough, is left alone
    /// for as long as the stream lives.
    pub(super) fn answered(&mut self, number: u32, answer: &Answer) -> bool {
        let is_ours = self.measured.as_ref().is_some_and(|measured| measured.report == number);
        if is_ours && !matches!(answer.status, None | Some(200..=299)) {
            self.measured = None;
        }
        is_ours
    }
}

//! How long events take to reach their handlers, where the application wants its server to know: now and then a sample, so
//! that a flood costs a comparison for each event, and one short call.
//!
//! An event took from its `timestamp` to the moment in which it is handed to its handlers. `connected` sets the two clocks
//! beside each other, so what that frame itself took on its way is not in it. Events from before the stream are the
//! past, and say nothing. Of tabs that share a stream the one that has it reports, of its own handlers.

use super::{Answer, Ask, Session, address::times_body, phase::Phase};

/// The most times of a report, as the protocol has it.
const MOST: u64 = 100;

/// What was measured of one stream since its last report. It outlives the stream, which browsers end before they say that the page
/// goes away.
#[derive(Debug)]
pub(super) struct Latency {
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

impl Session {
    /// A stream is there, and may be one of those that are measured.
    pub(super) fn measure(&mut self, now: u64, connection_id: &str, connected_at: u64) {
        let share = self.latency_share;
        let is_drawn = share > 0 && connected_at > 0 && self.random.up_to(u64::from(u32::MAX)) < share;
        self.latency = is_drawn.then(|| Latency {
            connection_id: connection_id.to_owned(),
            connected_at,
            opened_at: now,
            events: 0,
            slot: 0,
            times: Vec::new(),
            report: 0,
        });
    }

    /// Whether the event that is about to be handed to its handlers is one to measure: then [`Self::timed`] is to follow. Of all
    /// events between two reports each has the same chance.
    pub fn is_timed(&mut self) -> bool {
        let (Phase::Open(_), Some(latency)) = (&self.phase, &mut self.latency) else { return false };
        latency.slot = if latency.events < MOST { latency.events } else { self.random.up_to(latency.events) };
        latency.events += 1;
        latency.slot < MOST
    }

    /// An event that the server accepted at this time, in milliseconds since 1970, is handed to its handlers now.
    pub fn timed(&mut self, now: u64, accepted_at: u64) {
        let Some(latency) = &mut self.latency else { return };
        let Some(since_connected) = accepted_at.checked_sub(latency.connected_at) else { return };
        let took = now.saturating_sub(latency.opened_at).saturating_sub(since_connected);
        let slot = usize::try_from(latency.slot).unwrap_or_default();
        match latency.times.get_mut(slot) {
            Some(time) => *time = took,
            None => latency.times.push(took),
        }
    }

    /// Tells the server what was measured, whenever the watchdog has found the stream alive. Once: a sample that does not arrive is
    /// no loss.
    pub(super) fn report(&mut self) {
        let Some(mut latency) = self.latency.take() else { return };
        if !latency.times.is_empty() {
            let body = times_body(&latency.connection_id, &latency.times);
            latency.report = self.ask(Ask::Report, "latency", Some(body));
            latency.times.clear();
        }
        latency.events = 0;
        self.latency = Some(latency);
    }

    /// The answer to a request, and whether it was to a report. A server that has no use for it, or has had enough, is left alone
    /// for as long as the stream lives.
    pub(super) fn reported_latency(&mut self, number: u32, answer: &Answer) -> bool {
        let is_ours = self.latency.as_ref().is_some_and(|latency| latency.report == number);
        if is_ours && !matches!(answer.status, None | Some(200..=299)) {
            self.latency = None;
        }
        is_ours
    }
}

//! A subscribe call that the stream has not confirmed yet, and its backfill.

use tidings_protocol::{
    Cursor, Pattern, RequestId,
    frame::{Gap, GapReason},
};

use super::{authority::Authority, batch::Batch, page::Skip, step::View};
use crate::{
    record::json_frame,
    routing::{RouteKey, refs},
    segment::Segment,
};

/// The point from which a subscription asks for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// It asks for nothing of the past.
    Now,
    /// After this cursor. Whether the log holds the cursor is checked again where the past is read.
    After(Cursor),
    /// The log cannot serve the cursor.
    Gap(GapReason),
}

/// A subscribe call that the stream has not confirmed yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// The id of the call; `None` where nothing is confirmed.
    pub(super) request: Option<RequestId>,
    pub(super) channels: Vec<Pattern>,
    /// Whether the call also asks for events addressed to the user or device.
    pub(super) addressed: bool,
    pub(super) keys: Vec<RouteKey>,
    pub(super) since: Since,
    pub(super) authority: Authority,
}

impl Pending {
    /// Sends the records of a segment that this call asks for, up to `end`. Returns whether it got there with room left
    /// in the batch.
    pub(super) fn deliver(&mut self, view: View<'_>, segment: &Segment, end: u64, batch: &mut Batch) -> bool {
        let (Since::After(after), Some(request)) = (self.since, &self.request) else { return true };
        for (seq, sent) in segment.gather(refs(&self.keys), after.seq, end) {
            if batch.is_full() {
                return false;
            }
            if sent.entry.is_event()
                && view.names.may_see(&sent.entry)
                && let Some(record) = segment.record(seq)
            {
                batch.push_record(record.backfill(segment.base().epoch, request));
            }
            self.since = Since::After(Cursor { seq, tag: sent.tag, ..segment.base() });
        }
        self.since = Since::After(segment.cursor(end).unwrap_or(after));
        true
    }

    /// Skips a part of the log that is missing or damaged, and reports which part of this call may miss something.
    pub(super) fn skip(&mut self, view: View<'_>, skip: &Skip, batch: &mut Batch) {
        let Some(goes_on) = skip.goes_on(view.window) else {
            self.since = Since::Gap(GapReason::Diverged);
            return;
        };
        self.since = Since::After(goes_on);
        // `keys` include the identity's keys where the call asks for addressed events.
        if let Some(gap) = skip.gap(goes_on, &self.channels, &self.keys, self.request.clone()) {
            batch.push_gap(gap.reason, json_frame(Some(Gap::NAME), None, &gap));
        }
    }
}

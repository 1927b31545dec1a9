//! One subscribe call that the stream has not confirmed yet, and what it asks of the past.

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

/// From where a subscription asks for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nothing of the past.
    Now,
    /// All after this position; whether it is in the log is checked once more where the past is read.
    After(Cursor),
    /// A position that the log cannot serve.
    Gap(GapReason),
}

/// One subscribe call that the stream has not confirmed yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None`: nothing is confirmed.
    pub(super) request: Option<RequestId>,
    pub(super) channels: Vec<Pattern>,
    /// It is about what is addressed to the user or device as well.
    pub(super) addressed: bool,
    pub(super) keys: Vec<RouteKey>,
    pub(super) since: Since,
    pub(super) authority: Authority,
}

impl Pending {
    /// Sends what a segment holds for this call, up to a number; returns whether it got there with room left in the batch.
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

    /// Passes over a part of the log that cannot be had, and tells what of this call's past may miss something by it.
    pub(super) fn skip(&mut self, view: View<'_>, skip: &Skip, batch: &mut Batch) {
        let Some(goes_on) = skip.goes_on(view.window) else {
            self.since = Since::Gap(GapReason::Diverged);
            return;
        };
        self.since = Since::After(goes_on);
        // The identity's keys are among them where the call is about addressed events.
        if let Some(gap) = skip.gap(goes_on, &self.channels, &self.keys, self.request.clone()) {
            batch.push_gap(gap.reason, json_frame(Some(Gap::NAME), None, &gap));
        }
    }
}

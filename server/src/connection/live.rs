//! What is published while a stream is open, or was since its client left off.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{
    Connection,
    batch::Batch,
    page::{Fetched, Hole, parts},
    step::{Flow, View},
};
use crate::{routing::refs, segment::Segment};

impl Connection {
    /// Delivers what is live, up to the head.
    pub(super) fn live(&mut self, view: View<'_>, batch: &mut Batch) -> Flow {
        let window = view.window;
        while self.position.seq < window.base().seq {
            let Some(page) = self.take_page(self.position) else {
                return Flow::Need(self.position);
            };
            let segment = match page {
                Ok(segment) => segment,
                Err(Hole::Gap(reason)) => {
                    self.tell_gap(view, reason, batch);
                    break;
                }
                Err(Hole::Skip(skip)) => {
                    self.skip(view, &skip, batch);
                    continue;
                }
            };
            if parts(window, &segment) {
                self.tell_gap(view, GapReason::Diverged, batch);
                break;
            }
            // Where the window begins the page ends: past that, the engine may be ahead of this node, and only what the node
            // has applied is checked when the log changes under it.
            let end = segment.last().seq.min(window.base().seq);
            if !self.deliver(view, &segment, end, batch) {
                return Flow::Full;
            }
            if self.transient.closing.is_some() {
                return Flow::Done;
            }
        }
        let head = window.head();
        if self.position.seq < head.seq && !self.deliver(view, window.segment(), head.seq, batch) {
            return Flow::Full;
        }
        Flow::Done
    }

    /// Takes what is for this stream from a segment, after its position and up to a number; returns whether it got there, or else
    /// was ended by a command, with room left in the batch.
    fn deliver(&mut self, view: View<'_>, segment: &Segment, end: u64, batch: &mut Batch) -> bool {
        // Once more after each command, for it may have changed what to look up.
        while self.position.seq < end && self.transient.closing.is_none() {
            let mut command = None;
            for (seq, sent) in segment.gather(refs(&self.keys), self.position.seq, end) {
                if batch.is_full() {
                    return false;
                }
                self.position = tidings_protocol::Cursor { seq, tag: sent.tag, ..segment.base() };
                if sent.entry.control().is_some() {
                    command = Some(sent.entry.clone());
                    break;
                }
                if view.names.may_see(&sent.entry) {
                    batch.push_shared(segment.frame(seq, sent));
                }
            }
            match command {
                Some(command) => self.apply_order(view.names, &command, batch),
                None => self.position = segment.cursor(end).unwrap_or(self.position),
            }
        }
        true
    }
}

impl Connection {
    /// What was read after this position, where it is there. Another is of no use any more. It is taken out: what a connection does
    /// not write at once it reads again, so that one that is not read holds no records.
    pub(super) fn take_page(&mut self, after: Cursor) -> Option<Fetched> {
        self.transient.get_mut()?.page.take().filter(|page| page.after == after).map(|page| page.fetched)
    }
}

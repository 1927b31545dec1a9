//! Records published while a stream is open, or since its client's cursor.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{
    Connection,
    batch::Batch,
    page::{Fetched, Hole, parts},
    step::{Flow, View},
};
use crate::{routing::refs, segment::Segment};

impl Connection {
    /// Delivers the records up to the head.
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
            // The page ends where the window begins. Beyond that the engine may be ahead of this node, and only records
            // that the node has applied are checked when the log changes.
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

    /// Delivers this stream's records of a segment, after its position and up to `end`. Returns whether it got there,
    /// or was ended by an order, with room left in the batch.
    fn deliver(&mut self, view: View<'_>, segment: &Segment, end: u64, batch: &mut Batch) -> bool {
        // The keys are looked up again after each order, because the order may have changed them.
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
    /// Takes the page that was read after this position; a page for another position is dropped. It is taken out, so
    /// that a connection reads again what it does not write at once: a connection whose client does not read holds no
    /// records.
    pub(super) fn take_page(&mut self, after: Cursor) -> Option<Fetched> {
        self.transient.get_mut()?.page.take().filter(|page| page.after == after).map(|page| page.fetched)
    }
}

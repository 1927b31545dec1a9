//! What is published while a stream is open, or was since its client left off.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{
    Connection,
    batch::Batch,
    page::{Page, parts},
    refs,
    step::Flow,
};
use crate::{routing, window::Window};

impl Connection {
    /// Delivers what is live, up to the head.
    pub(super) fn live(&mut self, window: &Window, batch: &mut Batch) -> Flow {
        while self.position.seq < window.base().seq {
            let Some(page) = self.page.take().filter(|page| page.after == self.position) else {
                return Flow::Need(self.position);
            };
            let mut records = match page.records {
                Ok(records) => records,
                Err(reason) => {
                    self.tell_gap(window, reason, batch);
                    break;
                }
            };
            // Where the window begins the page ends: past that, the engine may be ahead of this node, and only what the node
            // has applied is checked when the log changes under it. So it is cut before any of it is kept for later, when the
            // window begins elsewhere.
            records.truncate(records.partition_point(|record| record.seq <= window.base().seq));
            if records.back().is_some_and(|record| parts(window, record)) {
                self.tell_gap(window, GapReason::Diverged, batch);
                break;
            }
            while let Some(record) = records.pop_front() {
                self.position = Cursor { epoch: self.position.epoch, seq: record.seq, tag: record.tag };
                if record.entry.control().is_some() {
                    self.obey(&record.entry, batch);
                    if self.closing.is_some() {
                        return Flow::Done;
                    }
                } else if routing::is_filed(&refs(&self.keys), &record.entry) && self.names.may_see(&record.entry) {
                    batch.push_record(record.frame(self.position.epoch));
                }
                if batch.is_full() && !records.is_empty() {
                    self.page = Some(Box::new(Page { after: self.position, records: Ok(records) }));
                    return Flow::Full;
                }
            }
        }
        let head = window.head();
        // Once more after each command, for it may have changed what to look up.
        while self.position.seq < head.seq && self.closing.is_none() {
            let mut command = None;
            for (seq, sent) in window.gather(refs(&self.keys), self.position.seq, head.seq) {
                if batch.is_full() {
                    return Flow::Full;
                }
                self.position = Cursor { epoch: head.epoch, seq, tag: sent.tag };
                if sent.entry.control().is_some() {
                    command = Some(sent.entry.clone());
                    break;
                }
                if self.names.may_see(&sent.entry) {
                    batch.push_shared(&sent.frame);
                }
            }
            match command {
                Some(command) => self.obey(&command, batch),
                None => self.position = head,
            }
        }
        Flow::Done
    }
}

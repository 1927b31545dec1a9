//! What is published while a stream is open, or was since its client left off.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{
    Connection,
    batch::Batch,
    page::{Page, parts},
    refs,
    step::{Flow, View},
};
use crate::routing;

impl Connection {
    /// Delivers what is live, up to the head.
    pub(super) fn live(&mut self, view: View<'_>, batch: &mut Batch) -> Flow {
        let View { window, names } = view;
        while self.position.seq < window.base().seq {
            let Some(page) = self.take_page(self.position) else {
                return Flow::Need(self.position);
            };
            let mut records = match page.records {
                Ok(records) => records,
                Err(reason) => {
                    self.tell_gap(view, reason, batch);
                    break;
                }
            };
            // Where the window begins the page ends: past that, the engine may be ahead of this node, and only what the node
            // has applied is checked when the log changes under it. So it is cut before any of it is kept for later, when the
            // window begins elsewhere.
            records.truncate(records.partition_point(|record| record.seq <= window.base().seq));
            if records.back().is_some_and(|record| parts(window, record)) {
                self.tell_gap(view, GapReason::Diverged, batch);
                break;
            }
            while let Some(record) = records.pop_front() {
                self.position = Cursor { epoch: self.position.epoch, seq: record.seq, tag: record.tag };
                if record.entry.control().is_some() {
                    self.obey(names, &record.entry, batch);
                    if self.aside.closing.is_some() {
                        return Flow::Done;
                    }
                } else if routing::is_filed(&refs(&self.keys), &record.entry) && names.may_see(&record.entry) {
                    batch.push_record(record.frame(self.position.epoch));
                }
                if batch.is_full() && !records.is_empty() {
                    self.aside.add_to().page = Some(Page { after: self.position, records: Ok(records) });
                    return Flow::Full;
                }
            }
        }
        let head = window.head();
        // Once more after each command, for it may have changed what to look up.
        while self.position.seq < head.seq && self.aside.closing.is_none() {
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
                if names.may_see(&sent.entry) {
                    batch.push_shared(&sent.frame);
                }
            }
            match command {
                Some(command) => self.obey(names, &command, batch),
                None => self.position = head,
            }
        }
        Flow::Done
    }
}

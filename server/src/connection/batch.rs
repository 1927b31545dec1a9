//! The bytes of one write.

use bytes::Bytes;
use tidings_protocol::{Cursor, frame::GapReason};

use super::step::Step;
use crate::{frame::Frame, metrics::Written};

/// Bytes collected for one write.
pub(super) struct Batch {
    frames: Vec<Bytes>,
    /// Frames that are adjacent in one block of the window; they come after the pieces above.
    run: Option<Frame>,
    max: usize,
    written: Written,
}

impl Batch {
    pub(super) fn new(max: usize) -> Self {
        Self { frames: Vec::new(), run: None, max, written: Written::default() }
    }

    /// Notes the position from which records are live, because the stream had sent everything before it.
    pub(super) fn live_from(&mut self, position: Cursor) {
        self.written.from = Some(position.seq);
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.written.bytes += frame.len() as u64;
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        self.frames.push(frame);
    }

    pub(super) fn push_record(&mut self, frame: Bytes) {
        self.written.records += 1;
        self.push(frame);
    }

    pub(super) fn push_shared(&mut self, frame: &Frame) {
        self.written.records += 1;
        self.written.bytes += frame.len() as u64;
        if !self.run.as_mut().is_some_and(|run| run.extend(frame)) {
            let before = self.run.replace(frame.clone());
            self.frames.extend(before.map(|run| run.bytes()));
        }
    }

    pub(super) fn push_gap(&mut self, reason: GapReason, frame: Bytes) {
        self.written.gaps.push(reason);
        self.push(frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.bytes == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.written.bytes >= self.max as u64
    }

    /// The step that writes this batch, and its figures.
    pub(super) fn into_step(mut self) -> (Step, Written) {
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        (Step::Write(self.frames), self.written)
    }
}

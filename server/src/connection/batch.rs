//! What leaves in one write.

use bytes::Bytes;
use tidings_protocol::frame::GapReason;

use crate::frame::Frame;

/// Bytes collected for one write.
pub(super) struct Batch {
    frames: Vec<Bytes>,
    /// Frames of the window that stand side by side, behind the others.
    run: Option<Frame>,
    pub(super) bytes: usize,
    max: usize,
    pub(super) records: u64,
    pub(super) gaps: Vec<GapReason>,
}

impl Batch {
    pub(super) fn new(max: usize) -> Self {
        Self { frames: Vec::new(), run: None, bytes: 0, max, records: 0, gaps: Vec::new() }
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        self.frames.push(frame);
    }

    pub(super) fn push_shared(&mut self, frame: &Frame) {
        self.records += 1;
        self.bytes += frame.len();
        if !self.run.as_mut().is_some_and(|run| run.extend(frame)) {
            let before = self.run.replace(frame.clone());
            self.frames.extend(before.map(|run| run.bytes()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn into_frames(mut self) -> Vec<Bytes> {
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        self.frames
    }

    pub(super) fn push_record(&mut self, frame: Bytes) {
        self.records += 1;
        self.push(frame);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.max
    }
}

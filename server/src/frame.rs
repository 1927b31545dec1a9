//! The bytes of a record's frame, as every connection sends them.

use std::ops::Range;

use bytes::Bytes;

/// Records that arrive together share blocks of about this size.
const BLOCK_BYTES: usize = 64 << 10;

/// One encoded frame: a range of a block that also holds its neighbours. A run of adjacent frames is therefore one
/// piece, the same for all connections, and needs no copying.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    block: Bytes,
    range: Range<usize>,
}

impl Frame {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        self.block.slice(self.range.clone())
    }

    /// Merges this frame with `next` into one run, if they are adjacent.
    pub(crate) fn extend(&mut self, next: &Self) -> bool {
        // Two live blocks never begin at the same address.
        let adjacent = self.range.end == next.range.start && self.block.as_ptr() == next.block.as_ptr();
        if adjacent {
            self.range.end = next.range.end;
        }
        adjacent
    }
}

impl From<Bytes> for Frame {
    fn from(block: Bytes) -> Self {
        let range = 0..block.len();
        Self { block, range }
    }
}

/// Packs consecutive frames into common blocks.
pub(crate) fn pack<'a>(frames: impl Iterator<Item = &'a mut Frame>) {
    let mut neighbours: Vec<&mut Frame> = Vec::new();
    let mut bytes = 0;
    for frame in frames {
        if bytes + frame.len() > BLOCK_BYTES {
            join(&mut neighbours, bytes);
            bytes = 0;
        }
        bytes += frame.len();
        neighbours.push(frame);
    }
    join(&mut neighbours, bytes);
}

fn join(frames: &mut Vec<&mut Frame>, bytes: usize) {
    if frames.len() > 1 {
        let mut block = Vec::with_capacity(bytes);
        for frame in &*frames {
            block.extend_from_slice(&frame.block[frame.range.clone()]);
        }
        let block = Bytes::from(block);
        let mut start = 0;
        for frame in &mut *frames {
            let end = start + frame.len();
            **frame = Frame { block: block.clone(), range: start..end };
            start = end;
        }
    }
    frames.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(texts: &[&'static str]) -> Vec<Frame> {
        texts.iter().map(|text| Frame::from(Bytes::from_static(text.as_bytes()))).collect()
    }

    #[test]
    fn packed_frames_come_back_and_runs_of_them_are_one_piece() {
        let mut frames = frames(&["a", "bc", "def", "g"]);
        assert!(!frames[0].clone().extend(&frames[1]), "frames that were not packed are not adjacent");
        pack(frames.iter_mut());
        assert_eq!(frames.iter().map(Frame::bytes).collect::<Vec<_>>(), ["a", "bc", "def", "g"]);
        let mut run = frames[1].clone();
        assert!(!run.extend(&frames[3]), "not over a hole");
        assert!(run.extend(&frames[2]) && run.extend(&frames[3]));
        assert_eq!((run.bytes(), run.len()), (Bytes::from("bcdefg"), 6));
    }

    #[test]
    fn large_frames_stay_by_themselves() {
        let large = Bytes::from(vec![b'x'; BLOCK_BYTES]);
        let mut frames = [Frame::from(large.clone()), Frame::from(large.clone())];
        pack(frames.iter_mut());
        assert_eq!(frames[0].bytes().as_ptr(), large.as_ptr(), "nothing was copied");
    }
}

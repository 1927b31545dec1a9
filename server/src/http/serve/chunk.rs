//! One chunk that is being written (RFC 9112, section 7.1), however few of its bytes each write takes.

use std::io::{IoSlice, Write};

use bytes::Bytes;
use tokio::io::ReadBuf;

/// The longest size line: 16 hexadecimal digits and a line end.
const LINE_BYTES: usize = 18;

/// The chunk that ends a body without trailers.
const LAST: &[u8] = b"0\r\n\r\n";

/// The room for a size line. It exists only while a chunk is written, so an idle stream does not carry it.
pub(super) type Line = [u8; LINE_BYTES];

/// The rest of a chunk; empty at first.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    data: Bytes,
    /// Whether it is the chunk without data that ends the body.
    last: bool,
    written: usize,
}

impl Chunk {
    /// A chunk of these bytes. Without bytes it is empty, because a chunk of length zero would end the body.
    pub(super) fn of(data: Bytes) -> Self {
        Self { data, ..Self::default() }
    }

    /// The chunk that ends the body.
    pub(super) fn last() -> Self {
        Self { last: true, ..Self::default() }
    }

    fn line<'l>(&self, line: &'l mut Line) -> &'l [u8] {
        if self.data.is_empty() {
            return &[];
        }
        let mut rest = &mut line[..];
        // 18 bytes are enough for any length.
        let _ = write!(rest, "{:x}\r\n", self.data.len());
        let left = rest.len();
        &line[..LINE_BYTES - left]
    }

    /// The line end after the data, or the whole of the last chunk.
    fn end(&self) -> &'static [u8] {
        match (self.last, self.data.is_empty()) {
            (true, _) => LAST,
            (false, true) => &[],
            (false, false) => b"\r\n",
        }
    }

    fn bytes(&self) -> usize {
        let digits = (usize::BITS - self.data.len().leading_zeros()).div_ceil(4) as usize;
        let line = if self.data.is_empty() { 0 } else { digits + 2 };
        line + self.data.len() + self.end().len()
    }

    pub(super) fn is_written(&self) -> bool {
        self.written == self.bytes()
    }

    /// The parts that are left to write, some of them possibly empty.
    pub(super) fn rest<'a>(&'a self, line: &'a mut Line) -> [IoSlice<'a>; 3] {
        let mut skip = self.written;
        [self.line(line), &self.data, self.end()].map(|part| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            IoSlice::new(&part[skipped..])
        })
    }

    /// Copies the whole chunk into one buffer, if nothing is written yet and there is room. Returns whether it did.
    pub(super) fn copy_into(&self, piece: &mut ReadBuf<'_>) -> bool {
        let fits = self.written == 0 && self.bytes() <= piece.remaining();
        if fits {
            self.rest(&mut Line::default()).iter().for_each(|part| piece.put_slice(part));
        }
        fits
    }

    /// Records that this many bytes were written. When all are written, the data is released.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.is_written() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mut chunk: Chunk, at_once: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !chunk.is_written() {
            let rest: Vec<u8> = chunk.rest(&mut Line::default()).iter().flat_map(|part| part.to_vec()).collect();
            let count = at_once.min(rest.len());
            out.extend_from_slice(&rest[..count]);
            chunk.advance(count);
        }
        out
    }

    #[test]
    fn a_chunk_is_the_same_however_little_a_write_takes() {
        let data = Bytes::from("x".repeat(0x1a5));
        let expected = format!("1a5\r\n{}\r\n", "x".repeat(0x1a5)).into_bytes();
        for at_once in [1, 2, 3, 7, 100, 424, 425, 1_000] {
            assert_eq!(written(Chunk::of(data.clone()), at_once), expected, "{at_once} at once");
        }
    }

    #[test]
    fn no_data_is_no_chunk() {
        assert!(Chunk::of(Bytes::new()).is_written());
    }

    #[test]
    fn the_last_one_ends_the_body() {
        assert_eq!(written(Chunk::last(), 1), b"0\r\n\r\n");
    }

    #[test]
    fn once_written_it_holds_nothing() {
        let data = Bytes::from(vec![1; 10]);
        let mut chunk = Chunk::of(data.clone());
        chunk.advance(chunk.bytes());
        assert!(chunk.is_written() && data.is_unique());
    }
}

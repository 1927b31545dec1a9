//! One response as it arrives: its head, its chunks if it is chunked, and the stamps in its body, however it is cut.

use std::sync::LazyLock;

use anyhow::{Result, bail, ensure};
use memchr::{memchr, memmem};

use crate::payload::{MARK, STAMP, digits};

/// The longest response head.
const HEAD: usize = 16 << 10;

static MARKS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(MARK));

/// The part of the response that the next byte belongs to.
#[derive(Debug)]
enum Part {
    Head(Vec<u8>),
    /// The line with a chunk's size.
    Size(u64),
    /// The rest of that line after the digits.
    SizeEnd(u64),
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// A body without chunks.
    Body,
    End,
}

/// Reads one response and finds the stamps in it.
#[derive(Debug, Default)]
pub struct Reader {
    body: BodyReader,
    stamps: Stamps,
}

impl Reader {
    /// Whether the head has arrived with status 200.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.body.head().is_some()
    }

    /// Takes the next bytes and calls `on_stamp` with each stamp that they complete.
    ///
    /// # Errors
    ///
    /// If the bytes are not a response with status 200, or a chunk is malformed.
    pub fn push(&mut self, bytes: &[u8], on_stamp: &mut impl FnMut(u64)) -> Result<()> {
        let stamps = &mut self.stamps;
        self.body.push(bytes, &mut |data| stamps.push(data, on_stamp))
    }
}

/// Reads one response, and calls back with the pieces of its body.
#[derive(Debug)]
pub struct BodyReader {
    part: Part,
    head: String,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self { part: Part::Head(Vec::new()), head: String::new() }
    }
}

impl BodyReader {
    /// The head of the response, once it has arrived.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        (!matches!(self.part, Part::Head(_))).then_some(&self.head)
    }

    /// Takes the next bytes and calls `on_data` with each piece of the body in them.
    ///
    /// # Errors
    ///
    /// If the bytes are not a response with status 200, or a chunk is malformed.
    pub fn push(&mut self, mut bytes: &[u8], on_data: &mut impl FnMut(&[u8])) -> Result<()> {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    ensure!(head.len() <= HEAD + bytes.len(), "a head of more than {HEAD} bytes");
                    let Some((length, chunked)) = parse_head(head)? else { return Ok(()) };
                    self.head = String::from_utf8_lossy(&head[..length]).into_owned();
                    bytes = &bytes[length - before..];
                    self.part = if chunked { Part::Size(0) } else { Part::Body };
                }
                Part::Size(size) => {
                    let digit = char::from(bytes[0]).to_digit(16);
                    match digit {
                        Some(digit) => {
                            *size = *size * 16 + u64::from(digit);
                            ensure!(*size < 1 << 40, "a chunk of {size} bytes");
                            bytes = &bytes[1..];
                        }
                        None => self.part = Part::SizeEnd(*size),
                    }
                }
                Part::SizeEnd(size) => match memchr(b'\n', bytes) {
                    Some(end) => {
                        bytes = &bytes[end + 1..];
                        self.part = if *size == 0 { Part::End } else { Part::Chunk(*size) };
                    }
                    None => return Ok(()),
                },
                Part::Chunk(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (data, rest) = bytes.split_at(length);
                    on_data(data);
                    *left -= length as u64;
                    if *left == 0 {
                        self.part = Part::ChunkEnd;
                    }
                    bytes = rest;
                }
                Part::ChunkEnd => {
                    ensure!(matches!(bytes[0], b'\r' | b'\n'), "no line end behind a chunk");
                    if bytes[0] == b'\n' {
                        self.part = Part::Size(0);
                    }
                    bytes = &bytes[1..];
                }
                Part::Body => {
                    on_data(bytes);
                    return Ok(());
                }
                Part::End => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The length of the head, and whether chunks follow; `None` while the head is not complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        bail!("{}", String::from_utf8_lossy(bytes));
    }
    let chunked = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("transfer-encoding") && header.value.eq_ignore_ascii_case(b"chunked")
    });
    Ok(Some((length, chunked)))
}

/// Finds the stamps in a text that arrives in pieces.
#[derive(Debug, Default)]
struct Stamps {
    /// The end of the previous piece: too short for a whole stamp.
    tail: [u8; STAMP - 1],
    length: usize,
}

impl Stamps {
    fn push(&mut self, data: &[u8], on_stamp: &mut impl FnMut(u64)) {
        if self.length > 0 {
            // Stamps that began in the previous piece.
            let mut seam = [0; 2 * (STAMP - 1)];
            let more = data.len().min(STAMP - 1);
            seam[..self.length].copy_from_slice(&self.tail[..self.length]);
            seam[self.length..][..more].copy_from_slice(&data[..more]);
            find(&seam[..self.length + more], on_stamp);
        }
        find(data, on_stamp);
        self.keep(data);
    }

    fn keep(&mut self, data: &[u8]) {
        if let Some(from) = data.len().checked_sub(STAMP - 1) {
            self.tail.copy_from_slice(&data[from..]);
            self.length = STAMP - 1;
        } else {
            let stay = self.length.min(STAMP - 1 - data.len());
            self.tail.copy_within(self.length - stay..self.length, 0);
            self.tail[stay..stay + data.len()].copy_from_slice(data);
            self.length = stay + data.len();
        }
    }
}

/// Finds the stamps in a whole text.
pub fn find(text: &[u8], on_stamp: &mut impl FnMut(u64)) {
    for at in MARKS.find_iter(text) {
        if let Some(stamp) = text.get(at + MARK.len()..at + STAMP).and_then(digits) {
            on_stamp(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{BYTES, payload};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const FIRST: u64 = 123_456_789_012_345;

    fn chunked(events: u64) -> String {
        let mut text = String::from(HEAD);
        for event in 0..events {
            let data = format!("data: {}\n\n", payload(FIRST + event, BYTES));
            text.push_str(&format!("{:x}\r\n{data}\r\n", data.len()));
        }
        text
    }

    fn read(text: &[u8], piece: usize) -> Vec<u64> {
        let mut reader = Reader::default();
        let mut stamps = Vec::new();
        for piece in text.chunks(piece) {
            reader.push(piece, &mut |stamp| stamps.push(stamp)).unwrap();
        }
        stamps
    }

    #[test]
    fn each_stamp_is_found_once_wherever_the_stream_is_cut() {
        let text = chunked(5);
        for piece in 1..text.len() {
            assert_eq!(read(text.as_bytes(), piece), [0, 1, 2, 3, 4].map(|n| FIRST + n), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_stamp_that_two_chunks_share_is_found() {
        let data = format!("data: {}\n\n", payload(FIRST, BYTES));
        let (one, two) = data.split_at(14);
        let text = format!("{HEAD}{:x}\r\n{one}\r\n{:x};x=y\r\n{two}\r\n", one.len(), two.len());
        assert_eq!(read(text.as_bytes(), text.len()), [FIRST]);
    }

    #[test]
    fn a_body_without_chunks_is_read_to_its_end() {
        let text = format!("HTTP/1.1 200 OK\r\n\r\ndata: {}\n\n", payload(FIRST, BYTES));
        assert_eq!(read(text.as_bytes(), 7), [FIRST]);
    }

    #[test]
    fn another_status_is_an_error() {
        let mut reader = Reader::default();
        assert!(reader.push(b"HTTP/1.1 503 Busy\r\n\r\n", &mut |_| {}).is_err());
    }
}

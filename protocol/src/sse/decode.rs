//! Decoding an event stream.

use std::borrow::Cow;

/// The default limit of a [`Decoder`] for the length of a line and for the data of one event: 16 MiB.
pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

/// The type of an event without an `event:` field.
pub const DEFAULT_EVENT: &str = "message";

/// One dispatched event. Its texts borrow from the chunk or from the decoder, so they are valid until the callback
/// returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The `event:` field, or [`DEFAULT_EVENT`].
    pub event: &'a str,
    /// The `data:` lines, joined by LF.
    pub data: &'a str,
    /// The latest `id:` of the stream, of this event or an earlier one; empty before the first.
    pub last_event_id: &'a str,
}

/// One dispatched event as raw bytes, which should be UTF-8 and were not validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMessage<'a> {
    /// The `event:` field, or [`DEFAULT_EVENT`].
    pub event: &'a [u8],
    /// The `data:` lines, joined by LF.
    pub data: &'a [u8],
    /// The latest `id:` of the stream, of this event or an earlier one; empty before the first.
    pub last_event_id: &'a [u8],
}

/// A line or an event is longer than the decoder's limit. The rest of the stream cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line or an event of the stream is longer than {limit} bytes")]
pub struct DecodeError {
    /// The decoder's limit in bytes.
    pub limit: usize,
}

/// Decodes one event stream, fed in chunks cut anywhere, by the WHATWG HTML standard, section 9.2.6 "Interpreting an
/// event stream". An event that the last chunk leaves incomplete is dropped with the decoder, as the standard says.
///
/// If an event has one data line (as all of Tidings' events do) that lies within one chunk, the event borrows from that
/// chunk, and nothing is copied.
/// ```
/// use tidings_protocol::sse::Decoder;
/// let mut decoder = Decoder::new();
/// let mut seen = Vec::new();
/// for chunk in ["id: 1\nda", "ta: {}\n", "\n"] {
///     decoder.push(chunk.as_bytes(), |message| seen.push((message.event.to_owned(), message.data.to_owned())))?;
/// }
/// assert_eq!(seen, [("message".to_owned(), "{}".to_owned())]);
/// assert_eq!(decoder.last_event_id(), "1");
/// # Ok::<(), tidings_protocol::sse::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// The bytes of a line that is not complete yet. CR and LF are never part of another UTF-8 character, so lines can
    /// be cut as bytes and decoded one by one; the result is the same as decoding the whole stream.
    line: Vec<u8>,
    /// The data lines of the current event that are not in the current chunk.
    data: Vec<u8>,
    /// Whether there was a data line. An empty one counts, and dispatches.
    has_data: bool,
    event: Vec<u8>,
    /// The standard's "last event ID buffer", if an `id:` came since the last blank line. At a blank line it is swapped
    /// with the next field, so that neither is allocated again for every event.
    next_id: Vec<u8>,
    has_next_id: bool,
    last_event_id: Vec<u8>,
    retry: Option<u64>,
    limit: usize,
    at_start: bool,
    /// Whether the last byte was a CR, to which a following LF belongs.
    after_cr: bool,
    failed: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the start of a stream, with the [`DEFAULT_LIMIT`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// A decoder that accepts lines, and data of one event, of at most `limit` bytes each.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            event: Vec::new(),
            next_id: Vec::new(),
            has_next_id: false,
            last_event_id: Vec::new(),
            retry: None,
            limit,
            at_start: true,
            after_cr: false,
            failed: false,
        }
    }

    /// Decodes the next bytes of the stream, and calls `on_message` for every event that they complete.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when a line or an event is longer than the limit, now and at every later call. The events before
    /// it were passed to `on_message`.
    pub fn push(&mut self, chunk: &[u8], mut on_message: impl FnMut(Message<'_>)) -> Result<(), DecodeError> {
        self.push_raw(chunk, &mut |raw| {
            let [event, data, last_event_id] = [raw.event, raw.data, raw.last_event_id].map(lossy);
            on_message(Message { event: &event, data: &data, last_event_id: &last_event_id });
        })
    }

    /// Like [`Self::push`], for a caller who passes the texts to another decoder anyway, such as a browser.
    ///
    /// # Errors
    ///
    /// The same as [`Self::push`].
    pub fn push_raw(&mut self, chunk: &[u8], on_message: &mut dyn FnMut(RawMessage<'_>)) -> Result<(), DecodeError> {
        let result = if self.failed { self.too_long() } else { self.read(chunk, on_message) };
        self.failed = result.is_err();
        result
    }

    /// The id that the last dispatched event, or the last blank line, set for the stream; empty before the first.
    #[must_use]
    pub fn last_event_id(&self) -> Cow<'_, str> {
        lossy(&self.last_event_id)
    }

    /// The `id:` of the event that is being decoded, if it has come already. After a [`DecodeError`] it is the id of
    /// the event that was too long, so that a reader can continue after it.
    #[must_use]
    pub fn unfinished_id(&self) -> Option<&[u8]> {
        self.has_next_id.then_some(&self.next_id)
    }

    /// The reconnection time in milliseconds, if the stream set one.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    fn read(&mut self, chunk: &[u8], on_message: &mut dyn FnMut(RawMessage<'_>)) -> Result<(), DecodeError> {
        let mut rest = chunk;
        // The event's only data line so far, if it lies in this chunk.
        let mut direct = None;
        loop {
            if self.after_cr && !rest.is_empty() {
                self.after_cr = false;
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let Some(end) = line_end(rest) else { break };
            self.after_cr = rest[end] == b'\r';
            if self.line.is_empty() {
                self.line(&rest[..end], &mut direct, on_message)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                let mut copied = None;
                self.line(&line, &mut copied, on_message)?;
                self.keep(copied);
                line.clear();
                self.line = line;
            }
            rest = &rest[end + 1..];
        }
        self.keep(direct);
        self.line.extend_from_slice(rest);
        if self.line.len() > self.limit { self.too_long() } else { Ok(()) }
    }

    /// Copies a data line out of the chunk, which is about to be released.
    fn keep(&mut self, direct: Option<&[u8]>) {
        if let Some(text) = direct {
            self.data.extend_from_slice(text);
            self.has_data = true;
        }
    }

    /// Processes one whole line, without its line end.
    fn line<'a>(
        &mut self,
        mut line: &'a [u8],
        direct: &mut Option<&'a [u8]>,
        on_message: &mut dyn FnMut(RawMessage<'_>),
    ) -> Result<(), DecodeError> {
        if line.len() > self.limit {
            return self.too_long();
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(direct.take(), on_message);
            return Ok(());
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.data(value, direct)?,
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.next_id.clear();
                self.next_id.extend_from_slice(value);
                self.has_next_id = true;
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digit = |sum: u64, byte: &u8| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                self.retry = Some(value.iter().fold(0, digit));
            }
            // A comment has an empty name. Unknown fields are ignored.
            _ => {}
        }
        Ok(())
    }

    fn data<'a>(&mut self, value: &'a [u8], direct: &mut Option<&'a [u8]>) -> Result<(), DecodeError> {
        if !self.has_data && direct.is_none() {
            *direct = Some(value);
        } else {
            self.keep(direct.take());
            self.data.push(b'\n');
            self.keep(Some(value));
        }
        if self.data.len() > self.limit { self.too_long() } else { Ok(()) }
    }

    /// Handles a blank line. Even if there is nothing to dispatch, the id takes effect and the type is reset.
    fn dispatch(&mut self, direct: Option<&[u8]>, on_message: &mut dyn FnMut(RawMessage<'_>)) {
        if std::mem::take(&mut self.has_next_id) {
            std::mem::swap(&mut self.next_id, &mut self.last_event_id);
        }
        if direct.is_some() || self.has_data {
            on_message(RawMessage {
                event: if self.event.is_empty() { DEFAULT_EVENT.as_bytes() } else { &self.event },
                data: direct.unwrap_or(&self.data),
                last_event_id: &self.last_event_id,
            });
        }
        self.data.clear();
        self.has_data = false;
        self.event.clear();
    }

    fn too_long(&self) -> Result<(), DecodeError> {
        Err(DecodeError { limit: self.limit })
    }
}

/// The same result as [`String::from_utf8_lossy`]. If nothing has to be replaced, which is nearly always the case, it
/// is several times as fast, because the standard function goes byte by byte; and it takes half a kilobyte less of the
/// browser build.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = bytes;
    let mut replaced = String::new();
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) if rest.len() == bytes.len() => return Cow::Borrowed(text),
            Ok(text) => {
                replaced.push_str(text);
                return Cow::Owned(replaced);
            }
            Err(error) => error,
        };
        let (valid, after) = rest.split_at(error.valid_up_to());
        replaced.push_str(std::str::from_utf8(valid).unwrap_or_default());
        replaced.push(char::REPLACEMENT_CHARACTER);
        // No error length means that the text ends within a character.
        let Some(length) = error.error_len() else { return Cow::Owned(replaced) };
        rest = &after[length..];
    }
}

/// The position of the first CR or LF. It reads eight bytes at a time: in Wasm without vectors that is three times as
/// fast as `memchr`, which reads four.
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest high bit of the result belongs to the first byte that is 0; the bits above it may be wrong.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in &mut words {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        let found = zero(word ^ (ONES * 0x0a)) | zero(word ^ (ONES * 0x0d));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    words.remainder().iter().position(|&byte| byte == b'\n' || byte == b'\r').map(|index| at + index)
}

#[cfg(test)]
mod tests {
    use super::{line_end, lossy};

    #[test]
    fn invalid_utf_8_is_replaced_as_the_standard_library_does() {
        let bytes = [0x41, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xff, 0xed, 0xa0, 0x80];
        // Every combination of four bytes, and every prefix of it.
        for n in 0..bytes.len().pow(4) {
            let some = [n, n / 14, n / 196, n / 2744].map(|n| bytes[n % 14]);
            assert_eq!(lossy(&some), String::from_utf8_lossy(&some), "{some:x?}");
        }
        for end in 0..=bytes.len() {
            assert_eq!(lossy(&bytes[..end]), String::from_utf8_lossy(&bytes[..end]));
        }
    }

    #[test]
    fn a_lines_end_is_found_wherever_it_is() {
        let others = [0, 1, 9, 0x0b, 0x0c, 0x0e, 0x8a, 0x8d, 0xff];
        for length in 0..40 {
            for other in others {
                let mut bytes = vec![other; length];
                assert_eq!(line_end(&bytes), None);
                for at in (0..length).rev() {
                    for end in *b"\r\n" {
                        bytes[at] = end;
                        assert_eq!(line_end(&bytes), Some(at), "{other} {length}");
                    }
                }
            }
        }
    }
}

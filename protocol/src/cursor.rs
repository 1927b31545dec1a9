//! Positions in a log, as clients store them.

use std::{fmt, str::FromStr};

/// A position in one log: `epoch.seq.tag` on the wire, opaque to clients, which store and return it unchanged.
///
/// - `epoch` identifies the log; another epoch shares no position with this one.
/// - `seq` counts records from 1 without holes; 0 is the origin, before the first record.
/// - `tag` fingerprints the record at `seq`, so that a log which lost its tail and reused its numbers differs from the
///   log that the client read. The origin's tag is 0.
///
/// The text is each of the three in base 36 (`0-9a-z`) without leading zeros, so that equal cursors are equal texts.
/// The texts are short, because every event carries one.
/// ones: every event carries one.
///
/// ```
/// use tidings_protocol::Cursor;
/// let cursor: Cursor = "1f.16.9ab3".parse()?;
/// assert_eq!((cursor.epoch, cursor.seq, cursor.tag), (51, 42, 433_263));
/// assert_eq!(cursor.to_string(), "1f.16.9ab3");
/// # Ok::<(), tidings_protocol::CursorError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch of the log.
    pub epoch: u32,
    /// The record's number, from 1; 0 is the origin.
    pub seq: u64,
    /// The record's fingerprint; 0 at the origin.
    pub tag: u32,
}

/// A text that is not a cursor. On GET it is answered by a `gap` in the stream, on POST by a 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a cursor of the form `epoch.seq.tag`")]
pub struct CursorError;

/// The longest text of a cursor: 7, 13 and 7 digits, and two dots.
const TEXT_BYTES: usize = 29;

impl Cursor {
    /// Calls `with` with the text. The text is made by hand, because every event has one and `write!` takes ten times
    /// as long.
    fn text<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        let mut bytes = [b'.'; TEXT_BYTES];
        // The digits are written from the end to the beginning.
        let at = digits(&mut bytes, TEXT_BYTES, self.tag.into()) - 1;
        let at = digits(&mut bytes, at, self.seq) - 1;
        let at = digits(&mut bytes, at, self.epoch.into());
        with(str::from_utf8(&bytes[at..]).unwrap_or_default())
    }
}

/// The base of the numbers in a cursor's text.
const RADIX: u64 = 36;

/// Writes a number so that it ends before `end`. Returns where it begins.
fn digits(bytes: &mut [u8], end: usize, mut number: u64) -> usize {
    let mut at = end;
    loop {
        at -= 1;
        bytes[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(number % RADIX).unwrap_or_default()];
        number /= RADIX;
        if number == 0 {
            return at;
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(|text| f.write_str(text))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        Self::from_ascii(text.as_bytes())
    }
}

impl Cursor {
    /// Parses bytes that were not validated yet, like [`FromStr`].
    ///
    /// # Errors
    ///
    /// [`CursorError`] when the bytes are not a cursor.
    pub fn from_ascii(text: &[u8]) -> Result<Self, CursorError> {
        let mut rest = text;
        let small = |number| u32::try_from(number).map_err(|_| CursorError);
        let epoch = small(number(&mut rest, true)?)?;
        let seq = number(&mut rest, true)?;
        let tag = small(number(&mut rest, false)?)?;
        Ok(Self { epoch, seq, tag })
    }
}

/// Takes one canonical number (no sign, no leading zero, no upper case) from the front: up to and including a dot, or
/// to the end. It is written by hand, because a client reads a cursor with every event, and the standard library's
/// parser adds a kilobyte to the browser build.
fn number(rest: &mut &[u8], dotted: bool) -> Result<u64, CursorError> {
    let mut number = 0_u64;
    for (index, &byte) in rest.iter().enumerate() {
        if byte == b'.' && dotted && index > 0 {
            *rest = &rest[index + 1..];
            return Ok(number);
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return Err(CursorError),
        };
        // `checked_mul` works in 128 bits, and Wasm has only 64.
        if number == 0 && index > 0 || number > u64::MAX / RADIX {
            return Err(CursorError);
        }
        number = (number * RADIX).checked_add(u64::from(digit)).ok_or(CursorError)?;
    }
    if dotted || rest.is_empty() { Err(CursorError) } else { Ok(number) }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text(|text| serializer.serialize_str(text))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_a_cursor() {
        for bad in [
            "",
            "1.2",
            "1.2.3.4",
            "1.-2.3",
            "1.+2.3",
            "01.2.3",
            "1.02.3",
            "A.2.3",
            "1.B.3",
            "1.2.1z141z4",
            "1z141z4.2.3",
            "1.3w5e11264sgsg.3",
            "..",
            "1..2",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }

    #[test]
    fn the_largest_cursor_survives_a_round_trip() {
        let cursor = Cursor { epoch: u32::MAX, seq: u64::MAX, tag: u32::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let origin = Cursor { epoch: 0, seq: 0, tag: 0 };
        assert_eq!(origin.to_string(), "0.0.0");
    }
}

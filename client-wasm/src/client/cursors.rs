//! A position in all logs that a stream carries: one cursor for each log.

use std::fmt;

use tidings_protocol::{Cursor, CursorError};

use crate::text::{BASE36, push_number};

/// The most logs of one stream, as the protocol defines it.
const MOST: usize = 8;

/// The value of `id:`, `since` and `cursor`: a cursor, or a list of cursors of different epochs. The core compares
/// two positions epoch by epoch, because cursors of different epochs have no order; it sends the text back as it
/// received it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cursors {
    /// The entries beyond the length are all equal, so that equal lists are equal.
    list: [Cursor; MOST],
    length: usize,
}

impl Cursors {
    /// Reads the text of a list from unchecked bytes.
    ///
    /// # Errors
    ///
    /// [`CursorError`] when one of the parts is not a cursor, when two of them have the same epoch, and when there are
    /// more than 8.
    pub fn from_ascii(text: &[u8]) -> Result<Self, CursorError> {
        let mut rest = text;
        let mut cursors: Option<Self> = None;
        loop {
            let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            let cursor = Cursor::from_ascii(part)?;
            match &mut cursors {
                None => cursors = Some(cursor.into()),
                Some(cursors) => cursors.add(cursor)?,
            }
            match after.split_first() {
                Some((_, after)) => rest = after,
                None => return cursors.ok_or(CursorError),
            }
        }
    }

    fn add(&mut self, cursor: Cursor) -> Result<(), CursorError> {
        if self.of(cursor.epoch).is_some() {
            return Err(CursorError);
        }
        *self.list.get_mut(self.length).ok_or(CursorError)? = cursor;
        self.length += 1;
        Ok(())
    }

    /// The cursors, in the order in which they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Cursor] {
        self.list.get(..self.length).unwrap_or_default()
    }

    /// The cursor of this epoch.
    pub(super) fn of(&self, epoch: u32) -> Option<Cursor> {
        self.as_slice().iter().find(|cursor| cursor.epoch == epoch).copied()
    }

    /// Whether this position lies before another one, or cannot be compared with it, in one of the other's logs.
    #[must_use]
    pub fn misses(&self, other: &Self) -> bool {
        other.as_slice().iter().any(|cursor| self.of(cursor.epoch).is_none_or(|own| own.seq < cursor.seq))
    }

    /// Becomes the later of two positions, log by log. Every position of a stream names all of its logs, so a log that
    /// the newer one does not name no longer exists.
    pub fn raise(&mut self, newer: &Self) {
        let mut raised = *newer;
        for cursor in raised.list.iter_mut().take(newer.length) {
            if let Some(own) = self.of(cursor.epoch).filter(|own| own.seq >= cursor.seq) {
                *cursor = own;
            }
        }
        *self = raised;
    }

    /// The text of the list: the cursors, joined by commas.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.push_to(&mut text);
        text
    }

    /// Adds the text.
    #[inline(never)]
    pub(super) fn push_to(&self, out: &mut String) {
        for (index, cursor) in self.as_slice().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_cursor(out, *cursor);
        }
    }

    /// Whether both are positions in the same logs.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        self.length == other.length && self.as_slice().iter().all(|cursor| other.of(cursor.epoch).is_some())
    }
}

/// Adds the text that [`Cursor`] displays, without its formatter.
pub(super) fn push_cursor(out: &mut String, cursor: Cursor) {
    push_number(out, u64::from(cursor.epoch), BASE36);
    out.push('.');
    push_number(out, cursor.seq, BASE36);
    out.push('.');
    push_number(out, u64::from(cursor.tag), BASE36);
}

impl From<Cursor> for Cursors {
    fn from(cursor: Cursor) -> Self {
        let mut list = [Cursor { epoch: 0, seq: 0, tag: 0 }; MOST];
        list[0] = cursor;
        Self { list, length: 1 }
    }
}

impl std::str::FromStr for Cursors {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        Self::from_ascii(text.as_bytes())
    }
}

impl fmt::Display for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(text: &str) -> Cursors {
        text.parse().unwrap()
    }

    #[test]
    fn cursors_are_sent_back_as_they_came() {
        for text in ["a.1.2", "a.1.2,b.0.0", "b.0.0,a.1.2", "1.1.1,2.1.1,3.1.1,4.1.1,5.1.1,6.1.1,7.1.1,8.1.1"] {
            assert_eq!(point(text).to_string(), text);
        }
    }

    #[test]
    fn a_cursor_is_written_as_the_protocol_writes_it() {
        for cursor in [Cursor { epoch: u32::MAX, seq: 0, tag: u32::MAX }, Cursor { epoch: 0, seq: u64::MAX, tag: 16 }] {
            assert_eq!(Cursors::from(cursor).to_text(), cursor.to_string());
        }
    }

    #[test]
    fn a_list_is_one_of_cursors_of_different_epochs() {
        let nine = "1.1.1,2.1.1,3.1.1,4.1.1,5.1.1,6.1.1,7.1.1,8.1.1,9.1.1";
        for bad in ["", ",", "a.1.2,", ",a.1.2", "a.1.2,,b.1.2", "a.1.2, b.1.2", "a.1.2,a.1.2", "a.1.2,b.1", nine] {
            assert_eq!(bad.parse::<Cursors>(), Err(CursorError), "{bad}");
        }
    }

    #[test]
    fn points_are_compared_log_by_log() {
        for (floor, event, misses) in [
            ("a.5.1", "a.5.1", false),
            ("a.5.1", "a.6.1", true),
            ("a.5.1", "b.1.1", true),
            ("a.5.1,b.7.1", "a.5.1,b.7.1", false),
            ("a.5.1,b.7.1", "b.7.1,a.4.1", false),
            ("a.5.1,b.7.1", "a.6.1,b.2.1", true),
            ("a.5.1,b.7.1", "a.5.1,b.8.1", true),
            ("a.5.1,b.7.1", "b.7.1", false),
            ("a.5.1", "a.5.1,b.7.1", true),
        ] {
            assert_eq!(point(floor).misses(&point(event)), misses, "{floor} {event}");
        }
    }

    #[test]
    fn merged_cursors_keep_the_later_one_of_each_log() {
        for (mark, newer, joined) in [
            ("a.5.1", "a.6.1", "a.6.1"),
            ("a.6.1", "a.5.1", "a.6.1"),
            ("a.6.1", "b.1.1", "b.1.1"),
            ("a.6.1,b.1.1", "b.3.1,a.5.1", "b.3.1,a.6.1"),
            ("a.6.1,b.1.1", "a.7.1,c.2.1", "a.7.1,c.2.1"),
        ] {
            let mut raised = point(mark);
            raised.raise(&point(newer));
            assert_eq!(raised.to_string(), joined);
        }
    }
}

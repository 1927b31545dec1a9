//! What the tabs of one browser say to each other: a line of words, and after it, where there is one, the data of a frame
//! as the server wrote it. The first word is one letter, small from a follower and capital from the leader; texts that
//! could hold a space come last.

use tidings_protocol::Cursor;

use super::address::{DECIMAL, push_number, text};
use crate::cut::cut;

/// Stands for a word that is not there.
const NONE: &str = "!";
/// Stands for the anonymous user.
pub(super) const NOBODY: &str = "!";

/// A line to say.
#[derive(Debug)]
pub(super) struct Line(pub(super) String);

impl Line {
    pub(super) fn new(kind: &str) -> Self {
        Self(kind.to_owned())
    }

    #[inline(never)]
    pub(super) fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(word);
        self
    }

    #[inline(never)]
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.push(' ');
        push_number(&mut self.0, number, DECIMAL);
        self
    }

    #[inline(never)]
    pub(super) fn cursor(self, cursor: Option<Cursor>) -> Self {
        match cursor {
            Some(cursor) => self.word(&text(cursor)),
            None => self.word(NONE),
        }
    }
}

/// A line that was heard. What is missing in it reads as an empty word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a>(pub(super) &'a str);

impl<'a> Words<'a> {
    #[inline(never)]
    pub(super) fn word(&mut self) -> &'a str {
        self.until(b' ')
    }

    #[inline(never)]
    pub(super) fn until(&mut self, byte: u8) -> &'a str {
        let (word, rest) = cut(self.0, byte);
        self.0 = rest;
        word
    }

    #[inline(never)]
    pub(super) fn number(&mut self) -> u32 {
        self.word().parse().unwrap_or_default()
    }

    #[inline(never)]
    pub(super) fn cursor(&mut self) -> Option<Cursor> {
        self.word().parse().ok()
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a str {
        self.0
    }
}

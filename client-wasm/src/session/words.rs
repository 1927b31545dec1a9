//! What the tabs of one browser say to each other: a line of words, and after it, where there is one, the data of a frame
//! as the server wrote it. The first word is one letter, small from a follower and capital from the leader; texts that
//! could hold a space come last. A follower's second word is its name. The leader's are its term and the number of what it has
//! said in it.
//!
//! | | then | says |
//! |---|---|---|
//! | `j` | joins, user, subscriptions | what it wants to hear, and from where |
//! | `a` | said, subscriptions | more that it wants to hear |
//! | `d` | said, handler | one that is gone |
//! | `h` | said, 0 or 1 | look whether the stream lives; 1: connect |
//! | `L` | tab, or nothing | here is who leads: join, that tab or all |
//! | `W` | tab, joins, its number, cursor, heartbeat, status | welcome |
//! | `H` | tab | it has been heard, and has to wait |
//! | `N` | tab | the stream is another user's |
//! | `Z` | | it has become another user's: ask the server again |
//! | `R` | position, handlers | the frame is a record for these, or presence |
//! | `B` | position, handlers | the frame is a record of the past for these |
//! | `O` | cursor | the stream goes on from here |
//! | `P` | cursor, said of each tab | where the stream is, and how much was heard of whom |
//! | `K` | handler, mark | it hears from here on |
//! | `D` | handler, since, mark | it heard, and waits to be confirmed again |
//! | `X` | channel, handlers, code | the server will not have it |
//! | `G` | cursor up to which something may be missing, handlers, channels (`+` among them for addressed events) or `!` for all, reason | a gap |
//! | `S` | heartbeat, status | how the connection stands |
//! | `E` | code, status or 0, detail | what went wrong |
//!
//! Handlers are `tab's number.handler's number`, joined by commas; a subscription is what [`Subscription::tell`] writes, a status
//! what [`Status::say`] does.
//!
//! [`Subscription::tell`]: super::subscription::Subscription::tell
//! [`Status::say`]: super::Status::say

use super::Cursors;
use super::address::{DECIMAL, push_cursors, push_number};
use crate::cut::cut;

/// The version of all this. It is in the name of the tabs' group: during a deploy pages of the app as it was and as it is are
/// open side by side, and those that would misunderstand each other have a stream each. Raise it with every change.
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "groups are named in a browser"))]
pub(crate) const VERSION: u32 = 5;

/// Stands for a word that is not there.
const NONE: &str = "!";
/// Stands for addressed events in a list of channels.
pub(super) const ADDRESSED: &str = "+";
/// Stands for the anonymous user.
pub(super) const NOBODY: &str = "!";

/// A line to say, as far as it goes.
#[derive(Debug)]
pub(super) struct Line<'a>(pub(super) &'a mut String);

impl Line<'_> {
    #[inline(never)]
    pub(super) fn word(self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(word);
        self
    }

    #[inline(never)]
    pub(super) fn number(self, number: u64) -> Self {
        let line = self.word("");
        push_number(line.0, number, DECIMAL);
        line
    }

    #[inline(never)]
    pub(super) fn cursor(self, cursor: &Option<Cursors>) -> Self {
        match cursor {
            Some(cursor) => {
                let line = self.word("");
                push_cursors(line.0, cursor);
                line
            }
            None => self.word(NONE),
        }
    }

    /// A handler of another tab.
    pub(super) fn handler(self, owner: u32, theirs: u32) -> Self {
        let line = self.number(u64::from(owner));
        line.0.push('.');
        push_number(line.0, u64::from(theirs), DECIMAL);
        line
    }
}

/// A number, with or without a plus. By hand: what the standard library makes for each kind of number would cost the browser
/// a kilobyte.
#[inline(never)]
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    // With so many it fits.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut number = 0;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// A number of 32 bits.
#[inline(never)]
pub(super) fn small(text: &str) -> Option<u32> {
    decimal(text).and_then(|number| u32::try_from(number).ok())
}

/// A line that was heard. What is missing in it reads as an empty word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a>(pub(crate) &'a str);

impl<'a> Words<'a> {
    #[inline(never)]
    pub(crate) fn word(&mut self) -> &'a str {
        self.until(b' ')
    }

    #[inline(never)]
    pub(crate) fn until(&mut self, byte: u8) -> &'a str {
        let (word, rest) = cut(self.0, byte);
        self.0 = rest;
        word
    }

    #[inline(never)]
    pub(super) fn number(&mut self) -> u32 {
        small(self.word()).unwrap_or_default()
    }

    #[inline(never)]
    pub(super) fn cursor(&mut self) -> Option<Cursors> {
        self.word().parse().ok()
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a str {
        self.0
    }
}

//! The texts that pass between Rust and JavaScript, and between tabs: the fields of a value, each on a line. So the
//! browser is called once for each frame, and reading the result needs no browser.
//!
//! The order of the fields of each value is defined in one place, its `fields`, with which it is written and read, and
//! from which `table.js` is made. A text contains no line break, a list is a `[` and its words with spaces between
//! them, and an absent field is an empty line.

pub(crate) mod frames;
pub(crate) mod messages;
pub(crate) mod settings;
pub(crate) mod signals;
#[cfg(test)]
mod table;

use tidings_protocol::Pattern;

use crate::{
    client::{Cursors, Rejected},
    text::{DECIMAL, cut, decimal, push_number, small, text_of},
};

/// The target or the source of a value's fields.
pub(crate) enum Port<'a> {
    /// Writes each on a line.
    Write(String),
    /// Reads each from the rest of a text.
    Read(&'a str),
    /// Collects their names.
    #[cfg(test)]
    Names(Vec<&'static str>),
}

/// The next field: its line when reading, and a line to write it on otherwise.
enum Line<'p, 'a> {
    Read(&'a str),
    Write(&'p mut String),
}

impl<'a> Port<'a> {
    #[inline(never)]
    #[cfg_attr(not(test), expect(unused_variables, reason = "names are for the table"))]
    fn line(&mut self, name: &'static str) -> Line<'_, 'a> {
        match self {
            Self::Read(rest) => {
                let (line, after) = cut(rest, b'\n');
                *rest = after;
                Line::Read(line)
            }
            Self::Write(out) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                Line::Write(out)
            }
            #[cfg(test)]
            Self::Names(names) => {
                names.push(name);
                Line::Read("")
            }
        }
    }

    /// The next line when reading.
    pub(crate) fn read(&mut self) -> &'a str {
        match self.line("") {
            Line::Read(line) => line,
            Line::Write(_) => "",
        }
    }

    #[inline(never)]
    pub(crate) fn text(&mut self, name: &'static str, value: &mut String) {
        match self.line(name) {
            Line::Read(line) => line.clone_into(value),
            Line::Write(out) => {
                let mut rest = &**value;
                loop {
                    let (part, after) = cut(rest, b'\n');
                    out.push_str(part);
                    if part.len() == rest.len() {
                        break;
                    }
                    out.push(' ');
                    rest = after;
                }
            }
        }
    }

    #[inline(never)]
    pub(crate) fn some_text(&mut self, name: &'static str, value: &mut Option<String>) {
        let mut text = value.take().unwrap_or_default();
        self.text(name, &mut text);
        *value = Some(text).filter(|text| !text.is_empty());
    }

    #[inline(never)]
    pub(crate) fn some_number(&mut self, name: &'static str, value: &mut Option<u64>) {
        match self.line(name) {
            Line::Read(line) => *value = decimal(line),
            Line::Write(out) => {
                if let Some(number) = *value {
                    push_number(out, number, DECIMAL);
                }
            }
        }
    }

    /// A line that is no number reads as 0.
    #[inline(never)]
    pub(crate) fn number(&mut self, name: &'static str, value: &mut u64) {
        let mut some = Some(*value);
        self.some_number(name, &mut some);
        *value = some.unwrap_or_default();
    }

    #[inline(never)]
    pub(crate) fn small(&mut self, name: &'static str, value: &mut u32) {
        let mut number = u64::from(*value);
        self.number(name, &mut number);
        *value = u32::try_from(number).unwrap_or_default();
    }

    /// A time in milliseconds, which JavaScript passes in seconds.
    #[inline(never)]
    fn seconds(&mut self, name: &'static str, value: &mut Option<u64>) {
        let mut seconds = value.map(|ms| ms / 1_000);
        self.some_number(name, &mut seconds);
        *value = seconds.map(|seconds| seconds.saturating_mul(1_000));
    }

    #[inline(never)]
    pub(crate) fn truth(&mut self, name: &'static str, value: &mut bool) {
        let mut number = u64::from(*value);
        self.number(name, &mut number);
        *value = number == 1;
    }

    #[inline(never)]
    pub(crate) fn cursor(&mut self, name: &'static str, value: &mut Option<Cursors>) {
        match self.line(name) {
            Line::Read(line) => *value = line.parse().ok(),
            Line::Write(out) => {
                if let Some(cursor) = value {
                    out.push_str(&cursor.to_text());
                }
            }
        }
    }

    /// `None` without a list. A word that is no channel becomes a pattern that matches none of ours.
    #[inline(never)]
    pub(crate) fn some_channels(&mut self, name: &'static str, value: &mut Option<Vec<Pattern>>) {
        match self.line(name) {
            Line::Read(line) => {
                *value = Words::of(line).map(|mut words| {
                    let mut channels = Vec::new();
                    while let Some(word) = words.next() {
                        if let Ok(channel) = word.parse() {
                            channels.push(channel);
                        }
                    }
                    channels
                });
            }
            Line::Write(out) => {
                let Some(channels) = value else { return };
                out.push('[');
                for channel in channels {
                    push_word(out, channel.as_str());
                }
            }
        }
    }

    #[inline(never)]
    pub(crate) fn channels(&mut self, name: &'static str, value: &mut Vec<Pattern>) {
        let mut some = Some(std::mem::take(value));
        self.some_channels(name, &mut some);
        *value = some.unwrap_or_default();
    }

    /// Channels, each followed by the code of its refusal.
    #[inline(never)]
    pub(crate) fn rejected(&mut self, name: &'static str, value: &mut Vec<Rejected>) {
        match self.line(name) {
            Line::Read(line) => {
                value.clear();
                let Some(mut words) = Words::of(line) else { return };
                while let (Some(channel), Some(code)) = (words.next(), words.next()) {
                    if let Ok(channel) = channel.parse() {
                        value.push(Rejected { channel, code: code.to_owned() });
                    }
                }
            }
            Line::Write(out) => {
                out.push('[');
                for one in value {
                    push_word(out, one.channel.as_str());
                    push_word(out, &one.code);
                }
            }
        }
    }

    #[inline(never)]
    pub(crate) fn numbers(&mut self, name: &'static str, value: &mut Vec<u32>) {
        match self.line(name) {
            Line::Read(line) => {
                value.clear();
                let Some(mut words) = Words::of(line) else { return };
                while let Some(word) = words.next() {
                    value.extend(small(word));
                }
            }
            Line::Write(out) => {
                out.push('[');
                for number in value {
                    push_word(out, &text_of(*number));
                }
            }
        }
    }

    /// The text that was written.
    pub(crate) fn written(self) -> String {
        match self {
            Self::Write(out) => out,
            _ => String::new(),
        }
    }
}

/// The words of a list. Not an iterator of the standard library, because each kind of iterator adds code to the
/// download, such as that for skipping items.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// `None` without a list.
    fn of(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix('[')?;
        // Each word has a space before it, except the first in a list from JavaScript.
        Some(Self(rest.strip_prefix(' ').unwrap_or(rest)))
    }

    #[inline(never)]
    fn next(&mut self) -> Option<&'a str> {
        let is_there = !self.0.is_empty();
        let (word, after) = cut(self.0, b' ');
        self.0 = after;
        is_there.then_some(word)
    }
}

#[inline(never)]
fn push_word(out: &mut String, word: &str) {
    out.push(' ');
    out.push_str(word);
}

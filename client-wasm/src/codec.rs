//! What passes between Rust and JavaScript, and between tabs, as text: the fields of a value, each on a line. So the browser is asked
//! once for each frame, and what comes of it needs no browser.
//!
//! The order of the fields of each value stands in one place, its `fields`, by which it is written and read, and from which
//! `table.js` is made. A text holds no line break, a list is a `[` and its words with spaces between them, and what is not there is
//! an empty line.

pub(crate) mod frames;
pub(crate) mod messages;
pub(crate) mod settings;
pub(crate) mod signals;
#[cfg(test)]
mod table;

use tidings_protocol::Pattern;

use crate::{
    session::{Cursors, Rejected},
    text::{DECIMAL, cut, decimal, push_number, small, text_of},
};

/// Where the fields of a value go to, or come from.
pub(crate) enum Port<'a> {
    /// Writes each on a line.
    Write(String),
    /// Reads each from what is left of a text.
    Read(&'a str),
    /// Collects their names.
    #[cfg(test)]
    Names(Vec<&'static str>),
}

/// The next field: its line where they are read, and a line to write it on elsewhere.
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

    /// The next line where they are read.
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

    /// What is no number is 0.
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

    /// A time in milliseconds, which JavaScript gives in seconds.
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

    /// `None` where there is no list. What is no channel in it cannot be one of ours.
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

    /// Channels, each with the code of its refusal after it.
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

    /// What was written.
    pub(crate) fn written(self) -> String {
        match self {
            Self::Write(out) => out,
            _ => String::new(),
        }
    }
}

/// The words of a list. No iterator of the standard library: each kind of those costs the browser what it takes to drop some of its
/// items unseen, and the like.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// `None` where there is no list.
    fn of(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix('[')?;
        // Each has a space before it, but for the first of JavaScript's.
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

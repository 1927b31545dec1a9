//! Frames and answers, as `browser.js` writes them: their fields in one text, each on a line. So the browser is asked once
//! for each frame, and what comes of it needs no browser.

use tidings_protocol::Pattern;

use super::occasion;
use crate::session::{Answer, Connected, Cursors, Frame, Rejected, Words, decimal};

/// The fields of an object, in their order; what is not there is empty.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(Words<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(Words(text))
    }

    #[inline(never)]
    pub(crate) fn text(&mut self) -> &'a str {
        self.0.until(b'\n')
    }

    /// A text, if it is there.
    #[inline(never)]
    pub(crate) fn some_text(&mut self) -> Option<String> {
        Some(self.text()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A number, if it is one.
    #[inline(never)]
    pub(crate) fn number(&mut self) -> Option<u64> {
        decimal(self.text())
    }

    /// A number of milliseconds, from seconds.
    fn seconds(&mut self) -> Option<u64> {
        self.number().map(|seconds| seconds.saturating_mul(1_000))
    }

    /// Whether something is so.
    pub(crate) fn truth(&mut self) -> bool {
        self.number() == Some(1)
    }

    pub(crate) fn cursor(&mut self) -> Option<Cursors> {
        self.text().parse().ok()
    }

    fn list(&mut self) -> Option<Words<'a>> {
        self.text().strip_prefix('[').map(Words)
    }

    /// A list of channels; `None` if it is no list. What is no channel in it cannot be one of ours.
    fn channels(&mut self) -> Option<Vec<Pattern>> {
        let mut list = self.list()?;
        let mut channels = Vec::new();
        while !list.rest().is_empty() {
            channels.extend(list.word().parse());
        }
        Some(channels)
    }

    fn rejected(&mut self) -> Vec<Rejected> {
        let mut list = self.list().unwrap_or(Words(""));
        let mut rejected = Vec::new();
        while !list.rest().is_empty() {
            let (channel, code) = (list.word().parse(), list.word().to_owned());
            if let Ok(channel) = channel {
                rejected.push(Rejected { channel, code });
            }
        }
        rejected
    }
}

/// A control frame, by the number of its name. `None` if that is not what the name promises.
pub(crate) fn control(name: u32, text: &str) -> Option<Frame> {
    let mut fields = Fields::of(text);
    let id = fields.cursor();
    // In the order of `browser.js`.
    Some(match name {
        occasion::CONNECTED => Frame::Connected(Connected {
            id,
            connection_id: fields.some_text()?,
            channels: fields.channels()?,
            rejected: fields.rejected(),
            resumed: fields.truth(),
            heartbeat_ms: fields.number().unwrap_or(0),
            expires_in_ms: fields.seconds(),
            alive_ms: fields.number().unwrap_or(0),
            timestamp_ms: fields.number().unwrap_or(0),
            user_id: fields.some_text(),
        }),
        occasion::SUBSCRIBED => Frame::Subscribed {
            request_id: fields.some_text()?,
            channels: fields.channels()?,
            addressed: fields.truth(),
            cursor: fields.cursor(),
        },
        occasion::GAP => Frame::Gap {
            channels: fields.channels(),
            addressed: fields.truth(),
            cursor: fields.cursor(),
            request_id: fields.some_text(),
            reason: fields.text().to_owned(),
            id,
        },
        occasion::HEARTBEAT => Frame::Heartbeat { id },
        occasion::REVOKED => {
            Frame::Revoked { channels: fields.channels()?, addressed: fields.truth(), code: fields.text().to_owned() }
        }
        occasion::PRESENCE => Frame::Unseen(fields.rejected().pop()?),
        occasion::CLOSING => {
            Frame::Closing { retry_ms: fields.number().unwrap_or(0), reason: fields.text().to_owned() }
        }
        occasion::CHALLENGE => Frame::Challenge,
        _ => Frame::Other,
    })
}

/// The answer to a request.
pub(crate) fn answer(text: &str) -> Answer {
    let mut fields = Fields::of(text);
    Answer {
        status: fields.number().and_then(|status| u16::try_from(status).ok()),
        retry_after_ms: fields.number(),
        code: fields.some_text(),
        rejected: fields.rejected(),
        ticket: fields.some_text(),
        expires_in_ms: fields.seconds(),
        user_id: fields.some_text(),
        detail: fields.some_text(),
    }
}

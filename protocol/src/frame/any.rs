//! Any frame of a stream, as native readers parse it and native writers encode it.

use serde::{Deserialize, Serialize, de::Error};

use super::{BACKFILL, CHALLENGE, Closing, Connected, Gap, HEARTBEAT, Polled, Presence, Revoked, Subscribed};
use crate::{Cursor, event::EventFrame, sse};

/// Any frame of a stream, distinguished by its SSE event name.
///
/// ```
/// use tidings_protocol::frame::{Frame, GapReason};
/// let frame = Frame::parse("gap", r#"{"channels":null,"reason":"trimmed"}"#)?;
/// assert!(matches!(frame, Some(Frame::Gap(gap)) if gap.reason == GapReason::Trimmed));
/// assert!(Frame::parse("fromTheFuture", "?")?.is_none());
/// # Ok::<(), tidings_protocol::frame::FrameError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Frame {
    /// The first frame of every stream.
    Connected(Connected),
    /// A live or replayed record: the event without an SSE name.
    Event(EventFrame),
    /// A subscribe call has become active.
    Subscribed(Subscribed),
    /// A past record that a subscribe call asked for; it has a `request_id`.
    Backfill(EventFrame),
    /// Events may be missing.
    Gap(Gap),
    /// The server had nothing else to write.
    Heartbeat,
    /// The server asks whether a client reads the stream.
    Challenge,
    /// Who is online on a channel.
    Presence(Presence),
    /// Channels that the stream no longer receives.
    Revoked(Revoked),
    /// The server ends the stream.
    Closing(Closing),
    /// The end of the answer to a poll.
    Polled(Polled),
}

/// The data of a frame does not fit its name.
#[derive(Debug, thiserror::Error)]
#[error("the data of a `{name}` frame could not be parsed")]
#[non_exhaustive]
pub struct FrameError {
    /// The SSE event name.
    pub name: &'static str,
    /// The parser's error.
    pub source: serde_json::Error,
}

impl Frame {
    /// Parses an SSE event. Returns `None` for a name that this version does not know; a reader ignores such events.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when the name is known and the data is not the JSON that belongs to it.
    pub fn parse(event: &str, data: &str) -> Result<Option<Self>, FrameError> {
        let frame = match event {
            sse::decode::DEFAULT_EVENT => Self::Event(read(sse::decode::DEFAULT_EVENT, data)?),
            Connected::NAME => Self::Connected(read(Connected::NAME, data)?),
            Subscribed::NAME => Self::Subscribed(read(Subscribed::NAME, data)?),
            BACKFILL => Self::Backfill(backfill(data)?),
            Gap::NAME => Self::Gap(read(Gap::NAME, data)?),
            HEARTBEAT => Self::Heartbeat,
            CHALLENGE => Self::Challenge,
            Presence::NAME => Self::Presence(read(Presence::NAME, data)?),
            Revoked::NAME => Self::Revoked(read(Revoked::NAME, data)?),
            Closing::NAME => Self::Closing(read(Closing::NAME, data)?),
            Polled::NAME => Self::Polled(read(Polled::NAME, data)?),
            _ => return Ok(None),
        };
        Ok(Some(frame))
    }

    /// The SSE event name; [`DEFAULT_EVENT`](sse::decode::DEFAULT_EVENT) for a record, as a reader sees it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connected(_) => Connected::NAME,
            Self::Event(_) => sse::decode::DEFAULT_EVENT,
            Self::Subscribed(_) => Subscribed::NAME,
            Self::Backfill(_) => BACKFILL,
            Self::Gap(_) => Gap::NAME,
            Self::Heartbeat => HEARTBEAT,
            Self::Challenge => CHALLENGE,
            Self::Presence(_) => Presence::NAME,
            Self::Revoked(_) => Revoked::NAME,
            Self::Closing(_) => Closing::NAME,
            Self::Polled(_) => Polled::NAME,
        }
    }

    /// Appends the frame as an SSE event with this `id:`. The README's table says which frames have one.
    pub fn encode(&self, out: &mut String, id: Option<&Cursor>) {
        let data = match self {
            Self::Connected(frame) => json(frame),
            Self::Event(frame) | Self::Backfill(frame) => json(frame),
            Self::Subscribed(frame) => json(frame),
            Self::Gap(frame) => json(frame),
            Self::Heartbeat | Self::Challenge => "{}".to_owned(),
            Self::Presence(frame) => json(frame),
            Self::Revoked(frame) => json(frame),
            Self::Closing(frame) => json(frame),
            Self::Polled(frame) => json(frame),
        };
        let name = if matches!(self, Self::Event(_)) { None } else { Some(self.name()) };
        sse::encode(out, name, id, &sse::escape(&data));
    }
}

fn read<'de, T: Deserialize<'de>>(name: &'static str, data: &'de str) -> Result<T, FrameError> {
    serde_json::from_str(data).map_err(|source| FrameError { name, source })
}

fn backfill(data: &str) -> Result<EventFrame, FrameError> {
    let frame: EventFrame = read(BACKFILL, data)?;
    let missing = match (&frame.request_id, &frame.cursor) {
        (None, _) => "requestId",
        (_, None) => "cursor",
        (Some(_), Some(_)) => return Ok(frame),
    };
    Err(FrameError { name: BACKFILL, source: serde_json::Error::missing_field(missing) })
}

fn json(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("frames contain only strings, numbers and parsed JSON")
}

//! Control frames, converted from the protocol's types into the session's input, where no browser parses them.

use tidings_client::client::{Connected, Frame, Rejected};
use tidings_protocol::{Cursor, frame};

pub(crate) fn control(frame: frame::Frame, id: Option<Cursor>) -> Frame {
    match frame {
        frame::Frame::Connected(connected) => Frame::Connected(Connected {
            id: id.map(Into::into),
            connection_id: connected.connection_id.as_str().to_owned(),
            user_id: connected.user_id.map(|user| user.as_str().to_owned()),
            channels: connected.channels,
            rejected: connected.rejected.into_iter().map(rejected).collect(),
            resumed: connected.resumed,
            heartbeat_ms: connected.heartbeat_ms,
            expires_in_ms: None,
            alive_ms: connected.alive_ms.unwrap_or(0),
            timestamp_ms: 0,
        }),
        frame::Frame::Subscribed(subscribed) => Frame::Subscribed {
            request_id: subscribed.request_id.as_str().to_owned(),
            channels: subscribed.channels,
            addressed: subscribed.addressed,
            cursor: Some(subscribed.cursor.into()),
        },
        frame::Frame::Gap(gap) => Frame::Gap {
            channels: gap.channels,
            addressed: gap.addressed,
            cursor: gap.cursor.map(Into::into),
            reason: gap.reason.as_str().to_owned(),
            request_id: gap.request_id.map(|id| id.to_string()),
            id: id.map(Into::into),
        },
        frame::Frame::Challenge => Frame::Challenge,
        frame::Frame::Heartbeat => Frame::Heartbeat { id: id.map(Into::into) },
        frame::Frame::Revoked(revoked) => {
            let frame::Revoked { channels, addressed, code } = revoked;
            Frame::Revoked { channels, addressed, code: code.as_str().to_owned() }
        }
        frame::Frame::Closing(closing) => {
            Frame::Closing { reason: closing.reason.as_str().to_owned(), retry_ms: closing.retry_ms }
        }
        _ => Frame::Other,
    }
}

pub(crate) fn rejected(rejected: frame::Rejected) -> Rejected {
    Rejected { channel: rejected.channel, code: rejected.code.as_str().to_owned() }
}

//! Frames and answers.

use super::{
    Port,
    signals::{CHALLENGE, CLOSING, CONNECTED, FRAMES, GAP, HEARTBEAT, PRESENCE, REVOKED, SUBSCRIBED},
};
use crate::client::{Answer, Connected, Exclusion, Frame, Rejected};

/// A control frame, by the number of its name, with its `id:` on the first line. `None` if the text does not fit the
/// name.
pub(crate) fn control(name: u32, text: &str) -> Option<Frame> {
    let mut frame = blank(name);
    let mut port = Port::Read(text);
    let mut id = None;
    port.cursor("id", &mut id);
    fields(&mut frame, &mut port);
    match &mut frame {
        Frame::Connected(connected) => connected.id = id,
        Frame::Gap { id: own, .. } | Frame::Heartbeat { id: own } => *own = id,
        _ => {}
    }
    let is_whole = match &frame {
        Frame::Connected(connected) => !connected.connection_id.is_empty(),
        Frame::Subscribed { request_id, .. } => !request_id.is_empty(),
        Frame::PresenceRefused(rejected) => !rejected.code.is_empty(),
        _ => true,
    };
    is_whole.then_some(frame)
}

/// The name of a control frame.
pub(crate) fn name(frame: &Frame) -> &'static str {
    let number = match frame {
        Frame::Connected(_) => CONNECTED,
        Frame::Subscribed { .. } => SUBSCRIBED,
        Frame::Gap { .. } => GAP,
        Frame::Heartbeat { .. } => HEARTBEAT,
        Frame::Revoked { .. } => REVOKED,
        Frame::Closing { .. } => CLOSING,
        Frame::PresenceRefused(_) => PRESENCE,
        Frame::Challenge => CHALLENGE,
        Frame::Other => u32::MAX,
    };
    usize::try_from(number).ok().and_then(|number| FRAMES.get(number)).copied().unwrap_or("other")
}

/// An empty frame, to be filled by reading.
pub(crate) fn blank(name: u32) -> Frame {
    match name {
        CONNECTED => Frame::Connected(Connected::default()),
        SUBSCRIBED => {
            Frame::Subscribed { request_id: String::new(), channels: Vec::new(), addressed: false, cursor: None }
        }
        GAP => Frame::Gap {
            channels: None,
            addressed: false,
            cursor: None,
            reason: String::new(),
            request_id: None,
            id: None,
        },
        HEARTBEAT => Frame::Heartbeat { id: None },
        REVOKED => Frame::Revoked { channels: Vec::new(), addressed: false, code: String::new() },
        CLOSING => Frame::Closing { reason: String::new(), retry_ms: 0 },
        CHALLENGE => Frame::Challenge,
        PRESENCE => Frame::PresenceRefused(Rejected { channel: tidings_protocol::Pattern::all(), code: String::new() }),
        _ => Frame::Other,
    }
}

/// The data of a control frame, without its `id:`.
pub(crate) fn fields(frame: &mut Frame, port: &mut Port<'_>) {
    match frame {
        Frame::Connected(connected) => {
            port.text("connectionId", &mut connected.connection_id);
            port.channels("channels", &mut connected.channels);
            port.rejected("rejected", &mut connected.rejected);
            port.truth("resumed", &mut connected.resumed);
            port.number("heartbeatMs", &mut connected.heartbeat_ms);
            port.seconds("expiresIn", &mut connected.expires_in_ms);
            port.number("aliveMs", &mut connected.alive_ms);
            port.number("timestampMs", &mut connected.timestamp_ms);
            port.some_text("userId", &mut connected.user_id);
        }
        Frame::Subscribed { request_id, channels, addressed, cursor } => {
            port.text("requestId", request_id);
            port.channels("channels", channels);
            port.truth("addressed", addressed);
            port.cursor("cursor", cursor);
        }
        Frame::Gap { channels, addressed, cursor, reason, request_id, .. } => {
            port.some_channels("channels", channels);
            port.truth("addressed", addressed);
            port.cursor("cursor", cursor);
            port.some_text("requestId", request_id);
            port.text("reason", reason);
        }
        Frame::Revoked { channels, addressed, code } => {
            port.channels("channels", channels);
            port.truth("addressed", addressed);
            port.text("code", code);
        }
        Frame::PresenceRefused(rejected) => {
            let mut list = vec![rejected.clone()];
            port.rejected("rejected", &mut list);
            if let Some(read) = list.pop() {
                *rejected = read;
            }
        }
        Frame::Closing { reason, retry_ms } => {
            port.number("retryMs", retry_ms);
            port.text("reason", reason);
        }
        Frame::Heartbeat { .. } | Frame::Challenge | Frame::Other => {}
    }
}

/// The answer to a request.
pub(crate) fn answer_fields(answer: &mut Answer, port: &mut Port<'_>) {
    let mut status = answer.status.map(u64::from);
    port.some_number("status", &mut status);
    answer.status = status.and_then(|status| u16::try_from(status).ok());
    port.some_number("retryAfterMs", &mut answer.retry_after_ms);
    port.some_text("code", &mut answer.code);
    port.rejected("rejected", &mut answer.rejected);
    port.some_text("ticket", &mut answer.ticket);
    port.seconds("expiresIn", &mut answer.expires_in_ms);
    port.some_text("userId", &mut answer.user_id);
    port.some_text("detail", &mut answer.detail);
}

/// Reads the answer to a request.
pub(crate) fn answer(text: &str) -> Answer {
    let mut answer = Answer::default();
    answer_fields(&mut answer, &mut Port::Read(text));
    answer
}

/// The fields that say from whom an event is hidden: its user, and the core and the device if they are named.
pub(crate) const EXCEPT: [&str; 3] = ["userId", "sessionId", "deviceId"];

/// Reads [`EXCEPT`].
pub(crate) fn exclusion<'a>(port: &mut Port<'a>) -> Option<Exclusion<'a>> {
    let [user_id, session, device] = EXCEPT.map(|_| port.read());
    let some = |text: &'a str| Some(text).filter(|text| !text.is_empty());
    (!user_id.is_empty()).then_some(Exclusion { user_id, session_id: some(session), device_id: some(device) })
}

/// The fields of an event that are needed when the cursor alone does not suffice; [`EXCEPT`] follows.
#[cfg(test)]
pub(crate) const EVENT: [&str; 4] = ["cursor", "channel", "to", "requestId"];

//! The messages between tabs.

use super::{
    Port,
    frames::{blank, fields, name},
    signals::FRAMES,
};
use crate::client::{Call, Failure, Frame, Message, State, Status, TabAsk, TabTell};

/// The kinds of messages, each by its index.
const KINDS: [&str; 20] = [
    "open",
    "subscribe",
    "unsubscribe",
    "presence",
    "alive",
    "labels",
    "probe",
    "connect",
    "lead",
    "userChanged",
    "otherUser",
    "wait",
    "welcome",
    "frame",
    "event",
    "backfill",
    "answer",
    "refused",
    "status",
    "failure",
];

impl Message {
    /// The text of the message: its kind, its sender and its content, each on a line.
    #[must_use]
    pub fn into_text(mut self) -> String {
        let mut port = Port::Write(KINDS.get(place(&self)).copied().unwrap_or_default().to_owned());
        message_fields(&mut self, &mut port);
        port.written()
    }

    /// Reads the text of a message. Any script of the origin may post to the channel: a text that is no message is
    /// `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut port = Port::Read(text);
        let kind = port.read();
        let mut message = blank_message(KINDS.iter().position(|one| *one == kind)?)?;
        message_fields(&mut message, &mut port);
        Some(message)
    }
}

/// The index of the message's kind.
fn place(message: &Message) -> usize {
    match message {
        Message::Ask { ask, .. } => match ask {
            TabAsk::Open { .. } => 0,
            TabAsk::Call { call, .. } => match call {
                Call::Subscribe { .. } => 1,
                Call::Unsubscribe { .. } => 2,
                Call::Presence { .. } => 3,
                Call::Alive => 4,
            },
            TabAsk::Labels { .. } => 5,
            TabAsk::Probe { connect: false } => 6,
            TabAsk::Probe { connect: true } => 7,
        },
        Message::Tell { tell, .. } => match tell {
            TabTell::Lead { .. } => 8,
            TabTell::UserChanged => 9,
            TabTell::OtherUser { .. } => 10,
            TabTell::Wait { .. } => 11,
            TabTell::Welcome { .. } => 12,
            TabTell::Frame { .. } => 13,
            TabTell::Event { .. } => 14,
            TabTell::Backfill { .. } => 15,
            TabTell::Answer { .. } => 16,
            TabTell::Refused { .. } => 17,
            TabTell::Status(_) => 18,
            TabTell::Failure(_) => 19,
        },
    }
}

/// An empty message of the kind with this index, to be filled by reading.
fn blank_message(place: usize) -> Option<Message> {
    let tab = String::new;
    let status = || Status { state: State::Connecting, attempt: 0, retry_in_ms: None, connection_id: None };
    let call = |call| TabAsk::Call { number: 0, call };
    let channels = Vec::new;
    let ask = match place {
        0 => TabAsk::Open { attempt: 0, user: String::new(), channels: channels() },
        1 => call(Call::Subscribe { channels: channels(), addressed: false, since: None }),
        2 => call(Call::Unsubscribe { channels: channels() }),
        3 => call(Call::Presence { channels: channels() }),
        4 => call(Call::Alive),
        5 => TabAsk::Labels { labels: channels() },
        6 => TabAsk::Probe { connect: false },
        7 => TabAsk::Probe { connect: true },
        _ => {
            let tell = match place {
                8 => TabTell::Lead { tab: None },
                9 => TabTell::UserChanged,
                10 => TabTell::OtherUser { tab: tab() },
                11 => TabTell::Wait { tab: tab(), status: status() },
                12 => TabTell::Welcome { tab: tab(), attempt: 0, member: 0, status: status(), frame: Frame::Other },
                13 => TabTell::Frame { member: None, frame: Frame::Other },
                14 => TabTell::Event { id: None, members: Vec::new() },
                15 => TabTell::Backfill { calls: Vec::new() },
                16 => TabTell::Answer { member: 0, number: 0, status: 0 },
                17 => TabTell::Refused { member: 0, rejected: Vec::new() },
                18 => TabTell::Status(status()),
                19 => TabTell::Failure(Failure { will_retry: true, ..Failure::default() }),
                _ => return None,
            };
            return Some(Message::Tell { term: String::new(), number: 0, tell });
        }
    };
    Some(Message::Ask { tab: tab(), ask })
}

fn message_fields(message: &mut Message, port: &mut Port<'_>) {
    match message {
        Message::Ask { tab, ask } => {
            port.text("tab", tab);
            ask_fields(ask, port);
        }
        Message::Tell { term, number, tell } => {
            port.text("term", term);
            port.small("number", number);
            tell_fields(tell, port);
        }
    }
}

fn ask_fields(ask: &mut TabAsk, port: &mut Port<'_>) {
    match ask {
        TabAsk::Open { attempt, user, channels } => {
            port.small("attempt", attempt);
            port.text("user", user);
            port.channels("channels", channels);
        }
        TabAsk::Call { number, call } => {
            port.small("number", number);
            match call {
                Call::Subscribe { channels, addressed, since } => {
                    port.channels("channels", channels);
                    port.truth("addressed", addressed);
                    port.cursor("since", since);
                }
                Call::Unsubscribe { channels } | Call::Presence { channels } => port.channels("channels", channels),
                Call::Alive => {}
            }
        }
        TabAsk::Labels { labels } => port.channels("labels", labels),
        TabAsk::Probe { .. } => {}
    }
}

fn tell_fields(tell: &mut TabTell, port: &mut Port<'_>) {
    match tell {
        TabTell::Lead { tab } => port.some_text("tab", tab),
        TabTell::UserChanged => {}
        TabTell::OtherUser { tab } => port.text("tab", tab),
        TabTell::Wait { tab, status } => {
            port.text("tab", tab);
            status_fields(status, port);
        }
        TabTell::Welcome { tab, attempt, member, status, frame } => {
            port.text("tab", tab);
            port.small("attempt", attempt);
            port.small("member", member);
            status_fields(status, port);
            frame_fields(frame, port);
        }
        TabTell::Frame { member, frame } => {
            let mut number = member.map(u64::from);
            port.some_number("member", &mut number);
            *member = number.and_then(|number| u32::try_from(number).ok());
            frame_fields(frame, port);
        }
        TabTell::Event { id, members } => {
            port.cursor("id", id);
            port.numbers("members", members);
        }
        TabTell::Backfill { calls } => {
            // Each member, followed by its call.
            let mut flat = Vec::new();
            for (member, call) in calls.iter() {
                flat.push(*member);
                flat.push(*call);
            }
            port.numbers("calls", &mut flat);
            calls.clear();
            for pair in flat.chunks_exact(2) {
                calls.extend(pair.first().copied().zip(pair.last().copied()));
            }
        }
        TabTell::Answer { member, number, status } => {
            port.small("member", member);
            port.small("number", number);
            let mut code = u32::from(*status);
            port.small("status", &mut code);
            *status = u16::try_from(code).unwrap_or_default();
        }
        TabTell::Refused { member, rejected } => {
            port.small("member", member);
            port.rejected("rejected", rejected);
        }
        TabTell::Status(status) => status_fields(status, port),
        TabTell::Failure(failure) => {
            port.text("code", &mut failure.code);
            let mut status = failure.status.map(u64::from);
            port.some_number("status", &mut status);
            failure.status = status.and_then(|status| u16::try_from(status).ok());
            port.some_text("detail", &mut failure.detail);
        }
    }
}

fn status_fields(status: &mut Status, port: &mut Port<'_>) {
    let mut state = status.state.as_str().to_owned();
    port.text("state", &mut state);
    status.state = State::ALL.into_iter().find(|one| one.as_str() == state).unwrap_or(State::Connecting);
    port.small("attempt", &mut status.attempt);
    port.some_number("retryInMs", &mut status.retry_in_ms);
    port.some_text("connectionId", &mut status.connection_id);
}

/// A control frame: its name, its `id:`, and its data.
fn frame_fields(frame: &mut Frame, port: &mut Port<'_>) {
    let mut own = name(frame).to_owned();
    port.text("frame", &mut own);
    if matches!(frame, Frame::Other) {
        let number = FRAMES.iter().position(|name| *name == own).and_then(|number| u32::try_from(number).ok());
        *frame = blank(number.unwrap_or(u32::MAX));
    }
    match frame {
        Frame::Connected(connected) => port.cursor("id", &mut connected.id),
        Frame::Gap { id, .. } | Frame::Heartbeat { id } => port.cursor("id", id),
        _ => {}
    }
    fields(frame, port);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Connected, Rejected};

    fn carried(message: &Message) {
        let text = message.clone().into_text();
        assert_eq!(Message::from_text(&text).as_ref(), Some(message), "{text}");
    }

    fn ask(ask: TabAsk) {
        carried(&Message::Ask { tab: "t1".into(), ask });
    }

    fn tell(tell: TabTell) {
        carried(&Message::Tell { term: "t1.1".into(), number: 7, tell });
    }

    #[test]
    fn the_requests_of_tabs_arrive_as_they_were_sent() {
        let channels = vec!["a:*".parse().unwrap(), "b".parse().unwrap()];
        ask(TabAsk::Open { attempt: 3, user: "uana".into(), channels: channels.clone() });
        for since in [None, "a.1.2,b.3.4".parse().ok()] {
            for addressed in [false, true] {
                let call = Call::Subscribe { channels: channels.clone(), addressed, since };
                ask(TabAsk::Call { number: 9, call });
            }
        }
        ask(TabAsk::Call { number: 9, call: Call::Subscribe { channels: vec![], addressed: true, since: None } });
        ask(TabAsk::Call { number: 9, call: Call::Unsubscribe { channels: channels.clone() } });
        ask(TabAsk::Call { number: 9, call: Call::Presence { channels } });
        ask(TabAsk::Call { number: 9, call: Call::Alive });
        ask(TabAsk::Labels { labels: vec!["a:*".parse().unwrap()] });
        ask(TabAsk::Probe { connect: false });
        ask(TabAsk::Probe { connect: true });
    }

    #[test]
    fn the_messages_of_a_leader_arrive_as_they_were_sent() {
        let status = Status { state: State::Waiting, attempt: 2, retry_in_ms: Some(0), connection_id: None };
        let open = Status { state: State::Open, attempt: 0, retry_in_ms: None, connection_id: Some("n1 x".into()) };
        let channels = vec!["a:*".parse().unwrap(), "b".parse().unwrap()];
        let rejected = vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }];
        let id = "a.1.2,b.3.4".parse().ok();
        tell(TabTell::Lead { tab: None });
        tell(TabTell::Lead { tab: Some("t2".into()) });
        tell(TabTell::UserChanged);
        tell(TabTell::OtherUser { tab: "t2".into() });
        tell(TabTell::Wait { tab: "t2".into(), status: status.clone() });
        let connected = Connected {
            id,
            connection_id: "n1".into(),
            user_id: Some("ana b".into()),
            channels: channels.clone(),
            rejected: rejected.clone(),
            resumed: true,
            heartbeat_ms: 15_000,
            expires_in_ms: Some(3_000),
            alive_ms: 5,
            timestamp_ms: 6,
        };
        let frame = Frame::Connected(connected);
        tell(TabTell::Welcome { tab: "t2".into(), attempt: 1, member: 2, status: open.clone(), frame: frame.clone() });
        let frames = [
            frame,
            Frame::Subscribed { request_id: "server".into(), channels: channels.clone(), addressed: true, cursor: id },
            Frame::Gap { channels: None, addressed: true, cursor: None, reason: "x y".into(), request_id: None, id },
            Frame::Gap {
                channels: Some(vec![]),
                addressed: true,
                cursor: id,
                reason: "trimmed".into(),
                request_id: Some("7".into()),
                id: None,
            },
            Frame::Heartbeat { id },
            Frame::Heartbeat { id: None },
            Frame::Revoked { channels, addressed: false, code: "revoked".into() },
            Frame::PresenceRefused(rejected[0].clone()),
            Frame::Closing { reason: "drain".into(), retry_ms: 7 },
        ];
        for frame in frames {
            tell(TabTell::Frame { member: Some(3), frame: frame.clone() });
            tell(TabTell::Frame { member: None, frame });
        }
        tell(TabTell::Event { id, members: vec![1, 20] });
        tell(TabTell::Event { id: None, members: vec![1] });
        tell(TabTell::Backfill { calls: vec![(1, 4), (20, 3)] });
        tell(TabTell::Answer { member: 1, number: 2, status: 404 });
        tell(TabTell::Refused { member: 1, rejected });
        tell(TabTell::Status(status));
        tell(TabTell::Status(open));
        let detail = Some("not now".to_owned());
        tell(TabTell::Failure(Failure {
            code: "full".into(),
            will_retry: true,
            status: Some(503),
            detail,
            channel: None,
        }));
    }

    #[test]
    fn a_text_that_is_no_message_is_ignored() {
        for text in ["", "other", "other\n1", "[object Object]"] {
            assert_eq!(Message::from_text(text), None);
        }
    }
}

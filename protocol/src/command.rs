//! Bodies and answers of the POST calls.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{
    ConnectionId, Cursor, DeviceId, EventType, Except, Key, Pattern, RequestId, SessionId, Source, UserId,
    frame::{Member, Rejected, is_false},
};

/// Body of `POST {base}/subscribe` and `/unsubscribe` (which ignores `since`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscribeRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// The caller's name for this call, which the stream's `subscribed` and `backfill` frames repeat; not
    /// [`SERVER_REQUEST`](crate::frame::SERVER_REQUEST). Without one the stream confirms nothing, and there is no `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Channels and patterns; at least one, unless `addressed` is set.
    pub channels: Vec<Pattern>,
    /// Whether it is about the events addressed to the stream's user or device as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub addressed: bool,
    /// Send first what these channels carried after this cursor, and with `addressed` what was addressed to the user or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Cursor>,
}

/// Answer to subscribe and unsubscribe. It only accepts or rejects: a subscription is active when the stream says
/// `subscribed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscribeAnswer {
    /// What will become active.
    pub accepted: Vec<Pattern>,
    /// What will not, and why.
    pub rejected: Vec<Rejected>,
    /// Whether `addressed` was accepted, where the call asked for it. It is not where the stream has no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressed: Option<bool>,
}

/// One channel of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollChannel {
    /// A channel or pattern.
    pub channel: Pattern,
    /// Send what it carried after this cursor, as `backfill`. Absent: what it carried after `last_event_id`, as events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Cursor>,
}

/// Body of `POST {base}/poll`, which is answered by a finite stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PollRequest {
    /// What to hear.
    pub channels: Vec<PollChannel>,
    /// Send what was addressed to the user or device after this cursor, as `backfill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressed_since: Option<Cursor>,
    /// Where to go on: the `id:` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_id: Option<Cursor>,
    /// The latest cursor that was seen in any frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Cursor>,
    /// The client's device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How long to wait for something to send, in milliseconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// To whom an event goes instead of its channel's subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum To {
    /// Every stream of these users.
    Users(ToUsers),
    /// Every stream of one device of a user.
    Device(ToDevice),
}

/// A list of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToUsers {
    /// Who; at least one.
    pub users: Vec<UserId>,
}

/// One device of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToDevice {
    /// Whose.
    pub user: UserId,
    /// Which.
    #[serde(rename = "deviceId")]
    pub device: DeviceId,
}

/// One event of `POST {base}/publish`; the body is one or an array of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRequest {
    /// A channel, or a pattern such as `chat:*` to reach all below it.
    pub channel: Pattern,
    /// What kind of change it tells of.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Absent: the channel's subscribers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<To>,
    /// From whom it is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "strict_except")]
    pub except: Option<Except>,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "strict_source")]
    pub source: Option<Source>,
    /// The idempotency key; a UUIDv7 is made where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The application's JSON; `null` where it is absent.
    #[serde(default = "null")]
    pub payload: Box<RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

// Readers of streams ignore fields that they do not know; a publisher's misspelt `sessionId` must be refused instead, or
// the event would be shown to the tab that it was to be hidden from.

#[derive(Deserialize)]
#[serde(remote = "Source", rename_all = "camelCase", deny_unknown_fields)]
struct StrictSource {
    #[serde(default)]
    user_id: Option<UserId>,
    #[serde(default)]
    device_id: Option<DeviceId>,
    #[serde(default)]
    session_id: Option<SessionId>,
}

fn strict_source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Source>, D::Error> {
    #[derive(Deserialize)]
    struct Strict(#[serde(with = "StrictSource")] Source);
    Ok(Option::<Strict>::deserialize(deserializer)?.map(|strict| strict.0))
}

#[derive(Deserialize)]
#[serde(remote = "Except", rename_all = "camelCase", deny_unknown_fields)]
struct StrictExcept {
    user_id: UserId,
    #[serde(default)]
    session_id: Option<SessionId>,
    #[serde(default)]
    device_id: Option<DeviceId>,
}

fn strict_except<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Except>, D::Error> {
    #[derive(Deserialize)]
    struct Strict(#[serde(with = "StrictExcept")] Except);
    Ok(Option::<Strict>::deserialize(deserializer)?.map(|strict| strict.0))
}

/// Answer to one published event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishAnswer {
    /// Where it stands in the log.
    pub cursor: Cursor,
    /// Whether its key had been seen before; then `cursor` is the first one's and nothing was stored.
    pub duplicate: bool,
}

/// Body of `POST {base}/ticket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketRequest {
    /// The device that the stream will declare; none where it declares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
}

/// Answer of `POST {base}/ticket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketAnswer {
    /// Opens one stream, as the parameter `ticket` of its URL.
    pub ticket: String,
    /// For how many seconds.
    pub expires_in: u64,
}

/// Body of `POST {base}/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
}

/// Answer of `POST {base}/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAnswer {
    /// Seconds until the fresh credentials expire, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// Body of `POST {base}/presence`: all of what the stream is to tell presence of, in place of what it told before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresenceRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// Grows with each call about one stream, so that a call which was overtaken by a later one changes nothing.
    pub revision: u64,
    /// Channels and patterns; none ends it.
    pub channels: Vec<Pattern>,
}

/// Answer of `GET {base}/presence`: who is online on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceAnswer {
    /// What was asked about.
    pub channel: Pattern,
    /// Who is there, sorted.
    pub here: Vec<Member>,
    /// How many servers were asked, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<usize>,
    /// How many of them have answered: where it is less, others may be there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<usize>,
}

/// Body of `POST {base}/alive`, which is answered 204: somebody still reads the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AliveRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
}

/// Body of `POST {base}/latency`, which is answered 204: how long events took to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyRequest {
    /// The stream on which they came, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// One number for each event measured, in milliseconds.
    pub ms: Vec<u64>,
}

/// Answer of `GET {base}/check`: who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckAnswer {
    /// `null` when anonymous.
    pub user_id: Option<UserId>,
}

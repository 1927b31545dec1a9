//! The bodies and answers of the POST calls.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{
    ConnectionId, Cursor, DeviceId, EventType, Except, Key, Pattern, RequestId, SessionId, Source, UserId,
    frame::{Member, Rejected, is_false},
};

/// The body of `POST {base}/subscribe` and `/unsubscribe` (which ignores `since`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscribeRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// The caller's id for this call, which the stream's `subscribed` and `backfill` frames repeat; not
    /// [`SERVER_REQUEST`](crate::frame::SERVER_REQUEST). Without an id the stream confirms nothing, and `since` is not
    /// allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Channels and patterns; at least one, unless `addressed` is set.
    pub channels: Vec<Pattern>,
    /// Whether the call also concerns the events addressed to the stream's user or device.
    #[serde(default, skip_serializing_if = "is_false")]
    pub addressed: bool,
    /// The cursor after which events are sent first: those of these channels, and with `addressed` those addressed to
    /// the user or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Cursor>,
}

/// The answer to subscribe and unsubscribe. It only accepts or rejects: a subscription is active when the stream sends
/// `subscribed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscribeAnswer {
    /// The channels that will become active.
    pub accepted: Vec<Pattern>,
    /// The channels that will not, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Whether `addressed` was accepted, if the call asked for it. It is rejected on an anonymous stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressed: Option<bool>,
}

/// One channel of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollChannel {
    /// A channel or pattern.
    pub channel: Pattern,
    /// The cursor after which the channel's events are sent as `backfill`. If absent, its events after `last_event_id`
    /// are sent as events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Cursor>,
}

/// The body of `POST {base}/poll`, which is answered by a finite stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PollRequest {
    /// The channels to receive.
    pub channels: Vec<PollChannel>,
    /// The cursor after which addressed events are sent as `backfill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressed_since: Option<Cursor>,
    /// The position to continue from: the `id:` of the previous answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_id: Option<Cursor>,
    /// The latest cursor seen in any frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Cursor>,
    /// The client's device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// How long the server may wait for something to send, in milliseconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// The receivers of an event that does not go to its channel's subscribers.
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
    /// The users; at least one.
    pub users: Vec<UserId>,
}

/// One device of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToDevice {
    /// The user.
    pub user: UserId,
    /// The device.
    #[serde(rename = "deviceId")]
    pub device: DeviceId,
}

/// One event of `POST {base}/publish`. The body is one event or an array of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRequest {
    /// A channel, or a pattern such as `chat:*` to reach everything below it.
    pub channel: Pattern,
    /// The event's type, which names the kind of change.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The receivers; if absent, the channel's subscribers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<To>,
    /// The tab or device from which the event is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "strict_except")]
    pub except: Option<Except>,
    /// The cause of the event.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "strict_source")]
    pub source: Option<Source>,
    /// The idempotency key; if absent, the server makes a UUIDv7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The application's payload as JSON; if absent, `null`.
    #[serde(default = "null")]
    pub payload: Box<RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

// Readers of streams ignore unknown fields. A publisher's misspelt `sessionId`, however, must be refused, or the event
// would be shown to the tab that it should be hidden from.

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

/// The answer to one published event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishAnswer {
    /// The event's position in the log.
    pub cursor: Cursor,
    /// Whether the key was known already. Then `cursor` is that of the first event, and nothing was stored.
    pub duplicate: bool,
}

/// The body of `POST {base}/ticket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketRequest {
    /// The device that the stream will declare; absent if it will declare none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
}

/// The answer of `POST {base}/ticket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketAnswer {
    /// The ticket. It opens one stream, as the parameter `ticket` of the stream's URL.
    pub ticket: String,
    /// The life of the ticket in seconds.
    pub expires_in: u64,
}

/// The body of `POST {base}/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
}

/// The answer of `POST {base}/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAnswer {
    /// Seconds until the fresh credentials expire, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// The body of `POST {base}/presence`: all channels whose presence the stream is to report, in place of earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresenceRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// Grows with each call about one stream, so that a call that arrives after a later one changes nothing.
    pub revision: u64,
    /// Channels and patterns; an empty list ends all watches.
    pub channels: Vec<Pattern>,
}

/// The answer of `GET {base}/presence`: who is online on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceAnswer {
    /// The channel or pattern of the request.
    pub channel: Pattern,
    /// The members that are online, sorted.
    pub here: Vec<Member>,
    /// The number of servers that were asked, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<usize>,
    /// The number of servers that answered. If it is less than `asked`, other members may be online too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<usize>,
}

/// The body of `POST {base}/alive`, which is answered by 204. It reports that the client still reads the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AliveRequest {
    /// The stream, from its `connected` frame.
    pub connection_id: ConnectionId,
}

/// The body of `POST {base}/latency`, which is answered by 204. It reports how long events took to reach a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyRequest {
    /// The stream on which the events came, from its `connected` frame.
    pub connection_id: ConnectionId,
    /// One duration per measured event, in milliseconds.
    pub ms: Vec<u64>,
}

/// The answer of `GET {base}/check`: the user of the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckAnswer {
    /// `null` when anonymous.
    pub user_id: Option<UserId>,
}

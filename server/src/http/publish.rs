//! `POST /publish`: publishes one event or an array of events.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use tidings_protocol::{
    Key, Pattern,
    command::{PublishAnswer, PublishRequest, To, ToDevice, ToUsers},
    problem::Code,
};
use uuid::Uuid;

use super::{
    gate::Gate,
    problem::Refusal,
    read::{json_up_to, malformed_channel, split},
};
use crate::{Event, access::Right, auth::Identity, record::Audience};

/// Validates the whole array before anything is stored.
pub(super) async fn publish(
    State(gate): State<Arc<Gate>>,
    request: Request,
) -> Result<Json<Vec<PublishAnswer>>, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    // The body of a caller without any publishing grant is not read.
    if !identity.may_any(Right::Publish) {
        return Err(Refusal::new(Code::Forbidden, "no grant to publish"));
    }
    let raw: Box<RawValue> = json_up_to(gate.publish_bytes, &gate, &head, body).await?;
    // A parsed event takes many times the memory of its text, so the events are counted before they are parsed.
    let most = gate.hub.config().batch_events;
    let counted = Counted::read(&raw, most)?;
    gate.limiter.publish(&identity, head.parts(), counted.0.len())?;
    let channels = counted.channels()?;
    if let Some(channel) = gate.refused(&identity, Right::Publish, channels.clone())?.first() {
        return Err(Refusal::new(Code::Forbidden, format!("no grant covers publishing to {channel}")));
    }
    let events = counted.events()?;
    let events = events.into_iter().map(|body| event(&identity, body)).collect::<Result<Vec<_>, _>>()?;
    // The grants are checked again right before the append, so that nothing is stored on a channel that was revoked
    // meanwhile.
    if let Some(channel) = gate.refused(&identity, Right::Publish, channels)?.first() {
        return Err(Refusal::new(Code::Forbidden, format!("no grant covers publishing to {channel}")));
    }
    let receipts = gate.hub.append(events).await?;
    let answers = receipts.iter().map(|receipt| PublishAnswer { cursor: receipt.cursor, duplicate: receipt.duplicate });
    Ok(Json(answers.collect()))
}

/// The events of a body, one or an array, not parsed yet.
struct Counted<'a>(Vec<&'a RawValue>);

impl<'a> Counted<'a> {
    /// The first byte tells an array from an object, so that an error inside an event is reported for that event.
    fn read(raw: &'a RawValue, most: usize) -> Result<Self, Refusal> {
        if !raw.get().starts_with('[') {
            return Ok(Self(vec![raw]));
        }
        let mut json = serde_json::Deserializer::from_str(raw.get());
        let events =
            json.deserialize_seq(AtMost(most)).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))?;
        match events {
            Some(events) => Ok(Self(events)),
            None => Err(Refusal::new(Code::TooMany, format!("at most {most} events at once"))),
        }
    }

    /// The channels that the events are published to, each once.
    fn channels(&self) -> Result<Vec<Pattern>, Refusal> {
        #[derive(Deserialize)]
        struct Label<'a> {
            #[serde(borrow)]
            channel: std::borrow::Cow<'a, str>,
        }
        let mut channels = Vec::new();
        for event in &self.0 {
            let Label { channel } =
                serde_json::from_str(event.get()).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))?;
            channels.push(channel.parse::<Pattern>().map_err(|error| malformed_channel(&channel, error))?);
        }
        channels.sort_unstable();
        channels.dedup();
        Ok(channels)
    }

    fn events(&self) -> Result<Vec<PublishRequest>, Refusal> {
        let read = |event: &&RawValue| serde_json::from_str(event.get());
        let events: Result<_, serde_json::Error> = self.0.iter().map(read).collect();
        events.map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
    }
}

/// Reads an array of at most this many items; returns `None` as soon as there are more.
struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = array.next_element()? {
            if events.len() == self.0 {
                while array.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            events.push(event);
        }
        Ok(Some(events))
    }
}

/// The namespace of the UUIDs made from users' idempotency keys.
const KEYS_OF_USERS: Uuid = Uuid::from_u128(0x3f0a_6c1e_8d52_4b7f_9e21_5a47_c0d3_b816);

/// Makes an idempotency key the user's own: nobody can keep another user's event out of the log by using its key first,
/// or learn its position. Anonymous publishers share no identity, so each of their events gets a key of its own.
fn own_key(identity: &Identity, body: &PublishRequest, key: &Key) -> Key {
    // No user id contains this byte.
    let name = match identity.user_id() {
        Some(user) => [user.as_str(), key.as_str()].join("\0"),
        None => ["", key.as_str(), body.channel.as_str(), body.event_type.as_str(), body.payload.get()].join("\0"),
    };
    Key::new(Uuid::new_v5(&KEYS_OF_USERS, name.as_bytes()).to_string()).expect("a UUID is 36 bytes of visible ASCII")
}

fn event(identity: &Identity, body: PublishRequest) -> Result<(Event, Audience), Refusal> {
    let own = |user: &Option<tidings_protocol::UserId>| user.is_none() || user.as_ref() == identity.user_id();
    let in_own_name = body.to.is_none()
        && body.except.as_ref().is_none_or(|except| Some(&except.user_id) == identity.user_id())
        && body.source.as_ref().is_none_or(|source| own(&source.user_id));
    if !identity.is_backend() && !in_own_name {
        return Err(Refusal::new(
            Code::Forbidden,
            "only a backend may address users or devices, or name another user in source or except",
        ));
    }
    if body.except.as_ref().is_some_and(|except| except.session_id.is_none() && except.device_id.is_none()) {
        return Err(Refusal::new(Code::Malformed, "except: a sessionId or a deviceId"));
    }
    let key = match &body.key {
        Some(key) if !identity.is_backend() => Some(own_key(identity, &body, key)),
        key => key.clone(),
    };
    let audience = match body.to {
        None => Audience::Channel,
        Some(To::Users(ToUsers { users })) if users.is_empty() => {
            return Err(Refusal::new(Code::Malformed, "to.users: at least one"));
        }
        Some(To::Users(ToUsers { users })) => Audience::Users(users),
        Some(To::Device(ToDevice { user, device })) => Audience::Device(user, device),
    };
    let event = Event {
        channel: body.channel,
        event_type: body.event_type,
        payload: body.payload,
        source: body.source,
        except: body.except,
        key,
    };
    Ok((event, audience))
}

//! `POST /publish`: one event or an array of them.

use axum::{
    Json,
    extract::{Request, State},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tidings_protocol::{
    Key, Pattern, UserId,
    command::{PublishAnswer, PublishRequest, To, ToDevice, ToUsers},
    problem::Code,
};
use uuid::Uuid;

use super::{
    gate::Gate,
    problem::Refusal,
    read::{json, malformed_channel},
};
use crate::{Event, access::Right, auth::Identity, record::Audience};

/// The whole array is validated before anything is stored.
pub(super) async fn publish(State(gate): State<Gate>, request: Request) -> Result<Json<Vec<PublishAnswer>>, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let raw: Box<RawValue> = json(&gate, Request::from_parts(parts.clone(), body)).await?;
    let events = read(&raw)?;
    gate.limiter.publish(&identity, &parts, events.len())?;
    let mut channels: Vec<_> = events.iter().map(|event| event.channel.clone()).collect();
    channels.sort_unstable();
    channels.dedup();
    let events = events.into_iter().map(|body| event(&identity, body)).collect::<Result<Vec<_>, _>>()?;
    // Last of all, so that nothing that was revoked by now is stored.
    if let Some(channel) = gate.refused(&identity, Right::Publish, channels)?.first() {
        return Err(Refusal::new(Code::Forbidden, format!("no grant to publish to {channel}")));
    }
    let receipts = gate.hub.append(events).await?;
    let answers = receipts.iter().map(|receipt| PublishAnswer { cursor: receipt.cursor, duplicate: receipt.duplicate });
    Ok(Json(answers.collect()))
}

/// One or an array. A body that cannot be read is looked at once more: a malformed channel has its own code.
fn read(raw: &RawValue) -> Result<Vec<PublishRequest>, Refusal> {
    #[derive(Deserialize)]
    struct Label {
        channel: String,
    }
    one_or_more(raw).map_err(|error| {
        let labels: Vec<Label> = one_or_more(raw).unwrap_or_default();
        let malformed = labels.iter().find_map(|label| Some((label, label.channel.parse::<Pattern>().err()?)));
        match malformed {
            Some((label, error)) => malformed_channel(&label.channel, error),
            None => Refusal::new(Code::Malformed, error.to_string()),
        }
    })
}

/// Told apart by the first byte, so that an error in an event is told as such.
fn one_or_more<T: DeserializeOwned>(raw: &RawValue) -> Result<Vec<T>, serde_json::Error> {
    let text = raw.get();
    if text.starts_with('[') { serde_json::from_str(text) } else { Ok(vec![serde_json::from_str(text)?]) }
}

/// Below it lie the keys that users have given.
const KEYS_OF_USERS: Uuid = Uuid::from_u128(0x3f0a_6c1e_8d52_4b7f_9e21_5a47_c0d3_b816);

/// A user's keys are their own: nobody keeps another's event out of the log by using its key first, nor learns where it stands.
fn own_key(identity: &Identity, key: &Key) -> Key {
    let user = identity.user_id().map_or("", UserId::as_str);
    // No id holds this byte.
    let name = [user, key.as_str()].join("\0");
    Key::new(Uuid::new_v5(&KEYS_OF_USERS, name.as_bytes()).to_string()).expect("a UUID is 36 bytes of visible ASCII")
}

fn event(identity: &Identity, body: PublishRequest) -> Result<(Event, Audience), Refusal> {
    let own = |user: &Option<tidings_protocol::UserId>| user.is_none() || user.as_ref() == identity.user_id();
    let in_own_name = body.to.is_none()
        && body.except.as_ref().is_none_or(|except| Some(&except.user_id) == identity.user_id())
        && body.source.as_ref().is_none_or(|source| own(&source.user_id));
    if !identity.is_backend() && !in_own_name {
        return Err(Refusal::new(Code::Forbidden, "only a backend may address users or name others"));
    }
    if body.except.as_ref().is_some_and(|except| except.session_id.is_none() && except.device_id.is_none()) {
        return Err(Refusal::new(Code::Malformed, "except: a sessionId or a deviceId"));
    }
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
        key: if identity.is_backend() { body.key } else { body.key.map(|key| own_key(identity, &key)) },
    };
    Ok((event, audience))
}

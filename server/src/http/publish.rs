//! `POST /publish`: one event or an array of them.

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_protocol::{
    EventType, Except, Key, Pattern, Source,
    command::{PublishAnswer, To, ToDevice, ToUsers},
    problem::Code,
};

use super::{body::json, problem::Refusal, routes::Gate, stream::malformed_channel};
use crate::{Event, auth::Identity, record::Audience};

/// [`PublishRequest`](tidings_protocol::command::PublishRequest) before its channel is looked at, so that a malformed one
/// gets its own code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    channel: String,
    #[serde(rename = "type")]
    event_type: EventType,
    to: Option<To>,
    except: Option<Except>,
    source: Option<Source>,
    key: Option<Key>,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

/// The whole array is validated before anything is stored.
pub(super) async fn publish(State(gate): State<Gate>, request: Request) -> Result<Json<Vec<PublishAnswer>>, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let raw: Box<RawValue> = json(Request::from_parts(parts, body)).await?;
    let events = read(&raw)?;
    let events = events.into_iter().map(|body| event(&identity, body)).collect::<Result<Vec<_>, _>>()?;
    let receipts = gate.hub.append(events).await?;
    let answers =
        receipts.iter().map(|receipt| PublishAnswer { position: receipt.cursor, duplicate: receipt.duplicate });
    Ok(Json(answers.collect()))
}

/// One or an array. Told apart by the first byte, so that an error in an event is told as such.
fn read(raw: &RawValue) -> Result<Vec<Body>, Refusal> {
    let text = raw.get();
    let read = if text.starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|body| vec![body])
    };
    read.map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}

fn event(identity: &Identity, body: Body) -> Result<(Event, Audience), Refusal> {
    let channel: Pattern = body.channel.parse().map_err(|error| malformed_channel(&body.channel, error))?;
    if !identity.may_publish(&channel) {
        return Err(Refusal::new(Code::Forbidden, format!("no grant to publish to {channel}")));
    }
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
        channel,
        event_type: body.event_type,
        payload: body.payload.unwrap_or_else(|| RawValue::NULL.to_owned()),
        source: body.source,
        except: body.except,
        key: body.key,
    };
    Ok((event, audience))
}

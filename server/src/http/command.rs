//! `POST /subscribe` and `/unsubscribe`: the channels of a live stream.

use std::{collections::HashSet, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use tidings_protocol::{ConnectionId, Cursor, Pattern, RequestId, command::SubscribeAnswer, problem::Code};

use super::{body::json, problem::Refusal, routes::Gate, stream::malformed_channel};
use crate::{
    auth::Identity,
    core::{Link, SubscribeCall},
};

/// [`SubscribeRequest`](tidings_protocol::command::SubscribeRequest) before its fields are looked at, so that each mistake
/// gets its own code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    connection_id: String,
    request_id: String,
    channels: Vec<String>,
    #[serde(default)]
    addressed: bool,
    since: Option<String>,
}

struct Call {
    identity: Identity,
    link: Arc<Link>,
    request: RequestId,
    channels: Vec<Pattern>,
    addressed: bool,
    since: Option<Cursor>,
}

pub(super) async fn subscribe(State(gate): State<Gate>, request: Request) -> Result<Json<SubscribeAnswer>, Refusal> {
    let call = call(&gate, request).await?;
    // A stream holds no more: what lies beyond is refused without asking about it.
    let room = gate.hub.config().channels_per_connection;
    let (asked, mut rejected) = gate.authorise(&call.identity, call.channels, room).await?;
    let mut accepted: Vec<_> = asked.all().cloned().collect();
    let past = gate.hub.past(call.since).await?;
    let asks_addressed = call.addressed;
    let ask = SubscribeCall { request: call.request, channels: asked, addressed: asks_addressed, past };
    let (unheard, in_vain) = gate.hub.ask(&call.identity, &call.link, ask);
    accepted.retain(|channel| !unheard.iter().any(|rejected| rejected.channel == *channel));
    rejected.extend(unheard);
    if !accepted.is_empty() || asks_addressed && !in_vain {
        gate.hub.expire_by(&call.link, call.identity.expires_in());
    }
    Ok(Json(SubscribeAnswer { accepted, rejected, addressed: asks_addressed.then_some(!in_vain) }))
}

pub(super) async fn unsubscribe(State(gate): State<Gate>, request: Request) -> Result<Json<SubscribeAnswer>, Refusal> {
    let call = call(&gate, request).await?;
    if call.addressed {
        return Err(Refusal::new(Code::Malformed, "addressed: a stream always carries what is addressed to its user"));
    }
    gate.hub.leave(&call.link, &call.channels);
    Ok(Json(SubscribeAnswer { accepted: call.channels, rejected: Vec::new(), addressed: None }))
}

/// Channels, each once and in their order. A body may hold very many.
pub(super) fn distinct(texts: &[String]) -> Result<Vec<Pattern>, Refusal> {
    let mut known = HashSet::new();
    let mut channels = Vec::with_capacity(texts.len().min(100));
    for text in texts {
        let channel = text.parse().map_err(|error| malformed_channel(text, error))?;
        if known.insert(text) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

/// Reads the call and finds the stream, which must be the caller's own.
async fn call(gate: &Gate, request: Request) -> Result<Call, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let body: Body = json(gate, Request::from_parts(parts, body)).await?;
    let channels = distinct(&body.channels)?;
    if channels.is_empty() && !body.addressed {
        return Err(Refusal::new(Code::Malformed, "channels: at least one, or `addressed`"));
    }
    let since = body.since.map(|text| text.parse::<Cursor>()).transpose();
    let since = since.map_err(|error| Refusal::new(Code::MalformedCursor, format!("since: {error}")))?;
    let request = RequestId::new(&body.request_id)
        .map_err(|error| Refusal::new(Code::Malformed, format!("requestId: {error}")))?;
    // An id that is none, one of nobody and one of somebody else are one answer: it tells nothing about others.
    let link = ConnectionId::new(&body.connection_id).ok().and_then(|id| gate.hub.core().find(&id));
    let link = link.filter(|link| link.names.user.as_ref() == identity.user_id());
    let link = link.ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    Ok(Call { identity, link, request, channels, addressed: body.addressed, since })
}

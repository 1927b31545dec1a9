//! `POST /subscribe` and `/unsubscribe`: the channels of a live stream.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use tidings_protocol::{
    ConnectionId, Pattern, RequestId, command::SubscribeAnswer, frame::SERVER_REQUEST, problem::Code,
};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{SinceText, distinct, json, split},
};
use crate::{
    auth::Identity,
    core::{Link, SubscribeCall},
};

/// [`SubscribeRequest`](tidings_protocol::command::SubscribeRequest) before its fields are parsed, so that each mistake
/// gets its own code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    connection_id: String,
    request_id: Option<String>,
    channels: Vec<String>,
    #[serde(default)]
    addressed: bool,
    since: Option<String>,
}

struct Call {
    identity: Identity,
    link: Arc<Link>,
    request: Option<RequestId>,
    channels: Vec<Pattern>,
    addressed: bool,
    since: Option<SinceText>,
}

pub(super) async fn subscribe(
    State(gate): State<Arc<Gate>>,
    request: Request,
) -> Result<Json<SubscribeAnswer>, Refusal> {
    let call = call(&gate, request).await?;
    let (channels, mut rejected) = gate.ask_grants(&call.identity, call.channels).await?;
    let mut accepted: Vec<_> = channels.all().cloned().collect();
    let backfill = match call.since {
        Some(since) => since.locate(&gate.hub).await?,
        None => gate.hub.backfill(None).await?,
    };
    let asks_addressed = call.addressed;
    let ask = SubscribeCall { request: call.request, channels, addressed: asks_addressed, backfill };
    let (refused, in_vain) = gate.hub.subscribe_stream(&call.identity, &call.link, ask)?;
    accepted.retain(|channel| !refused.iter().any(|refused| refused.channel == *channel));
    rejected.extend(refused);
    if !accepted.is_empty() || asks_addressed && !in_vain {
        gate.hub.expire_by(&call.link, call.identity.expires_in());
    }
    Ok(Json(SubscribeAnswer { accepted, rejected, addressed: asks_addressed.then_some(!in_vain) }))
}

pub(super) async fn unsubscribe(
    State(gate): State<Arc<Gate>>,
    request: Request,
) -> Result<Json<SubscribeAnswer>, Refusal> {
    let call = call(&gate, request).await?;
    if call.addressed {
        return Err(Refusal::new(Code::Malformed, "addressed: a stream always carries what is addressed to its user"));
    }
    gate.hub.unsubscribe_stream(&call.link, &call.channels);
    Ok(Json(SubscribeAnswer { accepted: call.channels, rejected: Vec::new(), addressed: None }))
}

/// Reads the call and finds the stream, which must be the caller's own.
async fn call(gate: &Gate, request: Request) -> Result<Call, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let body: Body = json(gate, &head, body).await?;
    let channels = distinct(&body.channels)?;
    if channels.is_empty() && !body.addressed {
        return Err(Refusal::new(Code::Malformed, "channels: at least one, or `addressed`"));
    }
    let since = body.since.as_deref().map(SinceText::parse).transpose()?;
    let request = body.request_id.map(RequestId::new).transpose();
    let request = request.map_err(|error| Refusal::new(Code::Malformed, format!("requestId: {error}")))?;
    if request.as_ref().is_some_and(|request| request.as_str() == SERVER_REQUEST) {
        return Err(Refusal::new(Code::Malformed, "requestId: `server` stands for what the server does by itself"));
    }
    if request.is_none() && since.is_some() {
        return Err(Refusal::new(Code::Malformed, "since: the past is brought under a requestId"));
    }
    // A malformed id, an unknown id and an id of another user's stream get the same answer, which reveals nothing about
    // other streams.
    let link = ConnectionId::new(&body.connection_id).ok().and_then(|id| gate.hub.core().find(&id));
    let link = link.filter(|link| link.names.user.as_ref() == identity.user_id());
    let link = link.ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    // A client that calls is alive, even if the call is rate-limited.
    gate.hub.heard(&link);
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    Ok(Call { identity, link, request, channels, addressed: body.addressed, since })
}

//! `POST /subscribe` and `/unsubscribe`: the channels of a live stream.

use std::{collections::HashSet, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use tidings_protocol::{
    ConnectionId, Cursor, Pattern, RequestId,
    command::SubscribeAnswer,
    frame::{GapReason, SERVER_REQUEST},
    problem::Code,
};

use super::{body::json, problem::Refusal, routes::Gate, stream::malformed_channel};
use crate::{
    Hub,
    auth::Identity,
    core::{Link, Past, SubscribeCall},
    engine::EngineError,
};

/// [`SubscribeRequest`](tidings_protocol::command::SubscribeRequest) before its fields are looked at, so that each mistake
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
    since: Option<Asking>,
}

/// From where a call asks for the past.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asking {
    From(Cursor),
    /// Cursors of several logs, of which this server has one: it cannot honour them.
    List,
}

impl Asking {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let cursors: Result<Vec<Cursor>, _> = text.split(',').map(str::parse).collect();
        match cursors.as_deref() {
            Ok([cursor]) => Ok(Self::From(*cursor)),
            Ok(_) => Ok(Self::List),
            Err(error) => Err(Refusal::new(Code::MalformedCursor, format!("since: {error}"))),
        }
    }

    /// Whether and from where it can be served.
    pub(super) async fn judge(self, hub: &Hub) -> Result<Past, EngineError> {
        match self {
            Self::From(cursor) => hub.past(Some(cursor)).await,
            Self::List => Ok(hub.no_past(GapReason::Malformed)),
        }
    }
}

pub(super) async fn subscribe(State(gate): State<Gate>, request: Request) -> Result<Json<SubscribeAnswer>, Refusal> {
    let call = call(&gate, request).await?;
    // A stream holds no more: what lies beyond is refused without asking about it.
    let room = gate.hub.config().channels_per_connection;
    let (asked, mut rejected) = gate.authorise(&call.identity, call.channels, room).await?;
    let mut accepted: Vec<_> = asked.all().cloned().collect();
    let past = match call.since {
        Some(since) => since.judge(&gate.hub).await?,
        None => gate.hub.past(None).await?,
    };
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
    let since = body.since.as_deref().map(Asking::parse).transpose()?;
    let request = body.request_id.map(RequestId::new).transpose();
    let request = request.map_err(|error| Refusal::new(Code::Malformed, format!("requestId: {error}")))?;
    if request.as_ref().is_some_and(|request| request.as_str() == SERVER_REQUEST) {
        return Err(Refusal::new(Code::Malformed, "requestId: `server` stands for what the server does by itself"));
    }
    if request.is_none() && since.is_some() {
        return Err(Refusal::new(Code::Malformed, "since: the past is brought under a requestId"));
    }
    // An id that is none, one of nobody and one of somebody else are one answer: it tells nothing about others.
    let link = ConnectionId::new(&body.connection_id).ok().and_then(|id| gate.hub.core().find(&id));
    let link = link.filter(|link| link.names.user.as_ref() == identity.user_id());
    let link = link.ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    Ok(Call { identity, link, request, channels, addressed: body.addressed, since })
}

//! Presence over HTTP: `GET /presence` lists once who is online, `POST /presence` watches on a stream, and `POST
//! /alive` reports that a client reads its stream.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Deserialize;
use tidings_protocol::{
    ConnectionId, Pattern,
    command::{AliveRequest, PresenceAnswer, SubscribeAnswer},
    frame::{RejectCode, Rejected},
    problem::Code,
};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{distinct, json, malformed_channel, split},
};
use crate::{access::Right, auth::Identity, core::Link, query::parameter};

/// [`PresenceRequest`](tidings_protocol::command::PresenceRequest) before its channels are parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    connection_id: ConnectionId,
    revision: u64,
    channels: Vec<String>,
}

/// Lists who is online on a channel.
pub(super) async fn here(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, _) = split(request);
    let identity = gate.identify(&head).await?;
    let query = head.uri().query().unwrap_or_default();
    let channel = parameter(query, "channel");
    let channel = channel.ok_or_else(|| Refusal::new(Code::Malformed, "channel: which? (`*` is everyone)"))?;
    let channel: Pattern = channel.parse().map_err(|error| malformed_channel(&channel, error))?;
    if !gate.refused(&identity, Right::WatchPresence, vec![channel.clone()])?.is_empty() {
        return Err(Refusal::new(Code::Forbidden, format!("no grant covers watching presence on {channel}")));
    }
    gate.limiter.look(&identity, head.parts())?;
    let here = gate.hub.cluster().presence(channel.clone()).await;
    // The channel is parsed and presence is on, or this route would not be mounted; so there is no error here.
    let here = here.map_err(|error| Refusal::new(Code::NotFound, error.to_string()))?;
    let of_several = |count| (here.asked > 1).then_some(count);
    let (asked, answered) = (of_several(here.asked), of_several(here.answered));
    let answer = PresenceAnswer { channel, here: here.value, asked, answered };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Sets all channels whose presence a stream reports.
pub(super) async fn watch(State(gate): State<Arc<Gate>>, request: Request) -> Result<Json<SubscribeAnswer>, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let Body { connection_id, revision, channels } = json(&gate, &head, body).await?;
    let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
    for channel in distinct(&channels)? {
        let code = if !identity.may(Right::WatchPresence, &channel) {
            Some(RejectCode::Forbidden)
        } else if accepted.len() == gate.hub.config().channels_per_connection {
            Some(RejectCode::TooManyChannels)
        } else {
            None
        };
        match code {
            None => accepted.push(channel),
            Some(code) => rejected.push(Rejected { channel, code }),
        }
    }
    let link = own_stream(&gate, &identity, &connection_id)?;
    let revoked = gate.hub.core().watch_presence(&link, identity.issued_ms(), revision, accepted.clone())?;
    accepted.retain(|channel| !revoked.contains(channel));
    rejected.extend(revoked.into_iter().map(|channel| Rejected { channel, code: RejectCode::Forbidden }));
    if !accepted.is_empty() {
        gate.hub.expire_by(&link, identity.expires_in());
    }
    Ok(Json(SubscribeAnswer { accepted, rejected, addressed: None }))
}

/// Records that a client reads the stream.
pub(super) async fn alive(State(gate): State<Arc<Gate>>, request: Request) -> Result<StatusCode, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let AliveRequest { connection_id } = json(&gate, &head, body).await?;
    let link = own_stream(&gate, &identity, &connection_id)?;
    gate.hub.core().alive(&link, gate.hub.now_ms());
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's own stream with this id.
fn own_stream(gate: &Gate, identity: &Identity, id: &ConnectionId) -> Result<Arc<Link>, Refusal> {
    let link = gate.hub.core().find(id).filter(|link| link.names.user.as_ref() == identity.user_id());
    let link = link.ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    // A client that calls is alive, even if the call is rate-limited.
    gate.hub.heard(&link);
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    Ok(link)
}

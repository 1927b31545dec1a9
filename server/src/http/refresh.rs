//! `POST /refresh`: fresh credentials for a live stream.

use axum::{
    Json,
    extract::{Request, State},
};
use tidings_protocol::{
    Pattern,
    command::{RefreshAnswer, RefreshRequest},
    problem::Code,
};

use super::{body::json, problem::Refusal, routes::Gate};
use crate::{auth::Identity, standing::Asked};

pub(super) async fn refresh(State(gate): State<Gate>, request: Request) -> Result<Json<RefreshAnswer>, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let RefreshRequest { connection_id } = json(&gate, Request::from_parts(parts, body)).await?;
    let core = gate.hub.core();
    let link = core.find(&connection_id).ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    // Whoever knows the id has been told it: it is no secret from them that there is such a stream.
    if link.names.user.as_ref() != identity.user_id() {
        return Err(Refusal::new(Code::Forbidden, "the stream is another user's"));
    }
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    let mut asked = judge(&gate, &identity, core.channels(&link)).await?;
    gate.admits(&identity, link.names.device.as_ref())?;
    core.restrict_presence(&link, |channel| gate.may_watch(&identity, channel));
    let left = identity.expires_in();
    let expires_ms = gate.hub.moment(left);
    while let Err(since) = core.refresh(&link, identity.issued_ms(), expires_ms, &asked) {
        let also = judge(&gate, &identity, since).await?;
        asked.granted.extend(also.granted);
        asked.given.extend(also.given);
    }
    Ok(Json(RefreshAnswer { expires_in: left.map(|left| left.as_secs()) }))
}

/// What a stream holds, by what right somebody may hear it.
async fn judge(gate: &Gate, identity: &Identity, channels: Vec<Pattern>) -> Result<Asked, Refusal> {
    let (mut asked, rejected) = gate.authorise(identity, channels, usize::MAX).await?;
    // What no grant covers the server may have given by now.
    asked.given.extend(rejected.into_iter().map(|rejected| rejected.channel));
    Ok(asked)
}

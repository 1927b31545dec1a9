//! `POST /refresh`: replaces the credentials of a live stream.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use tidings_protocol::{
    command::{RefreshAnswer, RefreshRequest},
    problem::Code,
};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{json, split},
};
use crate::{
    access::{Channels, Right},
    auth::AuthError,
    core::{NotRefreshed, Refresh},
};

pub(super) async fn refresh(State(gate): State<Arc<Gate>>, request: Request) -> Result<Json<RefreshAnswer>, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    let RefreshRequest { connection_id } = json(&gate, &head, body).await?;
    let core = gate.hub.core();
    let link = core.find(&connection_id).ok_or_else(|| Refusal::new(Code::UnknownConnection, "connectionId"))?;
    // The caller knows the connection id, so a 403 does not reveal to them that the stream exists.
    if link.names.user.as_ref() != identity.user_id() {
        return Err(Refusal::new(Code::Forbidden, "the stream belongs to another user"));
    }
    // A client that calls is alive, even if the call is rate-limited.
    gate.hub.heard(&link);
    gate.limiter.subscribe(identity.user_id(), &link.id)?;
    let left = identity.expires_in();
    let (mut asked, mut ungranted) = (Channels::default(), core.channels(&link));
    loop {
        let also = gate.ask_grants_again(&identity, ungranted).await?;
        asked.granted.extend(also.granted);
        asked.by_server.extend(also.by_server);
        let fresh = Refresh {
            issued: identity.issued_ms(),
            expires_ms: gate.hub.moment(left),
            channels: &asked,
            may_watch: |channel: &_| identity.may(Right::WatchPresence, channel),
        };
        match core.refresh(&link, fresh) {
            Ok(()) => break,
            Err(NotRefreshed::Ungranted(channels)) => ungranted = channels,
            Err(NotRefreshed::ShutOut) => return Err(AuthError::Revoked.into()),
        }
    }
    Ok(Json(RefreshAnswer { expires_in: left.map(|left| left.as_secs()) }))
}

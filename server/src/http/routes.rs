//! The router.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::request::Parts;
use tidings_protocol::{
    Channel, DeviceId, Pattern,
    command::CheckAnswer,
    frame::{RejectCode, Rejected},
    problem::Code,
};

use super::{
    command,
    cors::{Cors, check_origin},
    latency,
    limits::{Limiter, Limits, check_head},
    poll, presence,
    problem::{Refusal, Refused},
    publish, refresh, stream, ticket,
};
use crate::{
    Hub,
    auth::{Auth, AuthError, AuthRequest, Identity, TicketStore},
    standing::Asked,
};

/// The routes of a hub, to nest into any axum router at a base path. `POST /publish` is not among them; see
/// [`Routes::publish`].
///
/// ```
/// # async fn f(hub: tidings::Hub) -> Result<(), tidings::ChannelError> {
/// use tidings::auth::{Auth, AuthRequest, Identity};
/// let auth = (|_: AuthRequest| async { Ok(Identity::anonymous()) }).allow("news:*")?;
/// let app: axum::Router = axum::Router::new().nest("/api/events", tidings::routes(hub, auth));
/// # Ok(()) }
/// ```
pub fn routes<S: Clone + Send + Sync + 'static>(hub: Hub, auth: impl Auth) -> Router<S> {
    Routes::new(hub, auth).into_router()
}

/// The routes of a hub, with choices.
#[must_use = "call into_router()"]
pub struct Routes {
    gate: Gate,
    publish: bool,
    latency: bool,
    body_bytes: usize,
    cors: Cors,
}

/// The largest body of a call that does not publish,
const COMMAND_BYTES: usize = 256 << 10;
/// or this for each channel that a stream may hold.
const CHANNEL_BYTES: usize = 256;

/// What every handler needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) hub: Hub,
    auth: Arc<dyn Auth>,
    pub(super) tickets: Option<Arc<dyn TicketStore>>,
    pub(super) limiter: Arc<Limiter>,
}

impl Gate {
    /// Who the request belongs to.
    pub(super) async fn identify(&self, parts: &Parts) -> Result<Identity, Refusal> {
        Ok(self.still_good(self.auth.authenticate(AuthRequest::new(parts.clone())).await?)?)
    }

    /// Who a stream's request belongs to, which may bring a ticket.
    pub(super) async fn identify_stream(&self, parts: &Parts) -> Result<Identity, Refusal> {
        match &self.tickets {
            Some(tickets) => match ticket::redeem(&**tickets, AuthRequest::new(parts.clone())).await {
                Err(AuthError::Missing) => self.identify(parts).await,
                known => Ok(self.still_good(known?)?),
            },
            None => self.identify(parts).await,
        }
    }

    /// Credentials that have not ended, by themselves or by [`Hub::disconnect`].
    fn still_good(&self, identity: Identity) -> Result<Identity, AuthError> {
        if identity.expires_in().is_some_and(|left| left.is_zero()) {
            return Err(AuthError::Expired);
        }
        self.admits(&identity, None)?;
        Ok(identity)
    }

    /// Whether somebody is let in on this device, or has been disconnected since.
    pub(super) fn admits(&self, identity: &Identity, device: Option<&DeviceId>) -> Result<(), AuthError> {
        let is_out = self.hub.core().shuts_out(identity.user_id(), device, identity.issued_ms());
        if is_out { Err(AuthError::Revoked) } else { Ok(()) }
    }

    /// Whether somebody may see who is there, which is taken away with the channel.
    pub(super) fn may_watch(&self, identity: &Identity, channel: &Pattern) -> bool {
        identity.may_watch(channel) && !self.hub.core().refuses(identity.user_id(), channel, identity.issued_ms())
    }

    /// Parts channels into those that somebody may hear, `room` of them at most, and the others. What no grant covers is
    /// asked about, if it is a channel; not more often than there is room, so that nobody has a database asked for ever. What
    /// the server has given is a right like a grant, for as long as it stands.
    pub(super) async fn authorise(
        &self,
        identity: &Identity,
        channels: Vec<Pattern>,
        room: usize,
    ) -> Result<(Asked, Vec<Rejected>), Refusal> {
        let (mut asked, mut rejected) = (Asked::default(), Vec::new());
        let (mut places, mut questions) = (room, room);
        for channel in channels {
            let refused = if identity.may_listen(&channel) {
                None
            } else if let Ok(single) = channel.as_str().parse::<Channel>() {
                if questions == 0 {
                    Some(RejectCode::TooManyChannels)
                } else {
                    questions -= 1;
                    let may = self.auth.may_subscribe(identity, &single).await?;
                    (!may).then_some(RejectCode::Forbidden)
                }
            } else {
                Some(RejectCode::Forbidden)
            };
            let is_given = refused.is_some() && self.hub.core().gives(identity.user_id(), &channel);
            if places > 0 && (refused.is_none() || is_given) {
                places -= 1;
                if is_given { &mut asked.given } else { &mut asked.granted }.push(channel);
            } else {
                let code = refused.filter(|_| !is_given).unwrap_or(RejectCode::TooManyChannels);
                rejected.push(Rejected { channel, code });
            }
        }
        Ok((asked, rejected))
    }
}

impl Routes {
    /// The routes of [`routes`].
    pub fn new(hub: Hub, auth: impl Auth) -> Self {
        let limiter = Arc::new(Limiter::new(Limits::default(), &hub));
        let gate = Gate { hub, auth: Arc::new(auth), tickets: None, limiter };
        Self { gate, publish: false, latency: false, body_bytes: 4 << 20, cors: Cors::default() }
    }

    /// Mounts `POST /publish` as well, for identities with publishing grants ([`Identity::allow_publish`]).
    pub fn publish(mut self) -> Self {
        self.publish = true;
        self
    }

    /// Mounts `POST /ticket`, and lets one-time tickets open streams: texts of 30 seconds' life for clients that can set no
    /// header, as `EventSource`. Whoever is let in may have one. They wait in `store`; the [`TicketStore`] of one process is
    /// [`MemoryTickets`](crate::auth::MemoryTickets).
    ///
    /// ```
    /// # fn f(hub: tidings::Hub, auth: impl tidings::auth::Auth) -> axum::Router {
    /// use tidings::{Routes, auth::MemoryTickets};
    /// Routes::new(hub, auth).tickets(MemoryTickets::default()).into_router()
    /// # }
    /// ```
    pub fn tickets(mut self, store: impl TicketStore) -> Self {
        self.gate.tickets = Some(Arc::new(store));
        self
    }

    /// Lets pages of these origins in, credentials included: every answer, refusals too, says so to their browsers (CORS), and
    /// they may command by cookies. Defaults to none.
    ///
    /// Whatever is set here, a POST that brings a cookie but no `Authorization` is refused (403 `originNotAllowed`) when a page
    /// of another origin sends it.
    ///
    /// ```
    /// # fn f(hub: tidings::Hub, auth: impl tidings::auth::Auth) -> Result<axum::Router, tidings::OriginError> {
    /// use tidings::{Cors, Routes};
    /// Ok(Routes::new(hub, auth).cors(Cors::origins(["https://app.example", "http://localhost:5173"])?).into_router())
    /// # }
    /// ```
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// What a caller may use up. Defaults to [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.gate.limiter = Arc::new(Limiter::new(limits, &self.gate.hub));
        self
    }

    /// Mounts `POST /latency`, by which clients report how long events took to reach them: [`Stats::delivery_time`](crate::Stats)
    /// and the histogram `tidings_delivery_seconds`. What they say is believed.
    pub fn latency(mut self) -> Self {
        self.latency = true;
        self
    }

    /// The largest request body, in bytes. Defaults to 4 MiB. It is that of `/publish`; other calls are read up to 256 KiB, or as
    /// many channels as a stream may hold.
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The router.
    pub fn into_router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let mut router = Router::new()
            .route("/", get(stream::open).head(stream::head))
            .route("/check", get(check))
            .route("/subscribe", post(command::subscribe))
            .route("/unsubscribe", post(command::unsubscribe))
            .route("/refresh", post(refresh::refresh))
            .route("/poll", post(poll::poll));
        if self.gate.tickets.is_some() {
            router = router.route("/ticket", post(ticket::mint));
        }
        if self.gate.hub.core().presence().is_some() {
            let presence = get(presence::here).post(presence::watch);
            router = router.route("/presence", presence).route("/alive", post(presence::alive));
        }
        if self.latency {
            router = router.route("/latency", post(latency::latency));
        }
        // Read, a list of channels takes ten times its bytes, and waits for whoever is asked about them.
        let channels = self.gate.hub.config().channels_per_connection;
        let command_bytes = channels.saturating_mul(CHANNEL_BYTES).max(COMMAND_BYTES).min(self.body_bytes);
        let mut router = router.layer(DefaultBodyLimit::max(command_bytes));
        if self.publish {
            let publish = post(publish::publish).layer(DefaultBodyLimit::max(self.body_bytes));
            router = router.route("/publish", publish);
        }
        let layer = self.cors.layer();
        let hub = self.gate.hub.clone();
        let router = router
            .fallback(|| async { Refusal::from(Code::NotFound) })
            .method_not_allowed_fallback(|| async { Refusal::from(Code::MethodNotAllowed) })
            .layer(from_fn_with_state(self.gate.limiter.limits().clone(), check_head))
            .layer(from_fn_with_state(self.cors, check_origin))
            .layer(map_response_with_state(hub, count))
            .with_state(self.gate);
        // Outermost, so that refusals of every kind can be read by the page that they are for.
        match layer {
            Some(layer) => router.layer(layer),
            None => router,
        }
    }
}

async fn count(State(hub): State<Hub>, response: Response) -> Response {
    if let Some(Refused(code)) = response.extensions().get() {
        hub.core().meter.refused(*code);
    }
    response
}

/// `GET /check`: who the credentials belong to, or the problem with them, on the device that it names. A client whose stream was
/// refused asks here, because `EventSource` shows neither status nor body.
async fn check(State(gate): State<Gate>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    let device = AuthRequest::new(parts.clone()).query("deviceId").map(DeviceId::new).transpose();
    let device = device.map_err(|error| Refusal::new(Code::Malformed, format!("deviceId: {error}")))?;
    gate.admits(&identity, device.as_ref())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down"));
    }
    gate.limiter.would_admit(&identity, &parts)?;
    let answer = CheckAnswer { user_id: identity.user_id().cloned() };
    Ok(([(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

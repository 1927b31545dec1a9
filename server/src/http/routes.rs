//! The router.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{from_fn_with_state, map_response_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tidings_protocol::{DeviceId, command::CheckAnswer, problem::Code};

use super::{
    command,
    cors::{Cors, check_origin},
    forward::{Forwarding, forward},
    gate::Gate,
    latency,
    limits::{Limiter, Limits, check_head},
    poll, presence,
    problem::{Refusal, Refused},
    publish, refresh, stream, ticket,
};
use crate::{
    Hub,
    auth::{Auth, AuthRequest, TicketStore},
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

impl Routes {
    /// The routes of [`routes`].
    pub fn new(hub: Hub, auth: impl Auth) -> Self {
        let limiter = Arc::new(Limiter::new(Limits::default(), &hub));
        let gate = Gate::new(hub, Arc::new(auth), limiter);
        Self { gate, publish: false, latency: false, body_bytes: 4 << 20, cors: Cors::default() }
    }

    /// Mounts `POST /publish` as well, for identities with publishing grants ([`Identity::allow_publish`](crate::auth::Identity::allow_publish)).
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
            .route("/alive", post(presence::alive))
            .route("/poll", post(poll::poll));
        if self.gate.tickets.is_some() {
            router = router.route("/ticket", post(ticket::mint));
        }
        if self.gate.hub.core().presence().is_some() {
            router = router.route("/presence", get(presence::here).post(presence::watch));
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
        let mut router = router
            .fallback(|| async { Refusal::from(Code::NotFound) })
            .method_not_allowed_fallback(|| async { Refusal::from(Code::MethodNotAllowed) });
        if let Some(forwarding) = Forwarding::new(&self.gate, router.clone().with_state(self.gate.clone())) {
            router = router.layer(from_fn_with_state(forwarding, forward));
        }
        let router = router
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
    gate.let_in(&identity, device.as_ref())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down"));
    }
    gate.has_room(&identity, device.as_ref(), &parts)?;
    let answer = CheckAnswer { user_id: identity.user_id().cloned() };
    Ok(([(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

//! The router.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tidings_protocol::{DeviceId, command::CheckAnswer, problem::Code};

use super::{
    command,
    cors::Cors,
    forward::{Forwarding, forward},
    gate::Gate,
    guard::{Guard, guard},
    latency,
    limits::{Limiter, Limits},
    poll, presence,
    problem::Refusal,
    publish,
    read::split,
    refresh, stream, ticket,
};
use crate::{
    Hub,
    auth::{Auth, TicketStore},
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
    cors: Cors,
}

impl Routes {
    /// The routes of [`routes`].
    pub fn new(hub: Hub, auth: impl Auth) -> Self {
        let limiter = Limiter::new(Limits::default(), &hub);
        let gate = Gate::new(hub, Arc::new(auth), limiter);
        Self { gate, publish: false, latency: false, cors: Cors::default() }
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
        self.gate.limiter = Limiter::new(limits, &self.gate.hub);
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
        self.gate.set_body_bytes(bytes);
        self
    }

    /// The router.
    pub fn into_router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let Self { gate, publish, latency, cors } = self;
        let mut router = Router::new()
            .route("/", get(stream::open).head(stream::head))
            .route("/check", get(check))
            .route("/subscribe", post(command::subscribe))
            .route("/unsubscribe", post(command::unsubscribe))
            .route("/refresh", post(refresh::refresh))
            .route("/alive", post(presence::alive))
            .route("/poll", post(poll::poll));
        if gate.tickets.is_some() {
            router = router.route("/ticket", post(ticket::mint));
        }
        if gate.hub.core().presence().is_some() {
            router = router.route("/presence", get(presence::here).post(presence::watch));
        }
        if latency {
            router = router.route("/latency", post(latency::latency));
        }
        if publish {
            router = router.route("/publish", post(publish::publish));
        }
        let mut router = router
            .fallback(|| async { Refusal::from(Code::NotFound) })
            .method_not_allowed_fallback(|| async { Refusal::from(Code::MethodNotAllowed) });
        let gate = Arc::new(gate);
        if let Some(forwarding) =
            Forwarding::new(&gate.hub, gate.tickets.clone(), &gate.mount, router.clone().with_state(gate.clone()))
        {
            router = router.layer(from_fn_with_state(forwarding, forward));
        }
        let layer = cors.layer();
        let guarding = Arc::new(Guard { gate: gate.clone(), cors });
        let router = router.layer(from_fn_with_state(guarding, guard)).with_state(gate);
        // Outermost, so that refusals of every kind can be read by the page that they are for.
        match layer {
            Some(layer) => router.layer(layer),
            None => router,
        }
    }
}

/// `GET /check`: who the credentials belong to, or the problem with them, on the device that it names. A client whose stream was
/// refused asks here, because `EventSource` shows neither status nor body.
async fn check(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, _) = split(request);
    let identity = gate.identify(&head).await?;
    let device = head.query("deviceId").map(DeviceId::new).transpose();
    let device = device.map_err(|error| Refusal::new(Code::Malformed, format!("deviceId: {error}")))?;
    gate.let_in(&identity, device.as_ref())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down"));
    }
    gate.has_room(&identity, device.as_ref(), head.parts())?;
    let answer = CheckAnswer { user_id: identity.user_id().cloned() };
    Ok(([(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

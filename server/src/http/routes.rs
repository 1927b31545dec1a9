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

/// The routes of a hub, to nest into any axum router at a base path. They do not include `POST /publish`; see
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

/// The routes of a hub, with options.
#[must_use = "call into_router()"]
pub struct Routes {
    gate: Gate,
    publish: bool,
    latency: bool,
    cors: Cors,
}

impl Routes {
    /// The same routes as [`routes`].
    pub fn new(hub: Hub, auth: impl Auth) -> Self {
        let limiter = Limiter::new(Limits::default(), &hub);
        let gate = Gate::new(hub, Arc::new(auth), limiter);
        Self { gate, publish: false, latency: false, cors: Cors::default() }
    }

    /// Also mounts `POST /publish`, for identities with publishing grants
    /// ([`Identity::allow_publish`](crate::auth::Identity::allow_publish)).
    pub fn publish(mut self) -> Self {
        self.publish = true;
        self
    }

    /// Also mounts `POST /ticket`, whose one-time tickets open streams: each lives for 30 seconds and opens one stream,
    /// for clients that can set no header, such as `EventSource`. Every authenticated or anonymous identity may have
    /// one. Unused tickets wait in `store`; [`MemoryTickets`](crate::auth::MemoryTickets) is the [`TicketStore`] of one
    /// process.
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

    /// Allows pages of these origins, with credentials: every answer, a refusal included, carries the CORS headers, and
    /// the pages may send commands with cookies. Defaults to no other origin.
    ///
    /// Regardless of this setting, a POST with a cookie but no `Authorization` is refused (403 `originNotAllowed`) when
    /// it comes from a page of an origin that is neither the server's own nor allowed here.
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

    /// The limits on what a caller may use. Defaults to [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.gate.limiter = Limiter::new(limits, &self.gate.hub);
        self
    }

    /// Also mounts `POST /latency`, by which clients report how long events took to reach them. The reports feed
    /// [`Stats::delivery_time`](crate::Stats) and the histogram `tidings_delivery_seconds`, without being verified.
    pub fn latency(mut self) -> Self {
        self.latency = true;
        self
    }

    /// The largest request body of `/publish`, in bytes. Defaults to 4 MiB. Other calls may have up to 256 KiB, or more
    /// where streams may carry very many channels, and never more than this.
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
        // The CORS layer is the outermost, so that a page can read refusals of every kind.
        match layer {
            Some(layer) => router.layer(layer),
            None => router,
        }
    }
}

/// `GET /check`: the user of the credentials, or the problem with them, also for the device that the query names. A
/// client whose stream was refused calls this, because `EventSource` shows neither status nor body.
async fn check(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, _) = split(request);
    let identity = gate.identify(&head).await?;
    let device = head.query("deviceId").map(DeviceId::new).transpose();
    let device = device.map_err(|error| Refusal::new(Code::Malformed, format!("deviceId: {error}")))?;
    gate.let_in(&identity, device.as_ref())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down; try again"));
    }
    gate.has_room(&identity, device.as_ref(), head.parts())?;
    let answer = CheckAnswer { user_id: identity.user_id().cloned() };
    Ok(([(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

//! The router.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::request::Parts;
use tidings_protocol::{
    command::CheckAnswer,
    problem::{Code, Problem},
};

use super::{command, problem::Refusal, publish, stream};
use crate::{
    Hub,
    auth::{Auth, AuthRequest, Identity},
};

/// The routes of a hub, to nest into any axum router at a base path. `POST /publish` is not among them; see
/// [`Routes::publish`].
///
/// ```
/// # async fn f(hub: tidings::Hub) {
/// use tidings::auth::{Auth, AuthRequest, Identity};
/// let auth = (|_: AuthRequest| async { Ok(Identity::anonymous()) }).allow("news:*");
/// let app: axum::Router = axum::Router::new().nest("/api/events", tidings::routes(hub, auth));
/// # }
/// ```
pub fn routes<S: Clone + Send + Sync + 'static>(hub: Hub, auth: impl Auth) -> Router<S> {
    Routes::new(hub, auth).into_router()
}

/// The routes of a hub, with choices.
#[must_use = "call into_router()"]
pub struct Routes {
    gate: Gate,
    publish: bool,
    body_bytes: usize,
}

/// What every handler needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) hub: Hub,
    auth: Arc<dyn Auth>,
}

impl Gate {
    /// Who the request belongs to.
    pub(super) async fn identify(&self, parts: &Parts) -> Result<Identity, Refusal> {
        Ok(self.auth.authenticate(AuthRequest::new(parts.clone())).await?)
    }
}

impl Routes {
    /// The routes of [`routes`].
    pub fn new(hub: Hub, auth: impl Auth) -> Self {
        Self { gate: Gate { hub, auth: Arc::new(auth) }, publish: false, body_bytes: 4 << 20 }
    }

    /// Mounts `POST /publish` as well, for identities with publishing grants ([`Identity::allow_publish`]).
    pub fn publish(mut self) -> Self {
        self.publish = true;
        self
    }

    /// The largest request body, in bytes. Defaults to 4 MiB.
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The router.
    pub fn into_router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let mut router = Router::new()
            .route("/", get(stream::open))
            .route("/check", get(check))
            .route("/subscribe", post(command::subscribe))
            .route("/unsubscribe", post(command::unsubscribe));
        if self.publish {
            router = router.route("/publish", post(publish::publish));
        }
        router
            .fallback(|| async { Refusal(Problem::new(Code::NotFound)) })
            .method_not_allowed_fallback(|| async { Refusal(Problem::new(Code::MethodNotAllowed)) })
            .layer(DefaultBodyLimit::max(self.body_bytes))
            .with_state(self.gate)
    }
}

/// `GET /check`: who the credentials belong to, or the problem with them. A client whose stream was refused asks here,
/// because `EventSource` shows neither status nor body.
async fn check(State(gate): State<Gate>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let identity = gate.identify(&parts).await?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down"));
    }
    let answer = CheckAnswer { user_id: identity.user_id().cloned() };
    Ok(([(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

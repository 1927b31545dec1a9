//! A hub behind a real socket, and its clients.

mod answer;
mod canary;
mod client;
mod held;
mod stream;

use std::{future::IntoFuture, net::SocketAddr};

use axum::Router;
use serde_json::Value;
use tidings::{
    Event, Hub, HubBuilder, Origin, Pattern, Receipt, Routes, SessionId,
    auth::{Auth, AuthError, AuthRequest, Identity},
};
use tokio::{net::TcpListener, task::AbortHandle};

pub(crate) use self::{answer::Answer, canary::Canary, client::Client, held::Held, stream::Stream};

/// A hub and its server, until dropped.
pub(crate) struct Fixture {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    server: AbortHandle,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(|hub| hub).await
    }

    /// A fixture whose hub has other settings.
    pub(crate) async fn with(settings: impl FnOnce(HubBuilder) -> HubBuilder) -> Self {
        Self::serving(settings, |listener, app| tidings::serve(listener, app).into_future()).await
    }

    /// A fixture with another server.
    pub(crate) async fn serving<F>(
        settings: impl FnOnce(HubBuilder) -> HubBuilder,
        serve: impl FnOnce(TcpListener, Router) -> F,
    ) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let hub = settings(Hub::builder()).build().await.unwrap();
        let routes = Routes::new(hub.clone(), auth()).publish().body_bytes(256 << 10);
        Self::start_with(hub, routes, serve).await
    }

    /// A fixture with other routes.
    pub(crate) async fn mounting(
        settings: impl FnOnce(HubBuilder) -> HubBuilder,
        routes: impl FnOnce(Hub) -> Routes,
    ) -> Self {
        let hub = settings(Hub::builder()).build().await.unwrap();
        let routes = routes(hub.clone());
        Self::start_with(hub, routes, |listener, app| tidings::serve(listener, app).into_future()).await
    }

    async fn start_with<F>(hub: Hub, routes: Routes, serve: impl FnOnce(TcpListener, Router) -> F) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Router::new().nest("/api/events", routes.into_router())));
        Self { hub, address, server: server.abort_handle() }
    }

    /// A client with this token; see [`auth`].
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(self.address, token)
    }

    /// A stream of a user, after its greeting was read.
    pub(crate) async fn stream(&self, user: &str, query: &[(&str, &str)]) -> Stream {
        self.client(user).stream(query).await
    }

    /// A stream of a user whom an attack must not affect.
    pub(crate) async fn canary(&self) -> Canary {
        Canary::new(&self.hub, self.address).await
    }

    /// Publishes `payload` to a channel.
    pub(crate) async fn publish(&self, channel: &str, payload: impl Into<Value>) -> Receipt {
        self.hub.publish(event(channel, payload)).await.unwrap()
    }
}

/// Tokens are user ids, with these exceptions: no token means missing credentials; `invalid`, `expired`, `down` and
/// `banned` fail accordingly; `anonymous` is anonymous; and `backend` publishes on behalf of every user.
pub(crate) fn auth() -> impl Auth {
    let auth = |request: AuthRequest| async move {
        match request.bearer().ok_or(AuthError::Missing)? {
            "invalid" => Err(AuthError::Invalid),
            "expired" => Err(AuthError::Expired),
            "banned" => Err(AuthError::Forbidden),
            "down" => Err(AuthError::Unavailable("the session store is down".into())),
            "anonymous" => Ok(Identity::anonymous()),
            "backend" => Ok(Identity::user("backend")?.backend().allow_publish("*")?),
            user => {
                // A header cannot hold UTF-8, so ids are sent percent-encoded as in a channel.
                Identity::user(form_urlencoded::parse(user.as_bytes()).next().ok_or(AuthError::Invalid)?.0.into_owned())
            }
        }
    };
    let auth = auth.allow("news:*").and_then(|auth| auth.allow("timer:{user}"));
    auth.and_then(|auth| auth.allow("timer:{user}:*")).and_then(|auth| auth.allow_publish("chat:*")).expect("grants")
}

pub(crate) fn event(channel: &str, payload: impl Into<Value>) -> Event {
    Event::new(channel, "changed", &payload.into()).unwrap()
}

pub(crate) fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

/// The origin of a request from this tab.
pub(crate) fn tab(session: &str) -> Origin {
    Origin::new(None, Some(SessionId::new(session).unwrap()))
}

/// A client that answers challenges, as ours does. It ends with its stream.
pub(crate) async fn answering(client: Client, mut stream: Stream) {
    let call = serde_json::json!({"connectionId": stream.connection_id()});
    while let Some(frame) = stream.try_next().await {
        if frame.event == "challenge" {
            assert_eq!(client.post("/alive", call.clone()).await.status, 204);
        }
    }
}

/// Waits for a condition that has no event to wait for.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), met).await.expect("in time");
}

//! Mutations that are sent again are done once: the layer around an application's own handlers that remembers their answers by
//! user and `Idempotency-Key`.

mod answers;
mod key;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use tidings_protocol::{Key, UserId, problem::Code};
use tower::{Layer, Service, ServiceExt};
use xxhash_rust::xxh3::Xxh3;

use self::answers::{Answer, Answers, Found};
pub use self::key::IdempotencyKey;
use super::problem::Refusal;
use crate::auth::{Auth, AuthRequest};

/// What a replayed answer says of itself.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The largest body of a request, see [`Idempotency::body_bytes`].
const BODY_BYTES: usize = 4 << 20;
/// An answer that is larger is not remembered.
const ANSWER_BYTES: usize = 1 << 20;

/// A layer for the handlers that the browser client's offline queue (`queueOffline`) sends mutations to. The client cannot know
/// whether a mutation whose answer got lost was done, so it sends it again, with the same `Idempotency-Key`; this layer lets the first
/// one through and answers the others with the answer of the first, marked `Idempotency-Replayed: true`. Repetitions that come while
/// the first is still at work wait for it.
///
/// ```
/// # fn f(auth: impl tidings::auth::Auth + Clone, hub: tidings::Hub) -> axum::Router {
/// # async fn create_note() {}
/// use axum::{Router, routing::post};
/// use tidings::Idempotency;
///
/// Router::new()
///     .route("/api/notes", post(create_note))
///     .layer(Idempotency::new(auth.clone()))
///     .nest("/api/events", tidings::routes(hub, auth))
/// # }
/// ```
///
/// Keys are those of one user: it authenticates as the stream does. Requests without the header, reads (`GET`, `HEAD`,
/// `OPTIONS`), and requests of guests and of those who are not let in go to the handler as they are. A handler that was let through
/// runs to its end even if its client hangs up. Remembered is what succeeded (2xx, 3xx), up to 1 MiB each; after a refusal or an
/// error a repetition is tried anew. A key that comes with another method, URL or body is refused: 400 `malformed`.
///
/// The answers are in this process's memory, so a restart between the change and its repetition makes it twice. Where that must
/// not be, take [`IdempotencyKey`] in the handler, and write it in the transaction of the change.
#[derive(Clone)]
pub struct Idempotency {
    auth: Arc<dyn Auth>,
    answers: Arc<Answers>,
    body_bytes: usize,
}

impl Idempotency {
    /// Remembers the answers to the users of this way in.
    pub fn new(auth: impl Auth) -> Self {
        Self { auth: Arc::new(auth), answers: Arc::default(), body_bytes: BODY_BYTES }
    }

    /// How long an answer is remembered. Defaults to 24 hours, for so long the client keeps a mutation. Set it before the layer is used.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.answers = Arc::new(Answers::new(lifetime, self.answers.bytes()));
        self
    }

    /// How many bytes all answers may take; the oldest are forgotten first. Defaults to 64 MiB. Set it before the layer is used.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.answers = Arc::new(Answers::new(self.answers.lifetime(), bytes));
        self
    }

    /// The largest body of a request with a key, in bytes; what is larger is 413 `tooLarge`. Defaults to 4 MiB.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Whose key it is, if it is one to remember by.
    async fn name(&self, head: &Parts) -> Result<Option<(UserId, Key)>, Refusal> {
        if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(None);
        }
        let Some(key) = key::of(&head.headers)? else { return Ok(None) };
        let identity = self.auth.authenticate(AuthRequest::new(head.clone())).await;
        // The handler says to the others what is wrong.
        Ok(identity.ok().and_then(|identity| identity.user_id().cloned()).map(|user| (user, key)))
    }

    async fn call<S>(self, inner: S, request: Request) -> Result<Response, Refusal>
    where
        S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let Some(name) = self.name(&parts).await? else {
            return Ok(run(inner, Request::from_parts(parts, body)).await);
        };
        let body = to_bytes(body, self.body_bytes).await.map_err(|error| {
            let limit = format!("at most {} bytes: {error}", self.body_bytes);
            Refusal::new(Code::TooLarge, limit)
        })?;
        let mut fingerprint = Xxh3::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
            fingerprint.update(&(part.len() as u64).to_le_bytes());
            fingerprint.update(part);
        }
        let first = match self.answers.find(name, fingerprint.digest128()).await {
            Found::First(first) => first,
            Found::Other => {
                return Err(Refusal::new(Code::Malformed, "Idempotency-Key: it came with another request before"));
            }
            Found::Answer(answer) => return Ok(replay(&answer)),
        };
        let request = Request::from_parts(parts, body.into());
        // To its end, even if the client hangs up: its repetition is to find the answer.
        let answering = tokio::spawn(async move {
            let (parts, body) = run(inner, request).await.into_parts();
            let is_kept = parts.status.is_success() || parts.status.is_redirection();
            if !is_kept {
                return Response::from_parts(parts, body);
            }
            match to_bytes(body, ANSWER_BYTES).await {
                Ok(body) => {
                    let (status, headers) = (parts.status, parts.headers.clone());
                    first.answered(Answer { status, headers, body: body.clone() });
                    Response::from_parts(parts, Body::from(body))
                }
                Err(error) => {
                    tracing::error!(%error, "an answer of more than 1 MiB cannot be remembered for an Idempotency-Key");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        });
        answering.await.map_err(|_| Code::ServerError.into())
    }
}

async fn run<S>(inner: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    inner.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn replay(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers.clone());
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

impl<S> Layer<S> for Idempotency {
    type Service = Idempotent<S>;

    fn layer(&self, inner: S) -> Idempotent<S> {
        Idempotent { inner, layer: self.clone() }
    }
}

/// A service within [`Idempotency`].
#[derive(Clone)]
pub struct Idempotent<S> {
    inner: S,
    layer: Idempotency,
}

impl<S> Service<Request> for Idempotent<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The clone that is called waits for itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (layer, inner) = (self.layer.clone(), self.inner.clone());
        Box::pin(async move { Ok(layer.call(inner, request).await.into_response()) })
    }
}

impl std::fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idempotency").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

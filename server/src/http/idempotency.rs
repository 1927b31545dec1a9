//! Mutations that are sent again are carried out once: a layer for an application's own handlers that remembers their
//! answers by user and `Idempotency-Key`.

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

/// The header that marks a replayed answer.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The default limit of a request's body; see [`Idempotency::body_bytes`].
const BODY_BYTES: usize = 4 << 20;
/// The largest answer that is remembered, in bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// A layer for the handlers to which the browser client's offline queue (`queueOffline`) sends mutations. When an
/// answer is lost, the client cannot know whether the mutation was carried out, so it sends the mutation again with the
/// same `Idempotency-Key`. This layer lets the first request through, and answers the others with the first answer,
/// marked `Idempotency-Replayed: true`. A repetition that arrives while the first request is still running waits for
/// its answer.
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
/// A key belongs to one user; the layer authenticates requests as the stream's routes do. Requests without the header,
/// reads (`GET`, `HEAD`, `OPTIONS`), and requests that are anonymous or fail authentication pass to the handler
/// unchanged. A handler that was started runs to its end even if its client hangs up. The layer remembers successful
/// answers (2xx, 3xx) of up to 1 MiB each; after any other answer, a repetition runs the handler again. A key that was
/// used with another method, URL or body is refused with 400 `malformed`.
///
/// The answers are kept in this process's memory, so after a restart a repetition is carried out again. Where that must
/// not happen, take [`IdempotencyKey`] in the handler, and store it in the transaction of the change.
#[derive(Clone)]
pub struct Idempotency {
    auth: Arc<dyn Auth>,
    answers: Arc<Answers>,
    body_bytes: usize,
}

impl Idempotency {
    /// A layer that identifies users with `auth`.
    pub fn new(auth: impl Auth) -> Self {
        Self { auth: Arc::new(auth), answers: Arc::default(), body_bytes: BODY_BYTES }
    }

    /// How long an answer is remembered. Defaults to 24 hours, as long as the client keeps a mutation. Set it before
    /// the layer is used.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.answers = Arc::new(Answers::new(lifetime, self.answers.bytes()));
        self
    }

    /// How many bytes all remembered answers may take; the oldest are dropped first. Defaults to 64 MiB. Set it before
    /// the layer is used.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.answers = Arc::new(Answers::new(self.answers.lifetime(), bytes));
        self
    }

    /// The largest body of a request with a key, in bytes. A larger one is refused with 413 `tooLarge`. Defaults to 4
    /// MiB.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The user and key of a request; `None` where the request passes to the handler unchanged.
    async fn name(&self, head: &Parts) -> Result<Option<(UserId, Key)>, Refusal> {
        if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(None);
        }
        let Some(key) = key::of(&head.headers)? else { return Ok(None) };
        let identity = self.auth.authenticate(AuthRequest::new(head.clone())).await;
        // A request that fails authentication passes to the handler, which reports the failure.
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
                return Err(Refusal::new(
                    Code::Malformed,
                    "the Idempotency-Key was used with another request before; use a new key",
                ));
            }
            Found::Answer(answer) => return Ok(replay(&answer)),
        };
        let request = Request::from_parts(parts, body.into());
        // The handler runs to its end even if the client hangs up, so that a repetition finds the answer.
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
                    tracing::error!(%error, "an answer of more than 1 MiB is not remembered for its Idempotency-Key");
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

/// The service inside [`Idempotency`].
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
        // The clone that is called polls its own readiness.
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

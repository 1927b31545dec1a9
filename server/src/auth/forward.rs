//! Authentication by an endpoint of the application.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Deserialize;
use tidings_protocol::problem::{Code, Problem};
use tokio::{sync::Semaphore, time::timeout};

use super::{Auth, AuthError, AuthRequest, Identity};

/// The largest answer that is read, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// How long an idle connection to the endpoint is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most idle connections that are kept.
const IDLE_CONNECTIONS: usize = 32;
/// The most requests to the endpoint at once, because after a restart all clients come back in the same second.
const QUESTIONS: usize = 256;

/// Asks an endpoint of the application to authenticate each request, and passes its `Cookie` and `Authorization`
/// headers on. It is for backends in another language, whose sessions only they can read.
///
/// The endpoint answers a `GET`:
///
/// | the endpoint answers | result |
/// |---|---|
/// | 200 `{"userId": "ana", "subscribe": ["room:7"], "publish": [], "presence": [], "expiresIn": 3600, "issuedAt": 1767225600}` | the user `ana` with these grants (`{user}` in them is the user's id), for this many seconds; credentials [issued](Identity::issued_at) at this second since 1970 |
/// | 200 `{"userId": null}` | an anonymous identity |
/// | 401 | 401, with the `code` of its problem document if that is a code of this protocol, otherwise `credentialsInvalid` |
/// | 403 | 403 `forbidden` |
/// | anything else, no answer, or a late one | 503 `unavailable`: a backend that restarts must not log everyone out |
///
/// All fields but `userId` are optional. A request without any of these headers is [`AuthError::Missing`], and the
/// endpoint is not asked. Redirects are not followed. The endpoint is asked once per stream and call, over connections
/// that are kept open, with at most 256 requests at once; others wait their turn within the timeout.
///
/// ```
/// use std::time::Duration;
/// use tidings::auth::{Auth, Forward};
/// let auth = Forward::new("http://127.0.0.1:3000/api/me")?.timeout(Duration::from_secs(1)).allow("timer:{user}")?;
/// # fn check(_: impl Auth) {} check(auth);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Forward {
    client: Client<HttpConnector, Empty<Bytes>>,
    endpoint: Uri,
    pass: Vec<HeaderName>,
    timeout: Duration,
    turns: Arc<Semaphore>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only host, port and path are shown: the query may hold a key, and the authority a name and password.
        let endpoint = (self.endpoint.host(), self.endpoint.port_u16(), self.endpoint.path());
        f.debug_struct("Forward").field("endpoint", &endpoint).field("pass", &self.pass).finish_non_exhaustive()
    }
}

/// The endpoint is not a complete `http://` URL. (For an endpoint beyond an untrusted network, use a closure and a
/// client of your choice.)
#[derive(Debug, thiserror::Error)]
#[error("the endpoint is not a complete http:// URL such as http://127.0.0.1:3000/api/me")]
pub struct ForwardError;

/// The answer of the endpoint.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    user_id: Option<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    presence: Vec<String>,
    expires_in: Option<u64>,
    issued_at: Option<u64>,
}

impl Forward {
    /// Asks this endpoint, a complete `http://` URL.
    ///
    /// # Errors
    ///
    /// [`ForwardError`] when the text is not a complete `http://` URL.
    pub fn new(endpoint: &str) -> Result<Self, ForwardError> {
        let endpoint: Uri = endpoint.parse().map_err(|_| ForwardError)?;
        if endpoint.scheme() != Some(&Scheme::HTTP) || endpoint.host().is_none() {
            return Err(ForwardError);
        }
        // Without a timer, the connections that a burst of requests opened would never be closed.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build_http();
        let pass = vec![header::COOKIE, header::AUTHORIZATION];
        Ok(Self { client, endpoint, pass, timeout: Duration::from_secs(2), turns: Arc::new(Semaphore::new(QUESTIONS)) })
    }

    /// Also passes this header on, and counts it as credentials.
    #[must_use]
    pub fn pass(mut self, header: HeaderName) -> Self {
        self.pass.push(header);
        self
    }

    /// How long the endpoint may take in all. Defaults to 2 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn ask(&self, credentials: HeaderMap) -> Result<Identity, AuthError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = credentials;
        request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|error| AuthError::Unavailable(error.into()))?;
        let status = answer.status();
        if !matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(AuthError::Unavailable(format!("the endpoint answered {status}").into()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(AuthError::Unavailable)?;
        let body = body.to_bytes();
        match status {
            StatusCode::UNAUTHORIZED => Err(refusal(&body)),
            StatusCode::FORBIDDEN => Err(AuthError::Forbidden),
            // The error does not quote the answer, which may hold anything.
            _ => identity(&body).ok_or_else(|| AuthError::Unavailable("the endpoint's answer cannot be used".into())),
        }
    }
}

fn identity(body: &[u8]) -> Option<Identity> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let mut identity = match answer.user_id {
        Some(user) => Identity::user(user).ok()?,
        None => Identity::anonymous(),
    };
    for text in answer.subscribe {
        identity = identity.allow(text).ok()?;
    }
    for text in answer.publish {
        identity = identity.allow_publish(text).ok()?;
    }
    for text in answer.presence {
        identity = identity.allow_presence(text).ok()?;
    }
    if let Some(issued) = answer.issued_at {
        identity = identity.issued_at(std::time::SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(issued))?);
    }
    let until = |seconds| std::time::SystemTime::now().checked_add(Duration::from_secs(seconds));
    Some(match answer.expires_in.and_then(until) {
        Some(time) => identity.expires_at(time),
        None => identity,
    })
}

fn refusal(body: &[u8]) -> AuthError {
    let code = serde_json::from_slice::<Problem>(body).map_or(Code::CredentialsInvalid, |problem| problem.code);
    match code {
        Code::CredentialsMissing => AuthError::Missing,
        Code::CredentialsExpired => AuthError::Expired,
        Code::CredentialsRevoked => AuthError::Revoked,
        _ => AuthError::Invalid,
    }
}

#[async_trait]
impl Auth for Forward {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        let mut credentials = HeaderMap::new();
        for name in &self.pass {
            for value in request.headers().get_all(name) {
                credentials.append(name, value.clone());
            }
        }
        if credentials.is_empty() {
            return Err(AuthError::Missing);
        }
        let answer = timeout(self.timeout, async {
            let _turn = self.turns.acquire().await.map_err(|closed| AuthError::Unavailable(closed.into()))?;
            self.ask(credentials).await
        });
        let answer = answer.await;
        answer.unwrap_or_else(|_| Err(AuthError::Unavailable("the endpoint did not answer in time".into())))
    }
}

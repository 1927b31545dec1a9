//! A hub with its routes, called without a socket: the targets `commands` and `tokens` send their input to it.
//!
//! | target | input | property |
//! |---|---|---|
//! | `decoder` | bytes in any chunks to the SSE decoder, any text to the encoder | the decoder follows the standard; no text forges a field |
//! | `channel` | texts to channels, patterns, segments and ids | a parsed value has the same text; matching is that of sets |
//! | `cursor` | texts to cursors and timestamps, frames to their parser | a parsed value has the same text |
//! | `commands` | bodies and queries to every call | the answer follows the protocol, and the hub continues |
//! | `tokens` | credentials in every place, signed and unsigned | an unauthenticated request is refused with a code |

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tidings::{
    Hub, Limits, PresenceSettings, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity, Jwt, JwtKey, MemoryTickets},
};
use tidings_protocol::{
    problem::{CONTENT_TYPE, Code, Problem},
    sse::Decoder,
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// The secret that signs valid tokens.
pub const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A hub on a runtime of its own, with every route mounted and one stream open.
pub struct House {
    runtime: Runtime,
    router: Router,
    /// The stream's connection id.
    pub connection: String,
    _stream: Body,
}

impl Default for House {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (router, stream, connection) = runtime.block_on(async {
            let hub = Hub::builder().presence(PresenceSettings::default()).build().await.expect("memory does not fail");
            let ana = |request: AuthRequest| async move {
                match request.headers().get("x-user").ok_or(AuthError::Missing)?.to_str() {
                    Ok("ana") => Identity::user("ana").map(Identity::backend),
                    _ => Err(AuthError::Invalid),
                }
            };
            let jwt = Jwt::new(JwtKey::hs256(SECRET).expect("32 bytes")).cookie("token").token_parameter();
            let auth = ana.or(jwt).allow("chat:*").and_then(|auth| auth.allow_publish("chat:*"));
            let auth = auth.and_then(|auth| auth.allow_presence("chat:*")).expect("grants");
            let often = Rate::per_second(1_000_000_000);
            let limits = Limits::default().subscribe_rate(often).publish_rate(often).poll_rate(often);
            let routes = Routes::new(hub, auth).publish().latency().tickets(MemoryTickets::default()).limits(limits);
            let router: Router = routes.into_router();
            let request = Request::get("/?channels=chat:1").header("x-user", "ana").body(Body::empty());
            let answer = router.clone().oneshot(request.expect("a request")).await.expect("infallible");
            let mut body = answer.into_body();
            let first = body.frame().await.expect("a greeting").expect("a body does not fail");
            let mut connection = String::new();
            let read = Decoder::new().push(first.data_ref().expect("data"), |message| {
                let connected: serde_json::Value = serde_json::from_str(message.data).expect("JSON");
                connection = connected["connectionId"].as_str().expect("a name").to_owned();
            });
            read.expect("a greeting is short");
            (router, body, connection)
        });
        Self { runtime, router, connection, _stream: stream }
    }
}

/// The answer to a call: its status, and as much of its body as is there at once.
pub struct Answer {
    /// 200, or the status of a problem.
    pub status: StatusCode,
    /// JSON, or the first bytes of a stream.
    pub body: Vec<u8>,
}

impl House {
    /// Makes a call, and checks that the answer is 200 or a problem.
    ///
    /// # Panics
    ///
    /// If the answer is neither 200 nor a problem of the protocol.
    #[must_use]
    pub fn call(&self, request: Request<Body>) -> Answer {
        let is_stream = request.method() == Method::GET && request.uri().path() == "/";
        let is_poll = request.uri().path() == "/poll";
        let (status, kind, body) = self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("infallible");
            let (parts, mut body) = answer.into_parts();
            let body = if is_stream && parts.status == StatusCode::OK {
                body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap_or_default()
            } else {
                body.collect().await.expect("a body does not fail").to_bytes()
            };
            (parts.status, parts.headers.get(header::CONTENT_TYPE).cloned(), body.to_vec())
        });
        match status {
            StatusCode::OK if is_stream => {
                let text = std::str::from_utf8(&body).expect("UTF-8");
                assert!(text.contains("event: connected\n"), "{text}");
            }
            StatusCode::OK if is_poll => {
                let mut last = String::new();
                let read = Decoder::new().push(&body, |message| message.event.clone_into(&mut last));
                read.expect("an answer to a poll is bounded");
                assert_eq!(last, "polled");
            }
            StatusCode::NO_CONTENT => assert!(body.is_empty()),
            StatusCode::OK => {
                let _: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            }
            _ => {
                assert_eq!(kind.as_ref().map(|kind| kind.as_bytes()), Some(CONTENT_TYPE.as_bytes()), "{status}");
                let problem: Problem = serde_json::from_slice(&body).expect("a problem");
                assert_eq!(problem.status, status.as_u16());
                assert!(problem.code != Code::Other && problem.code.status() == problem.status, "{problem:?}");
                assert!(status.is_client_error(), "no input may cause a server error: {problem:?}");
            }
        }
        Answer { status, body }
    }
}

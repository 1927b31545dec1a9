//! Pages of other origins: which of them may read the answers, and which may send commands with a visitor's cookie.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tidings_protocol::problem::Code;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::problem::Refusal;
use crate::origin::{DEVICE_HEADER, SESSION_HEADER};

/// How long a browser may cache the answer to a preflight request; Chromium caches it for no longer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7_200);

/// The other origins whose pages may read the answers and send commands with credentials, for
/// [`Routes::cors`](crate::Routes::cors).
/// ```
/// use tidings::Cors;
/// let cors = Cors::origins(["https://app.example", "http://localhost:5173"])?.allow_headers(["x-request-id"])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Arc<[HeaderValue]>,
    headers: Vec<HeaderName>,
}

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin; write one such as https://app.example or http://localhost:5173")]
pub struct OriginError(String);

impl Cors {
    /// Allows these origins, each as `scheme://host[:port]` in lower case. There is no wildcard.
    ///
    /// # Errors
    ///
    /// [`OriginError`] names a text that is not an origin.
    pub fn origins<I: IntoIterator<Item: AsRef<str>>>(origins: I) -> Result<Self, OriginError> {
        let origin = |text: I::Item| origin(text.as_ref()).ok_or_else(|| OriginError(text.as_ref().to_owned()));
        Ok(Self { origins: origins.into_iter().map(origin).collect::<Result<_, _>>()?, headers: Vec::new() })
    }

    /// Allows their pages to send these headers too. Name those that the option `headers` of the browser client adds,
    /// such as one for tracing. `Authorization`, `Content-Type`, `Cache-Control`, `Last-Event-ID`, `X-Device-Id` and
    /// `X-Session-Id` are always allowed.
    ///
    /// # Errors
    ///
    /// [`http::Error`] when a text is not a header name.
    pub fn allow_headers<I>(mut self, names: I) -> Result<Self, http::Error>
    where
        I: IntoIterator<Item: TryInto<HeaderName, Error: Into<http::Error>>>,
    {
        for name in names {
            self.headers.push(name.try_into().map_err(Into::into)?);
        }
        Ok(self)
    }

    /// The layer that adds CORS headers to every answer; `None` where no other origin is allowed.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let own = [DEVICE_HEADER, SESSION_HEADER, "last-event-id"].map(HeaderName::from_static);
        let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, header::CACHE_CONTROL];
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins.iter().cloned()))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(own.into_iter().chain(headers).chain(self.headers.iter().cloned()).collect::<Vec<_>>())
            .expose_headers([header::RETRY_AFTER])
            .max_age(PREFLIGHT_AGE);
        (!self.origins.is_empty()).then_some(layer)
    }

    /// Whether the request is a command that its page may not send.
    pub(super) fn refuses(&self, request: &Request) -> bool {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        !reads && !self.may_command(request)
    }

    /// Whether a page may send a command with the cookies that the browser adds by itself.
    fn may_command(&self, request: &Request) -> bool {
        let headers = request.headers();
        // Without a cookie, the browser adds no credentials of the visitor. `Authorization` is set by the page itself,
        // and for a page of another origin only after a preflight request, which `layer` answers.
        if !headers.contains_key(header::COOKIE) || headers.contains_key(header::AUTHORIZATION) {
            return true;
        }
        let origin = headers.get(header::ORIGIN);
        if origin.is_some_and(|origin| self.origins.contains(origin)) {
            return true;
        }
        // No page can set this header. Browsers send it to trustworthy hosts only, such as those on https.
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(site) => matches!(site, b"same-origin" | b"none"),
            // Browsers send `Origin` with every POST. A client without it is not a browser, so it carries no visitor's
            // cookies.
            None => origin.is_none_or(|origin| is_own(origin, headers, request.uri())),
        }
    }
}

/// `scheme://host[:port]` as browsers write it.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, authority) = text.split_once("://")?;
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['/', '?', '#', '@', '*', ',', ' ']);
    let is_lower = !text.contains(|letter: char| letter.is_ascii_uppercase());
    (is_plain(scheme) && is_plain(authority) && is_lower).then(|| HeaderValue::from_str(text).ok())?
}

/// Whether the page's origin is the host that it calls.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has the host in the URL.
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let page = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    matches!((host, page), (Some(host), Some(page)) if host.eq_ignore_ascii_case(page))
}

/// A middleware for your own routes that refuses cross-site commands. It answers 403 `originNotAllowed` to any method
/// but `GET`, `HEAD` and `OPTIONS` when the request carries a cookie but no `Authorization` and comes from a page of
/// another origin. Another port of the same host counts as another origin, although a `SameSite` cookie allows it. The
/// hub's routes have this check already.
///
/// ```
/// # async fn stop_timer() {}
/// use axum::{Router, middleware::from_fn_with_state, routing::post};
/// use tidings::{Cors, check_origin};
///
/// let app: Router = Router::new()
///     .route("/api/timers/stop", post(stop_timer))
///     .layer(from_fn_with_state(Cors::default(), check_origin)); // the page's own origin only
/// ```
pub async fn check_origin(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    if cors.refuses(&request) {
        return Refusal::from(Code::OriginNotAllowed).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_explicit() {
        for text in ["https://app.example", "http://localhost:5173", "capacitor://localhost", "http://[::1]:80"] {
            assert!(origin(text).is_some(), "{text}");
        }
        for text in [
            "*",
            "https://*.example",
            "app.example",
            "https://app.example/",
            "null",
            "",
            "https://",
            "https://App.example",
        ] {
            assert!(origin(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_malformed_origin_is_named_by_an_error() {
        let error = Cors::origins(["https://app.example", "https://app.example/"]).unwrap_err();
        assert!(error.to_string().starts_with("\"https://app.example/\" is not an origin"), "{error}");
        assert!(Cors::origins(["https://app.example"]).unwrap().allow_headers(["two words"]).is_err());
    }
}

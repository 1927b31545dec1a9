//! The routers of an app, and how its changes are run.

use std::path::Path;

use ::http::{HeaderMap, HeaderValue, Method, header};
use axum::{Router, extract::Request, middleware, middleware::Next, response::Response};
use tidings::{Hub, auth::Auth};
use tower_http::{
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};

use crate::{Accounts, Error};

/// The resources that a page of ours may load. The client is WebAssembly, which a policy must allow by
/// `wasm-unsafe-eval`. Only our own start page may show the page in a frame.
const CONTENT_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                              img-src 'self' data:; frame-ancestors 'self'";

/// The API below one path: login and session, the app's features, and the event stream at `/events`.
pub fn api(hub: Hub, accounts: &Accounts, auth: impl Auth, features: Router) -> Router {
    features
        .merge(accounts.routes())
        .fallback(async || Error::NotFound)
        .layer(middleware::from_fn(same_origin))
        // The hub's routes check the origin themselves.
        .nest("/events", tidings::routes(hub, auth))
}

/// The built files of one page.
pub fn front_end(web: &Path) -> Router {
    let files = ServeDir::new(web).fallback(ServeFile::new(web.join("index.html")));
    // Browsers revalidate each file, so that a new build is seen at once.
    let fresh = SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::from_static(CONTENT_POLICY);
    Router::new()
        .fallback_service(files)
        .layer(fresh)
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
}

/// Runs a change to its end even if the browser hangs up, which drops the handler: a change that was written must also
/// be published.
///
/// # Errors
///
/// The error of the change, or [`Error::Internal`] if it panicked.
pub async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(change).await.map_err(|stopped| Error::Internal(stopped.into()))?
}

/// Refuses changes from a page of another origin. `SameSite` cookies ignore ports, so the requests of such a page carry
/// the session too.
async fn same_origin(request: Request, next: Next) -> Result<Response, Error> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || is_ours(request.headers()) { Ok(next.run(request).await) } else { Err(Error::OtherOrigin) }
}

fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) == text("host"),
        // The client is not a browser.
        (None, None) => true,
    }
}

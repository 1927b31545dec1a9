//! The backend of the cross-device timer. One request's way: `session` finds the user, `timers` or `devices`
//! writes to the `db` and publishes the news to the user's other devices through the hub; `online` tells them which
//! devices come and go; every failure is a problem document (`error`).

mod db;
mod devices;
mod error;
mod online;
mod session;
mod timers;

use std::path::Path;

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::FromRef,
    routing::{get, post},
};
use http::{HeaderValue, header};
use tidings::{Hub, auth::Auth, typescript::Channels};
use tower_http::{
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};

use crate::{db::Db, error::Error, online::Online};

/// What a page of ours may load. The client is WebAssembly, which a policy must allow by `wasm-unsafe-eval`.
const CONTENT_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:";

/// What the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    online: Online,
}

/// Where the front end has the types of what it hears, from the root of this crate.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/lib/channels.ts");

/// What the front end hears and is answered.
pub fn channels() -> Channels {
    Channels::new("cargo run -p timers --example types")
        .channel::<timers::TimerEvent>()
        .channel::<devices::DeviceEvent>()
        .channel::<session::SessionEvent>()
        .and::<timers::Snapshot>()
}

/// The whole application: the API, the event stream, and the front end's files. The hub is one with presence.
///
/// # Errors
///
/// When the database cannot be opened.
pub fn app(hub: Hub, database: &Path, web: &Path) -> Result<Router> {
    let db = Db::open(database).with_context(|| format!("opening {}", database.display()))?;
    let auth = session::auth(db.clone()).allow("timer:{user}")?;
    let app = App { db, hub: hub.clone(), online: Online::default() };
    online::follow(&hub, app.clone())?;

    let api = Router::new()
        .route("/login", post(session::login))
        .route("/logout", post(session::logout))
        .route("/me", get(session::me))
        .route("/timer", get(timers::current))
        .route("/timers/start", post(timers::start))
        .route("/timers/stop", post(timers::stop))
        .route("/timers/move", post(timers::move_to))
        .route("/timers/phase", post(timers::phase))
        .route("/devices", get(devices::list).post(devices::name))
        .fallback(async || Error::NotFound)
        .with_state(app)
        .nest("/events", tidings::routes(hub, auth));

    Ok(Router::new().nest("/api", api).merge(front_end(web)))
}

/// The built files. Paths without one belong to the page itself.
fn front_end(web: &Path) -> Router {
    let files = ServeDir::new(web).fallback(ServeFile::new(web.join("index.html")));
    // Browsers ask each time whether a file has changed, so that a new build is seen at once.
    let fresh = SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::from_static(CONTENT_POLICY);
    Router::new()
        .fallback_service(files)
        .layer(fresh)
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy))
}

/// Runs a change to its end even if the browser hangs up, which drops its handler: what was written must be told.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(change).await.map_err(|stopped| Error::Internal(stopped.into()))?
}

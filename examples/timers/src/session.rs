//! Who is asking: a name to log in by, a session in the database, its id in a cookie.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, StatusCode, header, request::Parts};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use tidings::{
    Event, Origin, Typed, UserId,
    auth::{Auth, AuthError, AuthRequest, Identity},
};
use ts_rs::TS;

use crate::{
    App,
    db::{Db, now_ms},
    error::{Body, Error},
    to_the_end,
};

const COOKIE: &str = "session";
const LIFETIME: Duration = Duration::days(30);
const NAME_CHARS: usize = 64;

/// The user of a request with a good session; without one it is refused with `notLoggedIn`.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
}

#[derive(Deserialize)]
pub(crate) struct Login {
    user: String,
}

#[derive(Serialize)]
pub(crate) struct Me {
    user: String,
}

/// What the other tabs of a browser are told.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum SessionEvent {
    Ended,
}

impl Typed for SessionEvent {
    const CHANNEL: &'static str = "session";
}

/// `POST /api/login`. There is no password: this example is about what comes after.
pub(crate) async fn login(State(db): State<Db>, Body(login): Body<Login>) -> Result<Response, Error> {
    let user = user_name(&login.user)?;
    let session = random_id()?;
    let (id, name) = (session.clone(), user.to_string());
    db.transact(move |tx| {
        tx.execute("INSERT OR IGNORE INTO users (name) VALUES (?1)", [&name])?;
        tx.execute("INSERT INTO sessions (id, user, created_at) VALUES (?1, ?2, ?3)", (&id, &name, now_ms()))?;
        Ok(())
    })
    .await?;
    // Behind TLS this cookie should be `Secure` as well; the example is served on plain localhost.
    let cookie = Cookie::build((COOKIE, session)).max_age(LIFETIME);
    Ok((set(cookie), Json(Me { user: user.to_string() })).into_response())
}

/// `POST /api/logout`: the other tabs of this browser have lost the session too, so they are told.
pub(crate) async fn logout(
    State(app): State<App>,
    user: User,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let session = session_id(&headers).ok_or(Error::NotLoggedIn)?;
    to_the_end(async move {
        app.db.transact(move |tx| Ok(tx.execute("DELETE FROM sessions WHERE id = ?1", [&session])?)).await?;
        if let Some(device) = &origin.device_id {
            let ended = Event::typed(&SessionEvent::Ended, &[])?.caused_by(&origin).except(&origin.of(&user.id));
            app.hub.to_device(&user.id, device).publish(ended).await?;
        }
        Ok(())
    })
    .await?;
    let forget = Cookie::build((COOKIE, "")).max_age(Duration::ZERO);
    Ok((set(forget), StatusCode::NO_CONTENT).into_response())
}

/// `GET /api/me`.
pub(crate) async fn me(user: User) -> Json<Me> {
    Json(Me { user: user.id.to_string() })
}

/// The same session opens the event stream.
pub(crate) fn auth(db: Db) -> impl Auth {
    move |request: AuthRequest| {
        let db = db.clone();
        async move {
            let session = session_id(request.headers()).ok_or(AuthError::Missing)?;
            let user = user_of(&db, session).await.map_err(|error| AuthError::Unavailable(error.into()))?;
            let user = user.ok_or(AuthError::Invalid)?;
            Identity::user(user)
        }
    }
}

impl FromRequestParts<App> for User {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let session = session_id(&parts.headers).ok_or(Error::NotLoggedIn)?;
        let id = user_of(&app.db, session).await?.ok_or(Error::NotLoggedIn)?;
        Ok(Self { id })
    }
}

fn user_name(text: &str) -> Result<UserId, Error> {
    let name = text.trim();
    if name.chars().count() > NAME_CHARS {
        return Err(Error::Invalid("A name has at most 64 characters."));
    }
    UserId::new(name).map_err(|_| Error::Invalid("A name is 1 to 64 plain characters."))
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| Cookie::split_parse(line.to_owned())).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == COOKIE).map(|cookie| cookie.value().to_owned())
}

async fn user_of(db: &Db, session: String) -> Result<Option<UserId>, Error> {
    let oldest = now_ms() - i64::try_from(LIFETIME.whole_milliseconds()).unwrap_or(i64::MAX);
    let name: Option<String> = db
        .transact(move |tx| {
            let known = "SELECT user FROM sessions WHERE id = ?1 AND created_at > ?2";
            Ok(tx.query_row(known, (session, oldest), |row| row.get(0)).optional()?)
        })
        .await?;
    name.map(UserId::new).transpose().map_err(|error| Error::Internal(error.into()))
}

/// 256 random bits, which nobody guesses.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn set(cookie: cookie::CookieBuilder<'static>) -> [(header::HeaderName, String); 1] {
    let cookie = cookie.path("/").http_only(true).same_site(SameSite::Lax);
    [(header::SET_COOKIE, cookie.to_string())]
}

//! Authentication: a name to log in with, a session in the database, its id in a cookie.

use std::path::Path;

use axum::{
    Json, Router,
    extract::{FromRef, FromRequestParts, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, StatusCode, header, request::Parts};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use tidings::{
    Event, Hub, Origin, Typed, UserId,
    auth::{Auth, Identity, from_extractor},
};
use ts_rs::TS;

use crate::{
    db::{Db, now_ms},
    error::{Body, Error},
    http::to_the_end,
};

const COOKIE: &str = "session";
const LIFETIME: Duration = Duration::days(30);
const NAME_CHARS: usize = 64;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    id         TEXT PRIMARY KEY,
    user       TEXT NOT NULL REFERENCES users(name),
    created_at INTEGER NOT NULL
) STRICT;
";

/// Users and their sessions; clones share them. A user is just a name without a password, because the examples are
/// about what follows the log-in.
#[derive(Debug, Clone)]
pub struct Accounts {
    db: Db,
    hub: Hub,
}

/// The user of a request with a valid session. A request without one is refused with `notLoggedIn`.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: UserId,
}

/// Events for the other tabs of a browser.
#[derive(Debug, Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub enum SessionEvent {
    /// This browser has logged out.
    Ended,
}

impl Typed for SessionEvent {
    const CHANNEL: &'static str = "session";
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

#[derive(Serialize)]
struct Me {
    user: String,
}

impl Accounts {
    /// Opens the file, or creates it if it does not exist. A log-out is published through the hub.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn open(path: &Path, hub: &Hub) -> anyhow::Result<Self> {
        Ok(Self { db: Db::open(path, SCHEMA)?, hub: hub.clone() })
    }

    /// Authentication for the event stream: the same session cookie.
    pub fn auth(&self) -> impl Auth + use<> {
        from_extractor(self.clone(), |user: User| async move { Identity::user(user.id) })
    }

    /// Whether a user with this name has ever logged in.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn knows(&self, user: &UserId) -> Result<bool, Error> {
        let name = user.to_string();
        let known = "SELECT 1 FROM users WHERE name = ?1";
        self.db.transact(move |tx| Ok(tx.query_row(known, [name], |_| Ok(())).optional()?.is_some())).await
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/login", post(login))
            .route("/logout", post(logout))
            .route("/me", get(me))
            .with_state(self.clone())
    }

    async fn user_of(&self, session: String) -> Result<Option<UserId>, Error> {
        let oldest = now_ms() - i64::try_from(LIFETIME.whole_milliseconds()).unwrap_or(i64::MAX);
        let name: Option<String> = self
            .db
            .transact(move |tx| {
                let known = "SELECT user FROM sessions WHERE id = ?1 AND created_at > ?2";
                Ok(tx.query_row(known, (session, oldest), |row| row.get(0)).optional()?)
            })
            .await?;
        name.map(UserId::new).transpose().map_err(|error| Error::Internal(error.into()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for User
where
    Accounts: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = session_id(&parts.headers).ok_or(Error::NotLoggedIn)?;
        let id = Accounts::from_ref(state).user_of(session).await?.ok_or(Error::NotLoggedIn)?;
        Ok(Self { id })
    }
}

/// `POST /login`.
async fn login(State(accounts): State<Accounts>, Body(login): Body<Login>) -> Result<Response, Error> {
    let user = user_name(&login.user)?;
    let session = random_id()?;
    let (id, name) = (session.clone(), user.to_string());
    accounts
        .db
        .transact(move |tx| {
            tx.execute("INSERT OR IGNORE INTO users (name) VALUES (?1)", [&name])?;
            tx.execute("INSERT INTO sessions (id, user, created_at) VALUES (?1, ?2, ?3)", (&id, &name, now_ms()))?;
            Ok(())
        })
        .await?;
    // Behind TLS this cookie should be `Secure` as well; the examples are served on plain localhost.
    let cookie = Cookie::build((COOKIE, session)).max_age(LIFETIME);
    Ok((set(cookie), Json(Me { user: user.to_string() })).into_response())
}

/// `POST /logout`: the other tabs of this browser have lost the session too, so they receive an event.
async fn logout(
    State(accounts): State<Accounts>,
    user: User,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let session = session_id(&headers).ok_or(Error::NotLoggedIn)?;
    to_the_end(async move {
        accounts.db.transact(move |tx| Ok(tx.execute("DELETE FROM sessions WHERE id = ?1", [&session])?)).await?;
        if let Some(device) = &origin.device_id {
            let ended = Event::typed(&SessionEvent::Ended, &[])?.caused_by(&origin).except(&origin.of(&user.id));
            accounts.hub.to_device(&user.id, device).publish(ended).await?;
        }
        Ok(())
    })
    .await?;
    let forget = Cookie::build((COOKIE, "")).max_age(Duration::ZERO);
    Ok((set(forget), StatusCode::NO_CONTENT).into_response())
}

/// `GET /me`.
async fn me(user: User) -> Json<Me> {
    Json(Me { user: user.id.to_string() })
}

fn user_name(text: &str) -> Result<UserId, Error> {
    let name = text.trim();
    if name.chars().count() > NAME_CHARS {
        return Err(Error::invalid("A name has at most 64 characters."));
    }
    UserId::new(name).map_err(|_| Error::invalid("A name is 1 to 64 plain characters."))
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| Cookie::split_parse(line.to_owned())).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == COOKIE).map(|cookie| cookie.value().to_owned())
}

/// 256 random bits as text, which nobody can guess.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Without a path, the browser sends the cookie to the login's sibling paths: to all of this API, and to no other on
/// the same host.
fn set(cookie: cookie::CookieBuilder<'static>) -> [(header::HeaderName, String); 1] {
    let cookie = cookie.http_only(true).same_site(SameSite::Lax);
    [(header::SET_COOKIE, cookie.to_string())]
}

//! Sessions of your own: a closure over the request looks up the cookie's session, and the database says which user is
//! in which room.
//!
//! ```text
//! cargo run -p tidings --example auth_sessions
//! curl -c jar -X POST '127.0.0.1:4100/login?user=ana'
//! curl -N -b jar '127.0.0.1:4100/api/events?channels=timer:ana,room:7,room:8'
//! ```
#![allow(clippy::print_stdout)]

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use tidings::{
    ChannelError, Hub, UserId,
    auth::{Auth, AuthError, AuthRequest, Identity},
};
use tokio::sync::RwLock;

/// The life of a session.
const LIFE: Duration = Duration::from_secs(86_400);

/// Stands for a database: sessions by id, and the members of rooms.
#[derive(Clone, Default)]
struct Database {
    sessions: Arc<RwLock<HashMap<String, (UserId, SystemTime)>>>,
}

impl Database {
    async fn session(&self, id: &str) -> Result<Option<(UserId, SystemTime)>, std::io::Error> {
        Ok(self.sessions.read().await.get(id).cloned())
    }

    async fn is_member(&self, user: &UserId, room: &str) -> Result<bool, std::io::Error> {
        Ok(user.as_str() == "ana" && room == "7")
    }
}

fn app(hub: Hub) -> Result<Router, ChannelError> {
    let database = Database::default();
    let sessions = database.clone();
    let auth = move |request: AuthRequest| {
        let database = sessions.clone();
        async move {
            let id = request.cookie("session").ok_or(AuthError::Missing)?;
            // A database that is down must not log out any user: the client receives 503 and tries again.
            let session = database.session(&id).await.map_err(|error| AuthError::Unavailable(error.into()))?;
            let (user, since) = session.ok_or(AuthError::Invalid)?;
            Ok(Identity::user(user)?.issued_at(since).expires_at(since + LIFE))
        }
    };
    let members = database.clone();
    let auth = auth.allow("timer:{user}")?.allow_if(move |identity, channel| {
        let database = members.clone();
        async move {
            let (Some(user), Some(room)) = (identity.user_id(), channel.as_str().strip_prefix("room:")) else {
                return Ok(false);
            };
            database.is_member(user, room).await.map_err(|error| AuthError::Unavailable(error.into()))
        }
    });
    Ok(Router::new().route("/login", post(login)).with_state(database).nest("/api/events", tidings::routes(hub, auth)))
}

/// There is no password here, because the example is about what follows the log-in.
async fn login(State(database): State<Database>, Query(form): Query<HashMap<String, String>>) -> impl IntoResponse {
    let user = form.get("user").and_then(|user| UserId::new(user).ok()).ok_or(StatusCode::BAD_REQUEST)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let id = format!("{:032x}", u128::from_le_bytes(random));
    database.sessions.write().await.insert(id.clone(), (user, SystemTime::now()));
    let cookie = format!("session={id}; Path=/; HttpOnly; SameSite=Lax");
    Ok::<_, StatusCode>(([(header::SET_COOKIE, cookie)], StatusCode::NO_CONTENT))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4100").await?;
    println!("listening on http://{}", listener.local_addr()?);
    tidings::serve(listener, app(Hub::builder().build().await?)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_opens_a_stream_with_what_the_database_grants() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = app(Hub::builder().build().await.unwrap()).unwrap();
        tokio::spawn(async move { tidings::serve(listener, app).await });
        let http = reqwest::Client::new();
        let stream = format!("{base}/api/events?channels=timer:ana,room:7,room:8");
        assert_eq!(http.get(&stream).send().await.unwrap().status(), 401);

        let answer = http.post(format!("{base}/login?user=ana")).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut answer = http.get(&stream).header("cookie", cookie).send().await.unwrap();
        let greeting = answer.chunk().await.unwrap().unwrap();
        let greeting = String::from_utf8_lossy(&greeting);
        assert!(greeting.contains(r#""channels":["timer:ana","room:7"]"#), "{greeting}");
        assert!(greeting.contains(r#""rejected":[{"channel":"room:8","code":"forbidden"}]"#), "{greeting}");
    }
}

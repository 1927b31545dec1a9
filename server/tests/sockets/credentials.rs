//! Authentication, and that no credential is ever shown.

mod forwarding;
mod tickets;
mod tokens;

use std::{
    cell::RefCell,
    io,
    time::{Duration, SystemTime},
};

use axum::{Json, Router, http::HeaderMap, routing::get};
use reqwest::Method;
use serde_json::json;
use tidings::{
    Routes,
    auth::{Auth, AuthError, AuthRequest, Forward, Identity, Jwt, JwtKey, MemoryTickets},
};
use tokio::net::TcpListener;

use crate::fixture::{Answer, Client, Fixture, auth};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

async fn with(auth: impl Auth) -> Fixture {
    Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth).tickets(MemoryTickets::default())).await
}

fn token(claims: &serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

fn jwt() -> Jwt {
    Jwt::new(JwtKey::hs256(SECRET).unwrap())
}

#[tokio::test]
async fn an_expired_identity_is_refused_everywhere() {
    let fixture = with(|_: AuthRequest| async { Ok(Identity::user("ana")?.expires_at(SystemTime::now())) }).await;
    fixture.client("").get("/check", &[]).await.is_problem(401, "credentialsExpired");
}

thread_local! {
    /// Everything that this thread traces, as text; `None` while nothing is recorded.
    static TRACED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.with_borrow_mut(|traced| traced.as_mut().map(|traced| traced.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Credentials of every kind, valid and invalid, are sent in every call. None appears in a trace of any level, or in an
/// answer.
#[test]
fn credentials_are_never_shown() {
    // The subscriber is set for the whole process, because a thread's own subscriber does not reset what other threads
    // have cached.
    let traced = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log);
    tracing::subscriber::set_global_default(traced.finish()).unwrap();
    TRACED.set(Some(Vec::new()));
    // Everything runs on one thread: the hub, the server and its client.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut heard = String::new();
    let secrets = runtime.block_on(credentials_everywhere(&mut heard));
    let log = String::from_utf8(TRACED.take().unwrap()).unwrap();
    assert!(log.contains("connection registered") && log.contains("refused"), "it is traced at all");
    assert!(heard.contains("credentialsInvalid") && heard.contains("credentialsMalformed"), "{heard}");
    for secret in secrets {
        assert!(!log.contains(&secret), "traced: {secret}");
        assert!(!heard.contains(&secret), "answered: {secret}");
    }
}

/// Returns the secrets; the answers are appended to `heard`.
async fn credentials_everywhere(heard: &mut String) -> Vec<String> {
    let session = |request: AuthRequest| async move {
        match &*request.cookie("session").ok_or(AuthError::Missing)? {
            "cookie-of-ana" => Identity::user("ana"),
            "cookie-of-nobody" => Err(AuthError::Unavailable("the session store is down".into())),
            _ => Err(AuthError::Invalid),
        }
    };
    // An application that repeats the request's headers in its answer.
    let application = Router::new().route(
        "/me",
        get(async |headers: HeaderMap| {
            let shown = headers["cookie"].to_str().unwrap().to_owned();
            let status = match &*shown {
                "sid=forwarded-of-ana" => return (http::StatusCode::OK, r#"{"userId":"ana"}"#.to_owned()),
                "sid=forwarded-of-eve" => http::StatusCode::UNAUTHORIZED,
                "sid=forwarded-of-bob" => http::StatusCode::FORBIDDEN,
                "sid=forwarded-of-cat" => http::StatusCode::OK,
                _ => http::StatusCode::BAD_GATEWAY,
            };
            (status, format!(r#"{{"status":401,"code":"credentialsExpired","title":"{shown}","detail":"{shown}"}}"#))
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forward = Forward::new(&format!("http://{}/me?key=key-of-the-hub", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(axum::serve(listener, application).into_future());
    let auth = jwt().token_parameter().or(session).or(forward.clone());
    heard.push_str(&format!("{forward:?} {auth:?}", auth = jwt()));
    let fixture = with(auth).await;
    let good = token(&json!({"sub": "ana", "exp": jsonwebtoken::get_current_timestamp() + 600}));
    let expired = token(&json!({"sub": "ana", "exp": 1}));
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let answer = fixture.client(&good).post("/ticket", json!({})).await.good();
        tickets.push(answer["ticket"].as_str().unwrap().to_owned());
    }
    let spent = fixture.stream("", &[("ticket", &*tickets[0])]).await;
    tickets.push("malformed-ticket".into());
    let bearers = [&*good, &expired, "malformed-token", &good[..good.len() - 2]];
    let cookies = ["cookie-of-ana", "cookie-of-nobody", "cookie-of-eve"];
    let forwarded = ["ana", "eve", "bob", "cat", "dan"].map(|user| format!("forwarded-of-{user}"));
    let nobody = fixture.client("");
    let clients = bearers.iter().map(|token| fixture.client(token));
    let clients =
        clients.chain(cookies.iter().map(|cookie| nobody.clone().header("cookie", &format!("session={cookie}"))));
    let clients =
        clients.chain(forwarded.iter().map(|cookie| nobody.clone().header("cookie", &format!("sid={cookie}"))));
    let urls = bearers.iter().map(|token| format!("token={token}"));
    let urls = urls.chain(tickets.iter().map(|ticket| format!("ticket={ticket}")));
    let calls = clients.map(|client| (client, String::new())).chain(urls.map(|url| (nobody.clone(), url)));
    for (client, query) in
        calls.flat_map(|(client, query)| [(client.clone(), query.clone()), (client.by_http2(), query)])
    {
        for (method, path) in [
            (Method::GET, "/check"),
            (Method::GET, "/nowhere"),
            (Method::POST, "/subscribe"),
            (Method::POST, "/ticket"),
            (Method::PUT, "/ticket"),
        ] {
            let body = (method == Method::POST).then(|| "{}".to_owned());
            let response = client.send(method, &format!("{path}?{query}"), body).await;
            heard.push_str(&format!("{:?}", response.headers()));
            let text = response.text().await.unwrap();
            // The answer that issues a ticket shows it to its owner.
            if !text.contains("expiresIn") {
                heard.push_str(&text);
            }
        }
        let mut stream = client.send(Method::GET, &format!("?{query}"), None).await;
        heard.push_str(&format!("{:?}", stream.headers()));
        let beginning = stream.chunk().await.unwrap();
        heard.push_str(&String::from_utf8_lossy(&beginning.unwrap_or_default()));
    }
    drop(spent);
    let secrets = bearers.iter().chain(&cookies).chain(&["key-of-the-hub"]).map(|secret| (*secret).to_owned());
    let secrets = secrets.chain(forwarded);
    let parts = tickets.iter().map(|ticket| ticket.rsplit('.').next().unwrap().to_owned());
    secrets.chain(parts).collect()
}

/// Printing a request or a configuration, in an error or a panic, shows no credential.
#[tokio::test]
async fn debug_output_and_errors_show_no_credentials() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let note = seen.clone();
    let auth = move |request: AuthRequest| {
        note.lock().unwrap().push_str(&format!("{request:?}"));
        async { Identity::user("ana") }
    };
    let fixture = with(auth).await;
    let client = fixture.client("s3cret-token").header("cookie", "session=s3cret-cookie");
    let ticket = client.post("/ticket?token=s3cret-parameter", json!({})).await.good()["ticket"].clone();
    client.get("/check", &[("ticket", ticket.as_str().unwrap()), ("token", "s3cret-parameter")]).await.good();
    let forward = Forward::new("http://s3cret-name:s3cret-password@127.0.0.1:1/me?key=s3cret-key").unwrap();
    let keys = JwtKey::hs256("s3cret-of-thirty-two-bytes-or-more").unwrap();
    let shown = format!("{} {forward:?} {keys:?} {:?}", seen.lock().unwrap(), Jwt::new(keys.clone()));
    assert!(shown.contains("/check") && shown.contains("/me") && shown.contains("HS256"), "{shown}");
    assert!(!shown.contains("s3cret") && !shown.contains(ticket.as_str().unwrap()), "{shown}");
}

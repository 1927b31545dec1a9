//! Ways in, and that no credential is ever shown.

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

mod tickets {
    use super::*;

    async fn ticket(client: &Client, device: &str) -> String {
        let answer = client.post("/ticket", json!({"deviceId": device})).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        let answer = answer.good();
        assert_eq!(answer["expiresIn"], 30);
        answer["ticket"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn one_opens_one_stream_of_its_owner() {
        let fixture = with(auth()).await;
        let ticket = ticket(&fixture.client("ana"), "laptop").await;
        let query = [("ticket", &*ticket), ("deviceId", "laptop"), ("channels", "timer:ana")];
        let mut stream = fixture.stream("", &query).await;
        assert_eq!(stream.connected.data["userId"], "ana");
        fixture.publish("timer:ana", "hers").await;
        stream.hears("hers").await;
        fixture.client("").get("", &query).await.is_problem(401, "credentialsInvalid");
        let node = stream.connection_id().split('.').next().unwrap();
        assert!(ticket.starts_with(&format!("{node}.")), "it names the node that minted it");
    }

    #[tokio::test]
    async fn another_device_is_refused() {
        let fixture = with(auth()).await;
        for query in [vec![], vec![("deviceId", "phone")]] {
            let ticket = ticket(&fixture.client("ana"), "laptop").await;
            let query = [&[("ticket", &*ticket)], &query[..]].concat();
            fixture.client("").get("", &query).await.is_problem(401, "credentialsInvalid");
        }
    }

    #[tokio::test]
    async fn what_is_none_is_malformed_even_beside_good_credentials() {
        let fixture = with(auth()).await;
        for token in ["", "ana"] {
            fixture.client(token).get("", &[("ticket", "x")]).await.is_problem(401, "credentialsMalformed");
        }
    }

    #[tokio::test]
    async fn one_is_good_for_no_other_call() {
        let fixture = with(auth()).await;
        let ticket = ticket(&fixture.client("ana"), "laptop").await;
        let query = [("ticket", &*ticket), ("deviceId", "laptop")];
        fixture.client("").get("/check", &query).await.is_problem(401, "credentialsMissing");
        let more = format!("/ticket?ticket={ticket}");
        fixture.client("").post(&more, json!({})).await.is_problem(401, "credentialsMissing");
        assert_eq!(fixture.stream("", &query).await.connected.data["userId"], "ana", "and was not spent by it");
    }

    #[tokio::test]
    async fn too_many_unused_ones_are_refused_for_a_while() {
        let fixture = with(auth()).await;
        for _ in 0..32 {
            ticket(&fixture.client("ana"), "laptop").await;
        }
        let answer = fixture.client("ana").post("/ticket", json!({})).await;
        answer.is_problem(429, "tooManyRequests");
        assert_eq!(answer.headers["retry-after"], "30");
    }

    #[tokio::test]
    async fn they_are_there_only_where_mounted() {
        let fixture = Fixture::start().await;
        fixture.client("ana").post("/ticket", json!({})).await.is_problem(404, "notFound");
        fixture.client("").get("", &[("ticket", "x")]).await.is_problem(401, "credentialsMissing");
    }
}

mod tokens {
    use super::*;

    fn soon() -> u64 {
        jsonwebtoken::get_current_timestamp() + 600
    }

    #[tokio::test]
    async fn one_lets_in_with_the_grants_that_it_holds() {
        let fixture = with(jwt()).await;
        let grants = json!({"subscribe": ["room:{user}"]});
        let token = token(&json!({"sub": "ana", "exp": soon(), "tidings": grants}));
        let mut stream = fixture.stream(&token, &[("channels", "room:ana,room:bob")]).await;
        assert_eq!(stream.connected.data["channels"], json!(["room:ana"]));
        assert_eq!(stream.connected.data["rejected"], json!([{"channel": "room:bob", "code": "forbidden"}]));
        let left = stream.connected.data["expiresIn"].as_u64().unwrap();
        assert!((600..=630).contains(&left), "{left}, leeway included");
        fixture.publish("room:ana", "hers").await;
        stream.hears("hers").await;
    }

    #[tokio::test]
    async fn each_way_of_being_bad_has_its_code() {
        let fixture = with(jwt().audience("tidings").issuer("login")).await;
        let good = json!({"sub": "ana", "exp": soon(), "aud": "tidings", "iss": "login"});
        assert_eq!(check(&fixture, &token(&good)).await.good(), json!({"userId": "ana"}));
        let spoilt = |claim: &str, value: serde_json::Value| {
            let mut claims = good.clone();
            claims[claim] = value;
            token(&claims)
        };
        for (token, code) in [
            (String::new(), "credentialsMissing"),
            ("opaque".into(), "credentialsMalformed"),
            (format!("{}x", token(&good)), "credentialsInvalid"),
            (spoilt("exp", 1.into()), "credentialsExpired"),
            (spoilt("nbf", soon().into()), "credentialsNotYetValid"),
            (spoilt("aud", "billing".into()), "credentialsWrongAudience"),
            (spoilt("iss", "evil".into()), "credentialsWrongIssuer"),
            (spoilt("sub", 7.into()), "credentialsInvalid"),
        ] {
            let answer = check(&fixture, &token).await;
            answer.is_problem(401, code);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }

    #[tokio::test]
    async fn one_in_the_url_is_taken_only_where_that_is_switched_on() {
        let token = token(&json!({"sub": "ana", "exp": soon()}));
        let query = [("token", &*token)];
        with(jwt()).await.client("").get("/check", &query).await.is_problem(401, "credentialsMissing");
        with(jwt().token_parameter()).await.client("").get("/check", &query).await.good();
    }

    #[tokio::test]
    async fn one_that_is_bad_is_not_passed_over_for_a_cookie() {
        let session =
            |request: AuthRequest| async move { Identity::user(request.cookie("session").ok_or(AuthError::Missing)?) };
        let fixture = with(jwt().or(session)).await;
        let cookie = |token| fixture.client(token).header("cookie", "session=bob");
        assert_eq!(cookie("").get("/check", &[]).await.good(), json!({"userId": "bob"}));
        cookie("opaque").get("/check", &[]).await.is_problem(401, "credentialsMalformed");
        let anas = token(&json!({"sub": "ana", "exp": soon()}));
        assert_eq!(cookie(&anas).get("/check", &[]).await.good(), json!({"userId": "ana"}));
    }

    async fn check(fixture: &Fixture, token: &str) -> Answer {
        fixture.client(token).get("/check", &[]).await
    }
}

#[tokio::test]
async fn an_identity_that_is_over_is_let_in_by_nobody() {
    let fixture = with(|_: AuthRequest| async { Ok(Identity::user("ana")?.expires_at(SystemTime::now())) }).await;
    fixture.client("").get("/check", &[]).await.is_problem(401, "credentialsExpired");
}

mod forwarding {
    use super::*;

    /// An application whose sessions only it can read, and a hub that asks it.
    async fn beside_an_application(settings: impl FnOnce(Forward) -> Forward) -> Fixture {
        let application = Router::new().route(
            "/me",
            get(async |headers: HeaderMap| {
                use axum::response::IntoResponse;
                let credentials = headers.get("cookie").or(headers.get("authorization")).unwrap().to_str().unwrap();
                match credentials {
                    "session=ana" | "Bearer ana" => {
                        Json(json!({"userId": "ana", "subscribe": ["room:7"], "expiresIn": 60})).into_response()
                    }
                    "session=guest" => Json(json!({"userId": null})).into_response(),
                    "session=old" => {
                        (http::StatusCode::UNAUTHORIZED, r#"{"status":401,"code":"credentialsExpired","title":""}"#)
                            .into_response()
                    }
                    "session=bad" => http::StatusCode::UNAUTHORIZED.into_response(),
                    "session=banned" => http::StatusCode::FORBIDDEN.into_response(),
                    "session=moved" => axum::response::Redirect::to("/login").into_response(),
                    "session=broken" => "<html>".into_response(),
                    "session=large" => "x".repeat(1 << 20).into_response(),
                    "session=hanging" => std::future::pending().await,
                    _ => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let forward = Forward::new(&format!("http://{}/me", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(axum::serve(listener, application).into_future());
        with(settings(forward).allow("timer:{user}").unwrap()).await
    }

    async fn with_session(session: &str) -> Answer {
        let fixture = beside_an_application(|forward| forward.timeout(Duration::from_millis(200))).await;
        fixture.client("").header("cookie", &format!("session={session}")).get("/check", &[]).await
    }

    #[tokio::test]
    async fn whom_the_application_knows_is_in_with_its_grants() {
        let fixture = beside_an_application(|forward| forward).await;
        let cookie = fixture.client("").header("cookie", "session=ana");
        let data = cookie.stream(&[("channels", "timer:ana,room:7,room:8")]).await.connected.data;
        assert_eq!((&data["userId"], &data["channels"]), (&json!("ana"), &json!(["timer:ana", "room:7"])));
        assert!((55..=60).contains(&data["expiresIn"].as_u64().unwrap()));
        fixture.client("ana").get("/check", &[]).await.good();
        assert_eq!(with_session("guest").await.good(), json!({"userId": null}));
    }

    #[tokio::test]
    async fn whom_it_refuses_is_refused() {
        with_session("old").await.is_problem(401, "credentialsExpired");
        with_session("bad").await.is_problem(401, "credentialsInvalid");
        with_session("banned").await.is_problem(403, "forbidden");
    }

    #[tokio::test]
    async fn whatever_else_goes_wrong_is_nobodys_fault() {
        for session in ["failing", "moved", "broken", "large", "hanging"] {
            let answer = with_session(session).await;
            answer.is_problem(503, "unavailable");
            assert_eq!(answer.headers["retry-after"], "1", "{session}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_is_nobodys_fault() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = Forward::new(&format!("http://{}/me", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        with(gone).await.client("ana").get("/check", &[]).await.is_problem(503, "unavailable");
    }

    #[tokio::test]
    async fn without_credentials_it_is_not_asked() {
        let fixture = beside_an_application(|forward| forward).await;
        fixture.client("").get("/check", &[]).await.is_problem(401, "credentialsMissing");
    }

    #[test]
    fn an_endpoint_that_cannot_be_asked_is_told_at_start_up() {
        for endpoint in ["https://example.org/me", "/me", "me", "", "http://"] {
            assert!(Forward::new(endpoint).is_err(), "{endpoint}");
        }
    }
}

thread_local! {
    /// All that this thread traces, as text; none where nobody listens.
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

/// Credentials of every kind, good and bad, for every call: none is traced, in whatever detail, nor stands in any answer.
#[test]
fn credentials_are_never_shown() {
    // For the whole process: what one thread's subscriber wants is not looked up anew while others run.
    let traced = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log);
    tracing::subscriber::set_global_default(traced.finish()).unwrap();
    TRACED.set(Some(Vec::new()));
    // On one thread: the hub, the server and its client alike.
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

/// Returns the secrets; what was answered goes to `heard`.
async fn credentials_everywhere(heard: &mut String) -> Vec<String> {
    let session = |request: AuthRequest| async move {
        match &*request.cookie("session").ok_or(AuthError::Missing)? {
            "cookie-of-ana" => Identity::user("ana"),
            "cookie-of-nobody" => Err(AuthError::Unavailable("the session store is down".into())),
            _ => Err(AuthError::Invalid),
        }
    };
    // An application that repeats what it was shown, whatever it says of it.
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
            // The one answer that gives a credential gives it to its owner.
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

/// Whoever prints what a request or a configuration is, in an error or a panic, prints no credential.
#[tokio::test]
async fn what_is_made_of_credentials_shows_none_of_them() {
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

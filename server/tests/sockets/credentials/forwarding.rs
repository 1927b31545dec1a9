//! Authentication by an endpoint of the application.

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
async fn any_other_failure_of_the_endpoint_is_503() {
    for session in ["failing", "moved", "broken", "large", "hanging"] {
        let answer = with_session(session).await;
        answer.is_problem(503, "unavailable");
        assert_eq!(answer.headers["retry-after"], "1", "{session}");
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_503() {
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

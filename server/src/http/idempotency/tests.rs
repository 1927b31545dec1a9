//! The layer around handlers that count their calls.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use tokio::sync::Notify;

use super::*;
use crate::auth::{AuthError, Identity};

struct App {
    router: Router,
    done: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

fn app(settings: impl FnOnce(Idempotency) -> Idempotency) -> App {
    let auth = |request: AuthRequest| async move {
        match request.bearer().ok_or(AuthError::Missing)? {
            "guest" => Ok(Identity::anonymous()),
            user => Identity::user(user),
        }
    };
    let (done, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, counting, going) = (done.clone(), done.clone(), go_on.clone());
    let count = move |Path(status): Path<u16>| async move {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        (StatusCode::from_u16(status).unwrap(), [("x-number", number.to_string())], format!("number {number}"))
    };
    let slow = move || async move {
        going.notified().await;
        format!("number {}", counting.fetch_add(1, Ordering::Relaxed) + 1)
    };
    let router = Router::new().route("/count/{status}", post(count.clone()).get(count)).route("/slow", post(slow));
    let router = router.route("/key", get(|key: Option<IdempotencyKey>| async move { format!("{key:?}") }));
    App { router: router.layer(settings(Idempotency::new(auth))), done, go_on }
}

struct Answered {
    status: u16,
    body: String,
    replayed: bool,
    number: Option<HeaderValue>,
}

impl App {
    async fn send(&self, method: &str, path: &str, user: &str, key: &str, body: &'static str) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if !user.is_empty() {
            request = request.header("authorization", format!("Bearer {user}"));
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answered {
            status: parts.status.as_u16(),
            replayed: parts.headers.contains_key(REPLAYED),
            number: parts.headers.get("x-number").cloned(),
            body: String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap(),
        }
    }

    async fn post(&self, path: &str, user: &str, key: &str) -> Answered {
        self.send("POST", path, user, key, "").await
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_repetition_has_the_first_ones_answer_and_is_not_done() {
    let app = app(|layer| layer);
    let first = app.post("/count/201", "ana", "\"k1\"").await;
    let again = app.post("/count/201", "ana", "\"k1\"").await;
    assert_eq!((first.status, &*first.body, first.replayed), (201, "number 1", false));
    assert_eq!((again.status, &*again.body, again.replayed), (201, "number 1", true));
    assert_eq!((again.number, app.done()), (first.number, 1));
}

#[tokio::test]
async fn keys_are_those_of_one_user() {
    let app = app(|layer| layer);
    for user in ["ana", "bob"] {
        assert!(!app.post("/count/200", user, "k1").await.replayed);
    }
    assert_eq!(app.done(), 2);
}

#[tokio::test]
async fn requests_of_anonymous_callers_and_reads_are_not_remembered() {
    let app = app(|layer| layer);
    for _ in 0..2 {
        app.post("/count/200", "", "k1").await;
        app.post("/count/200", "guest", "k1").await;
        app.post("/count/200", "ana", "").await;
        app.send("GET", "/count/200", "ana", "k1", "").await;
    }
    assert_eq!(app.done(), 8);
}

#[tokio::test]
async fn a_refused_or_failed_request_is_tried_anew() {
    for status in ["400", "401", "429", "500", "503"] {
        let app = app(|layer| layer);
        for _ in 0..2 {
            assert!(!app.post(&format!("/count/{status}"), "ana", "k1").await.replayed);
        }
        assert_eq!(app.done(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_key_that_comes_with_another_request_is_refused() {
    let app = app(|layer| layer);
    app.send("POST", "/count/200", "ana", "k1", "tea").await;
    let other = app.send("POST", "/count/200", "ana", "k1", "coffee").await;
    assert_eq!(other.status, 400);
    assert!(other.body.contains("another request"), "{}", other.body);
    assert_eq!(app.post("/count/201", "ana", "k1").await.status, 400);
    assert_eq!(app.post("/count/200", "ana", "two words").await.status, 400);
    assert_eq!(app.done(), 1);
}

#[tokio::test]
async fn a_repetition_waits_for_the_first_whose_client_may_have_gone() {
    let app = app(|layer| layer);
    let hung_up = app.post("/slow", "ana", "k1");
    tokio::time::timeout(Duration::from_millis(10), hung_up).await.err().expect("it waits");
    let again = app.post("/slow", "ana", "k1");
    let release = async {
        tokio::task::yield_now().await;
        app.go_on.notify_one();
    };
    let (again, ()) = tokio::join!(again, release);
    assert_eq!((&*again.body, again.replayed, app.done()), ("number 1", true, 1));
}

#[tokio::test(start_paused = true)]
async fn answers_are_forgotten_after_their_time_and_the_oldest_where_there_is_no_room() {
    let app1 = app(|layer| layer.lifetime(Duration::from_secs(60)));
    app1.post("/count/200", "ana", "k1").await;
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(app1.post("/count/200", "ana", "k1").await.replayed);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!app1.post("/count/200", "ana", "k1").await.replayed);

    let app2 = app(|layer| layer.bytes(1_500));
    for key in ["k1", "k2", "k3"] {
        app2.post("/count/200", "ana", key).await;
    }
    assert!(app2.post("/count/200", "ana", "k3").await.replayed);
    assert!(!app2.post("/count/200", "ana", "k1").await.replayed);
}

#[tokio::test]
async fn a_handler_may_take_the_key_itself() {
    let app = app(|layer| layer);
    assert_eq!(app.send("GET", "/key", "ana", "\"k1\"", "").await.body, "Some(IdempotencyKey(\"k1\"))");
    assert_eq!(app.send("GET", "/key", "ana", "", "").await.body, "None");
    assert_eq!(app.send("GET", "/key", "ana", "a b", "").await.status, 400);
}

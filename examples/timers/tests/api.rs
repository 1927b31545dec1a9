//! The API that the front end relies on, called over real sockets.

mod common;

use common::{House, Server, Tab};
use serde_json::{Value, json};

/// A logged-in tab.
async fn tab(server: &Server, device: &'static str, session: &'static str, user: &str) -> Tab {
    let tab = Tab::open(server, device, session);
    tab.login(user).await;
    tab
}

async fn start(tab: &Tab, title: &str) -> Value {
    tab.post("/api/timers/start", json!({ "title": title, "mode": "timer" })).await.body
}

#[tokio::test]
async fn login_sets_a_cookie_that_scripts_cannot_read_and_other_sites_cannot_use() {
    let house = House::new();
    let server = house.serve().await;
    let response = Tab::open(&server, "laptop", "t1").login(" ana ").await;
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    for part in ["session=", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(cookie.contains(part), "no {part} in {cookie}");
    }
    assert_eq!(response.json::<Value>().await.expect("JSON"), json!({ "user": "ana" }));
}

#[tokio::test]
async fn session_and_timer_survive_a_restart() {
    let house = House::new();
    let server = house.serve().await;
    let mut laptop = tab(&server, "laptop", "t1", "ana").await;
    let before = start(&laptop, "Write").await;
    drop(server);

    let server = house.serve().await;
    laptop.turn_to(&server);
    assert_eq!(laptop.get("/api/me").await.body, json!({ "user": "ana" }));
    let after = laptop.get("/api/timer").await.body;
    assert_eq!((&after["timer"], &after["revision"]), (&before["timer"], &before["revision"]));
}

#[tokio::test]
async fn a_page_of_another_port_stops_no_timer_and_none_may_frame_ours() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    start(&laptop, "Write").await;
    let stranger = laptop.post_from("http://127.0.0.1:9", "same-site", "/api/timers/stop", json!({})).await;
    assert_eq!(stranger.problem(), (403, "originNotAllowed"));
    let own = laptop.post_from(&server.url, "same-origin", "/api/timers/stop", json!({})).await;
    assert_eq!(own.status, 200, "{own:?}");

    let page = reqwest::get(&server.url).await.expect("the page");
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
}

#[tokio::test]
async fn logout_ends_the_session_and_informs_the_other_tabs_of_the_browser() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let mut other_tab = laptop.another("t2").listen("").await;
    assert_eq!(laptop.post("/api/logout", json!({})).await.status, 204);
    assert_eq!(other_tab.next_of("session").await["type"], "ended");
    assert_eq!(laptop.get("/api/me").await.problem(), (401, "notLoggedIn"));
}

#[tokio::test]
async fn nothing_is_told_without_a_session() {
    let house = House::new();
    let server = house.serve().await;
    let stranger = Tab::open(&server, "laptop", "t1");
    for path in ["/api/me", "/api/timer", "/api/devices"] {
        assert_eq!(stranger.get(path).await.problem(), (401, "notLoggedIn"), "{path}");
    }
    for path in ["/api/logout", "/api/timers/stop", "/api/timers/start", "/api/devices"] {
        assert_eq!(stranger.post(path, json!({})).await.problem(), (401, "notLoggedIn"), "{path}");
    }
    assert_eq!(stranger.get("/api/events").await.problem(), (401, "credentialsMissing"));
}

#[tokio::test]
async fn a_user_may_listen_to_no_other_users_channel() {
    let house = House::new();
    let server = house.serve().await;
    let stream = tab(&server, "laptop", "t1", "ana").await.listen("timer:ana,timer:bob,*").await;
    assert_eq!(stream.connected["channels"], json!(["timer:ana"]));
    let rejected: Vec<_> =
        stream.connected["rejected"].as_array().expect("a list").iter().map(|it| &it["channel"]).collect();
    assert_eq!(rejected, ["timer:bob", "*"]);
}

#[tokio::test]
async fn a_timer_started_on_one_device_is_told_to_the_other() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let mut phone = tab(&server, "phone", "t2", "ana").await.listen("").await;
    let answer =
        laptop.post("/api/timers/start", json!({ "title": " Write ", "mode": "timer", "plannedMinutes": 45 })).await;

    let told = phone.next_of("timer").await;
    assert_eq!((&told["type"], &told["source"]["deviceId"]), (&json!("started"), &json!("laptop")));
    assert_eq!(told["payload"]["timer"], answer.body["timer"]);
    assert_eq!(told["payload"]["revision"], answer.body["revision"]);
    let timer = &told["payload"]["timer"];
    assert_eq!((&timer["title"], &timer["plannedMinutes"]), (&json!("Write"), &json!(45)));
    assert_eq!((&timer["deviceId"], &timer["phase"]), (&json!("laptop"), &Value::Null));
    assert!(answer.body["serverNow"].as_i64() >= timer["startedAt"].as_i64(), "{answer:?}");
}

#[tokio::test]
async fn the_tab_that_caused_it_hears_nothing_and_its_neighbour_does() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let neighbour = laptop.another("t2");
    let (mut own, mut next_door) = (laptop.listen("").await, neighbour.listen("").await);
    start(&laptop, "Write").await;
    assert_eq!(next_door.next_of("timer").await["type"], "started");
    neighbour.post("/api/timers/stop", json!({})).await;
    assert_eq!(own.next_of("timer").await["type"], "stopped", "the first event of this tab is the other tab's change");
}

#[tokio::test]
async fn other_users_receive_nothing() {
    let house = House::new();
    let server = house.serve().await;
    let ana = tab(&server, "laptop", "t1", "ana").await;
    let bob = tab(&server, "tower", "t2", "bob").await;
    let mut heard = bob.listen("").await;
    start(&ana, "Write").await;
    start(&bob.another("t3"), "Read").await;
    assert_eq!(heard.next_of("timer").await["payload"]["timer"]["title"], "Read");
    assert_eq!(bob.get("/api/timer").await.body["timer"]["title"], "Read");
}

#[tokio::test]
async fn starting_while_another_runs_takes_over() {
    let house = House::new();
    let server = house.serve().await;
    let first = start(&tab(&server, "laptop", "t1", "ana").await, "Write").await;
    let second = start(&tab(&server, "phone", "t2", "ana").await, "Read").await;
    assert_eq!((&second["timer"]["title"], &second["timer"]["deviceId"]), (&json!("Read"), &json!("phone")));
    assert!(second["revision"].as_i64() > first["revision"].as_i64());
}

#[tokio::test]
async fn moving_needs_a_timer_and_a_device_that_one_has() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let phone = tab(&server, "phone", "t2", "ana").await;
    phone.post("/api/devices", json!({ "name": "Phone" })).await;
    let to = |device: &str| json!({ "deviceId": device });

    assert_eq!(laptop.post("/api/timers/move", to("phone")).await.problem(), (409, "noTimer"));
    start(&laptop, "Write").await;
    assert_eq!(laptop.post("/api/timers/move", to("tower")).await.problem(), (404, "unknownDevice"));
    let mut told = phone.listen("").await;
    let moved = laptop.post("/api/timers/move", to("phone")).await;
    assert_eq!(moved.body["timer"]["deviceId"], "phone");
    assert_eq!(told.next_of("timer").await["type"], "moved");
}

#[tokio::test]
async fn stopping_twice_is_no_error_and_no_news() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    start(&laptop, "Write").await;
    let stopped = laptop.post("/api/timers/stop", json!({})).await.body;
    let again = laptop.post("/api/timers/stop", json!({})).await;
    assert_eq!((again.status.as_u16(), &again.body["revision"]), (200, &stopped["revision"]));
    assert_eq!(again.body["timer"], Value::Null);
}

#[tokio::test]
async fn two_devices_that_go_on_at_once_skip_no_phase() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let pomodoro = json!({ "title": "Write", "mode": "pomodoro", "plannedMinutes": 30 });
    let started = laptop.post("/api/timers/start", pomodoro).await.body;
    assert_eq!(
        (&started["timer"]["phase"]["kind"], &started["timer"]["phase"]["minutes"]),
        (&json!("focus"), &json!(30))
    );

    let go_on = json!({ "revision": started["revision"] });
    let first = laptop.post("/api/timers/phase", go_on.clone()).await.body;
    assert_eq!(first["timer"]["phase"]["kind"], "shortBreak");
    assert_eq!(laptop.post("/api/timers/phase", go_on).await.problem(), (409, "outdated"));
    let chosen = laptop.post("/api/timers/phase", json!({ "kind": "longBreak" })).await.body;
    assert_eq!(chosen["timer"]["phase"]["minutes"], 15);
}

#[tokio::test]
async fn a_plain_timer_has_no_phases() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    start(&laptop, "Write").await;
    assert_eq!(laptop.post("/api/timers/phase", json!({})).await.problem(), (409, "noPhases"));
}

#[tokio::test]
async fn devices_come_and_go_before_the_eyes_of_the_others() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let phone = tab(&server, "phone", "t2", "ana").await;
    let mut told = laptop.listen("").await;

    phone.post("/api/devices", json!({ "name": " Phone " })).await;
    let named = told.next_of("devices").await;
    assert_eq!((&named["type"], &named["payload"]["name"]), (&json!("named"), &json!("Phone")));
    let stream = phone.listen("").await;
    let online = told.next_of("devices").await;
    assert_eq!((&online["type"], &online["payload"]["online"]), (&json!("online"), &json!(true)));
    assert_eq!(laptop.get("/api/devices").await.body["devices"][0]["online"], true);
    drop(stream);
    let offline = told.next_of("devices").await;
    assert_eq!((&offline["type"], &offline["payload"]["id"]), (&json!("offline"), &json!("phone")));
}

#[tokio::test]
async fn bad_input_is_refused_with_a_code() {
    let house = House::new();
    let server = house.serve().await;
    let laptop = tab(&server, "laptop", "t1", "ana").await;
    let long = |chars: usize| "é".repeat(chars);
    let cases = [
        ("/api/login", json!({ "user": "  " }), 422, "invalid"),
        ("/api/login", json!({ "user": long(65) }), 422, "invalid"),
        ("/api/login", json!({ "user": "a\u{7}b" }), 422, "invalid"),
        ("/api/login", json!({ "name": "ana" }), 422, "malformedBody"),
        ("/api/timers/start", json!({ "title": " ", "mode": "timer" }), 422, "invalid"),
        ("/api/timers/start", json!({ "title": long(121), "mode": "timer" }), 422, "invalid"),
        ("/api/timers/start", json!({ "title": "x", "mode": "sundial" }), 422, "malformedBody"),
        ("/api/timers/start", json!({ "title": "x", "mode": "timer", "plannedMinutes": 0 }), 422, "invalid"),
        ("/api/timers/start", json!({ "title": "x", "mode": "timer", "plannedMinutes": -1 }), 422, "malformedBody"),
        ("/api/timers/move", json!({ "deviceId": "" }), 404, "unknownDevice"),
        ("/api/devices", json!({ "name": long(65) }), 422, "invalid"),
        ("/api/nowhere", json!({}), 404, "notFound"),
    ];
    for (path, body, status, code) in cases {
        assert_eq!(laptop.post(path, body.clone()).await.problem(), (status, code), "{path} {body}");
    }
    let garbled = laptop.post_text("/api/timers/start", "application/json", "{").await;
    assert_eq!(garbled.problem(), (400, "malformedBody"));
    let wrong_type = laptop.post_text("/api/timers/start", "text/plain", "{}").await;
    assert_eq!(wrong_type.problem(), (415, "malformedBody"));
    assert_eq!(laptop.get("/api/timer").await.body["timer"], Value::Null, "none of these calls had an effect");
}

#[tokio::test]
async fn names_that_look_like_patterns_are_just_names() {
    let house = House::new();
    let server = house.serve().await;
    let star = tab(&server, "laptop", "t1", "*").await;
    let mut heard = star.listen("").await;
    start(&tab(&server, "tower", "t2", "ana").await, "Secret").await;
    start(&star.another("t3"), "Own").await;
    assert_eq!(heard.next_of("timer").await["payload"]["timer"]["title"], "Own");
}

#[tokio::test]
async fn every_path_that_is_no_file_and_no_api_is_the_page() {
    let house = House::new();
    let server = house.serve().await;
    let answer = Tab::open(&server, "laptop", "t1").get("/anything").await;
    assert_eq!((answer.status.as_u16(), answer.media_type.as_str()), (200, "text/html"));
    assert!(answer.body.as_str().is_some_and(|page| page.contains("the page")), "{answer:?}");
}

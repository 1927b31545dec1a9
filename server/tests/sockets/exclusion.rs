//! Hiding an event from the tab or device that caused it.

use tidings::{Origin, UserId, UserOrigin};

use crate::fixture::{Fixture, event, tab};

fn anas(session: &str) -> UserOrigin {
    tab(session).of(&UserId::new("ana").unwrap())
}

#[tokio::test]
async fn the_tab_that_caused_it_gets_no_echo_and_another_tab_of_the_device_does() {
    let fixture = Fixture::start().await;
    let query = |session| [("deviceId", "laptop"), ("sessionId", session), ("channels", "news:1")];
    let mut origin = fixture.stream("ana", &query("tab1")).await;
    let mut other = fixture.stream("ana", &query("tab2")).await;
    fixture.hub.to_user("ana").publish(event("timer", "echo").except(&anas("tab1"))).await.unwrap();
    fixture.publish("news:1", "sentinel").await;
    origin.hears("sentinel").await;
    other.hears("echo").await;
}

#[tokio::test]
async fn on_a_channel_too() {
    let fixture = Fixture::start().await;
    let mut origin = fixture.stream("ana", &[("sessionId", "tab1"), ("channels", "news:1")]).await;
    let mut other = fixture.stream("ana", &[("sessionId", "tab2"), ("channels", "news:1")]).await;
    fixture.hub.publish(event("news:1", "echo").except(&anas("tab1"))).await.unwrap();
    fixture.publish("news:1", "sentinel").await;
    origin.hears("sentinel").await;
    other.hears("echo").await;
}

#[tokio::test]
async fn every_tab_of_a_device() {
    let fixture = Fixture::start().await;
    let query = |device, session| [("deviceId", device), ("sessionId", session), ("channels", "news:1")];
    let mut tabs =
        [fixture.stream("ana", &query("laptop", "tab1")).await, fixture.stream("ana", &query("laptop", "tab2")).await];
    let mut phone = fixture.stream("ana", &query("phone", "tab3")).await;
    let laptop = Origin::new(Some("laptop".parse().unwrap()), Some("tab1".parse().unwrap()));
    let echo = event("timer", "echo").except(laptop.of(&"ana".parse().unwrap()).device());
    fixture.hub.to_user("ana").publish(echo).await.unwrap();
    fixture.publish("news:1", "sentinel").await;
    for tab in &mut tabs {
        tab.hears("sentinel").await;
    }
    phone.hears("echo").await;
}

#[tokio::test]
async fn a_forged_session_or_device_id_hides_nothing_from_its_owner() {
    let fixture = Fixture::start().await;
    let query = |channels| [("deviceId", "anas-laptop"), ("sessionId", "anas-tab"), ("channels", channels)];
    let mut ana = fixture.stream("ana", &query("news:1")).await;
    // Eve's tab and requests use the id of Ana's tab; the backend knows that they are Eve's.
    let mut eve = fixture.stream("eve", &query("news:1")).await;
    let eves = UserId::new("eve").unwrap();
    fixture.hub.publish(event("news:1", "one").except(&tab("anas-tab").of(&eves))).await.unwrap();
    for (name, id) in [("sessionId", "anas-tab"), ("deviceId", "anas-laptop")] {
        let except = serde_json::json!({"userId": "eve", name: id});
        let body = serde_json::json!({"channel": "news:1", "type": "t", "payload": name, "except": except});
        fixture.client("backend").post("/publish", body).await.good();
    }
    fixture.publish("news:1", "for all").await;
    for payload in ["one", "sessionId", "deviceId", "for all"] {
        ana.hears(payload).await;
    }
    eve.hears("for all").await;
}

#[tokio::test]
async fn a_stream_without_a_session_gets_it_with_the_exclusion_to_judge_by_itself() {
    let fixture = Fixture::start().await;
    let mut shared = fixture.stream("ana", &[]).await;
    fixture.hub.to_user("ana").publish(event("timer", "echo").except(&anas("tab1"))).await.unwrap();
    let heard = shared.event().await;
    assert_eq!(heard["except"], serde_json::json!({"userId": "ana", "sessionId": "tab1"}));
}

#[tokio::test]
async fn an_empty_origin_hides_nothing() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("sessionId", "tab1")]).await;
    let nowhere = Origin::default().of(&"ana".parse().unwrap());
    let event = event("timer", 1).except(&nowhere).except(nowhere.device());
    fixture.hub.to_user("ana").publish(event).await.unwrap();
    stream.hears(1).await;
}

#[tokio::test]
async fn the_source_alone_hides_nothing() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("sessionId", "tab1"), ("channels", "news:1")]).await;
    fixture.hub.publish(event("news:1", 1).caused_by(&tab("tab1"))).await.unwrap();
    assert_eq!(stream.event().await["source"], serde_json::json!({"sessionId": "tab1"}));
}

#[tokio::test]
async fn the_source_names_the_user_where_the_backend_does() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.hub.publish(event("news:1", 1).caused_by(&anas("tab1"))).await.unwrap();
    assert_eq!(stream.event().await["source"], serde_json::json!({"userId": "ana", "sessionId": "tab1"}));
}

#[tokio::test]
async fn replay_hides_it_too() {
    let fixture = Fixture::start().await;
    let start = fixture.hub.cursor().to_string();
    fixture.hub.to_user("ana").publish(event("timer", "echo").except(&anas("tab1"))).await.unwrap();
    fixture.hub.to_user("ana").publish(event("timer", "sentinel")).await.unwrap();
    let mut origin = fixture.stream("ana", &[("sessionId", "tab1"), ("lastEventId", &start)]).await;
    let mut other = fixture.stream("ana", &[("sessionId", "tab2"), ("lastEventId", &start)]).await;
    origin.hears("sentinel").await;
    other.hears("echo").await;
}

//! The receivers of an event.

use serde_json::json;

use crate::fixture::{Fixture, event};

#[tokio::test]
async fn an_event_reaches_the_subscribers_of_its_channel_only() {
    let fixture = Fixture::start().await;
    let mut one = fixture.stream("ana", &[("channels", "news:1")]).await;
    let mut other = fixture.stream("ana", &[("channels", "news:2")]).await;
    fixture.publish("news:1", "to one").await;
    fixture.publish("news:2", "to the other").await;
    one.hears("to one").await;
    other.hears("to the other").await;
}

#[tokio::test]
async fn published_to_a_feature_it_reaches_all_below() {
    let fixture = Fixture::start().await;
    let mut below = fixture.stream("ana", &[("channels", "news:1")]).await;
    let mut far_below = fixture.stream("ana", &[("channels", "news:1:comments")]).await;
    let mut beside = fixture.stream("ana", &[("channels", "timer:ana")]).await;
    fixture.publish("news:*", "to all").await;
    below.hears("to all").await;
    far_below.hears("to all").await;
    fixture.publish("timer:ana", "sentinel").await;
    beside.hears("sentinel").await;
}

#[tokio::test]
async fn a_pattern_receives_all_channels_below_it() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:*")]).await;
    fixture.publish("news", "the prefix itself").await;
    fixture.publish("newspaper:1", "not below").await;
    fixture.publish("news:1", 1).await;
    fixture.publish("news:1:comments", 2).await;
    stream.hears(1).await;
    stream.hears(2).await;
}

#[tokio::test]
async fn an_event_that_several_subscriptions_match_is_sent_once() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1,news:*,news:1:*")]).await;
    fixture.publish("news:1", "once").await;
    fixture.publish("news:*", "again once").await;
    fixture.publish("news:1", "sentinel").await;
    stream.hears("once").await;
    stream.hears("again once").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn a_user_gets_it_on_every_stream_whatever_it_subscribed_to() {
    let fixture = Fixture::start().await;
    let mut laptop = fixture.stream("ana", &[("deviceId", "laptop")]).await;
    let mut phone = fixture.stream("ana", &[("deviceId", "phone"), ("channels", "news:1")]).await;
    let mut bob = fixture.stream("bob", &[("channels", "news:*")]).await;
    fixture.hub.to_user("ana").publish(event("news:1", "to ana")).await.unwrap();
    let heard = laptop.event().await;
    assert_eq!((&heard["payload"], &heard["to"]), (&json!("to ana"), &json!("user")));
    phone.hears("to ana").await;
    fixture.publish("news:1", "sentinel").await;
    phone.hears("sentinel").await;
    bob.hears("sentinel").await;
}

#[tokio::test]
async fn several_users_get_it_once_each() {
    let fixture = Fixture::start().await;
    let mut ana = fixture.stream("ana", &[("channels", "news:1")]).await;
    let mut bob = fixture.stream("bob", &[("channels", "news:1")]).await;
    let mut eve = fixture.stream("eve", &[("channels", "news:1")]).await;
    fixture.hub.to_users(["ana", "bob", "ana"]).publish(event("team", "to both")).await.unwrap();
    fixture.publish("news:1", "sentinel").await;
    for member in [&mut ana, &mut bob] {
        member.hears("to both").await;
        member.hears("sentinel").await;
    }
    eve.hears("sentinel").await;
}

#[tokio::test]
async fn a_device_gets_it_and_the_users_other_devices_do_not() {
    let fixture = Fixture::start().await;
    let mut laptop = fixture.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    let mut phone = fixture.stream("ana", &[("deviceId", "phone"), ("channels", "news:1")]).await;
    let mut bobs = fixture.stream("bob", &[("deviceId", "phone"), ("channels", "news:1")]).await;
    fixture.hub.to_device("ana", "phone").publish(event("timer", "to the phone")).await.unwrap();
    let heard = phone.event().await;
    assert_eq!((&heard["payload"], &heard["to"]), (&json!("to the phone"), &json!("device")));
    fixture.publish("news:1", "sentinel").await;
    laptop.hears("sentinel").await;
    bobs.hears("sentinel").await;
}

#[tokio::test]
async fn an_anonymous_stream_receives_channels_and_nothing_addressed() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("anonymous", &[("channels", "news:1"), ("deviceId", "kiosk")]).await;
    assert_eq!(stream.connected.data["userId"], json!(null));
    fixture.hub.to_user("ana").publish(event("news:1", "to ana")).await.unwrap();
    fixture.hub.to_device("ana", "kiosk").publish(event("news:1", "to her kiosk")).await.unwrap();
    fixture.publish("news:1", "to all").await;
    stream.hears("to all").await;
}

#[tokio::test]
async fn a_batch_arrives_in_its_order() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:*")]).await;
    let receipts = fixture.hub.publish_all((0..500).map(|n| event(&format!("news:{}", n % 7), n))).await.unwrap();
    for (n, receipt) in (0..500).zip(receipts) {
        let frame = stream.named("message").await;
        assert_eq!((&frame.data["payload"], frame.id), (&json!(n), receipt.cursor.to_string()));
    }
}

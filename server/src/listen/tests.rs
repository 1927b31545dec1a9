//! Listeners on complete hubs with their drivers.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use tidings_protocol::UserId;

use super::*;
use crate::{Event, Origin, engine::Memory};

async fn hub() -> Hub {
    Hub::builder().build().await.unwrap()
}

fn event(channel: &str, payload: impl serde::Serialize) -> Event {
    Event::new(channel, "t", &payload).unwrap()
}

async fn next(listener: &mut Listener) -> Received {
    listener.next().await.expect("the hub runs").expect("nothing is missing")
}

#[tokio::test(start_paused = true)]
async fn a_listener_yields_the_events_of_its_pattern_in_order_and_no_others() {
    let hub = hub().await;
    let mut orders = hub.listen("order:*").unwrap();
    for channel in ["order:1", "other", "order:*", "order:2:lines"] {
        hub.publish(event(channel, channel)).await.unwrap();
    }
    hub.to_user("ana").publish(event("order:1", "addressed")).await.unwrap();
    hub.publish(event("order:3", "last")).await.unwrap();
    for expected in ["order:1", "order:*", "order:2:lines", "last"] {
        assert_eq!(next(&mut orders).await.json::<String>().unwrap(), expected);
    }
    assert!(orders.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_event_says_all_that_was_published() {
    let hub = hub().await;
    let mut orders = hub.listen("order:1").unwrap();
    let origin = Origin::new(None, Some("tab".parse().unwrap()));
    let origin = origin.of(&UserId::new("ana").unwrap());
    let receipt = hub.publish(event("order:1", json!({"lines": ["a\nb"]})).caused_by(&origin)).await.unwrap();
    let received = next(&mut orders).await;
    assert_eq!((received.cursor, received.event_type.as_str()), (receipt.cursor, "t"));
    assert_eq!((received.channel.to_string(), received.source), ("order:1".to_owned(), Some((&origin).into())));
    assert_eq!(received.payload.get(), r#"{"lines":["a\nb"]}"#);
    assert!(received.time.elapsed().unwrap() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_misses_nothing_in_the_log_and_is_told_of_losses() {
    let hub = Hub::builder().window_records(2).build().await.unwrap();
    let mut slow = hub.listen("order:1").unwrap();
    for number in 0..100 {
        hub.publish(event("order:1", number)).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(next(&mut slow).await.json::<i32>().unwrap(), number);
    }
    let short = Hub::builder().engine(Memory::builder().records(3).build()).window_records(2).build().await.unwrap();
    let mut slow = short.listen("order:1").unwrap();
    for number in 0..100 {
        short.publish(event("order:1", number)).await.unwrap();
    }
    assert_eq!(slow.next().await.unwrap().unwrap_err(), Missed { reason: GapReason::Trimmed });
    assert_eq!(next(&mut slow).await.json::<i32>().unwrap(), 97);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_it_and_does_not_wait_for_whoever_keeps_it() {
    let hub = hub().await;
    let mut orders = hub.listen("order:1").unwrap();
    let drained = hub.drain(Duration::from_secs(10));
    let (started, read) = (tokio::time::Instant::now(), async { assert!(orders.next().await.is_none()) });
    futures_util::future::join(drained, read).await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_forgets_its_stream() {
    let hub = hub().await;
    let orders = hub.listen("order:1").unwrap();
    assert_eq!(hub.stats().connections, 1);
    drop(orders);
    assert_eq!(hub.stats().connections, 0);
}

#[tokio::test]
async fn a_malformed_channel_is_an_error() {
    assert!(hub().await.listen("a::b").is_err());
}

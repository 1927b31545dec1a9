//! A client that does not read.

use serde_json::json;
use tidings::engine::Memory;

use crate::fixture::{Fixture, Held, event};

const EVENTS: usize = 5_000;
const BATCH: usize = 100;
const BYTES: usize = 8 << 10;

/// The stream holds nothing in the server but its position: pages of the log are read for it only as far as the sockets
/// in between take them, and the rest when the client reads on. (All of it is 40 pages of 1 MiB; sockets hold a few.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_costs_no_memory_delays_nobody_and_loses_nothing() {
    let engine = Held::new(Memory::builder().bytes(2 * EVENTS * BYTES).build());
    let hold = engine.clone();
    let fixture = Fixture::with(|hub| hub.engine(hold).window_records(2 * BATCH)).await;
    let mut slow = fixture.stream("ana", &[("channels", "news:*")]).await;
    let mut fast = fixture.stream("bob", &[("channels", "news:*")]).await;
    let filler = "x".repeat(BYTES);

    for batch in 0..EVENTS / BATCH {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        let events = numbers.clone().map(|n| event("news:1", format!("{n} {filler}")));
        fixture.hub.publish_all(events).await.unwrap();
        for n in numbers {
            fast.hears(format!("{n} {filler}")).await;
        }
    }
    let pages = engine.pages();
    assert!(pages < 20, "{pages} pages were read for a client that does not read");

    for n in 0..EVENTS {
        slow.hears(format!("{n} {filler}")).await;
    }
    assert!(engine.pages() > pages, "the rest came from the engine");
    fixture.publish("news:1", "live").await;
    slow.hears("live").await;
}

/// After the log itself has lost the records that the stream needs, the client is sent a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_a_gap_when_the_log_was_trimmed() {
    let small = Memory::builder().records(2 * BATCH).build();
    let fixture = Fixture::with(|hub| hub.engine(small).window_records(BATCH)).await;
    let mut slow = fixture.stream("ana", &[("channels", "news:*")]).await;
    let mut fast = fixture.stream("bob", &[("channels", "news:*")]).await;
    let filler = "x".repeat(BYTES);
    for n in 0..EVENTS {
        let payload = format!("{n} {filler}");
        fixture.publish("news:1", &*payload).await;
        fast.hears(payload).await;
    }
    let (mut heard, mut gaps, mut after_gap) = (0, 0, false);
    while heard < EVENTS {
        let frame = slow.next().await;
        match &*frame.event {
            // The buffers of the sockets take more now and then, so the log may leave the stream behind more than once.
            "gap" => {
                assert_eq!((&frame.data["channels"], &frame.data["reason"]), (&json!(["news:*"]), &json!("trimmed")));
                (gaps, after_gap) = (gaps + 1, true);
            }
            // On a busy machine this takes long enough for a heartbeat.
            "heartbeat" => {}
            _ => {
                let payload = frame.data["payload"].as_str().expect("an event");
                let number: usize = payload.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
                let is_next = if after_gap { number > heard } else { number == heard };
                assert!(is_next, "{number} after {heard} were heard, after a gap: {after_gap}");
                (heard, after_gap) = (number + 1, false);
            }
        }
    }
    assert!(gaps > 0, "the log has lost what the stream needed");
    fixture.publish("news:1", "live").await;
    slow.hears("live").await;
}

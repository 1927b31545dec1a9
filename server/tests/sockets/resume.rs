//! Cursors: resumed from, or answered by a gap.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tidings::{Cursor, engine::Memory};

use crate::fixture::{Fixture, Stream, event};

/// Ana's stream of the news from this cursor on.
async fn resumed(fixture: &Fixture, last_event_id: &str) -> Stream {
    fixture.stream("ana", &[("channels", "news:1"), ("lastEventId", last_event_id)]).await
}

/// Publishes these numbers. Returns the cursor of each.
async fn logged(fixture: &Fixture, numbers: std::ops::Range<i32>) -> Vec<Cursor> {
    // A stream receives them, so that they are in the window and not only in the engine.
    let mut witness = fixture.stream("eve", &[("channels", "news:1")]).await;
    let mut positions = Vec::new();
    for n in numbers {
        positions.push(fixture.publish("news:1", n).await.cursor);
        witness.hears(n).await;
    }
    positions
}

#[tokio::test]
async fn a_stream_resumes_by_the_parameter() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..3).await;
    let mut stream = resumed(&fixture, &positions[0].to_string()).await;
    assert_eq!(stream.connected.data["resumed"], true);
    assert_eq!(stream.connected.id, positions[0].to_string(), "the client's own cursor");
    stream.hears(1).await;
    stream.hears(2).await;
    fixture.publish("news:1", "live").await;
    stream.hears("live").await;
}

#[tokio::test]
async fn a_stream_resumes_by_the_header() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..3).await;
    let client = fixture.client("ana").header("last-event-id", &positions[1].to_string());
    client.stream(&[("channels", "news:1")]).await.hears(2).await;
}

#[tokio::test]
async fn the_header_wins_over_the_parameter() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..3).await;
    let client = fixture.client("ana").header("last-event-id", &positions[1].to_string());
    let old = positions[0].to_string();
    client.stream(&[("channels", "news:1"), ("lastEventId", &old)]).await.hears(2).await;
}

#[tokio::test]
async fn an_empty_header_is_none() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..3).await;
    let client = fixture.client("ana").header("last-event-id", "");
    let query = [("channels", "news:1"), ("lastEventId", &*positions[1].to_string())];
    let mut stream = client.stream(&query).await;
    assert_eq!(stream.connected.data["resumed"], true);
    stream.hears(2).await;
}

#[tokio::test]
async fn cursors_of_several_logs_are_malformed_to_a_server_of_one() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..1).await;
    let list = format!("{},1.1.1", positions[0]);
    assert_eq!(resumed(&fixture, &list).await.gap("malformed").await.id, positions[0].to_string());
}

#[tokio::test]
async fn addressed_events_are_replayed_too() {
    let fixture = Fixture::start().await;
    let start = fixture.hub.cursor().to_string();
    fixture.hub.to_user("bob").publish(event("timer", "to bob")).await.unwrap();
    fixture.hub.to_user("ana").publish(event("timer", "to ana")).await.unwrap();
    resumed(&fixture, &start).await.hears("to ana").await;
}

#[tokio::test]
async fn below_the_window_it_is_read_from_the_engine() {
    let fixture = Fixture::with(|hub| hub.window_records(2)).await;
    let positions = logged(&fixture, 0..50).await;
    let mut stream = resumed(&fixture, &positions[3].to_string()).await;
    for n in 4..50 {
        stream.hears(n).await;
    }
}

#[tokio::test]
async fn the_origin_of_the_log_is_a_cursor() {
    let fixture = Fixture::start().await;
    let origin = fixture.hub.cursor();
    logged(&fixture, 0..2).await;
    let mut stream = resumed(&fixture, &origin.to_string()).await;
    stream.hears(0).await;
}

#[tokio::test]
async fn a_malformed_cursor_is_a_gap_not_a_refusal() {
    let fixture = Fixture::start().await;
    for malformed in ["x", "1.2", "1.2.3.4", "-1.2.3", "99999999999999999999.1.1", "1.2.3\u{e9}"] {
        let mut stream = resumed(&fixture, malformed).await;
        assert_eq!(stream.connected.data["resumed"], false);
        assert_eq!(stream.connected.id, "", "until the gap has arrived, the client keeps its own cursor");
        stream.gap("malformed").await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_log_is_a_gap() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..1).await;
    let other = Cursor { epoch: positions[0].epoch ^ 1, ..positions[0] };
    let mut stream = resumed(&fixture, &other.to_string()).await;
    assert_eq!(stream.gap("epoch").await.id, positions[0].to_string(), "the new position");
    fixture.publish("news:1", "live").await;
    stream.hears("live").await;
}

#[tokio::test]
async fn a_cursor_with_another_tag_is_a_gap() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..3).await;
    let other = Cursor { tag: positions[1].tag ^ 1, ..positions[1] };
    resumed(&fixture, &other.to_string()).await.gap("diverged").await;
}

#[tokio::test]
async fn a_cursor_with_another_tag_below_the_window_is_a_gap() {
    let fixture = Fixture::with(|hub| hub.window_records(1)).await;
    let positions = logged(&fixture, 0..5).await;
    let other = Cursor { tag: positions[1].tag ^ 1, ..positions[1] };
    resumed(&fixture, &other.to_string()).await.gap("diverged").await;
}

#[tokio::test]
async fn a_cursor_beyond_the_log_is_a_gap() {
    let fixture = Fixture::start().await;
    let positions = logged(&fixture, 0..1).await;
    for seq in [positions[0].seq + 1, u64::MAX] {
        let beyond = Cursor { seq, ..positions[0] };
        resumed(&fixture, &beyond.to_string()).await.gap("diverged").await;
    }
}

#[tokio::test]
async fn a_cursor_before_the_log_gets_a_gap_for_moved_channels_and_then_the_rest() {
    let small = Memory::builder().records(2).build();
    let fixture = Fixture::with(|hub| hub.engine(small).window_records(1)).await;
    let positions = logged(&fixture, 0..5).await;
    let mut stream = resumed(&fixture, &positions[1].to_string()).await;
    assert_eq!(stream.connected.data["resumed"], true);
    let gap = stream.named("gap").await.data;
    let expected = json!({"channels": ["news:1"], "cursor": positions[2].to_string(), "reason": "trimmed"});
    assert_eq!(gap, expected);
    stream.hears(3).await;
    stream.hears(4).await;
}

/// One channel floods the log while a thousand streams of other channels come back, from a time of which the log holds
/// no record any more.
#[tokio::test]
async fn streams_of_which_nothing_was_trimmed_are_told_no_gap_however_much_has_left_the_log() {
    let small = Memory::builder().records(100).build();
    let hour = Duration::from_secs(3_600);
    let fixture = &Fixture::with(|hub| hub.engine(small).window_records(10).heartbeat(hour)).await;
    let positions = logged(fixture, 0..2).await;
    let since = &*positions[1].to_string();
    let flood = async |events| {
        for number in 0..events {
            fixture.publish("flood:1", number).await;
        }
    };
    flood(2_000).await;
    let mut streams = Vec::new();
    for round in 0..20 {
        let back = (0..50).map(|stream| async move {
            let user = format!("user-{round}-{stream}");
            let channels = format!("news:9,news:{user}");
            let stream = fixture.stream(&user, &[("channels", &*channels), ("lastEventId", since)]).await;
            assert_eq!(stream.connected.data["resumed"], true);
            stream
        });
        streams.extend(join_all(back).await);
        flood(100).await;
    }
    assert_eq!(streams.len(), 1_000);
    fixture.publish("news:9", "end").await;
    for stream in &mut streams {
        stream.hears("end").await;
    }
}

#[tokio::test]
async fn a_cursor_right_before_what_is_left_of_the_log_is_no_gap() {
    let small = Memory::builder().records(2).build();
    let fixture = Fixture::with(|hub| hub.engine(small).window_records(1)).await;
    let positions = logged(&fixture, 0..5).await;
    let mut stream = resumed(&fixture, &positions[2].to_string()).await;
    stream.hears(3).await;
    stream.hears(4).await;
}

#[tokio::test]
async fn after_a_gap_its_id_is_good_to_resume_from() {
    let fixture = Fixture::start().await;
    logged(&fixture, 0..2).await;
    let id = resumed(&fixture, "x").await.gap("malformed").await.id;
    fixture.publish("news:1", "missed").await;
    let mut again = resumed(&fixture, &id).await;
    assert_eq!(again.connected.data["resumed"], true);
    again.hears("missed").await;
}

mod seen {
    use super::*;

    async fn with_seen(fixture: &Fixture, last: &str, seen: &str) -> Stream {
        fixture.stream("ana", &[("channels", "news:1"), ("lastEventId", last), ("seen", seen)]).await
    }

    #[tokio::test]
    async fn a_later_position_that_the_log_does_not_hold_is_a_gap() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..3).await;
        let lost = Cursor { tag: positions[2].tag ^ 1, ..positions[2] };
        with_seen(&fixture, &positions[0].to_string(), &lost.to_string()).await.gap("diverged").await;
    }

    #[tokio::test]
    async fn a_later_position_that_it_holds_changes_nothing() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..3).await;
        with_seen(&fixture, &positions[0].to_string(), &positions[2].to_string()).await.hears(1).await;
    }

    #[tokio::test]
    async fn a_cursor_of_another_epoch_is_a_gap() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..3).await;
        let foreign = Cursor { epoch: positions[2].epoch ^ 1, ..positions[2] };
        with_seen(&fixture, &positions[1].to_string(), &foreign.to_string()).await.gap("epoch").await;
    }

    #[tokio::test]
    async fn each_of_several_is_looked_up() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..4).await;
        let [first, second, third, lost] =
            [positions[0], positions[1], positions[2], Cursor { tag: positions[2].tag ^ 1, ..positions[2] }];
        with_seen(&fixture, &first.to_string(), &format!("{third},{second}")).await.hears(1).await;
        with_seen(&fixture, &first.to_string(), &format!("{third},{lost}")).await.gap("diverged").await;
    }

    #[tokio::test]
    async fn a_cursor_with_another_tag_is_a_gap() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..2).await;
        let lost = Cursor { tag: positions[0].tag ^ 1, ..positions[0] };
        with_seen(&fixture, &positions[0].to_string(), &lost.to_string()).await.gap("diverged").await;
    }

    #[tokio::test]
    async fn more_of_them_than_a_browser_has_tabs_are_a_malformed_cursor() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..2).await;
        let many = vec![positions[1].to_string(); 65].join(",");
        with_seen(&fixture, &positions[0].to_string(), &many).await.gap("malformed").await;
    }

    #[tokio::test]
    async fn earlier_it_does_not_count() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..3).await;
        let cursor = positions[1].to_string();
        let earlier = Cursor { tag: positions[0].tag ^ 1, ..positions[0] };
        with_seen(&fixture, &cursor, &earlier.to_string()).await.hears(2).await;
    }

    #[tokio::test]
    async fn malformed_it_is_a_malformed_cursor() {
        let fixture = Fixture::start().await;
        let positions = logged(&fixture, 0..3).await;
        with_seen(&fixture, &positions[1].to_string(), "x").await.gap("malformed").await;
    }

    #[tokio::test]
    async fn without_a_cursor_it_is_ignored() {
        let fixture = Fixture::start().await;
        let mut stream = with_seen(&fixture, "", "x").await;
        fixture.publish("news:1", "live").await;
        stream.hears("live").await;
    }
}

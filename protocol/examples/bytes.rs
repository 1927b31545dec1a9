//! Prints how many bytes each frame takes, in the unpublished first edition of the protocol and in this one: `cargo run
//! -p tidings-protocol --example bytes`.
//!
//! The events are those of the benchmark: a payload of 200 bytes on one channel, in a log of a million events.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use tidings_protocol::{
    Cursor,
    event::{EventFrame, Timestamp},
    frame::{BACKFILL, Connected, Frame, Gap, GapReason, Subscribed},
    sse,
};

/// The frames as the first edition wrote them; `P` stands for the payload.
const FIRST: [(&str, &str); 6] = [
    (
        "event",
        "id: bde05945d7d1fe46.1000000.e57e541b\ndata: {\"channel\":\"bench\",\"type\":\"tick\",\"position\":\"bde05945d7d1fe46.1000000.e57e541b\",\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"payload\":P}\n\n",
    ),
    (
        "backfill",
        "event: backfill\ndata: {\"channel\":\"bench\",\"type\":\"tick\",\"position\":\"bde05945d7d1fe46.1000000.e57e541b\",\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"requestId\":\"1\",\"payload\":P}\n\n",
    ),
    (
        "subscribed",
        "event: subscribed\ndata: {\"requestId\":\"1\",\"channels\":[\"bench\"],\"position\":\"bde05945d7d1fe46.1000000.e57e541b\"}\n\n",
    ),
    ("gap", "id: bde05945d7d1fe46.1000000.e57e541b\nevent: gap\ndata: {\"channels\":null,\"reason\":\"trimmed\"}\n\n"),
    ("heartbeat", "id: bde05945d7d1fe46.1000000.e57e541b\nevent: heartbeat\ndata: {}\n\n"),
    (
        "connected",
        "retry: 1000\n\nid: bde05945d7d1fe46.1000000.e57e541b\nevent: connected\ndata: {\"connectionId\":\"42ccbb28.870062d1b56bf32e0d4d870062d1b56b\",\"userId\":\"ana\",\"deviceId\":\"d1\",\"channels\":[\"bench\"],\"rejected\":[],\"resumed\":true,\"heartbeatMs\":15000,\"timestamp\":\"2026-01-02T03:04:05.678Z\"}\n\n",
    ),
];

const PAYLOAD_BYTES: usize = 200;
const AT: Cursor = Cursor { epoch: 0xd7d1_fe46, seq: 1_000_000, tag: 0xe57e_541b };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let timestamp: Timestamp = "2026-01-02T03:04:05.678Z".parse()?;
    let event = |name: &str| -> Result<EventFrame, Box<dyn std::error::Error>> {
        let is_backfill = name == BACKFILL;
        Ok(EventFrame {
            channel: "bench".parse()?,
            event_type: "tick".parse()?,
            to: None,
            source: None,
            except: None,
            cursor: is_backfill.then_some(AT),
            timestamp,
            request_id: if is_backfill { Some("1".parse()?) } else { None },
            payload: serde_json::value::RawValue::from_string(format!("\"{}\"", "x".repeat(PAYLOAD_BYTES - 2)))?,
        })
    };
    println!("{:<12}{:>16}{:>16}", "frame", "first edition", "second edition");
    for (name, first) in FIRST {
        let (frame, id) = match name {
            "event" => (Frame::Event(event(name)?), Some(AT)),
            BACKFILL => (Frame::Backfill(event(name)?), None),
            Subscribed::NAME => {
                let channels = vec!["bench".parse()?];
                (
                    Frame::Subscribed(Subscribed { request_id: "1".parse()?, channels, addressed: false, cursor: AT }),
                    None,
                )
            }
            Gap::NAME => {
                let (addressed, cursor, request_id) = (false, None, None);
                let gap = Gap { channels: None, addressed, cursor, reason: GapReason::Trimmed, request_id };
                (Frame::Gap(gap), Some(AT))
            }
            Connected::NAME => {
                let connected = Connected {
                    connection_id: "42ccbb28.870062d1b56bf32e0d4d870062d1b56b".parse()?,
                    user_id: Some("ana".parse()?),
                    device_id: Some("d1".parse()?),
                    channels: vec!["bench".parse()?],
                    rejected: Vec::new(),
                    addressed: true,
                    resumed: true,
                    heartbeat_ms: 15_000,
                    expires_in: None,
                    alive_ms: None,
                    timestamp,
                };
                (Frame::Connected(connected), Some(AT))
            }
            _ => (Frame::Heartbeat, Some(AT)),
        };
        let mut second = String::new();
        if name == Connected::NAME {
            sse::retry(&mut second, 1_000);
        }
        frame.encode(&mut second, id.as_ref());
        let has_payload = first.contains(":P}");
        let before = first.len() + if has_payload { PAYLOAD_BYTES - 1 } else { 0 };
        println!("{name:<12}{before:>16}{:>16}", second.len());
        if has_payload {
            let around = "  around it";
            println!("{around:<12}{:>16}{:>16}", before - PAYLOAD_BYTES, second.len() - PAYLOAD_BYTES);
        }
    }
    Ok(())
}

//! Properties of every channel, cursor and text.

#[path = "model/channels.rs"]
mod channel_model;

use std::collections::HashSet;

use channel_model::contains;
use proptest::prelude::*;
use tidings_protocol::{
    Addressee, Channel, Cursor, EventType, Except, Pattern, RequestId, Source, UserId,
    channel::{MAX_BYTES, Route},
    event::{EventFrame, Head, Timestamp},
    frame::Frame,
    segment,
};

/// Channels and patterns over a small alphabet, so that they often match each other.
fn pattern() -> impl Strategy<Value = Pattern> {
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "%2A"]), 0..5);
    (segments, any::<bool>()).prop_map(|(mut segments, wildcard)| {
        if wildcard || segments.is_empty() {
            segments.push("*");
        }
        segments.join(":").parse().unwrap()
    })
}

fn channel() -> impl Strategy<Value = Pattern> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "%2A"]), 1..5)
        .prop_map(|segments| segments.join(":").parse().unwrap())
}

/// JSON as a publisher may send it, with content that could be taken for a field.
fn payload() -> impl Strategy<Value = serde_json::Value> {
    let text = || prop::sample::select(vec!["payload", "channel", "\",\"channel\":\"x", "{", "}]", "\\"]);
    let leaf = prop_oneof![any::<i64>().prop_map(Into::into), text().prop_map(Into::into)];
    leaf.prop_recursive(2, 8, 3, move |inner| {
        prop::collection::hash_map(text().prop_map(str::to_owned), inner, 0..3)
            .prop_map(|map| map.into_iter().collect())
    })
}

proptest! {
    #[test]
    fn the_head_of_an_event_is_that_of_its_frame(
        channel in channel(),
        to in prop::sample::select(vec![None, Some(Addressee::User), Some(Addressee::Device)]),
        user in prop::option::of("[a-z\"\\\\{}\\[\\],:é]{1,12}".prop_map(|id| UserId::new(id).unwrap())),
        excludes in any::<bool>(),
        payload in payload(),
    ) {
        let except = |user: UserId| Except { user_id: user, session_id: None, device_id: None };
        let event = EventFrame {
            channel,
            event_type: EventType::new("t").unwrap(),
            to,
            source: Some(Source { user_id: user.clone(), ..Source::default() }),
            except: user.filter(|_| excludes).map(except),
            cursor: None,
            timestamp: Timestamp(0),
            request_id: None,
            payload,
        };
        let data = serde_json::to_string(&event).unwrap();
        match Head::read(data.as_bytes()) {
            Some(head) => {
                prop_assert_eq!(head.channel, event.channel.as_str().as_bytes());
                prop_assert_eq!((head.to, head.excludes), (event.to, event.except.is_some()));
            }
            // Only data with an escape is left to a full parser.
            None => prop_assert!(data.split_once("\"payload\"").unwrap().0.contains('\\')),
        }
    }

    #[test]
    fn escaped_json_is_the_same_json_without_line_separators(texts in prop::collection::vec("[a\u{85}\u{a0}\u{2027}-\u{2030}â\"\\\\]{0,8}", 0..4)) {
        let json = serde_json::to_string(&texts).unwrap();
        let escaped = tidings_protocol::sse::escape(&json);
        let splits = escaped.contains(['\u{85}', '\u{2028}', '\u{2029}']);
        prop_assert!(!splits);
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), texts);
    }

    #[test]
    fn overlapping_is_symmetric(a in pattern(), b in pattern()) {
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn a_pattern_that_covers_another_overlaps_it(a in pattern(), b in pattern()) {
        prop_assert!(a.covers(&a));
        prop_assert!(!a.covers(&b) || a.overlaps(&b));
        prop_assert_eq!(a.covers(&b) && b.covers(&a), a == b);
    }

    #[test]
    fn covering_is_transitive(a in pattern(), b in pattern(), c in pattern()) {
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn matching_is_that_of_sets_of_channels(a in pattern(), b in pattern(), x in channel()) {
        prop_assert_eq!(a.overlaps(&x), contains(&a, &x));
        prop_assert_eq!(a.covers(&x), contains(&a, &x));
        if contains(&a, &x) && contains(&b, &x) {
            prop_assert!(a.overlaps(&b));
        }
        if a.covers(&b) && contains(&b, &x) {
            prop_assert!(contains(&a, &x));
        }
    }

    #[test]
    fn ancestors_are_what_strictly_covers(a in pattern(), b in pattern()) {
        let above: Vec<_> = a.ancestors().collect();
        prop_assert!(above.windows(2).all(|pair| pair[0].len() > pair[1].len()));
        let is_above = matches!(b.route(), Route::Below(prefix) if above.contains(&prefix));
        prop_assert_eq!(is_above, b != a && b.covers(&a));
    }

    #[test]
    fn two_patterns_overlap_when_one_is_the_other_or_above_it(a in pattern(), b in pattern()) {
        let above = |x: &Pattern, y: &Pattern| {
            matches!(y.route(), Route::Below(prefix) if x.ancestors().any(|above| above == prefix))
        };
        prop_assert_eq!(a.overlaps(&b), a == b || above(&a, &b) || above(&b, &a));
    }

    #[test]
    fn a_foreign_id_becomes_one_segment(id in any::<String>()) {
        let one = segment(&id);
        if !one.is_empty() && one.len() <= MAX_BYTES {
            let channel: Channel = one.parse().unwrap();
            prop_assert!(!channel.as_str().contains(':'));
            prop_assert!(Pattern::from(channel).is_channel());
        } else {
            prop_assert!(one.parse::<Pattern>().is_err());
        }
    }

    #[test]
    fn different_ids_become_different_segments(ids in prop::collection::hash_set("[a%:*2A3]{0,4}", 0..30)) {
        let segments: HashSet<_> = ids.iter().map(|id| segment(id)).collect();
        prop_assert_eq!(segments.len(), ids.len());
    }

    #[test]
    fn a_parsed_channel_is_its_text(text in "[a-c:*%é ]{0,12}") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            prop_assert_eq!(pattern.as_str(), &text);
            prop_assert_eq!(pattern.is_channel(), text.parse::<Channel>().is_ok());
            prop_assert_eq!(pattern.is_channel(), !text.contains('*'));
        } else {
            prop_assert!(text.parse::<Channel>().is_err());
        }
    }

    #[test]
    fn cursors_survive_a_round_trip(epoch: u32, seq: u64, tag: u32) {
        let cursor = Cursor { epoch, seq, tag };
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn a_cursor_has_one_text(text in "[0-9a-zA]{0,8}\\.[0-9a-z]{0,14}\\.[0-9a-zA]{0,8}") {
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(
        text in any::<String>(),
        name in prop::sample::select(vec!["message", "connected", "subscribed", "backfill", "gap", "heartbeat", "closing", "polled"]),
    ) {
        let _ = text.parse::<Channel>();
        let _ = text.parse::<Pattern>();
        let _ = text.parse::<Cursor>();
        let _ = UserId::new(&text);
        let _ = RequestId::new(&text);
        let _ = text.parse::<tidings_protocol::event::Timestamp>();
        let _ = Frame::parse(&text, &text);
        let _ = Frame::parse(name, &text);
    }
}

//! Events whose Rust type says on which channel they go and what they carry.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_protocol::segment;

use crate::event::{Event, EventError, is_placeholder};

/// All events of one kind of channel, or under one label: an enum with a variant for each type of event.
///
/// serde writes the enum as `type` and `payload`, so no other place names them. With the feature `typescript`, the
/// front end's types are generated from it: see the module `typescript`.
///
/// ```
/// use serde::Serialize;
/// use tidings::{Event, Typed};
///
/// #[derive(Serialize)]
/// #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
/// enum TimerEvent {
///     Started { title: String },
///     Stopped, // its payload is null
/// }
///
/// impl Typed for TimerEvent {
///     const CHANNEL: &'static str = "timer:{user}";
/// }
///
/// // On `timer:ana`, of type `started`, with the payload `{"title": "tea"}`:
/// let event = Event::typed(&TimerEvent::Started { title: "tea".to_owned() }, &["ana"])?;
/// # Ok::<(), tidings::EventError>(())
/// ```
pub trait Typed: Serialize {
    /// The channel or label, with a placeholder such as `{user}` for each segment that differs from event to event.
    const CHANNEL: &'static str;
}

/// A typed event as serde writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tagged<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Event {
    /// An event on the channel of its type. The ids replace the placeholders in order; each id becomes one
    /// [`segment`](crate::segment).
    ///
    /// # Errors
    ///
    /// [`EventError`] as for [`new`](Self::new); [`Ids`](EventError::Ids) when the number of ids is not the number of
    /// placeholders; [`Untagged`](EventError::Untagged) when the value does not serialize as `type` and `payload`.
    pub fn typed<E: Typed>(event: &E, ids: &[&str]) -> Result<Self, EventError> {
        let channel = filled(E::CHANNEL, ids).ok_or(EventError::Ids { channel: E::CHANNEL, given: ids.len() })?;
        typed_on(channel, event)
    }

    /// An event on every channel of its type that begins with these ids: `*` replaces the first placeholder without an
    /// id. Without ids, an event on `notification:{user}` goes to `notification:*` and reaches the subscribers of every
    /// user's channel.
    ///
    /// # Errors
    ///
    /// As for [`typed`](Self::typed); [`Ids`](EventError::Ids) when there is an id for every placeholder.
    pub fn typed_below<E: Typed>(event: &E, ids: &[&str]) -> Result<Self, EventError> {
        let pattern = filled_below(E::CHANNEL, ids).ok_or(EventError::Ids { channel: E::CHANNEL, given: ids.len() })?;
        typed_on(pattern, event)
    }
}

fn typed_on<E: Typed>(channel: String, event: &E) -> Result<Event, EventError> {
    let written = serde_json::value::to_raw_value(event)?;
    let Tagged { event_type, payload } = serde_json::from_str(written.get()).map_err(|_| EventError::Untagged)?;
    Event::new(channel, event_type.as_ref(), &payload)
}

/// A channel with ids in place of its placeholders; `None` where their numbers differ.
fn filled(template: &str, ids: &[&str]) -> Option<String> {
    let mut ids = ids.iter();
    let segments = template
        .split(':')
        .map(|part| if is_placeholder(part) { ids.next().map(|id| segment(id)) } else { Some(part.to_owned()) });
    let channel = segments.collect::<Option<Vec<_>>>()?.join(":");
    ids.next().is_none().then_some(channel)
}

/// The pattern that consists of the channel up to the first placeholder without an id, and `*`. `None` where every
/// placeholder has an id.
fn filled_below(template: &str, ids: &[&str]) -> Option<String> {
    let mut ids = ids.iter();
    let mut pattern = String::new();
    for part in template.split(':') {
        match is_placeholder(part).then(|| ids.next()) {
            Some(None) => return Some(pattern + "*"),
            Some(Some(id)) => pattern += &segment(id),
            None => pattern += part,
        }
        pattern.push(':');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(tag = "type", content = "payload", rename_all = "camelCase")]
    enum Chat {
        SaidAloud { text: String },
        Left,
        Renamed(Option<String>),
    }

    impl Typed for Chat {
        const CHANNEL: &'static str = "chat:{room}:by:{user}";
    }

    fn made(event: &Chat) -> (String, String, String) {
        let Event { channel, event_type, payload, .. } = Event::typed(event, &["a:b", "ana"]).unwrap();
        (channel.to_string(), event_type.to_string(), payload.to_string())
    }

    #[test]
    fn a_variant_says_type_and_payload_and_ids_stay_one_segment() {
        let said = made(&Chat::SaidAloud { text: "\"hi\"".into() });
        let expected = ("chat:a%3Ab:by:ana", "saidAloud", r#"{"text":"\"hi\""}"#);
        assert_eq!(said, (expected.0.into(), expected.1.into(), expected.2.into()));
    }

    #[test]
    fn a_variant_without_content_and_one_with_none_have_the_payload_null() {
        assert_eq!(made(&Chat::Left).2, "null");
        assert_eq!(made(&Chat::Renamed(None)).2, "null");
    }

    #[test]
    fn ids_that_are_left_out_are_a_star() {
        let channel = |ids: &[&str]| Event::typed_below(&Chat::Left, ids).map(|event| event.channel.to_string());
        assert_eq!(channel(&[]).unwrap(), "chat:*");
        assert_eq!(channel(&["a:b"]).unwrap(), "chat:a%3Ab:by:*");
        assert!(matches!(channel(&["a", "b"]), Err(EventError::Ids { given: 2, .. })));
    }

    #[test]
    fn more_or_fewer_ids_than_placeholders_are_refused() {
        for ids in [&["a"][..], &["a", "b", "c"]] {
            let error = Event::typed(&Chat::Left, ids).unwrap_err();
            assert!(matches!(error, EventError::Ids { given, .. } if given == ids.len()), "{error}");
            assert!(error.to_string().contains("takes 2 ids"), "{error}");
        }
    }

    #[test]
    fn an_id_that_is_empty_is_refused() {
        assert!(matches!(Event::typed(&Chat::Left, &["", "b"]), Err(EventError::Channel(_))));
    }

    #[test]
    fn an_event_that_is_not_written_as_type_and_payload_is_refused() {
        #[derive(Serialize)]
        struct Plain {
            text: &'static str,
        }
        impl Typed for Plain {
            const CHANNEL: &'static str = "plain";
        }
        assert!(matches!(Event::typed(&Plain { text: "hi" }, &[]), Err(EventError::Untagged)));
    }
}

//! The published events and their receivers: events, people, interests, and random ones of each.

use fastrand::Rng;
use serde_json::{Value, json};

/// The number of an event in the run, from which its payload and key are made.
pub(crate) type EventId = usize;

/// An event, as the publisher intends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// A channel or a pattern; a label where the event is addressed.
    pub(crate) channel: String,
    pub(crate) to: To,
    /// A user and one of their sessions, from which the event is hidden.
    pub(crate) except: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Channel,
    Users(Vec<String>),
    Device { user: String, device: String },
}

/// The identity of a client to the hub.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// A name for reports.
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) device: String,
    pub(crate) session: String,
}

/// The subscription of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Whether it is a handler of addressed events (`on`), and not of a channel (`subscribe`).
    pub(crate) addressed: bool,
    pub(crate) pattern: String,
}

impl Event {
    /// Whether this handler of this person must receive the event. It does not use the product's own types, so that a
    /// mistake in their matching is found.
    pub(crate) fn is_for(&self, person: &Person, interest: &Interest) -> bool {
        let addressed = match &self.to {
            To::Channel => false,
            To::Users(users) if !users.contains(&person.user) => return false,
            To::Device { user, device } if *user != person.user || *device != person.device => return false,
            To::Users(_) | To::Device { .. } => true,
        };
        let hidden =
            self.except.as_ref().is_some_and(|(user, session)| *user == person.user && *session == person.session);
        addressed == interest.addressed && !hidden && meet(&self.channel, &interest.pattern)
    }

    /// The body of the event for `POST /publish`.
    pub(crate) fn body(&self, id: EventId) -> Value {
        let mut body = json!({ "channel": self.channel, "type": "chaos", "key": format!("event-{id}"), "payload": id });
        match &self.to {
            To::Channel => {}
            To::Users(users) => body["to"] = json!({ "users": users }),
            To::Device { user, device } => body["to"] = json!({ "user": user, "deviceId": device }),
        }
        if let Some((user, session)) = &self.except {
            body["except"] = json!({ "userId": user, "sessionId": session });
        }
        body
    }

    pub(crate) fn random(rng: &mut Rng, people: &[Person]) -> Self {
        let channel = match rng.u8(..100) {
            0 => "*".to_owned(),
            1..3 => "news:*".to_owned(),
            3..5 => format!("chat:{}:*", team(rng)),
            5..50 => format!("news:{}", rng.u8(..6)),
            _ => format!("chat:{}:{}", team(rng), rng.u8(..4)),
        };
        if rng.u8(..10) < 7 || people.is_empty() {
            return Self { channel, to: To::Channel, except: None };
        }
        let person = &people[rng.usize(..people.len())];
        let to = match rng.u8(..3) {
            0 => To::Device { user: person.user.clone(), device: person.device.clone() },
            1 => To::Users(vec![person.user.clone(), people[rng.usize(..people.len())].user.clone()]),
            _ => To::Users(vec![person.user.clone()]),
        };
        let except = (rng.u8(..4) == 0).then(|| (person.user.clone(), person.session.clone()));
        Self { channel, to, except }
    }
}

impl Person {
    /// The `number`th person. Several people share a user, and some of those a device.
    pub(crate) fn new(name: String, number: usize) -> Self {
        let (user, device) = (format!("user{}", number % 12), format!("device{}", number % 24));
        Self { name, user, device, session: format!("session{number}") }
    }
}

impl Interest {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let pattern = match rng.u8(..12) {
            0 => "*".to_owned(),
            1 => "news:*".to_owned(),
            2 => "chat:*".to_owned(),
            3..5 => format!("chat:{}:*", team(rng)),
            5..8 => format!("news:{}", rng.u8(..6)),
            _ => format!("chat:{}:{}", team(rng), rng.u8(..4)),
        };
        Self { addressed: rng.u8(..4) == 0, pattern }
    }
}

fn team(rng: &mut Rng) -> char {
    ['a', 'b', 'c'][rng.usize(..3)]
}

/// Whether there is a channel that lies in both.
fn meet(a: &str, b: &str) -> bool {
    match (a.strip_suffix('*'), b.strip_suffix('*')) {
        (None, None) => a == b,
        (Some(above), None) => b.starts_with(above),
        (None, Some(above)) => a.starts_with(above),
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Person {
        Person { name: "ana".into(), user: "ana".into(), device: "phone".into(), session: "tab".into() }
    }

    fn is_for(event: &Event, addressed: bool, pattern: &str) -> bool {
        event.is_for(&ana(), &Interest { addressed, pattern: pattern.into() })
    }

    #[test]
    fn a_channel_event_is_for_those_whose_pattern_meets_its_own() {
        let event = |channel: &str| Event { channel: channel.into(), to: To::Channel, except: None };
        assert!(is_for(&event("news:1"), false, "news:*") && is_for(&event("news:*"), false, "news:1"));
        assert!(is_for(&event("*"), false, "chat:a:*") && is_for(&event("chat:a:1"), false, "*"));
        assert!(!is_for(&event("news:1"), false, "news:2") && !is_for(&event("news"), false, "news:*"));
        assert!(!is_for(&event("news:1"), true, "news:1"));
    }

    #[test]
    fn an_addressed_event_is_for_whom_it_names_and_not_for_whom_it_excepts() {
        let event = |to: To| Event { channel: "news:1".into(), to, except: None };
        let users = event(To::Users(vec!["bob".into(), "ana".into()]));
        assert!(is_for(&users, true, "news:*") && !is_for(&users, false, "news:*"));
        assert!(!is_for(&event(To::Users(vec!["bob".into()])), true, "*"));
        assert!(is_for(&event(To::Device { user: "ana".into(), device: "phone".into() }), true, "*"));
        assert!(!is_for(&event(To::Device { user: "ana".into(), device: "tv".into() }), true, "*"));
        let hidden = |session: &str| Event { except: Some(("ana".into(), session.into())), ..users.clone() };
        assert!(!is_for(&hidden("tab"), true, "*") && is_for(&hidden("other"), true, "*"));
    }
}

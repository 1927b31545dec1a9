//! The judge of what a hub sends: only what was published, at its position, and to nobody whom it is not for.

use serde::Deserialize;
use tidings::record::{Entry, Order};
use tidings_protocol::{Cursor, Pattern, event::EventFrame};

use super::{
    ear::Violation,
    engine::Log,
    person::{Person, is_granted},
    truth::Place,
    wire::Wire,
};

/// The payload of every record.
#[derive(Deserialize)]
struct Numbered {
    n: usize,
}

/// The place of an event that a stream, or a poll, sends to a person; `shares` says whether other tabs receive by it
/// too.
pub(super) fn shown(
    log: &Log,
    wire: &Wire,
    person: &Person,
    shares: bool,
    event: &EventFrame,
    cursor: Cursor,
) -> Result<Place, Violation> {
    let number: Result<Numbered, _> = serde_json::from_str(event.payload.get());
    let place = number.ok().and_then(|number| log.truth.numbered(number.n));
    let Some((place, stored)) = place.map(|place| (place, log.truth.get(place))) else {
        return Err(Violation::new("what was published is what arrives", event.payload.get()));
    };
    if stored.at != cursor {
        return Err(Violation::new("cursors are the log's", format!("{} as {cursor}", stored.at)));
    }
    let Person { user, session, .. } = person;
    let disconnected = |order: &Order| matches!(order, Order::Disconnect { .. });
    let revoked = |pattern: &Pattern| {
        log.truth.has_lost(user, place, |order| match order {
            Order::Revoke { channels, .. } => channels.overlaps(pattern),
            _ => false,
        })
    };
    let given = |entry: &Entry| log.truth.is_given(user, &entry.channel, place);
    let asked = |entry: &Entry| wire.asks_for(entry, is_granted) || given(entry);
    let kept = |entry: &Entry| wire.asks_for(entry, |pattern| is_granted(pattern) && !revoked(pattern)) || given(entry);
    if stored.entry.as_deref().is_some_and(|entry| asked(entry) && !kept(entry))
        || log.truth.has_lost(user, place, disconnected)
    {
        return Err(Violation::new(
            "nothing published after a revocation reaches the revoked",
            format!("{user} {session} {}", stored.at),
        ));
    }
    let may_see = |entry| if shares { person.shares(entry) } else { person.may_see(entry) };
    if !stored.entry.as_deref().is_some_and(|entry| may_see(entry) && asked(entry)) {
        return Err(Violation::new("nobody is shown what is not for them", format!("{user} {session} {}", stored.at)));
    }
    Ok(place)
}

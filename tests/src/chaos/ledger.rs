//! The ledger: which events were published and acknowledged, and which events every handler received; and at the end,
//! whether the promise was kept. It sees everything from outside, and believes nothing that hub or client say of
//! themselves except the position of an event.
//!
//! For each handler the ledger keeps **stretches**, separated by gaps. Within a stretch the handler must have received,
//! once and in order:
//!
//! - with `since`, all acknowledged events after that position,
//! - all events between the first and the last that it received,
//! - all events whose publishing began after the application learned that the handler is confirmed,
//!
//! and, where nothing has ended the stretch (a gap, or `unsubscribe`), all of these up to the end of the log.

mod audit;
#[cfg(test)]
mod tests;
mod violation;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidings_protocol::Cursor;
pub(crate) use violation::Violation;

use super::{
    roster::{self, Seat},
    traffic::{Event, EventId, Interest, Person},
};

/// A client, by its number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PersonId(usize);

/// A handler, by its number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HandlerId(usize);

/// A position, with the number of its log in the order of appearance, so that positions in several logs can be
/// compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    log: usize,
    seq: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    /// How often the log was lost.
    losses: usize,
    /// How many gaps that justifies, over all handlers.
    justified_gaps: u64,
    /// Counts the reports to the ledger, to order them.
    clock: u64,
    /// The epochs of the logs, in the order of appearance.
    epochs: Vec<u32>,
    events: Vec<Published>,
    /// The events that are known to be at a position, with their tags.
    places: HashMap<Place, (EventId, u32)>,
    acknowledged: BTreeMap<Place, EventId>,
    people: Vec<Person>,
    /// By client: how many losses of the log it can no longer be sent a gap for.
    losses_known: Vec<usize>,
    handlers: Vec<Hearing>,
    violations: Vec<Violation>,
}

#[derive(Debug)]
struct Published {
    event: Event,
    /// When its publishing began.
    began: u64,
    /// Its positions; there is one per log if the log was lost before the acknowledgement arrived.
    places: Vec<Place>,
}

/// One handler and all events that it received.
#[derive(Debug)]
struct Hearing {
    person: PersonId,
    interest: Interest,
    /// The same for this handler as for its client.
    losses_known: usize,
    /// Whether the application learned that the handler is confirmed.
    settled: bool,
    stopped: bool,
    ended: Vec<Stretch>,
    now: Stretch,
}

/// The events that a handler received between two gaps.
#[derive(Debug, Default)]
struct Stretch {
    /// The position after which the handler asked for all events.
    since: Option<Place>,
    /// From when on the handler must receive everything.
    begun: Option<u64>,
    /// The end of the log as it was known then.
    head: Option<Place>,
    /// The received events, in order.
    heard: Vec<Place>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            losses: 0,
            justified_gaps: 0,
            clock: 0,
            epochs: Vec::new(),
            events: Vec::new(),
            places: HashMap::new(),
            acknowledged: BTreeMap::new(),
            people: Vec::new(),
            losses_known: Vec::new(),
            handlers: Vec::new(),
            violations: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, person: Person) -> PersonId {
        self.people.push(person);
        self.losses_known.push(self.losses);
        PersonId(self.people.len() - 1)
    }

    /// Who of these is on a pattern by what their applications hold now, as far as all of them have a stream.
    pub(crate) fn present(&self, people: &[PersonId], pattern: &str) -> BTreeSet<Seat> {
        let seat = |id: PersonId| (self.people[id.0].user.clone(), self.people[id.0].device.clone());
        if pattern == "*" {
            return people.iter().map(|id| seat(*id)).collect();
        }
        let held = self.handlers.iter().filter(|one| !one.stopped && !one.interest.addressed);
        let on_it = held.filter(|one| roster::is_in(&one.interest.pattern, pattern));
        on_it.filter(|one| people.contains(&one.person)).map(|one| seat(one.person)).collect()
    }

    /// The publishing of an event begins.
    pub(crate) fn publish(&mut self, event: Event) -> EventId {
        let began = self.tick();
        self.events.push(Published { event, began, places: Vec::new() });
        self.events.len() - 1
    }

    pub(crate) fn event(&self, id: EventId) -> &Event {
        &self.events[id].event
    }

    /// The hub acknowledged an event.
    pub(crate) fn acknowledged(&mut self, id: EventId, position: Cursor, duplicate: bool) {
        let known = self.events[id].places.last().copied();
        let place = self.stands(id, position);
        if !duplicate && self.acknowledged.contains_key(&place) {
            self.violations.push(Violation::NotRecognised { event: id, position });
        }
        if known.is_some_and(|known| known.log == place.log && known != place) {
            self.violations.push(Violation::Moved { event: id, position });
        }
        self.acknowledged.insert(place, id);
    }

    /// The hub went down and its log was lost; the next hub has another log.
    pub(crate) fn log_lost(&mut self) {
        self.losses += 1;
    }

    /// The page is reloaded, and begins after this position.
    pub(crate) fn reloaded(&mut self, person: PersonId, since: Option<Cursor>) {
        self.losses_known[person.0] = self.losses_before(since);
    }

    /// A client adds a handler.
    pub(crate) fn listen(&mut self, person: PersonId, interest: Interest, since: Option<Cursor>) -> HandlerId {
        // The client is sent gaps for all its handlers at once.
        let losses_known = self.losses_known[person.0].min(self.losses_before(since));
        let now = Stretch { since: since.map(|since| self.place(since)), ..Stretch::default() };
        let (settled, stopped, ended) = (false, false, Vec::new());
        self.handlers.push(Hearing { person, interest, losses_known, settled, stopped, ended, now });
        HandlerId(self.handlers.len() - 1)
    }

    /// How many losses of the log a handler that begins here is not sent a gap for.
    fn losses_before(&mut self, since: Option<Cursor>) -> usize {
        since.map_or(self.losses, |since| self.losses.min(self.place(since).log))
    }

    /// The application learned that the handler is confirmed.
    pub(crate) fn settled(&mut self, id: HandlerId) {
        let (now, head) = (self.tick(), self.head());
        let handler = &mut self.handlers[id.0];
        handler.settled = true;
        handler.now.begin(now, head);
    }

    /// The handler received an event.
    pub(crate) fn heard(&mut self, id: HandlerId, event: EventId, position: Cursor) {
        if event >= self.events.len() {
            self.violations.push(Violation::Unpublished { event, position });
            return;
        }
        let place = self.stands(event, position);
        let handler = &mut self.handlers[id.0];
        let person = &self.people[handler.person.0];
        let named = || (person.name.clone(), handler.interest.clone());
        if !self.events[event].event.is_for(person, &handler.interest) {
            self.violations.push(Violation::NotForIt { handler: named(), event });
        }
        let before = handler.now.heard.last().copied();
        let before = before.or_else(|| handler.ended.iter().rev().find_map(|stretch| stretch.heard.last().copied()));
        if let Some(before) = before.filter(|before| *before >= place) {
            let twice = handler.stretches().any(|stretch| stretch.heard.binary_search(&place).is_ok());
            self.violations.push(match twice {
                true => Violation::Twice { handler: named(), event },
                false => Violation::OutOfOrder { handler: named(), event, place, before },
            });
            return;
        }
        if handler.now.heard.last().is_some_and(|before| before.log != place.log) {
            self.violations.push(Violation::Silence { handler: named(), event });
        }
        handler.now.heard.push(place);
        // The handler now follows this log, and will not be sent a gap for earlier losses.
        for known in [&mut handler.losses_known, &mut self.losses_known[handler.person.0]] {
            *known = place.log.max(*known);
        }
    }

    /// The application learned that the handler may have missed something.
    pub(crate) fn gap(&mut self, id: HandlerId, reason: &str) {
        let (now, head) = (self.tick(), self.head());
        let handler = &mut self.handlers[id.0];
        if reason == "epoch" && handler.losses_known < self.losses {
            handler.losses_known += 1;
            self.justified_gaps += 1;
        } else {
            let handler = (self.people[handler.person.0].name.clone(), handler.interest.clone());
            self.violations.push(Violation::Gap { handler, reason: reason.to_owned() });
        }
        handler_next_stretch(&mut self.handlers[id.0], now, head);
    }

    /// The application learned that any handler may have missed something. That includes handlers of addressed events,
    /// which are not reported individually.
    pub(crate) fn gap_of_all(&mut self, person: PersonId, reason: &str) {
        self.losses_known[person.0] = self.losses.min(self.losses_known[person.0] + 1);
        let addressed = |handler: &Hearing| handler.person == person && handler.interest.addressed && !handler.stopped;
        let meant: Vec<_> = (0..self.handlers.len()).filter(|index| addressed(&self.handlers[*index])).collect();
        for index in meant {
            self.gap(HandlerId(index), reason);
        }
    }

    /// The application stopped the handler. A handler in another process may still receive events that are on their
    /// way.
    pub(crate) fn stopped(&mut self, id: HandlerId) {
        self.handlers[id.0].stopped = true;
    }

    pub(crate) fn justified_gaps(&self) -> u64 {
        self.justified_gaps
    }

    /// Whether the handler has received this event before.
    pub(crate) fn has_heard(&self, id: HandlerId, position: Cursor) -> bool {
        let Some(log) = self.epochs.iter().position(|epoch| *epoch == position.epoch) else { return false };
        let place = Place { log, seq: position.seq };
        self.handlers[id.0].stretches().any(|stretch| stretch.heard.binary_search(&place).is_ok())
    }

    /// Records any other violation.
    pub(crate) fn violated(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// A position to resume from, usually a recent one.
    pub(crate) fn some_position(&self, rng: &mut fastrand::Rng) -> Option<Cursor> {
        let back = if rng.u8(..8) == 0 { rng.usize(..20_000) } else { rng.usize(..500) };
        let (place, id) = self.acknowledged.iter().nth_back(back.min(self.acknowledged.len().checked_sub(1)?))?;
        let (_, tag) = self.places.get(place).copied().unwrap_or((*id, 0));
        Some(Cursor { epoch: self.epochs[place.log], seq: place.seq, tag })
    }

    /// An event that was acknowledged.
    pub(crate) fn some_acknowledged(&self, rng: &mut fastrand::Rng) -> Option<EventId> {
        let back = rng.usize(..self.acknowledged.len().clamp(1, 5_000));
        self.acknowledged.values().nth_back(back).copied()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn head(&self) -> Option<Place> {
        self.acknowledged.last_key_value().map(|(place, _)| *place)
    }

    fn place(&mut self, position: Cursor) -> Place {
        let log = self.epochs.iter().position(|epoch| *epoch == position.epoch).unwrap_or_else(|| {
            self.epochs.push(position.epoch);
            self.epochs.len() - 1
        });
        if log > self.losses {
            self.violations.push(Violation::AnotherLog { position });
        }
        Place { log, seq: position.seq }
    }

    /// The hub reports this position for the event. All such reports must agree.
    fn stands(&mut self, id: EventId, position: Cursor) -> Place {
        let place = self.place(position);
        let known = *self.places.entry(place).or_insert((id, position.tag));
        if known != (id, position.tag) {
            self.violations.push(Violation::Contradiction { event: id, other: known.0, position });
        }
        let places = &mut self.events[id].places;
        if !places.contains(&place) {
            if places.iter().any(|other| other.log == place.log) {
                self.violations.push(Violation::StoredTwice { event: id, position });
            }
            places.push(place);
        }
        place
    }
}

impl Hearing {
    fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.ended.iter().chain([&self.now])
    }
}

impl Stretch {
    fn begin(&mut self, now: u64, head: Option<Place>) {
        if self.begun.is_none() {
            self.begun = Some(now);
            self.head = head;
        }
    }
}

fn handler_next_stretch(handler: &mut Hearing, now: u64, head: Option<Place>) {
    let mut next = Stretch::default();
    if handler.settled {
        next.begin(now, head);
    }
    handler.ended.push(std::mem::replace(&mut handler.now, next));
}

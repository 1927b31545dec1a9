//! The end of a run: which events are outstanding, and which are missing.

use std::ops::Bound;

use super::{Hearing, Ledger, Place, Stretch, Violation};

impl Ledger {
    /// How many handlers are still waiting for an event. Only a handler's last event is considered, because an event
    /// before it that is missing will not arrive any more.
    pub(crate) fn outstanding(&self) -> usize {
        let listening = self.handlers.iter().filter(|handler| !handler.stopped);
        listening
            .filter(|handler| !handler.settled || self.last_owed(handler) > handler.now.heard.last().copied())
            .count()
    }

    fn last_owed(&self, handler: &Hearing) -> Option<Place> {
        self.acknowledged
            .iter()
            .rev()
            .find(|(place, id)| self.is_owed(handler, &handler.now, **place, **id))
            .map(|it| *it.0)
    }

    /// All violations so far, and all missing events.
    pub(crate) fn audit(&self) -> Vec<Violation> {
        let mut violations = self.violations.clone();
        for handler in &self.handlers {
            let named = || (self.people[handler.person.0].name.clone(), handler.interest.clone());
            for stretch in &handler.ended {
                self.missing(handler, stretch, true, |event, place| {
                    violations.push(Violation::Missing { handler: named(), event, place });
                });
            }
            self.missing(handler, &handler.now, handler.stopped, |event, place| {
                violations.push(Violation::Missing { handler: named(), event, place });
            });
            if !handler.settled && !handler.stopped {
                violations.push(Violation::NotConfirmed { handler: named() });
            }
        }
        violations
    }

    fn missing(&self, handler: &Hearing, stretch: &Stretch, ended: bool, mut report: impl FnMut(usize, Place)) {
        let last = stretch.heard.last().copied();
        let end = match ended {
            true => last.map(Bound::Included),
            false => Some(Bound::Unbounded),
        };
        let Some(end) = end else { return };
        let from = stretch.heard.first().copied().into_iter().chain(stretch.since).chain(stretch.head).min();
        // A stretch that has ended may require nothing before its last event.
        let from = from.filter(|from| !ended || last.is_some_and(|last| *from <= last));
        for (place, id) in self.acknowledged.range((from.map_or(Bound::Unbounded, Bound::Included), end)) {
            if self.is_owed(handler, stretch, *place, *id) && stretch.heard.binary_search(place).is_err() {
                report(*id, *place);
            }
        }
    }

    fn is_owed(&self, handler: &Hearing, stretch: &Stretch, place: Place, id: usize) -> bool {
        let published = &self.events[id];
        let within = stretch.since.is_some_and(|since| place > since)
            || stretch.heard.first().is_some_and(|first| place >= *first)
            || stretch.begun.is_some_and(|begun| published.began > begun);
        within && published.event.is_for(&self.people[handler.person.0], &handler.interest)
    }
}

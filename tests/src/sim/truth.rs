//! The true content of the log: every record that was ever stored, each with the one before it. A log that loses its
//! tail and continues is a tree, and every reader must have read along one of its branches.

use std::{collections::HashMap, sync::Arc};

use tidings::record::{Entry, Order};
use tidings_protocol::{Cursor, Pattern};

/// A record's place in the [`Truth`], or the origin of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) at: Cursor,
    before: Option<Place>,
    /// The entry as it was published; `None` at an origin.
    pub(super) entry: Option<Arc<Entry>>,
    /// The entry as the engine returns it.
    pub(super) served: Option<Arc<Entry>>,
    /// The log lost the record, although it had acknowledged it.
    pub(super) lost: bool,
    /// The record was trimmed or damaged, so a handler that was sent a gap need not receive it.
    pub(super) missing: bool,
    /// The record was damaged; whether its receivers are known.
    pub(super) damage: Option<bool>,
    /// When it was sent to the engine, and when stored there.
    pub(super) begun_ms: u64,
    pub(super) stored_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Truth {
    stored: Vec<Stored>,
    by_cursor: HashMap<Cursor, Place>,
    /// The records that are orders.
    commands: Vec<Place>,
}

impl Truth {
    /// The number of the next record.
    pub(super) fn next(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn push(
        &mut self,
        at: Cursor,
        before: Option<Place>,
        entry: Option<Arc<Entry>>,
        served: Option<Arc<Entry>>,
    ) -> Place {
        let place = Place(self.stored.len());
        if entry.as_ref().is_some_and(|entry| entry.control().is_some()) {
            self.commands.push(place);
        }
        let (lost, missing, damage) = (false, false, None);
        self.stored.push(Stored { at, before, entry, served, lost, missing, damage, begun_ms: 0, stored_ms: 0 });
        self.by_cursor.insert(at, place);
        place
    }

    pub(super) fn get(&self, place: Place) -> &Stored {
        &self.stored[place.0]
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut Stored {
        &mut self.stored[place.0]
    }

    /// The record with this number in its payload.
    pub(super) fn numbered(&self, number: usize) -> Option<Place> {
        (number < self.stored.len()).then_some(Place(number))
    }

    /// The places that were stored after `from`, up to `to`.
    pub(super) fn places(&self, from: Place, to: Place) -> impl Iterator<Item = Place> + use<> {
        (from.0 + 1..=to.0).map(Place)
    }

    pub(super) fn find(&self, at: Cursor) -> Option<Place> {
        self.by_cursor.get(&at).copied()
    }

    /// The records that were trimmed or damaged.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Stored> {
        self.stored.iter().filter(|stored| stored.missing)
    }

    /// Marks every record as lost.
    pub(super) fn lose_all(&mut self) {
        self.stored.iter_mut().for_each(|stored| stored.lost = true);
    }

    /// Whether a user had lost the access that `lost` describes at a place, by an order before it that has not been
    /// undone since.
    pub(super) fn has_lost(&self, user: &str, at: Place, lost: impl Fn(&Order) -> bool) -> bool {
        let mut taken = false;
        for (place, order) in self.orders_of(user) {
            match order {
                Order::Restore { .. } => taken = false,
                order => taken |= lost(order) && self.between(place, at).is_some(),
            }
        }
        taken
    }

    /// Whether the server had subscribed a user to part of this at a place, or has now, without an order before it that
    /// ended that and has not been undone since.
    pub(super) fn is_given(&self, user: &str, channel: &Pattern, at: Place) -> bool {
        let mut given: Vec<&Pattern> = Vec::new();
        for (place, order) in self.orders_of(user) {
            let stood = || self.between(place, at).is_some();
            match order {
                Order::Subscribe { channels } if !given.contains(&channels) => given.push(channels),
                Order::Unsubscribe { channels } if stood() => given.retain(|one| *one != channels),
                Order::Revoke { channels, .. } if stood() => given.retain(|one| !one.overlaps(channels)),
                _ => {}
            }
        }
        given.iter().any(|one| one.overlaps(channel))
    }

    fn orders_of(&self, user: &str) -> impl Iterator<Item = (Place, &Order)> {
        self.commands.iter().filter_map(move |place| {
            let control = self.get(*place).entry.as_ref()?.control()?;
            (control.user.as_str() == user).then_some((*place, &control.order))
        })
    }

    /// The places after `from` up to `to`, latest first; `None` if `to` was not written after `from`.
    pub(super) fn between(&self, from: Place, to: Place) -> Option<impl Iterator<Item = Place>> {
        let mut length = 0;
        let mut at = to;
        while at != from {
            at = self.get(at).before?;
            length += 1;
        }
        Some(std::iter::successors(Some(to), |at| self.get(*at).before).take(length))
    }
}

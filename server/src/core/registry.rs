//! The open streams, and which of them look up a key.

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;
use tidings_protocol::ConnectionId;

use super::{Link, slots::Slots};
use crate::{
    connection::Rekeyed,
    routing::{self, KeyMap, RouteKey},
};

#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) links: Slab<Arc<Link>>,
    /// The slots of the streams, by connection id.
    by_id: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// For each key, the slots of the streams that look it up.
    pub(super) routes: KeyMap<Slots>,
    pub(super) users: usize,
}

impl Registry {
    /// Adds a link in the vacant slot.
    pub(super) fn insert(&mut self, link: Arc<Link>) {
        let (hash, slot) = (self.hasher.hash_one(&link.id), link.slot);
        self.links.insert(link);
        let rehash = |slot: &usize| self.hasher.hash_one(&self.links[*slot].id);
        self.by_id.insert_unique(hash, slot, rehash);
    }

    pub(super) fn remove(&mut self, link: &Link) {
        let hash = self.hasher.hash_one(&link.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |slot| *slot == link.slot) {
            entry.remove();
        }
        self.links.try_remove(link.slot);
    }

    pub(super) fn find(&self, id: &ConnectionId) -> Option<&Arc<Link>> {
        let slot = self.by_id.find(self.hasher.hash_one(id), |slot| self.links[*slot].id == *id)?;
        self.links.get(*slot)
    }

    /// Whether a stream is open.
    pub(super) fn holds(&self, link: &Link) -> bool {
        self.links.get(link.slot).is_some_and(|held| std::ptr::eq(&**held, link))
    }

    /// Updates the routes of a stream. A stream that has ended is left alone, because its slot may be reused by now: a
    /// call may have found the stream while it was open and get here later.
    pub(super) fn reroute(&mut self, link: &Link, rekeyed: &Rekeyed) {
        if self.holds(link) {
            self.route(link.slot, &rekeyed.added);
            self.unroute(link.slot, &rekeyed.dropped);
        }
    }

    pub(super) fn route(&mut self, slot: usize, keys: &[RouteKey]) {
        for key in keys {
            let slots = self.routes.or_default_at(key);
            self.users += usize::from(key.0 == routing::Kind::User && slots.is_empty());
            slots.insert(slot);
        }
    }

    pub(super) fn unroute(&mut self, slot: usize, keys: &[RouteKey]) {
        for (kind, text) in keys {
            let Some(slots) = self.routes.get_mut((*kind, text)) else { continue };
            slots.remove(slot);
            if slots.is_empty() {
                self.routes.remove((*kind, text));
                self.users -= usize::from(*kind == routing::Kind::User);
            }
        }
    }
}

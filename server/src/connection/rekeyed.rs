//! Changes of the keys that a stream looks up.

use crate::routing::RouteKey;

/// Changes of the keys that a stream looks up. No key is in both lists.
#[derive(Debug, Default)]
pub(crate) struct Rekeyed {
    pub(crate) added: Vec<RouteKey>,
    pub(crate) dropped: Vec<RouteKey>,
}

impl Rekeyed {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    pub(super) fn add(&mut self, key: RouteKey) {
        match self.dropped.iter().position(|dropped| *dropped == key) {
            Some(index) => drop(self.dropped.swap_remove(index)),
            None => self.added.push(key),
        }
    }

    pub(super) fn drop(&mut self, key: RouteKey) {
        match self.added.iter().position(|added| *added == key) {
            Some(index) => drop(self.added.swap_remove(index)),
            None => self.dropped.push(key),
        }
    }
}

//! Routing keys, and the last use of each in the part of the log that was trimmed.

use std::collections::{HashMap, VecDeque};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Location;
use crate::record::Entry;

/// The fingerprint of one key under which a record is filed: a channel, everything below a prefix, a user, or a device
/// of a user. A stream looks up a few such keys, and receives a record if the two sets share a key.
///
/// It is the xxHash3 (64 bits) of the key's text, seeded with its kind. It never changes, so it may be stored. If two
/// keys have the same fingerprint, a stream may receive a gap although it missed nothing, and never the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoutingKey(pub u64);

impl RoutingKey {
    pub(crate) fn of(kind: crate::routing::Kind, text: &str) -> Self {
        Self(xxh3_64_with_seed(text.as_bytes(), kind as u64))
    }
}

/// A summary of the part of a log that was trimmed, for engines that keep it in memory: for each routing key, the last
/// record that was filed under it, and the tags of the last trimmed records.
///
/// Both are bounded. The key with the oldest last use is dropped first, and from then on `floor` counts for every key
/// that is not in the summary, because any of them may have been used up to there.
///
/// ```
/// use tidings::engine::{Location, RoutingKey, Summary};
/// let mut summary = Summary::new(2, 100);
/// summary.fold(1, 11, [RoutingKey(7)]);
/// summary.fold(2, 22, [RoutingKey(8)]);
/// assert_eq!((summary.moved(RoutingKey(7)), summary.moved(RoutingKey(9))), (1, 0));
/// summary.fold(3, 33, [RoutingKey(9)]);
/// assert_eq!(summary.moved(RoutingKey(7)), 1, "the dropped key counts as moved");
/// assert_eq!(summary.locate(2, 22), Location::Trimmed);
/// assert_eq!(summary.locate(2, 23), Location::Diverged);
/// ```
#[derive(Debug, Clone)]
pub struct Summary {
    keys: usize,
    last: HashMap<RoutingKey, u64>,
    /// Every use, oldest first. A use that a later one of the same key outdates is skipped.
    uses: VecDeque<(u64, RoutingKey)>,
    floor: u64,
    most_tags: usize,
    /// The tags of the trimmed records up to `up_to`.
    tags: VecDeque<u32>,
    up_to: u64,
}

impl Summary {
    /// A summary with room for this many keys and tags, of a log from which nothing was trimmed.
    #[must_use]
    pub fn new(keys: usize, tags: usize) -> Self {
        Self {
            keys,
            last: HashMap::new(),
            uses: VecDeque::new(),
            floor: 0,
            most_tags: tags,
            tags: VecDeque::from_iter((tags > 0).then_some(0)),
            up_to: 0,
        }
    }

    /// Adds the next record that is trimmed.
    pub fn fold(&mut self, seq: u64, tag: u32, keys: impl IntoIterator<Item = RoutingKey>) {
        for key in keys {
            if self.last.insert(key, seq) != Some(seq) {
                self.uses.push_back((seq, key));
            }
        }
        while self.last.len() > self.keys {
            let Some((seq, key)) = self.uses.pop_front() else { break };
            if self.last.get(&key) == Some(&seq) {
                self.last.remove(&key);
                self.floor = self.floor.max(seq);
            }
        }
        // Outdated uses take memory too.
        if self.uses.len() > 2 * self.keys + 64 {
            self.uses.retain(|(seq, key)| self.last.get(key) == Some(seq));
        }
        self.tags.push_back(tag);
        self.up_to = seq;
        while self.tags.len() > self.most_tags {
            self.tags.pop_front();
        }
    }

    /// The last trimmed record of this key, or the last that may have been one.
    #[must_use]
    pub fn moved(&self, key: RoutingKey) -> u64 {
        self.last.get(&key).copied().unwrap_or(self.floor)
    }

    /// The last record of a key that was dropped for lack of room; 0 while there was always room.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Where a cursor whose record was trimmed lies: [`Location::Trimmed`], `Diverged` or `Forgotten`.
    #[must_use]
    pub fn locate(&self, seq: u64, tag: u32) -> Location {
        let back = self.up_to.checked_sub(seq).and_then(|back| usize::try_from(back).ok());
        let index = back.and_then(|back| self.tags.len().checked_sub(back + 1));
        match index.and_then(|index| self.tags.get(index)) {
            Some(known) if *known == tag => Location::Trimmed,
            Some(_) => Location::Diverged,
            None => Location::Forgotten,
        }
    }
}

impl Entry {
    /// The keys under which a record of this entry is filed, and which streams look up; none for orders and void
    /// entries. An engine adds them to its [`Summary`] when it trims the record.
    #[must_use]
    pub fn routing_keys(&self) -> Vec<RoutingKey> {
        let mut keys = Vec::new();
        if self.is_event() {
            crate::routing::filed(self, |(kind, text)| keys.push(RoutingKey::of(kind, text)));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However small the summary is, it never says that a key moved earlier than it did.
        #[test]
        fn no_key_is_taken_for_more_silent_than_it_was(
            room in 0..5_usize,
            used in proptest::collection::vec(proptest::collection::vec(0..8_u64, 0..4), 0..60),
        ) {
            let mut summary = Summary::new(room, 10);
            let mut last = HashMap::new();
            for (seq, keys) in (1..).zip(&used) {
                summary.fold(seq, 1, keys.iter().copied().map(RoutingKey));
                last.extend(keys.iter().map(|key| (*key, seq)));
            }
            for key in 0..8 {
                let moved = summary.moved(RoutingKey(key));
                prop_assert!(moved >= last.get(&key).copied().unwrap_or(0));
                prop_assert!(room < 8 || moved == last.get(&key).copied().unwrap_or(0));
            }
            prop_assert!(summary.last.len() <= room && summary.uses.len() <= 2 * room + 64);
        }
    }

    #[test]
    fn the_origin_is_known_until_its_tag_gives_way() {
        let mut summary = Summary::new(1, 2);
        summary.fold(1, 5, []);
        assert_eq!((summary.locate(0, 0), summary.locate(1, 5)), (Location::Trimmed, Location::Trimmed));
        summary.fold(2, 6, []);
        assert_eq!((summary.locate(0, 0), summary.locate(3, 6)), (Location::Forgotten, Location::Forgotten));
    }
}

//! The state that the pages of a browser share: locks, and channels.

use std::collections::{BTreeMap, VecDeque};

use super::protocol::Mode;

/// A page, and the number of its request.
pub(super) type Asked = (u32, u32);

/// A message of the browser to a page, delivered in order.
#[derive(Debug, Clone)]
pub(super) enum Word {
    /// A lock is granted; or it is not available, if the request does not wait.
    Lock {
        id: u32,
        granted: bool,
    },
    /// A lock was stolen.
    Stolen {
        id: u32,
    },
    Message {
        id: u32,
        data: String,
    },
    Held {
        id: u32,
        names: Vec<String>,
    },
}

#[derive(Debug, Default)]
struct Lock {
    holders: Vec<(Asked, Mode)>,
    queue: VecDeque<(Asked, Mode)>,
}

impl Lock {
    fn is_free_for(&self, mode: Mode) -> bool {
        self.holders.iter().all(|(_, held)| mode == Mode::Shared && *held == Mode::Shared)
    }
}

#[derive(Debug, Default)]
pub(super) struct Browser {
    locks: BTreeMap<String, Lock>,
    channels: BTreeMap<Asked, String>,
    pub(super) inboxes: BTreeMap<u32, VecDeque<Word>>,
}

impl Browser {
    pub(super) fn request(&mut self, asked: Asked, name: String, mode: Mode, if_available: bool, steal: bool) {
        let lock = self.locks.entry(name).or_default();
        if steal {
            let robbed = std::mem::take(&mut lock.holders);
            lock.holders.push((asked, mode));
            self.hand(asked.0, Word::Lock { id: asked.1, granted: true });
            for ((page, id), _) in robbed {
                self.hand(page, Word::Stolen { id });
            }
        } else if lock.is_free_for(mode) && lock.queue.is_empty() {
            lock.holders.push((asked, mode));
            self.hand(asked.0, Word::Lock { id: asked.1, granted: true });
        } else if if_available {
            self.hand(asked.0, Word::Lock { id: asked.1, granted: false });
        } else {
            lock.queue.push_back((asked, mode));
        }
    }

    /// A page releases a lock, or stops waiting for it.
    pub(super) fn release(&mut self, asked: Asked) {
        self.release_all(|one| one == asked);
        if let Some(inbox) = self.inboxes.get_mut(&asked.0) {
            inbox.retain(|word| !matches!(word, Word::Lock { id, .. } | Word::Stolen { id } if *id == asked.1));
        }
    }

    fn release_all(&mut self, is_meant: impl Fn(Asked) -> bool) {
        let mut granted = Vec::new();
        for lock in self.locks.values_mut() {
            lock.holders.retain(|(one, _)| !is_meant(*one));
            lock.queue.retain(|(one, _)| !is_meant(*one));
            while let Some((one, mode)) = lock.queue.front().copied().filter(|(_, mode)| lock.is_free_for(*mode)) {
                lock.queue.pop_front();
                lock.holders.push((one, mode));
                granted.push(one);
            }
        }
        self.locks.retain(|_, lock| !(lock.holders.is_empty() && lock.queue.is_empty()));
        for (page, id) in granted {
            self.hand(page, Word::Lock { id, granted: true });
        }
    }

    pub(super) fn query(&mut self, (page, id): Asked) {
        let names = self.locks.iter().filter(|(_, lock)| !lock.holders.is_empty()).map(|(name, _)| name.clone());
        let names = names.collect();
        self.hand(page, Word::Held { id, names });
    }

    pub(super) fn open_channel(&mut self, asked: Asked, name: String) {
        self.channels.insert(asked, name);
    }

    pub(super) fn close_channel(&mut self, asked: Asked) {
        self.channels.remove(&asked);
        if let Some(inbox) = self.inboxes.get_mut(&asked.0) {
            inbox.retain(|word| !matches!(word, Word::Message { id, .. } if *id == asked.1));
        }
    }

    pub(super) fn post(&mut self, from: Asked, data: &str) {
        let Some(name) = self.channels.get(&from) else { return };
        let others = self.channels.iter().filter(|(asked, other)| **asked != from && *other == name);
        for (page, id) in others.map(|(asked, _)| *asked).collect::<Vec<_>>() {
            self.hand(page, Word::Message { id, data: data.to_owned() });
        }
    }

    fn hand(&mut self, page: u32, word: Word) {
        self.inboxes.entry(page).or_default().push_back(word);
    }

    pub(super) fn next(&mut self, page: u32) -> Option<Word> {
        self.inboxes.get_mut(&page)?.pop_front()
    }

    /// Loses the next message to a page. Returns whether there was one.
    pub(super) fn lose(&mut self, page: u32) -> bool {
        self.drop_first(page, |word| matches!(word, Word::Message { .. }))
    }

    /// Never tells a page that it has a lock, or cannot have it. Returns whether there was such a message.
    pub(super) fn deny(&mut self, page: u32) -> bool {
        self.drop_first(page, |word| matches!(word, Word::Lock { .. }))
    }

    fn drop_first(&mut self, page: u32, is_meant: impl Fn(&Word) -> bool) -> bool {
        let Some(inbox) = self.inboxes.get_mut(&page) else { return false };
        inbox.iter().position(is_meant).and_then(|index| inbox.remove(index)).is_some()
    }

    /// The page is gone, with everything that it held.
    pub(super) fn leave(&mut self, page: u32) {
        self.release_all(|(one, _)| one == page);
        self.channels.retain(|(one, _), _| *one != page);
        self.inboxes.remove(&page);
    }
}

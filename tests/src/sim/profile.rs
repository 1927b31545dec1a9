//! A browser profile: its locks, and the channels between its tabs.

use std::collections::{BTreeMap, VecDeque};

use tidings_client::client::Message;
use tidings_protocol::Cursor;

/// One page in one of the tabs.
pub(super) type Tab = (usize, u32);

/// A message of the browser to a tab, delivered in order.
#[derive(Debug, Clone)]
pub(super) enum Word {
    Locked,
    Held,
    Lost,
    Gone(String),
    Told(Post),
}

/// A message between tabs, and the state at the moment of posting that the judges need.
#[derive(Debug, Clone)]
pub(super) struct Post {
    /// The message as text.
    pub(super) text: String,
    /// The frame of the stream that goes with it, if any: its name and its data.
    pub(super) with: Option<(String, String)>,
    /// The latest position on the stream.
    pub(super) latest: Option<Cursor>,
    /// The frame that was being read: its `id:`, and whether it may be a gap.
    pub(super) frame: Option<(Option<Cursor>, bool)>,
}

/// A request of a tab to the browser.
#[derive(Debug)]
pub(super) enum Request {
    Enter { name: String, group: String },
    Exit,
    Steal,
    Watch(String),
    Post(Post),
}

/// The sender of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speaker {
    Leader,
    Follower,
}

#[derive(Debug, Default)]
struct Group {
    holder: Option<Tab>,
    queue: VecDeque<Tab>,
    present: Vec<Tab>,
}

#[derive(Debug, Default)]
pub(super) struct Profile {
    groups: BTreeMap<String, Group>,
    /// The tabs in a group, each with the name of its own lock.
    names: BTreeMap<Tab, (String, String)>,
    /// The tabs that wait for another tab's lock.
    watches: Vec<(Tab, String)>,
    inboxes: BTreeMap<Tab, VecDeque<Word>>,
}

impl Profile {
    pub(super) fn carry_out(&mut self, tab: Tab, request: Request) {
        match request {
            Request::Enter { name, group } => self.enter(tab, name, group),
            Request::Exit => self.exit(tab),
            Request::Steal => self.steal(tab),
            Request::Watch(name) if self.names.values().any(|(one, _)| *one == name) => {
                self.watches.retain(|watch| *watch != (tab, name.clone()));
                self.watches.push((tab, name));
            }
            Request::Watch(name) => self.hand(tab, Word::Gone(name)),
            Request::Post(post) => {
                let group = self.names.get(&tab).and_then(|(_, group)| self.groups.get(group));
                let others: Vec<_> = group.map(|group| group.present.clone()).unwrap_or_default();
                for other in others.into_iter().filter(|other| *other != tab) {
                    self.hand(other, Word::Told(post.clone()));
                }
            }
        }
    }

    fn enter(&mut self, tab: Tab, name: String, group: String) {
        self.exit(tab);
        self.names.insert(tab, (name, group.clone()));
        let group = self.groups.entry(group).or_default();
        group.present.push(tab);
        let word = if group.holder.is_none() {
            group.holder = Some(tab);
            Word::Locked
        } else {
            group.queue.push_back(tab);
            Word::Held
        };
        self.hand(tab, word);
    }

    /// The tab leaves its group, or is gone.
    pub(super) fn exit(&mut self, tab: Tab) {
        self.inboxes.remove(&tab);
        let Some((name, group)) = self.names.remove(&tab) else { return };
        let group = self.groups.entry(group).or_default();
        group.present.retain(|one| *one != tab);
        group.queue.retain(|one| *one != tab);
        if group.holder == Some(tab) {
            group.holder = group.queue.pop_front();
            if let Some(next) = group.holder {
                self.hand(next, Word::Locked);
            }
        }
        self.watches.retain(|(watcher, _)| *watcher != tab);
        let watchers: Vec<_> = self.watches.extract_if(.., |(_, watched)| *watched == name).collect();
        for (watcher, _) in watchers {
            self.hand(watcher, Word::Gone(name.clone()));
        }
    }

    fn steal(&mut self, tab: Tab) {
        let Some((_, group)) = self.names.get(&tab) else { return };
        let group = self.groups.entry(group.clone()).or_default();
        group.queue.retain(|one| *one != tab);
        let robbed = group.holder.replace(tab).filter(|robbed| *robbed != tab);
        // This also applies if the tab has the lock and does not know it.
        self.hand(tab, Word::Locked);
        if let Some(robbed) = robbed {
            self.hand(robbed, Word::Lost);
        }
    }

    fn hand(&mut self, tab: Tab, word: Word) {
        self.inboxes.entry(tab).or_default().push_back(word);
    }

    pub(super) fn next(&mut self, tab: Tab) -> Option<Word> {
        self.inboxes.get_mut(&tab)?.pop_front()
    }

    /// Loses the next message to a tab about the group's lock. Returns whether there was one.
    pub(super) fn deny(&mut self, tab: Tab) -> bool {
        let Some(inbox) = self.inboxes.get_mut(&tab) else { return false };
        let index = inbox.iter().position(|word| matches!(word, Word::Locked | Word::Held));
        index.and_then(|index| inbox.remove(index)).is_some()
    }

    /// Loses the next message of another tab to this one. Returns the sender.
    pub(super) fn lose(&mut self, tab: Tab) -> Option<Speaker> {
        let inbox = self.inboxes.get_mut(&tab)?;
        let index = inbox.iter().position(|word| matches!(word, Word::Told(_)))?;
        let Word::Told(post) = inbox.remove(index)? else { return None };
        Some(match Message::from_text(&post.text) {
            Some(Message::Tell { .. }) => Speaker::Leader,
            _ => Speaker::Follower,
        })
    }
}

//! What clients show of who is online, and whether it is true in the end.
//!
//! Each native client watches one pattern. While things go wrong, what it shows may be late, but not absurd: nobody joins who is there, and
//! nobody leaves who is not. When all is well again, it must come to be what the applications hold, and stay that.

use std::collections::BTreeSet;

use tidings_protocol::frame::{Member, Presence};

use super::ledger::{Ledger, PersonId};

/// A user, by a device.
pub(crate) type Seat = (String, String);

/// A client, by its number among those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatcherId(usize);

/// What all clients show.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    /// Who has a stream, and so is seen.
    streams: Vec<PersonId>,
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    name: String,
    pattern: String,
    /// `None` until the first list.
    shown: Option<BTreeSet<Seat>>,
    /// The stream is a new one: a list comes first.
    awaits_list: bool,
}

impl Rosters {
    /// This client has a stream, whenever it can.
    pub(crate) fn takes_part(&mut self, person: PersonId) {
        self.streams.push(person);
    }

    /// A client watches.
    pub(crate) fn watch(&mut self, name: String, pattern: String) -> WatcherId {
        self.watchers.push(Watcher { name, pattern, shown: None, awaits_list: true });
        WatcherId(self.watchers.len() - 1)
    }

    /// Its page is another one, which watches this.
    pub(crate) fn reloaded(&mut self, id: WatcherId, pattern: String) {
        let watcher = &mut self.watchers[id.0];
        (watcher.pattern, watcher.shown, watcher.awaits_list) = (pattern, None, true);
    }

    /// It has another stream.
    pub(crate) fn reopened(&mut self, id: WatcherId) {
        self.watchers[id.0].awaits_list = true;
    }

    /// Takes what it is told; what is wrong with that.
    pub(crate) fn told(&mut self, id: WatcherId, frame: Presence) -> Option<String> {
        let watcher = &mut self.watchers[id.0];
        if frame.channel.as_str() != watcher.pattern {
            // A frame about what the page before watched may be under way.
            return None;
        }
        if frame.code.is_some() {
            return Some(format!("may not see who is on {}", watcher.pattern));
        }
        if let Some(here) = frame.here {
            watcher.shown = Some(here.into_iter().map(seat).collect());
            watcher.awaits_list = false;
        } else if watcher.awaits_list {
            return Some(format!("is told changes of {} before a list", watcher.pattern));
        }
        let shown = watcher.shown.get_or_insert_default();
        let twice: Vec<_> = frame.join.into_iter().map(seat).filter(|seat| !shown.insert(seat.clone())).collect();
        let absent: Vec<_> = frame.leave.into_iter().map(seat).filter(|seat| !shown.remove(seat)).collect();
        let is_absurd = !twice.is_empty() || !absent.is_empty();
        is_absurd.then(|| format!("{}: {twice:?} join who are there, {absent:?} leave who are not", watcher.pattern))
    }

    /// Whose roster is not what applications hold, and how.
    pub(crate) fn wrong(&self, ledger: &Ledger) -> Vec<(String, String)> {
        let wrong = |watcher: &Watcher| {
            let present = ledger.present(&self.streams, &watcher.pattern);
            let what = match &watcher.shown {
                None => "never told".to_owned(),
                Some(shown) if *shown == present => return None,
                Some(shown) => {
                    let ghosts: Vec<_> = shown.difference(&present).collect();
                    let missing: Vec<_> = present.difference(shown).collect();
                    format!("ghosts {ghosts:?}, missing {missing:?}")
                }
            };
            Some((watcher.name.clone(), format!("who is on {}: {what}", watcher.pattern)))
        };
        self.watchers.iter().filter_map(wrong).collect()
    }
}

fn seat(member: Member) -> Seat {
    (member.user_id.to_string(), member.device_id.map(|id| id.to_string()).unwrap_or_default())
}

/// Whether who holds `held` is on `pattern`. Said anew here, and not by the product's own types.
pub(crate) fn is_in(held: &str, pattern: &str) -> bool {
    held == pattern || pattern.strip_suffix('*').is_some_and(|above| held.starts_with(above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::traffic::{Interest, Person};

    fn frame(json: &str) -> Presence {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_roster_is_right_where_it_shows_who_holds_a_channel_in_the_pattern() {
        let (mut ledger, mut rosters) = (Ledger::new(), Rosters::default());
        let person = Person { name: "ana".into(), user: "ana".into(), device: "d1".into(), session: "s".into() };
        let ana = ledger.join(person);
        rosters.takes_part(ana);
        let watcher = rosters.watch("eve".into(), "news:*".into());
        assert_eq!(rosters.wrong(&ledger).len(), 1, "never told");
        assert_eq!(rosters.told(watcher, frame(r#"{"channel":"news:*","here":[]}"#)), None);
        assert_eq!(rosters.wrong(&ledger), []);
        let interest = |pattern: &str, addressed| Interest { addressed, pattern: pattern.into() };
        ledger.listen(ana, interest("news:2", true), None);
        assert_eq!(rosters.wrong(&ledger), [], "addressed events need no channel");
        let handler = ledger.listen(ana, interest("news:1", false), None);
        assert!(rosters.wrong(&ledger)[0].1.contains("missing [(\"ana\", \"d1\")]"));
        let join = r#"{"channel":"news:*","join":[{"userId":"ana","deviceId":"d1"}]}"#;
        assert_eq!(rosters.told(watcher, frame(join)), None);
        assert_eq!(rosters.wrong(&ledger), []);
        assert!(rosters.told(watcher, frame(join)).is_some(), "she is there");
        ledger.stopped(handler);
        assert!(rosters.wrong(&ledger)[0].1.contains("ghosts [(\"ana\", \"d1\")]"));
        rosters.reopened(watcher);
        assert!(rosters.told(watcher, frame(join)).is_some(), "another stream begins with a list");
    }
}

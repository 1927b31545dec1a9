//! Routing keys: how a record finds its connections, and a connection its records, without comparing patterns.
//!
//! A record is *filed* under a few keys and a connection *looks up* a few keys; the connection receives the record if
//! the two sets share a key. Matching works both ways (an event on `chat:*` reaches a subscriber of `chat:1`, and the
//! reverse) with three kinds of key for channels:
//!
//! | | filed under | looked up |
//! |---|---|---|
//! | `a:b` | `Exact a:b`, `Under a:`, `Under *` | `Exact a:b`, `At a:`, `At *` |
//! | `a:*` | `At a:`, `Under *` | `At a:`, `Under a:`, `At *` |

use std::sync::Arc;

use hashbrown::HashMap;
use tidings_protocol::{DeviceId, Pattern, UserId, channel::Route};

use crate::record::{Audience, Entry};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A channel.
    Exact,
    /// A pattern itself.
    At,
    /// Everything strictly below a pattern.
    Under,
    /// A user's id.
    User,
    /// A device of a user: both ids with a NUL in between, which no id may contain.
    Device,
}

impl Kind {
    /// Whether the key names a stream's user or device, and not a channel.
    pub(crate) fn is_identity(self) -> bool {
        matches!(self, Self::User | Self::Device)
    }
}

/// A borrowed key.
pub(crate) type KeyRef<'a> = (Kind, &'a str);

/// An owned key.
pub(crate) type RouteKey = (Kind, Arc<str>);

/// A map from keys that is queried by reference, so that routing a record allocates nothing.
#[derive(Debug)]
pub(crate) struct KeyMap<V> {
    kinds: [HashMap<Arc<str>, V>; 5],
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { kinds: Default::default() }
    }
}

impl<V> KeyMap<V> {
    pub(crate) fn get(&self, (kind, text): KeyRef<'_>) -> Option<&V> {
        self.kinds[kind as usize].get(text)
    }

    pub(crate) fn get_mut(&mut self, (kind, text): KeyRef<'_>) -> Option<&mut V> {
        self.kinds[kind as usize].get_mut(text)
    }

    pub(crate) fn or_default(&mut self, (kind, text): KeyRef<'_>) -> &mut V
    where
        V: Default,
    {
        self.kinds[kind as usize].entry_ref(text).or_default()
    }

    /// The map's own copy of an equal key.
    pub(crate) fn known(&self, (kind, text): &RouteKey) -> Option<RouteKey> {
        self.kinds[*kind as usize].get_key_value(text).map(|(text, _)| (*kind, text.clone()))
    }

    /// The value of a key, inserted if missing. The key's text is shared and not copied.
    pub(crate) fn or_default_at(&mut self, (kind, text): &RouteKey) -> &mut V
    where
        V: Default,
    {
        self.kinds[*kind as usize].entry(text.clone()).or_default()
    }

    pub(crate) fn remove(&mut self, (kind, text): KeyRef<'_>) -> Option<V> {
        self.kinds[kind as usize].remove(text)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (RouteKey, V)> {
        const KINDS: [Kind; 5] = [Kind::Exact, Kind::At, Kind::Under, Kind::User, Kind::Device];
        self.kinds
            .iter_mut()
            .zip(KINDS)
            .flat_map(|(map, kind)| map.drain().map(move |(text, value)| ((kind, text), value)))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.iter().all(HashMap::is_empty)
    }
}

/// The keys under which an entry is filed.
pub(crate) fn filed(entry: &Entry, mut file: impl FnMut(KeyRef<'_>)) {
    match &entry.audience {
        Audience::Channel => {
            match entry.channel.route() {
                Route::Exact(channel) => file((Kind::Exact, channel)),
                Route::Below(prefix) => file((Kind::At, prefix)),
            }
            for prefix in entry.channel.ancestors() {
                file((Kind::Under, prefix));
            }
        }
        Audience::Users(users) => {
            for user in users {
                file((Kind::User, user.as_str()));
            }
        }
        Audience::Device(user, device) => file((Kind::Device, &device_key(user, device))),
        // Every stream of the user finds the order by this key, and applies it.
        Audience::Control(control) => file((Kind::User, control.user.as_str())),
        Audience::Void => {}
    }
}

/// Whether an entry is filed under one of these keys.
pub(crate) fn is_filed<'a>(keys: &(impl Iterator<Item = KeyRef<'a>> + Clone), entry: &Entry) -> bool {
    let mut met = false;
    filed(entry, |filed| met = met || keys.clone().any(|key| key == filed));
    met
}

/// The keys that a subscription looks up.
pub(crate) fn looked_up(pattern: &Pattern) -> Vec<RouteKey> {
    let mut keys: Vec<RouteKey> = match pattern.route() {
        Route::Exact(_) => vec![(Kind::Exact, pattern.shared())],
        Route::Below(prefix) => vec![(Kind::At, prefix.into()), (Kind::Under, prefix.into())],
    };
    keys.extend(pattern.ancestors().map(|prefix| (Kind::At, Arc::from(prefix))));
    keys
}

/// The keys that a stream looks up for its user and device.
pub(crate) fn identity(user: Option<&UserId>, device: Option<&DeviceId>) -> Vec<RouteKey> {
    let Some(user) = user else { return Vec::new() };
    let mut keys = vec![(Kind::User, user.shared())];
    keys.extend(device.map(|device| (Kind::Device, Arc::from(device_key(user, device)))));
    keys
}

fn device_key(user: &UserId, device: &DeviceId) -> String {
    format!("{user}\0{device}")
}

/// The keys as references.
pub(crate) fn refs(keys: &[RouteKey]) -> impl Iterator<Item = KeyRef<'_>> + Clone {
    keys.iter().map(|(kind, text)| (*kind, &**text))
}

/// The items, each once, in their order. Meant for a few items: it compares each pair.
pub(crate) fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meets(published: &str, subscribed: &str) -> bool {
        let keys = looked_up(&subscribed.parse().unwrap());
        let mut met = false;
        filed(&crate::testing::entry(published, "t", "1"), |(kind, text)| {
            met |= keys.iter().any(|(k, t)| *k == kind && &**t == text);
        });
        met
    }

    #[test]
    fn a_subscriber_of_a_channel_does_not_receive_its_siblings() {
        assert!(!meets("chat:2", "chat:1"));
        assert!(meets("chat:*", "chat:1") && meets("chat:1", "chat:*"));
    }

    proptest! {
        #[test]
        fn keys_meet_exactly_where_patterns_overlap(
            a in "(a|b)(:(a|b)){0,2}(:\\*)?|\\*",
            b in "(a|b)(:(a|b)){0,2}(:\\*)?|\\*",
        ) {
            let overlap = a.parse::<Pattern>().unwrap().overlaps(&b.parse().unwrap());
            prop_assert_eq!(meets(&a, &b), overlap, "{} {}", a, b);
        }
    }
}

//! The look-up from a record's channel to the handlers that receive it.

use tidings_protocol::Pattern;

/// One handler, as `subscribe` or `on` made it. Numbers grow and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerId(pub u32);

/// The kinds of handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Events published to channels (`subscribe`).
    Channels,
    /// Events addressed to this user or device (`on`); the record's channel is a label.
    Addressed,
    /// The users who are online on a channel (`presence`); the frames name exactly this channel or pattern.
    Presence,
}

impl Hears {
    fn is_met(self, pattern: &Pattern, channel: &Pattern) -> bool {
        if self == Self::Presence { pattern == channel } else { pattern.overlaps(channel) }
    }
}

/// A channel whose handlers have been looked up. Valid until [`Routes::generation`] changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(pub u32);

/// The most channels that are remembered; then the memory is cleared, for applications with an unlimited number of
/// channels.
const REMEMBERED: usize = 4_096;

/// The handlers by channel. A look-up of a channel walks all handlers once; the answer is kept as a [`Route`], so that
/// the caller can remember it under the cheapest key (in the browser the channel's own string, in a JS `Map`).
#[derive(Debug, Default)]
pub struct Routes {
    listeners: Vec<(HandlerId, Hears, Pattern)>,
    found: Vec<Vec<HandlerId>>,
    /// The names that [`Routes::look_up`] has found, in order.
    names: Vec<(Box<[u8]>, Hears, Route)>,
    generation: u32,
}

impl Routes {
    /// Adds a handler; handlers are called in the order in which they were added.
    pub fn add(&mut self, handler: HandlerId, hears: Hears, pattern: Pattern) {
        self.listeners.push((handler, hears, pattern));
        self.forget();
    }

    /// Removes a handler.
    pub fn remove(&mut self, handler: HandlerId) {
        self.listeners.retain(|(id, ..)| *id != handler);
        self.forget();
    }

    /// Removes all handlers.
    pub fn clear(&mut self) {
        self.listeners.clear();
        self.forget();
    }

    fn forget(&mut self) {
        self.found.clear();
        self.names.clear();
        self.generation = self.generation.wrapping_add(1);
    }

    /// Changes whenever routes that were found before are no longer valid.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Looks up the handlers of a record, or of a presence frame, of this channel or pattern. A text that is neither
    /// has no handlers.
    pub fn find(&mut self, channel: impl AsRef<[u8]>, hears: Hears) -> Route {
        let channel = channel.as_ref();
        if self.found.len() == REMEMBERED {
            self.forget();
        }
        let mut handlers = Vec::new();
        if let Ok(channel) = Pattern::from_ascii(channel) {
            for (id, kind, pattern) in &self.listeners {
                if *kind == hears && hears.is_met(pattern, &channel) {
                    handlers.push(*id);
                }
            }
        }
        self.found.push(handlers);
        Route(u32::try_from(self.found.len() - 1).unwrap_or(u32::MAX))
    }

    /// [`Self::find`], for a caller that cannot remember routes.
    pub fn look_up(&mut self, channel: &[u8], hears: Hears) -> Route {
        let known = |(name, kind, _): &(Box<[u8]>, Hears, Route)| {
            // The lengths are compared first, because they usually decide.
            (name.len(), *kind as u8, &**name).cmp(&(channel.len(), hears as u8, channel))
        };
        match self.names.binary_search_by(known) {
            Ok(index) => self.names.get(index).map_or(Route(u32::MAX), |(.., route)| *route),
            Err(_) => {
                let route = self.find(channel, hears);
                // Finding the route may have cleared the memory.
                let index = self.names.binary_search_by(known).unwrap_or_else(|index| index);
                self.names.insert(index, (channel.into(), hears, route));
                route
            }
        }
    }

    /// The handlers of a route, in the order in which they were added.
    #[must_use]
    pub fn handlers(&self, route: Route) -> &[HandlerId] {
        usize::try_from(route.0).ok().and_then(|index| self.found.get(index)).map_or(&[], |handlers| handlers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(patterns: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for (id, pattern) in (0..).zip(patterns) {
            routes.add(HandlerId(id), Hears::Channels, pattern.parse().unwrap());
        }
        routes
    }

    fn heard(routes: &mut Routes, channel: &str) -> Vec<u32> {
        let route = routes.find(channel, Hears::Channels);
        routes.handlers(route).iter().map(|id| id.0).collect()
    }

    #[test]
    fn channels_prefixes_and_everything_are_listed_in_the_order_of_subscription() {
        let mut routes = routes(&["*", "timer:*", "timer:u1", "timer", "other:u1"]);
        assert_eq!(heard(&mut routes, "timer:u1"), [0, 1, 2]);
        assert_eq!(heard(&mut routes, "timer"), [0, 3]);
        assert_eq!(heard(&mut routes, "timer:u2:x"), [0, 1]);
    }

    #[test]
    fn matching_works_both_ways() {
        let mut routes = routes(&["notification:u1", "notification:u1:*", "timer:u1"]);
        assert_eq!(heard(&mut routes, "notification:*"), [0, 1]);
        assert_eq!(heard(&mut routes, "*"), [0, 1, 2]);
    }

    #[test]
    fn addressed_records_and_channel_records_have_handlers_of_their_own() {
        let mut routes = routes(&["timer"]);
        routes.add(HandlerId(9), Hears::Addressed, "timer".parse().unwrap());
        let addressed = routes.find("timer", Hears::Addressed);
        assert_eq!(routes.handlers(addressed), [HandlerId(9)]);
        assert_eq!(heard(&mut routes, "timer"), [0]);
    }

    #[test]
    fn a_change_of_handlers_makes_routes_stale() {
        let mut routes = routes(&["a"]);
        let before = routes.generation();
        routes.find("a", Hears::Channels);
        assert_eq!(routes.generation(), before);
        routes.remove(HandlerId(0));
        assert_ne!(routes.generation(), before);
        assert_eq!(heard(&mut routes, "a"), [] as [u32; 0]);
    }

    #[test]
    fn a_malformed_channel_has_no_handlers() {
        assert_eq!(heard(&mut routes(&["*"]), "two words"), [] as [u32; 0]);
    }

    #[test]
    fn a_route_is_looked_up_once() {
        let mut routes = routes(&["*", "b"]);
        routes.add(HandlerId(9), Hears::Addressed, "b".parse().unwrap());
        for _ in 0..3 {
            for (channel, hears, heard) in [
                ("b", Hears::Channels, &[0, 1][..]),
                ("a", Hears::Channels, &[0]),
                ("b", Hears::Addressed, &[9]),
                ("bb", Hears::Channels, &[0]),
            ] {
                let route = routes.look_up(channel.as_bytes(), hears);
                assert_eq!(routes.handlers(route).iter().map(|id| id.0).collect::<Vec<_>>(), heard, "{channel}");
            }
        }
        assert_eq!(routes.found.len(), 4);
        routes.remove(HandlerId(0));
        let route = routes.look_up(b"b", Hears::Channels);
        assert_eq!(routes.handlers(route), [HandlerId(1)]);
    }

    #[test]
    fn endless_channels_do_not_fill_the_memory() {
        let mut routes = routes(&["*"]);
        for n in 0..3 * REMEMBERED {
            let route = routes.look_up(n.to_string().as_bytes(), Hears::Channels);
            assert_eq!(routes.handlers(route), [HandlerId(0)]);
        }
        assert!(routes.found.len() <= REMEMBERED && routes.names.len() <= REMEMBERED);
    }
}

//! What the log's control records have left in force, for each user that one was about. It is part of the window, so that
//! whoever looks at a record sees what stood when that record was applied.

use hashbrown::HashMap;
use tidings_protocol::{DeviceId, Pattern, UserId};

use crate::record::{Control, Order};

/// When credentials were issued, in milliseconds since 1970; `None` where nobody says, which is before everything.
pub(crate) type Issued = Option<u64>;

/// Whether credentials are older than what was revoked at this time. A token knows whole seconds only: of two in one moment it
/// is taken to be the older.
pub(crate) fn is_older(issued: Issued, at: u64) -> bool {
    issued.is_none_or(|issued| issued <= at)
}

/// Channels that somebody asks for, by the right that they have to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// A grant covers them.
    pub(crate) granted: Vec<Pattern>,
    /// No grant does, but what the server has given to the user.
    pub(crate) given: Vec<Pattern>,
}

impl Asked {
    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pattern> {
        self.granted.iter().chain(&self.given)
    }

    /// Those of them for which this is so.
    pub(crate) fn only(&self, is_meant: impl Fn(&Pattern) -> bool) -> Self {
        let only = |channels: &[Pattern]| channels.iter().filter(|channel| is_meant(channel)).cloned().collect();
        Self { granted: only(&self.granted), given: only(&self.given) }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    users: HashMap<UserId, OfUser>,
}

#[derive(Debug, Clone, Default)]
struct OfUser {
    revoked: Vec<Revoked>,
    subscribed: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Revoked {
    what: What,
    /// Credentials of this time or before are refused.
    at: u64,
    until: u64,
}

/// What older credentials no longer open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Channels(Pattern),
    Device(DeviceId),
    Everything,
}

impl Standing {
    /// Takes a control record of this time.
    pub(crate) fn apply(&mut self, control: &Control, at: u64) {
        let of_user = self.users.entry_ref(&control.user).or_default();
        match &control.order {
            Order::Revoke { channels, until } => {
                of_user.subscribed.retain(|pattern| !pattern.overlaps(channels));
                of_user.revoke(What::Channels(channels.clone()), at, until.0);
            }
            Order::Disconnect { device, until } => {
                let what = device.clone().map_or(What::Everything, What::Device);
                of_user.revoke(what, at, until.0);
            }
            Order::Restore { channels: None } => of_user.revoked.clear(),
            Order::Restore { channels: Some(channels) } => {
                let covered = |what: &What| matches!(what, What::Channels(pattern) if channels.covers(pattern));
                of_user.revoked.retain(|revoked| !covered(&revoked.what));
            }
            Order::Subscribe { channels } => {
                if !of_user.subscribed.contains(channels) {
                    of_user.subscribed.push(channels.clone());
                }
            }
            Order::Unsubscribe { channels } => of_user.subscribed.retain(|pattern| pattern != channels),
        }
        if of_user.is_empty() {
            self.users.remove(&control.user);
        }
    }

    /// Whether a user's credentials no longer let in, on this device.
    pub(crate) fn shuts_out(&self, user: Option<&UserId>, device: Option<&DeviceId>, issued: Issued) -> bool {
        let shuts_out = |what: &What| match what {
            What::Channels(_) => false,
            What::Device(other) => device == Some(other),
            What::Everything => true,
        };
        self.revoked(user).any(|revoked| is_older(issued, revoked.at) && shuts_out(&revoked.what))
    }

    /// Whether a user's credentials no longer open this channel or pattern, or some of it.
    pub(crate) fn refuses(&self, user: Option<&UserId>, channel: &Pattern, issued: Issued) -> bool {
        let refuses = |what: &What| matches!(what, What::Channels(pattern) if pattern.overlaps(channel));
        self.revoked(user).any(|revoked| is_older(issued, revoked.at) && refuses(&revoked.what))
    }

    /// By which right a user may hear what they ask for with credentials issued at this time; and what they may not.
    pub(crate) fn judge(&self, user: Option<&UserId>, asked: Asked, issued: Issued) -> (Asked, Vec<Pattern>) {
        let (revoked, granted) = asked.granted.into_iter().partition(|channel| self.refuses(user, channel, issued));
        let others: Vec<_> = asked.given.into_iter().chain(revoked).collect();
        // What is given is given after whatever was revoked, or it would not stand.
        let (given, refused) = others.into_iter().partition(|channel| self.gives(user, channel));
        (Asked { granted, given }, refused)
    }

    /// Whether the server has given a user all of this channel or pattern.
    pub(crate) fn gives(&self, user: Option<&UserId>, channel: &Pattern) -> bool {
        self.subscribed(user).iter().any(|given| given.covers(channel))
    }

    /// What all streams of a user hear by the server's own will.
    pub(crate) fn subscribed(&self, user: Option<&UserId>) -> &[Pattern] {
        user.and_then(|user| self.users.get(user)).map_or(&[], |of_user| &of_user.subscribed)
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: u64) {
        self.users.retain(|_, of_user| {
            of_user.revoked.retain(|revoked| revoked.until > now);
            !of_user.is_empty()
        });
    }

    fn revoked(&self, user: Option<&UserId>) -> impl Iterator<Item = &Revoked> {
        user.and_then(|user| self.users.get(user)).into_iter().flat_map(|of_user| &of_user.revoked)
    }
}

impl OfUser {
    fn revoke(&mut self, what: What, at: u64, until: u64) {
        match self.revoked.iter_mut().find(|revoked| revoked.what == what) {
            Some(revoked) => {
                revoked.at = revoked.at.max(at);
                revoked.until = revoked.until.max(until);
            }
            None => self.revoked.push(Revoked { what, at, until }),
        }
    }

    fn is_empty(&self) -> bool {
        self.revoked.is_empty() && self.subscribed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tidings_protocol::event::Timestamp;

    use super::*;

    fn standing(orders: &[(u64, Order)]) -> Standing {
        let mut standing = Standing::default();
        for (at, order) in orders {
            standing.apply(&Control { user: ana(), order: order.clone() }, *at);
        }
        standing
    }

    fn ana() -> UserId {
        UserId::new("ana").unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    fn revoke(channels: &str) -> Order {
        Order::Revoke { channels: pattern(channels), until: Timestamp(100) }
    }

    fn refuses(standing: &Standing, channel: &str, issued: Issued) -> bool {
        standing.refuses(Some(&ana()), &pattern(channel), issued)
    }

    #[test]
    fn older_credentials_open_nothing_that_overlaps_what_was_revoked() {
        let standing = standing(&[(10, revoke("a:1"))]);
        assert!(refuses(&standing, "a:1", None) && refuses(&standing, "a:*", Some(10)));
        assert!(!refuses(&standing, "a:1", Some(11)), "newer ones do");
        assert!(!refuses(&standing, "a:2", None) && !standing.shuts_out(Some(&ana()), None, None));
        assert!(!standing.refuses(None, &pattern("a:1"), None), "nobody in particular is not ana");
    }

    #[test]
    fn the_latest_of_two_counts() {
        let standing = standing(&[(20, revoke("a")), (10, revoke("a"))]);
        assert!(refuses(&standing, "a", Some(20)) && !refuses(&standing, "a", Some(21)));
    }

    #[test]
    fn what_was_revoked_comes_back_by_what_covers_it_and_all_by_none() {
        let disconnect = Order::Disconnect { device: None, until: Timestamp(100) };
        let restore = |channels: &str| Order::Restore { channels: Some(pattern(channels)) };
        let some = standing(&[(1, revoke("a:1")), (1, revoke("b")), (1, disconnect.clone()), (2, restore("a:*"))]);
        assert!(!refuses(&some, "a:1", None) && refuses(&some, "b", None));
        assert!(some.shuts_out(Some(&ana()), None, None));
        let all = standing(&[(1, revoke("b")), (1, disconnect), (2, Order::Restore { channels: None })]);
        assert!(all.users.is_empty());
    }

    #[test]
    fn a_device_shuts_out_itself_only() {
        let laptop = DeviceId::new("laptop").unwrap();
        let standing = standing(&[(1, Order::Disconnect { device: Some(laptop.clone()), until: Timestamp(100) })]);
        assert!(standing.shuts_out(Some(&ana()), Some(&laptop), None));
        assert!(!standing.shuts_out(Some(&ana()), None, None));
    }

    #[test]
    fn a_revocation_ends_what_the_server_subscribed_to_and_a_later_subscription_stands() {
        let subscribe = || Order::Subscribe { channels: pattern("a:*") };
        let both = standing(&[(1, subscribe()), (2, revoke("a:1")), (3, subscribe()), (3, subscribe())]);
        assert_eq!(both.subscribed(Some(&ana())), [pattern("a:*")]);
        assert_eq!(standing(&[(1, subscribe()), (2, revoke("a:1"))]).subscribed(Some(&ana())), []);
    }

    #[test]
    fn what_is_given_is_a_right_to_all_that_it_covers_also_where_a_grant_was_revoked_before() {
        let asked = |granted: &[&str], given: &[&str]| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect();
            Asked { granted: patterns(granted), given: patterns(given) }
        };
        let standing = standing(&[(1, revoke("a:*")), (2, Order::Subscribe { channels: pattern("a:1") })]);
        let judged = standing.judge(Some(&ana()), asked(&["a:1", "a:2", "b"], &["a:1:x", "c"]), None);
        assert_eq!(judged, (asked(&["b"], &["a:1"]), vec![pattern("a:1:x"), pattern("c"), pattern("a:2")]));
        let newer = standing.judge(Some(&ana()), asked(&["a:1", "a:2"], &[]), Some(2));
        assert_eq!(newer, (asked(&["a:1", "a:2"], &[]), vec![]), "a grant is the better right");
        let nobody = standing.judge(None, asked(&[], &["a:1"]), None);
        assert_eq!(nobody, (asked(&[], &[]), vec![pattern("a:1")]));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut standing = standing(&[(10, revoke("a"))]);
        standing.sweep(99);
        assert!(refuses(&standing, "a", None));
        standing.sweep(100);
        assert!(standing.users.is_empty());
    }
}

//! The lasting effect of the log's orders, for each user that an order was about. It is part of the window, so that a
//! reader of a record sees the access state of the moment in which that record was applied.

use hashbrown::HashMap;
use tidings_protocol::{Cursor, DeviceId, Pattern, UserId};

use super::{Credentials, Issued};
use crate::record::{Control, Order};

/// The access state, by user.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessState {
    users: HashMap<UserId, OfUser>,
    /// Revocations that the log has acknowledged and this node has not applied yet. They take effect at once, although
    /// the node reads them a little later.
    ahead: Vec<Ahead>,
}

#[derive(Debug, Clone)]
struct Ahead {
    cursor: Cursor,
    user: UserId,
    revocation: Revocation,
}

#[derive(Debug, Clone, Default)]
struct OfUser {
    revoked: Vec<Revocation>,
    subscribed: Vec<Pattern>,
}

/// Access that older credentials no longer have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revocation {
    what: What,
    /// Credentials issued at this time or before are refused.
    at: u64,
    /// The time at which the revocation expires.
    until: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Channels(Pattern),
    Device(DeviceId),
    Everything,
}

impl Revocation {
    /// The revocation that an order of this time makes, if it makes one.
    pub(crate) fn of(order: &Order, at: u64) -> Option<Self> {
        let (what, until) = match order {
            Order::Revoke { channels, until } => (What::Channels(channels.clone()), until.0),
            Order::Disconnect { device: Some(device), until } => (What::Device(device.clone()), until.0),
            Order::Disconnect { device: None, until } => (What::Everything, until.0),
            Order::Restore { .. } | Order::Subscribe { .. } | Order::Unsubscribe { .. } => return None,
        };
        Some(Self { what, at, until })
    }

    /// Whether the revocation affects credentials of this age. A token knows whole seconds only, so credentials issued
    /// in the same second count as older.
    fn is_after(&self, issued: Issued) -> bool {
        issued.is_none_or(|issued| issued <= self.at)
    }

    fn excludes(&self, credentials: Credentials<'_>) -> bool {
        let is_meant = match &self.what {
            What::Channels(_) => false,
            What::Device(device) => credentials.device == Some(device),
            What::Everything => true,
        };
        is_meant && self.is_after(credentials.issued)
    }

    fn closes(&self, credentials: Credentials<'_>, channel: &Pattern) -> bool {
        let overlaps = matches!(&self.what, What::Channels(revoked) if revoked.overlaps(channel));
        overlaps && self.is_after(credentials.issued)
    }
}

/// The orders about one user that count for a decision.
#[derive(Debug, Default)]
pub(crate) struct Orders<'a> {
    pub(crate) revoked: Vec<&'a Revocation>,
    /// The channels to which the server has subscribed the user.
    pub(crate) subscribed: &'a [Pattern],
}

impl Orders<'_> {
    /// The same without the server's subscriptions, which allow neither publishing nor watching presence.
    pub(crate) fn without_subscriptions(self) -> Self {
        Self { subscribed: &[], ..self }
    }

    pub(super) fn is_shut_out(&self, credentials: Credentials<'_>) -> bool {
        self.revoked.iter().any(|revocation| revocation.excludes(credentials))
    }

    /// Whether a channel or pattern is revoked, completely or partly.
    pub(super) fn is_revoked(&self, credentials: Credentials<'_>, channel: &Pattern) -> bool {
        self.revoked.iter().any(|revocation| revocation.closes(credentials, channel))
    }

    /// Whether the server has subscribed the user to all of a channel or pattern.
    pub(super) fn is_subscribed(&self, channel: &Pattern) -> bool {
        self.subscribed.iter().any(|subscribed| subscribed.covers(channel))
    }
}

/// The server's subscriptions of a user after one more order.
pub(crate) fn subscribed_after(mut subscribed: Vec<Pattern>, order: &Order) -> Vec<Pattern> {
    match order {
        Order::Revoke { channels, .. } => subscribed.retain(|pattern| !pattern.overlaps(channels)),
        Order::Subscribe { channels } if !subscribed.contains(channels) => subscribed.push(channels.clone()),
        Order::Unsubscribe { channels } => subscribed.retain(|pattern| pattern != channels),
        Order::Subscribe { .. } | Order::Disconnect { .. } | Order::Restore { .. } => {}
    }
    subscribed
}

impl AccessState {
    /// Applies the order with this number and time.
    pub(crate) fn apply(&mut self, control: &Control, seq: u64, at: u64) {
        self.ahead.retain(|ahead| ahead.cursor.seq > seq);
        let of_user = self.users.entry_ref(&control.user).or_default();
        of_user.subscribed = subscribed_after(std::mem::take(&mut of_user.subscribed), &control.order);
        match &control.order {
            Order::Restore { channels: None } => of_user.revoked.clear(),
            Order::Restore { channels: Some(channels) } => {
                let covered = |what: &What| matches!(what, What::Channels(pattern) if channels.covers(pattern));
                of_user.revoked.retain(|revocation| !covered(&revocation.what));
            }
            order => of_user.revoked.extend(Revocation::of(order, at)),
        }
        of_user.merge_last();
        if of_user.is_empty() {
            self.users.remove(&control.user);
        }
    }

    /// Records an order that the log holds at this cursor, which lies beyond the applied records.
    pub(crate) fn foresee(&mut self, control: &Control, cursor: Cursor, at: u64) {
        if let Some(revocation) = Revocation::of(&control.order, at) {
            self.ahead.push(Ahead { cursor, user: control.user.clone(), revocation });
        }
    }

    /// Takes over the orders that the state before has foreseen and that still lie ahead: they may have been acknowledged
    /// after this state was read.
    pub(crate) fn keep_foreseen(&mut self, before: &Self, is_ahead: impl Fn(Cursor) -> bool) {
        self.ahead.extend(before.ahead.iter().filter(|ahead| is_ahead(ahead.cursor)).cloned());
    }

    /// The cursors of orders that were foreseen and not applied yet.
    pub(crate) fn foreseen(&self) -> Vec<Cursor> {
        self.ahead.iter().map(|ahead| ahead.cursor).collect()
    }

    /// The orders about a user; none for an anonymous caller.
    pub(crate) fn orders(&self, user: Option<&UserId>) -> Orders<'_> {
        let Some(user) = user else { return Orders::default() };
        let of_user = self.users.get(user);
        let standing = of_user.into_iter().flat_map(|of_user| &of_user.revoked);
        let ahead = self.ahead.iter().filter(|ahead| ahead.user == *user).map(|ahead| &ahead.revocation);
        Orders { revoked: standing.chain(ahead).collect(), subscribed: of_user.map_or(&[], |user| &user.subscribed) }
    }

    /// The channels to which the server has subscribed all streams of a user.
    pub(crate) fn subscribed(&self, user: Option<&UserId>) -> &[Pattern] {
        user.and_then(|user| self.users.get(user)).map_or(&[], |of_user| &of_user.subscribed)
    }

    /// Removes expired revocations.
    pub(crate) fn sweep(&mut self, now: u64) {
        self.users.retain(|_, of_user| {
            of_user.revoked.retain(|revocation| revocation.until > now);
            !of_user.is_empty()
        });
    }
}

impl OfUser {
    /// Merges the last revocation with an earlier one of the same channels.
    fn merge_last(&mut self) {
        let Some((last, earlier)) = self.revoked.split_last_mut() else { return };
        if let Some(same) = earlier.iter_mut().find(|revocation| revocation.what == last.what) {
            same.at = same.at.max(last.at);
            same.until = same.until.max(last.until);
            self.revoked.pop();
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
    use crate::access::{Channels, Decision, authorize};

    fn state(orders: &[(u64, Order)]) -> AccessState {
        let mut state = AccessState::default();
        for (at, order) in orders {
            state.apply(&Control { user: ana(), order: order.clone() }, *at, *at);
        }
        state
    }

    fn ana() -> UserId {
        UserId::new("ana").unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    fn channels(granted: &[&str], by_server: &[&str]) -> Channels {
        let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect();
        Channels { granted: patterns(granted), by_server: patterns(by_server) }
    }

    fn revoke(channels: &str) -> Order {
        Order::Revoke { channels: pattern(channels), until: Timestamp(100) }
    }

    fn subscribe(channels: &str) -> Order {
        Order::Subscribe { channels: pattern(channels) }
    }

    fn judged(state: &AccessState, device: Option<&str>, issued: Issued, requested: Channels) -> Decision {
        let (user, device) = (ana(), device.map(|device| DeviceId::new(device).unwrap()));
        let credentials = Credentials { user: Some(&user), device: device.as_ref(), issued };
        authorize(&state.orders(Some(&user)), credentials, requested)
    }

    fn is_refused(state: &AccessState, channel: &str, issued: Issued) -> bool {
        !judged(state, None, issued, channels(&[channel], &[])).refused.is_empty()
    }

    fn is_shut_out(state: &AccessState, device: Option<&str>) -> bool {
        judged(state, device, None, Channels::default()).is_shut_out
    }

    #[test]
    fn older_credentials_open_nothing_that_overlaps_what_was_revoked() {
        let state = state(&[(10, revoke("a:1"))]);
        assert!(is_refused(&state, "a:1", None) && is_refused(&state, "a:*", Some(10)));
        assert!(!is_refused(&state, "a:1", Some(11)), "newer ones do");
        assert!(!is_refused(&state, "a:2", None) && !is_shut_out(&state, None));
        assert!(state.orders(None).revoked.is_empty(), "somebody anonymous is not ana");
    }

    #[test]
    fn the_latest_of_two_counts() {
        let state = state(&[(20, revoke("a")), (10, revoke("a"))]);
        assert!(is_refused(&state, "a", Some(20)) && !is_refused(&state, "a", Some(21)));
        assert_eq!(state.orders(Some(&ana())).revoked.len(), 1);
    }

    #[test]
    fn a_restoration_undoes_the_revocations_that_it_covers_or_all() {
        let disconnect = Order::Disconnect { device: None, until: Timestamp(100) };
        let restore = |channels: &str| Order::Restore { channels: Some(pattern(channels)) };
        let some = state(&[(1, revoke("a:1")), (1, revoke("b")), (1, disconnect.clone()), (2, restore("a:*"))]);
        assert!(!is_refused(&some, "a:1", None) && is_refused(&some, "b", None));
        assert!(is_shut_out(&some, None));
        let all = state(&[(1, revoke("b")), (1, disconnect), (2, Order::Restore { channels: None })]);
        assert!(all.users.is_empty());
    }

    #[test]
    fn a_device_shuts_out_itself_only() {
        let device = Some(DeviceId::new("laptop").unwrap());
        let state = state(&[(1, Order::Disconnect { device, until: Timestamp(100) })]);
        assert!(is_shut_out(&state, Some("laptop")) && !is_shut_out(&state, None));
    }

    #[test]
    fn a_revocation_ends_what_the_server_subscribed_to_and_a_later_subscription_stands() {
        let both = state(&[(1, subscribe("a:*")), (2, revoke("a:1")), (3, subscribe("a:*")), (3, subscribe("a:*"))]);
        assert_eq!(both.subscribed(Some(&ana())), [pattern("a:*")]);
        assert_eq!(state(&[(1, subscribe("a:*")), (2, revoke("a:1"))]).subscribed(Some(&ana())), []);
    }

    #[test]
    fn a_subscription_by_the_server_grants_what_it_covers_despite_an_earlier_revocation() {
        let state = state(&[(1, revoke("a:*")), (2, subscribe("a:1"))]);
        let judged = |issued, requested| judged(&state, None, issued, requested);
        let decision = judged(None, channels(&["a:1", "a:2", "b"], &["a:1:x", "c"]));
        assert_eq!(decision.channels, channels(&["b"], &["a:1"]));
        assert_eq!(decision.refused, [pattern("a:1:x"), pattern("c"), pattern("a:2")]);
        let newer = judged(Some(2), channels(&["a:1", "a:2"], &[]));
        assert_eq!(
            (newer.channels, newer.refused),
            (channels(&["a:1", "a:2"], &[]), vec![]),
            "a grant takes precedence"
        );
    }

    #[test]
    fn an_acknowledged_revocation_holds_before_it_is_read_and_no_other_does() {
        let mut state = AccessState::default();
        let control = |order| Control { user: ana(), order };
        let at = |seq| Cursor { epoch: 1, seq, tag: 9 };
        state.foresee(&control(revoke("a")), at(7), 10);
        state.foresee(&control(subscribe("b")), at(8), 10);
        assert_eq!(state.foreseen(), [at(7)]);
        assert!(is_refused(&state, "a", Some(10)) && !is_refused(&state, "a", Some(11)));
        assert_eq!(state.subscribed(Some(&ana())), [], "streams learn of it where they pass the order");
        // An earlier restoration, which would have undone the order if it came later.
        state.apply(&control(Order::Restore { channels: None }), 6, 10);
        assert!(is_refused(&state, "a", Some(10)));
        state.apply(&control(revoke("a")), 7, 10);
        assert_eq!(state.ahead.len(), 0);
        state.apply(&control(Order::Restore { channels: None }), 9, 10);
        assert!(!is_refused(&state, "a", Some(10)));
    }

    #[test]
    fn an_expired_revocation_is_forgotten() {
        let mut state = state(&[(10, revoke("a"))]);
        state.sweep(99);
        assert!(is_refused(&state, "a", None));
        state.sweep(100);
        assert!(state.users.is_empty());
    }
}

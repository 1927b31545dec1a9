//! The one function that decides about access.

use tidings_protocol::Pattern;

use super::{Credentials, Orders};

/// Channels that a caller asks for or holds, by the kind of right to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    /// Channels that a grant covers.
    pub(crate) granted: Vec<Pattern>,
    /// Channels that no grant covers; the server may have subscribed the user to them.
    pub(crate) by_server: Vec<Pattern>,
}

impl Channels {
    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pattern> {
        self.granted.iter().chain(&self.by_server)
    }

    /// The channels that `is_meant` selects.
    pub(crate) fn only(&self, is_meant: impl Fn(&Pattern) -> bool) -> Self {
        let only = |channels: &[Pattern]| channels.iter().filter(|channel| is_meant(channel)).cloned().collect();
        Self { granted: only(&self.granted), by_server: only(&self.by_server) }
    }

    /// The first `count` channels, and the others.
    pub(crate) fn split(mut self, count: usize) -> (Self, Vec<Pattern>) {
        let from_server = count.saturating_sub(self.granted.len()).min(self.by_server.len());
        let mut beyond = self.granted.split_off(count.min(self.granted.len()));
        beyond.extend(self.by_server.split_off(from_server));
        (self, beyond)
    }
}

/// A decision about credentials and the channels asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Whether the credentials open nothing at all, because their user or this device was disconnected after they were
    /// issued.
    pub(crate) is_shut_out: bool,
    /// The channels that the credentials open, by kind of right.
    pub(crate) channels: Channels,
    /// The channels that they do not open.
    pub(crate) refused: Vec<Pattern>,
}

/// Decides which of the requested channels these credentials open, by the orders about their user. A revocation refuses
/// the channels that a grant covers if the credentials are older than the revocation. A channel to which the server has
/// subscribed the user is open whatever the grants say and whatever was revoked before: a revocation also ends the
/// server's subscriptions, so a subscription that stands came after it.
pub(crate) fn authorize(orders: &Orders<'_>, credentials: Credentials<'_>, requested: Channels) -> Decision {
    let (revoked, granted) = requested.granted.into_iter().partition(|channel| orders.is_revoked(credentials, channel));
    let ungranted = requested.by_server.into_iter().chain::<Vec<_>>(revoked);
    let (by_server, refused) = ungranted.partition(|channel| orders.is_subscribed(channel));
    Decision { is_shut_out: orders.is_shut_out(credentials), channels: Channels { granted, by_server }, refused }
}

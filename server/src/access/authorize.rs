//! The one function that judges.

use tidings_protocol::Pattern;

use super::{Credentials, Orders};

/// Channels that somebody asks for or holds, by the right that they have to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    /// A grant covers them.
    pub(crate) granted: Vec<Pattern>,
    /// No grant does; the server may have subscribed the user to them.
    pub(crate) by_server: Vec<Pattern>,
}

impl Channels {
    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pattern> {
        self.granted.iter().chain(&self.by_server)
    }

    /// Those of them that `is_meant` picks.
    pub(crate) fn only(&self, is_meant: impl Fn(&Pattern) -> bool) -> Self {
        let only = |channels: &[Pattern]| channels.iter().filter(|channel| is_meant(channel)).cloned().collect();
        Self { granted: only(&self.granted), by_server: only(&self.by_server) }
    }

    /// The first `count` of them, and the others.
    pub(crate) fn split(mut self, count: usize) -> (Self, Vec<Pattern>) {
        let from_server = count.saturating_sub(self.granted.len()).min(self.by_server.len());
        let mut beyond = self.granted.split_off(count.min(self.granted.len()));
        beyond.extend(self.by_server.split_off(from_server));
        (self, beyond)
    }
}

/// What credentials open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Nothing at all: their user, or this device, was disconnected after they were issued.
    pub(crate) is_shut_out: bool,
    /// What they open of the channels asked for, and by which right.
    pub(crate) channels: Channels,
    /// What they do not.
    pub(crate) refused: Vec<Pattern>,
}

/// Judges credentials and the channels that somebody asks for with them, by these orders about their user. What the grants open is
/// revoked from credentials that are older than the revocation. What the server subscribes a user to is open whatever the grants say,
/// and whatever was revoked before: a revocation ends the server's subscriptions too, so one that stands came later.
pub(crate) fn authorize(orders: &Orders<'_>, credentials: Credentials<'_>, requested: Channels) -> Decision {
    let (revoked, granted) = requested.granted.into_iter().partition(|channel| orders.is_revoked(credentials, channel));
    let ungranted = requested.by_server.into_iter().chain::<Vec<_>>(revoked);
    let (by_server, refused) = ungranted.partition(|channel| orders.is_subscribed(channel));
    Decision { is_shut_out: orders.is_shut_out(credentials), channels: Channels { granted, by_server }, refused }
}

//! Authorization as calls ask for it. Each decision is made and carried out while the window is locked, and the stream
//! too where the call concerns one, so that no order is applied in between.

use std::collections::HashSet;

use tidings_protocol::{Cursor, Pattern, UserId};

use super::{Core, Link, ShutOut};
use crate::{
    access::{AccessState, Channels, Credentials, Decision, Issued, authorize},
    connection::Authority,
    record::Control,
    window::Window,
};

/// Fresh credentials for a stream.
#[derive(Debug)]
pub(crate) struct Refresh<'a, F> {
    pub(crate) issued: Issued,
    /// When the credentials expire, in the driver's milliseconds.
    pub(crate) expires_ms: Option<u64>,
    /// The stream's channels, split by the grants of the fresh credentials.
    pub(crate) channels: &'a Channels,
    /// Whether the grants of the fresh credentials cover watching the presence of a channel.
    pub(crate) may_watch: F,
}

/// Why a stream was not refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotRefreshed {
    /// Meanwhile the stream has subscribed to these channels, which were not checked against the fresh grants. Nothing
    /// has changed.
    Ungranted(Vec<Pattern>),
    /// The credentials were revoked altogether. The stream ends.
    ShutOut,
}

impl Core {
    /// The decision about channels outside a subscription: for publishing, and for watching presence.
    pub(crate) fn authorize(&self, credentials: Credentials<'_>, channels: Vec<Pattern>) -> Decision {
        decide(&self.window.read(), credentials, channels)
    }

    /// Replaces a stream's credentials. The stream loses the channels that the new ones do not open, and reports them
    /// as revoked. No record filed from now on reaches the stream through these channels.
    ///
    /// # Errors
    ///
    /// [`NotRefreshed`].
    pub(crate) fn refresh(
        &self,
        link: &Link,
        fresh: Refresh<'_, impl Fn(&Pattern) -> bool>,
    ) -> Result<(), NotRefreshed> {
        let Refresh { issued, expires_ms, channels: asked, may_watch } = fresh;
        let mut state = link.state.lock();
        let held = state.channels();
        let ungranted: Vec<_> =
            held.iter().filter(|channel| asked.all().all(|asked| asked != *channel)).cloned().collect();
        if !ungranted.is_empty() {
            return Err(NotRefreshed::Ungranted(ungranted));
        }
        let credentials = link.names.credentials(issued);
        let window = self.window.read();
        let (granted, by_server) = held.into_iter().partition(|channel| asked.granted.contains(channel));
        let orders = window.access().orders(credentials.user);
        let decision = authorize(&orders, credentials, Channels { granted, by_server });
        if decision.is_shut_out {
            state.dismiss();
            drop((window, state));
            link.wake();
            return Err(NotRefreshed::ShutOut);
        }
        // The time is set under the stream's lock: a later call with credentials that expire sooner then shortens it.
        link.expire_at(expires_ms);
        state.refresh(Authority { issued, as_of: window.head().seq }, &decision.channels, decision.refused);
        self.restrict_watches(link, credentials, &window, may_watch);
        drop(window);
        self.registry.lock().reroute(link, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
        link.wake();
        Ok(())
    }

    /// Sets the channels whose presence the stream reports, in place of earlier ones, as far as these credentials allow
    /// it. Returns the channels that they do not allow.
    ///
    /// # Errors
    ///
    /// [`ShutOut`] when the credentials were revoked altogether.
    pub(crate) fn watch_presence(
        &self,
        link: &Link,
        issued: Issued,
        revision: u64,
        channels: Vec<Pattern>,
    ) -> Result<Vec<Pattern>, ShutOut> {
        let mut state = link.state.lock();
        let decision = decide(&self.window.read(), link.names.credentials(issued), channels);
        if decision.is_shut_out {
            return Err(ShutOut);
        }
        if !decision.channels.granted.is_empty() {
            state.hold_by(issued);
        }
        let is_news = self.watch(link, revision, decision.channels.granted);
        drop(state);
        if is_news {
            self.watches_changed();
            link.wake();
        }
        Ok(decision.refused)
    }

    /// Ends the presence watches that these credentials do not open, or that their grants do not cover.
    pub(super) fn restrict_watches(
        &self,
        link: &Link,
        credentials: Credentials<'_>,
        window: &Window,
        may_watch: impl Fn(&Pattern) -> bool,
    ) {
        let watched = self.watched(link);
        if !watched.is_empty() {
            let (granted, mut ended): (_, Vec<_>) = watched.into_iter().partition(&may_watch);
            ended.extend(decide(window, credentials, granted).refused);
            self.end_watches(link, &ended);
        }
    }

    /// The channels to which the server has subscribed all streams of a user.
    pub(crate) fn subscribed(&self, user: &UserId) -> Vec<Pattern> {
        self.window.read().access().subscribed(Some(user)).to_vec()
    }

    /// Records an order that the log has acknowledged at this cursor, unless this node has applied it already.
    pub(crate) fn foresee(&self, control: &Control, cursor: Cursor, at: u64) {
        let mut window = self.window.write();
        if cursor.seq > window.head().seq {
            window.access_mut().foresee(control, cursor, at);
        }
    }

    /// The cursors of orders that the log has acknowledged and this node has not applied.
    pub(crate) fn foreseen(&self) -> Vec<Cursor> {
        self.window.read().access().foreseen()
    }

    /// Replaces the access state, and has each stream authorized anew. The log has lost these orders.
    pub(crate) fn renew_access(&self, mut access: AccessState, lost: &HashSet<Cursor>) {
        let mut window = self.window.write();
        access.keep_foreseen(window.access(), |cursor| !lost.contains(&cursor));
        *window.access_mut() = access;
        drop(window);
        for link in self.all_links() {
            link.state.lock().reauthorize_later();
        }
        self.wake_all();
    }

    /// Removes revocations that have expired at this time, in milliseconds since 1970.
    pub(crate) fn sweep(&self, now: u64) {
        self.window.write().access_mut().sweep(now);
    }
}

fn decide(window: &Window, credentials: Credentials<'_>, granted: Vec<Pattern>) -> Decision {
    let orders = window.access().orders(credentials.user).without_subscriptions();
    authorize(&orders, credentials, Channels { granted, by_server: Vec::new() })
}

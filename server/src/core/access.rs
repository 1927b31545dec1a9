//! Access, as calls ask for it: each judgement is made and acted upon with the window held, and with the stream held where it is about
//! one, so that no order comes in between.

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
    /// When they end, in the driver's milliseconds.
    pub(crate) expires_ms: Option<u64>,
    /// The channels that their grants were asked about.
    pub(crate) channels: &'a Channels,
    /// Whether their grants cover watching the presence of a channel.
    pub(crate) may_watch: F,
}

/// Why a stream does not go on with fresh credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotRefreshed {
    /// The stream has asked for these since, by older credentials perhaps. Nothing has changed.
    Ungranted(Vec<Pattern>),
    /// The credentials open nothing any more. The stream ends.
    ShutOut,
}

impl Core {
    /// What credentials open of channels that nobody subscribes to by it: for publishing, and for watching who is there.
    pub(crate) fn authorize(&self, credentials: Credentials<'_>, channels: Vec<Pattern>) -> Decision {
        decide(&self.window.read(), credentials, channels)
    }

    /// Goes on with fresh credentials. The channels that they do not open are taken away, and the stream says so. Nothing filed from
    /// now on reaches it through them.
    ///
    /// # Errors
    ///
    /// See [`NotRefreshed`].
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
        // With the state held: what somebody asks for after this, by credentials that end sooner, ends the stream then.
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

    /// The stream is to tell who is online there, in place of what it told before, as far as these credentials open it; returns what
    /// they do not.
    ///
    /// # Errors
    ///
    /// The credentials open nothing any more.
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
            link.wake();
        }
        Ok(decision.refused)
    }

    /// Ends what a stream may watch no longer: what these credentials do not open, or their grants do not cover.
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

    /// What all streams of a user receive by the server's own subscriptions.
    pub(crate) fn subscribed(&self, user: &UserId) -> Vec<Pattern> {
        self.window.read().access().subscribed(Some(user)).to_vec()
    }

    /// Takes note of an order that the log has acknowledged at this cursor, if this node has not got there yet.
    pub(crate) fn foresee(&self, control: &Control, cursor: Cursor, at: u64) {
        let mut window = self.window.write();
        if cursor.seq > window.head().seq {
            window.access_mut().foresee(control, cursor, at);
        }
    }

    /// Where orders stand that the log has acknowledged, and that this node has not read.
    pub(crate) fn foreseen(&self) -> Vec<Cursor> {
        self.window.read().access().foreseen()
    }

    /// Takes this for what stands, and has each stream judged by it.
    pub(crate) fn renew_access(&self, access: AccessState) {
        *self.window.write().access_mut() = access;
        for link in self.all_links() {
            link.state.lock().reauthorize_later();
        }
        self.wake_all();
    }

    /// Forgets revocations that are over at this time, in milliseconds since 1970.
    pub(crate) fn sweep(&self, now: u64) {
        self.window.write().access_mut().sweep(now);
    }
}

fn decide(window: &Window, credentials: Credentials<'_>, granted: Vec<Pattern>) -> Decision {
    let orders = window.access().orders(credentials.user).without_subscriptions();
    authorize(&orders, credentials, Channels { granted, by_server: Vec::new() })
}

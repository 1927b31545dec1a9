//! Calls of the application and the page.

use tidings_protocol::Pattern;

use super::{Action, ClientCore, Identity, connection::Phase};
use crate::routes::{HandlerId, Hears, Route, Routes};

impl ClientCore {
    // ---- the application ----

    /// Adds a handler for events that are published to a channel, or to all channels that a pattern matches. With
    /// `since`, it also receives the events that the channel carried after that cursor. A malformed cursor is reported
    /// as a gap, because a page may have kept it for longer than a server.
    pub fn subscribe(&mut self, pattern: Pattern, since: Option<&str>) -> HandlerId {
        self.add(Hears::Channels, pattern, since)
    }

    /// Adds a handler for events that are addressed to this user or device, by their label.
    pub fn on(&mut self, label: Pattern) -> HandlerId {
        let id = self.add(Hears::Addressed, label, None);
        if self.connection.is_open() {
            self.ledger.activate(id, &None, &mut self.out);
        }
        id
    }

    /// Adds a handler for the users who are online on a channel, or on all channels that match a pattern. The stream's
    /// presence frames are delivered as events are.
    pub fn presence(&mut self, pattern: Pattern) -> HandlerId {
        self.add(Hears::Presence, pattern, None)
    }

    fn add(&mut self, hears: Hears, pattern: Pattern, since: Option<&str>) -> HandlerId {
        self.idle_at = None;
        self.ledger.add(hears, pattern, since)
    }

    /// Removes a handler of `subscribe`, `on` or `presence`.
    pub fn unsubscribe(&mut self, now: u64, handler: HandlerId) {
        if self.ledger.remove(handler, &mut self.out) && !self.ledger.has_own() {
            self.idle_at = self.idle_ms.map(|ms| now.saturating_add(ms));
        }
    }

    /// Connects at once, from any state, and resets the attempts. An attempt that has had no answer for a while is
    /// restarted, an open stream has to prove that it is alive, and channels that the server refused are requested
    /// again on it.
    pub fn connect(&mut self) {
        self.connection.forget_failures();
        self.auth.forget_refusal();
        self.ledger.ask_again();
        self.is_asked = true;
        match self.connection.phase() {
            Phase::Closed | Phase::Idle | Phase::Suspended | Phase::Diagnosing { .. } | Phase::Waiting { .. } => {
                self.enter(Phase::Starting);
            }
            _ => self.is_doubted = true,
        }
    }

    /// Ends the connection and keeps the subscriptions; only [`Self::connect`] starts again.
    pub fn disconnect(&mut self) {
        self.leave();
        self.exit();
        self.enter(Phase::Closed);
    }

    /// Forgets the user, the cursor and the handlers, and takes this session id. The device id stays, because it names
    /// the browser and not the person.
    pub fn reset(&mut self, session_id: String) {
        self.leave();
        self.exit();
        self.sharing.forget_user();
        self.ledger.reset(&mut self.out);
        self.identity.session_id = session_id;
        self.auth.set_user(None);
        self.idle_at = None;
        self.latency.forget();
        self.connection.forget_failures();
        self.enter(Phase::Idle);
    }

    // ---- the page ----

    /// The network came back.
    pub fn online(&mut self, now: u64) {
        self.probe_or_retry_now(now, false);
    }

    /// The tab became visible.
    pub fn visible(&mut self, now: u64) {
        self.probe_or_retry_now(now, false);
    }

    /// The page is left, and may enter the back/forward cache, where a stream would stay open at the server.
    pub fn suspend(&mut self) {
        if !matches!(self.connection.phase(), Phase::Idle | Phase::Closed) {
            self.report_latency();
            self.leave();
            self.exit();
            self.enter(Phase::Suspended);
        }
    }

    /// The page came back.
    pub fn resume(&mut self, now: u64) {
        if matches!(self.connection.phase(), Phase::Suspended) {
            self.open(now);
        }
    }

    // ---- the driver ----

    /// The end of the microtask in which the application made its calls: handles all of them together.
    pub fn flush(&mut self, now: u64) {
        self.is_asked = false;
        self.ledger.take_changed();
        if matches!(self.connection.phase(), Phase::Idle) && !self.ledger.is_empty() {
            self.enter(Phase::Starting);
        }
        if std::mem::take(&mut self.is_doubted) {
            self.probe_or_retry_now(now, true);
        }
        match self.connection.phase() {
            Phase::Starting => self.open(now),
            Phase::Open { .. } => {
                self.sync_subscriptions(now);
                self.ask_presence();
                self.tell_labels();
            }
            _ => {}
        }
    }

    /// Whether [`Self::flush`] is due at the end of the microtask.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.is_asked || self.ledger.is_changed()
    }

    /// Whether work is due, at once or at the end of the microtask.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.is_dirty() || !self.out.is_empty()
    }

    /// The next action, if any.
    pub fn next_action(&mut self) -> Option<Action> {
        self.tell_outcomes();
        self.out.next()
    }

    /// The handlers by channel; the routes are passed to [`Self::record`] and [`Self::backfill`].
    pub fn routes(&mut self) -> &mut Routes {
        self.ledger.routes()
    }

    // ---- queries ----

    /// The core's identity towards the server.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The user id that the server reports; `None` before that, and for anonymous users.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.auth.user_id()
    }

    /// The cursor after which a confirmed handler has yet to receive events: the highest that the handler or the stream
    /// has passed. Empty if it is unknown.
    #[must_use]
    pub fn heard_up_to(&self, handler: HandlerId) -> String {
        self.ledger.heard_up_to(handler).map(|cursor| cursor.to_text()).unwrap_or_default()
    }

    /// Whether tabs share a stream; if so, the stream also carries events that are hidden from one of them (see
    /// [`Self::hides`]).
    #[must_use]
    pub fn shares(&self) -> bool {
        self.sharing.is_on()
    }

    /// Whether this tab uses another tab's stream.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.connection.is_led()
    }

    /// Whether a handler, of this tab or of one that follows it, has been neither confirmed nor refused in the
    /// client's current state. It is being requested, or will be.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.ledger.has_pending()
    }

    /// Whether the events of this route have no handler, neither here nor in a tab that follows.
    #[must_use]
    pub fn is_unheard(&self, route: Route) -> bool {
        self.ledger.is_unheard(route)
    }
}

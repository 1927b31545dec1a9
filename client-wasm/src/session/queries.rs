//! What can be asked of a session.

use super::{Identity, Session, State, address, subscription::Standing};
use crate::routes::{HandlerId, Hears, Route};

impl Session {
    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// Who the session is to the server.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who the server says the user is, once it has; `None` also for anonymous users.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// The cursor after which a handler, which hears everything, has yet to hear: the highest that it or the stream has
    /// passed. Empty where nobody knows one.
    #[must_use]
    pub fn heard_up_to(&self, handler: HandlerId) -> String {
        let index = self.subscriptions.binary_search_by_key(&handler, |subscription| subscription.id).ok();
        let mark = index.and_then(|index| self.subscriptions.get(index)?.mark);
        let mut cursor = String::new();
        if let Some(mark) = mark.or(self.cursor) {
            address::push_cursors(&mut cursor, &mark);
        }
        cursor
    }

    /// Whether tabs share a stream; if so it brings also what is hidden from one of them (see [`Self::hides`]).
    #[must_use]
    pub fn shares(&self) -> bool {
        self.tabs.is_some()
    }

    /// Whether another tab's stream is this one's as well.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.phase.is_led()
    }

    /// Whether a handler, of this tab or of one that follows it, has neither been confirmed nor refused where the session is
    /// now. It is asked for, or will be.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let mut listening = self.subscriptions.iter().filter(|one| one.hears != Hears::Presence);
        listening.any(|one| matches!(one.standing, Standing::Pending { .. }))
    }

    /// Whether nobody hears what is found by this route, neither here nor in a tab that follows.
    #[must_use]
    pub fn is_unheard(&self, route: Route) -> bool {
        let hears = |id: &HandlerId| {
            let index = self.subscriptions.binary_search_by_key(id, |subscription| subscription.id).ok();
            index.and_then(|index| self.subscriptions.get(index)).is_some_and(|one| !Self::is_unasked(one))
        };
        !self.routes.handlers(route).iter().any(hears)
    }
}

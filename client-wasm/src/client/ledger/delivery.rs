//! The delivery of events to handlers.

use super::{Cursors, Ledger, find, others::is_unasked, raise};
use crate::routes::{HandlerId, Route};

impl Ledger {
    /// An event of the stream, live or replayed. Adds the handlers of this tab that receive it to `out`, in their
    /// order, unless it is hidden from them; and returns the other tabs that receive it.
    pub(in crate::client) fn event(
        &mut self,
        route: Route,
        cursor: &Option<Cursors>,
        hidden: bool,
        out: &mut Vec<HandlerId>,
    ) -> Vec<u32> {
        let mut tabs = Vec::new();
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if !subscription.standing.is_active() {
                continue;
            }
            if subscription.is_own() {
                // Other tabs check that themselves.
                if !hidden && subscription.misses(cursor) {
                    out.push(*id);
                }
            } else if !tabs.contains(&subscription.tab) {
                tabs.push(subscription.tab);
            }
        }
        tabs
    }

    /// An event of the past, for those that asked for it with this call. Adds the handlers of this tab that receive it
    /// to `out`, in their order; and returns the other tabs that receive it, each with its own call.
    pub(in crate::client) fn backfill(
        &mut self,
        call: Option<u32>,
        route: Route,
        cursor: &Option<Cursors>,
        hidden: bool,
        out: &mut Vec<HandlerId>,
    ) -> Vec<(u32, u32)> {
        raise(&mut self.seen, cursor);
        let mut calls = Vec::new();
        let Some(call) = call else { return calls };
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if !subscription.awaits(call) || !subscription.misses(cursor) {
                continue;
            }
            subscription.hear(cursor);
            let theirs = (subscription.tab, subscription.remote_id);
            if subscription.is_own() {
                if !hidden {
                    out.push(*id);
                }
            } else if !calls.contains(&theirs) {
                calls.push(theirs);
            }
        }
        calls
    }

    /// Whether the events of this route have no handler, neither here nor in a tab that follows.
    pub(in crate::client) fn is_unheard(&self, route: Route) -> bool {
        let hears = |id: &HandlerId| {
            let subscription = self.index_of(*id).ok().and_then(|index| self.subscriptions.get(index));
            subscription.is_some_and(|one| !is_unasked(one))
        };
        !self.routes.handlers(route).iter().any(hears)
    }
}

//! Events, and who hears them.

use super::{
    Cursors, Exclusion, Session,
    phase::Phase,
    subscription::{Standing, find, raise},
};
use crate::{
    routes::{HandlerId, Route},
    text::small,
};

impl Session {
    /// A record of the stream, live or replayed. Adds those who hear it to `out`, in their order.
    pub fn record(
        &mut self,
        now: u64,
        route: Route,
        position: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !matches!(self.phase, Phase::Open(_)) {
            return;
        }
        self.heard(now);
        self.advance(now, position);
        let hidden = except.is_some_and(|except| self.hides(except));
        let mut members = Vec::new();
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if subscription.standing != Standing::Active {
                continue;
            }
            if subscription.owner == 0 {
                // Other tabs look for themselves.
                out.extend((!hidden && subscription.misses(position)).then_some(*id));
            } else if !members.contains(&subscription.owner) {
                members.push(subscription.owner);
            }
        }
        self.relay_event(now, position, members);
    }

    /// A record of the past, for those who asked for it by this call. Adds those who hear it to `out`, in their order.
    pub fn backfill(
        &mut self,
        now: u64,
        request_id: &str,
        route: Route,
        position: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !matches!(self.phase, Phase::Open(_)) {
            return;
        }
        self.heard(now);
        raise(&mut self.seen, position);
        let Some(call) = small(request_id) else { return };
        let hidden = except.is_some_and(|except| self.hides(except));
        let mut calls = Vec::new();
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if !subscription.awaits(call) || !subscription.misses(position) {
                continue;
            }
            subscription.heard(position);
            let theirs = (subscription.owner, subscription.request);
            if subscription.owner == 0 {
                out.extend((!hidden).then_some(*id));
            } else if !calls.contains(&theirs) {
                calls.push(theirs);
            }
        }
        self.relay_backfill(calls);
    }

    /// Whether a record is hidden from this tab. The server hides it from streams that declare their session; one shared by
    /// several tabs declares none, and there each tab asks for itself.
    #[must_use]
    pub fn hides(&self, except: &Exclusion<'_>) -> bool {
        self.user_id.as_deref() == Some(except.user_id)
            && (except.session_id == Some(&*self.identity.session_id)
                || except.device_id == Some(&*self.identity.device_id))
    }
}

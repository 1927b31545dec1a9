//! What may be missing: on all of the stream, or on some channels, and up to where.

use tidings_protocol::Pattern;

use super::{Cursors, Ledger, Standing, raise, select};
use crate::routes::{HandlerId, Hears};

/// Something may be missing on these channels, and where it says so among the addressed events, up to a cursor.
#[derive(Debug, Clone)]
pub(in crate::session) struct Gap {
    pub(in crate::session) channels: Vec<Pattern>,
    pub(in crate::session) addressed: bool,
    pub(in crate::session) cursor: Option<Cursors>,
}

/// Whom it concerns.
#[derive(Debug, Default)]
pub(in crate::session) struct GapTold {
    /// Of this tab.
    pub(in crate::session) handlers: Vec<HandlerId>,
    /// Of other tabs, each with its own call.
    pub(in crate::session) calls: Vec<(u32, u32)>,
}

impl Ledger {
    /// Anything may be missing, on all of the stream, which goes on from this cursor. All that hear start over from there.
    pub(in crate::session) fn start_over(&mut self, id: Option<Cursors>) {
        self.awaits_gap = false;
        self.calls.set_confirmed_at(None);
        if id.is_some() {
            self.cursor = id;
            self.seen = id;
        }
        for subscription in &mut self.subscriptions {
            subscription.heard_up_to = id;
            // Asking for that past again could only tell it once more.
            if let Standing::Pending { since: Some(since), .. } = &mut subscription.standing
                && let Some(id) = id
            {
                *since = id;
            }
        }
    }

    /// The handlers of this tab that a gap on all of the stream concerns.
    pub(in crate::session) fn wanted(&self) -> Vec<HandlerId> {
        select(&self.subscriptions, &|one| one.is_wanted() && one.is_own())
    }

    /// Something may be missing on some channels: to those who asked for it by this call, or without one to all of them who have not
    /// had that much.
    pub(in crate::session) fn gap(&mut self, gap: &Gap, call: Option<u32>) -> GapTold {
        let up_to = gap.cursor;
        if call.is_none() && up_to.is_some() {
            // The stream goes on from here, so it need not be told once more after a cut.
            self.cursor = up_to;
            raise(&mut self.seen, &up_to);
        }
        let mut told = GapTold::default();
        for subscription in &mut self.subscriptions {
            let is_meant = match subscription.hears {
                Hears::Addressed => gap.addressed,
                _ => {
                    subscription.is_wanted()
                        && gap.channels.iter().any(|channel| channel.overlaps(&subscription.pattern))
                }
            };
            // One that is not confirmed is brought its past by its call, and told by that what is missing in it; but a gap of which nobody
            // says how far it goes concerns it too.
            let is_told = match call {
                Some(call) => subscription.awaits(call),
                None => subscription.standing == Standing::Active || up_to.is_none(),
            };
            if is_meant && is_told && subscription.misses(&up_to) {
                // One that is not confirmed keeps its `since`, for nothing promises yet what follows the gap; but it may be that
                // very place which the log has lost.
                subscription.heard_up_to = up_to;
                let theirs = (subscription.tab, subscription.remote_id);
                if subscription.is_own() {
                    told.handlers.push(subscription.id);
                } else if !told.calls.contains(&theirs) {
                    told.calls.push(theirs);
                }
            }
        }
        told
    }
}

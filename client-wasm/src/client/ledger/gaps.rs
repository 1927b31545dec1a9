//! Gaps: on all of the stream, or on some channels, and up to a cursor.

use tidings_protocol::Pattern;

use super::{Cursors, Ledger, Standing, raise, select};
use crate::routes::{HandlerId, Hears};

/// Events may be missing on these channels, and if `addressed` is set among the addressed events, up to a cursor.
#[derive(Debug, Clone)]
pub(in crate::client) struct Gap {
    pub(in crate::client) channels: Vec<Pattern>,
    pub(in crate::client) addressed: bool,
    pub(in crate::client) cursor: Option<Cursors>,
}

/// The receivers of a gap.
#[derive(Debug, Default)]
pub(in crate::client) struct GapTold {
    /// The handlers of this tab.
    pub(in crate::client) handlers: Vec<HandlerId>,
    /// Other tabs, each with its own call.
    pub(in crate::client) calls: Vec<(u32, u32)>,
}

impl Ledger {
    /// Any events may be missing, on all of the stream, which continues at this cursor. All handlers that receive
    /// events start over from there.
    pub(in crate::client) fn start_over(&mut self, id: Option<Cursors>) {
        self.awaits_gap = false;
        self.calls.set_confirmed_at(None);
        if id.is_some() {
            self.cursor = id;
            self.seen = id;
        }
        for subscription in &mut self.subscriptions {
            subscription.heard_up_to = id;
            // Asking for that past again would only report the gap once more.
            if let Standing::Pending { since: Some(since), .. } = &mut subscription.standing
                && let Some(id) = id
            {
                *since = id;
            }
        }
    }

    /// The handlers of this tab that a gap on all of the stream concerns.
    pub(in crate::client) fn wanted(&self) -> Vec<HandlerId> {
        select(&self.subscriptions, &|one| one.is_wanted() && one.is_own())
    }

    /// Events may be missing on some channels. Returns the receivers of the gap: those that asked for the events with
    /// this call, or without a call all that have not yet passed the gap.
    pub(in crate::client) fn gap(&mut self, gap: &Gap, call: Option<u32>) -> GapTold {
        let up_to = gap.cursor;
        if call.is_none() && up_to.is_some() {
            // The stream continues here, so the gap need not be reported again after a cut.
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
            // A handler that is not confirmed receives its past, and the gaps in it, through its call; but a gap
            // without an end concerns it too.
            let is_told = match call {
                Some(call) => subscription.awaits(call),
                None => subscription.standing.is_active() || up_to.is_none(),
            };
            if is_meant && is_told && subscription.misses(&up_to) {
                // A handler that is not confirmed keeps its `since`, because nothing promises the events after the gap
                // yet; but the log may have lost exactly that position.
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

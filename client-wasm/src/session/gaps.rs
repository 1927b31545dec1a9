//! What may be missing: on all of the stream, or on some channels, and up to where.

use std::borrow::Cow;

use tidings_protocol::Pattern;

use super::{
    Action, Cursors, Frame, Session,
    message::TabTell,
    phase::Phase,
    subscription::{Standing, raise},
};
use crate::{
    routes::Hears,
    text::{small, text_of},
};

impl Session {
    /// Anything may be missing, on all of the stream.
    pub(super) fn gap(&mut self, now: u64, reason: String, id: Option<Cursors>) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.awaits_gap = false;
            stream.calls.confirmed_at = None;
        }
        if id.is_some() {
            self.cursor = id;
            self.seen = id;
        }
        self.tell_frame(gap_frame(None, true, None, reason.clone(), id));
        self.start_over(id);
        self.tell_gap(reason.into());
        self.sync_subscriptions(now);
        // Who came before it was known where the stream goes on.
        self.admit_waiting();
    }

    /// These are told that they may have missed something up to here, and refetch.
    pub(super) fn start_over(&mut self, id: Option<Cursors>) {
        for subscription in &mut self.subscriptions {
            subscription.mark = id;
            // Asking for that past again could only tell it once more.
            if let Standing::Pending { since: Some(since), .. } = &mut subscription.standing
                && let Some(id) = id
            {
                *since = id;
            }
        }
    }

    /// Something may be missing on these channels, and where it says so among the addressed events, up to a cursor: to those who asked
    /// for it by this call, or without one to all of them who have not had that much.
    pub(super) fn gap_on(
        &mut self,
        now: u64,
        (channels, addressed): (Vec<Pattern>, bool),
        up_to: Option<Cursors>,
        reason: String,
        request_id: Option<&str>,
    ) {
        let call = request_id.and_then(small);
        if call.is_none() && up_to.is_some() {
            // The stream goes on from here, so it need not be told once more after a cut.
            self.cursor = up_to;
            raise(&mut self.seen, up_to);
        }
        if call.is_none() {
            self.tell_frame(gap_frame(Some(channels.clone()), addressed, up_to, reason.clone(), None));
        }
        let (mut handlers, mut calls) = (Vec::new(), Vec::new());
        for subscription in &mut self.subscriptions {
            let is_meant = match subscription.hears {
                Hears::Addressed => addressed,
                _ => subscription.is_wanted() && channels.iter().any(|channel| channel.overlaps(&subscription.pattern)),
            };
            // One that is not confirmed is brought its past by its call, and told by that what is missing in it; but a gap of which nobody
            // says how far it goes concerns it too.
            let is_told = match call {
                Some(call) => subscription.awaits(call),
                None => subscription.standing == Standing::Active || up_to.is_none(),
            };
            if is_meant && is_told && subscription.misses(up_to) {
                // One that is not confirmed keeps its `since`, for nothing promises yet what follows the gap; but it may be that
                // very place which the log has lost.
                subscription.mark = up_to;
                let theirs = (subscription.owner, subscription.request);
                if subscription.owner == 0 {
                    handlers.push(subscription.id);
                } else if !calls.contains(&theirs) {
                    calls.push(theirs);
                }
            }
        }
        // Where it concerns tabs, it is told to the application of those alone.
        let is_told = !handlers.is_empty() || calls.is_empty() && !self.phase.is_led();
        for (member, request) in calls.into_iter().filter(|_| call.is_some()) {
            let mut frame = gap_frame(Some(channels.clone()), addressed, up_to, reason.clone(), None);
            if let Frame::Gap { request_id, .. } = &mut frame {
                *request_id = Some(text_of(request));
            }
            self.tell(TabTell::Frame { member: Some(member), frame });
        }
        if is_told {
            let (channels, reason) = (Some(channels), reason.into());
            self.actions.push(Action::Gap { channels, addressed, cursor: up_to, reason, handlers });
        }
        self.sync_subscriptions(now);
    }

    pub(super) fn tell_gap(&mut self, reason: Cow<'static, str>) {
        let told = self.subscriptions.iter().filter(|one| one.is_wanted() && one.owner == 0);
        let handlers = told.map(|subscription| subscription.id).collect();
        self.actions.push(Action::Gap { channels: None, addressed: true, cursor: None, reason, handlers });
    }
}

/// The frame that tells of a gap without a call.
fn gap_frame(
    channels: Option<Vec<Pattern>>,
    addressed: bool,
    cursor: Option<Cursors>,
    reason: String,
    id: Option<Cursors>,
) -> Frame {
    Frame::Gap { channels, addressed, cursor, reason, request_id: None, id }
}

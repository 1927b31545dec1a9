//! Subscribe calls. A call is admitted at once, and confirmed in the stream after its backfill.

use std::collections::HashSet;

use tidings_protocol::{
    Cursor, Pattern, RequestId,
    frame::{Gap, GapReason, Subscribed},
};

use super::{
    Connection,
    authority::Authority,
    batch::Batch,
    page::{Hole, parts},
    pending::{Pending, Since},
    step::{Flow, View},
};
use crate::{
    access::Channels,
    record::json_frame,
    routing::{self, RouteKey, unique},
};

impl Connection {
    /// Splits channels into those that a stream of `limit` channels has room for and those beyond it. A channel that
    /// the stream carries already takes no room, because a client repeats a call whose answer was lost. Unconfirmed
    /// channels are bounded too, so that repeated calls on a stream that nobody reads do not pile up.
    pub(crate) fn admit(&self, channels: Vec<Pattern>, limit: usize) -> (Vec<Pattern>, Vec<Pattern>) {
        let pending = || self.transient.pending.iter().flat_map(|pending| &pending.channels);
        let held: HashSet<_> = self.channels.iter().chain(pending()).collect();
        let mut room = limit.saturating_sub(held.len());
        let mut unconfirmed = limit.saturating_sub(pending().count());
        channels.into_iter().partition(|channel| {
            let added = usize::from(!held.contains(channel));
            let fits = unconfirmed > 0 && room >= added;
            if fits {
                unconfirmed -= 1;
                room -= added;
            }
            fits
        })
    }

    /// Whether a call for addressed events has room: the stream must belong to a user, and at most `limit` such calls
    /// may be unconfirmed.
    pub(crate) fn admits_addressed(&self, limit: usize) -> bool {
        let unconfirmed = self.transient.pending.iter().filter(|pending| pending.addressed).count();
        unconfirmed < limit && self.keys.iter().any(|(kind, _)| kind.is_identity())
    }

    /// Subscribes channels, those in `by_server` only through the server's subscriptions, and addressed events. They
    /// become active when the stream writes `subscribed`.
    pub(crate) fn subscribe(
        &mut self,
        request: Option<RequestId>,
        channels: Vec<Pattern>,
        addressed: bool,
        by_server: &[Pattern],
        since: Since,
        authority: Authority,
    ) {
        let held = self.channels();
        // A channel that the stream receives by a grant keeps that basis.
        let by_grant = |channel: &Pattern| held.contains(channel) && !self.is_by_server(channel);
        let (by_server, granted) =
            channels.iter().cloned().partition(|channel| by_server.contains(channel) && !by_grant(channel));
        self.set_basis(&Channels { granted, by_server });
        let keys = self.keys_of(&channels, addressed);
        let pending = Pending { request, channels, addressed, keys, since, authority };
        self.transient.get_or_insert().pending.push_back(pending);
    }

    /// The keys that a call's backfill looks up.
    fn keys_of(&self, channels: &[Pattern], addressed: bool) -> Vec<RouteKey> {
        let identity = self.keys.iter().filter(|(kind, _)| addressed && kind.is_identity()).cloned();
        unique(identity.chain(channels.iter().flat_map(routing::looked_up)))
    }

    /// Unsubscribes channels at once, whether they are active or pending.
    pub(crate) fn unsubscribe(&mut self, channels: &[Pattern]) {
        // A set, because a call may name very many channels.
        let gone: HashSet<_> = channels.iter().collect();
        let before = self.channels.len();
        self.channels.retain(|channel| !gone.contains(channel));
        self.has_other_channels |= self.channels.len() < before;
        let mut pending =
            self.transient.get_mut().map(|transient| std::mem::take(&mut transient.pending)).unwrap_or_default();
        for pending in &mut pending {
            pending.channels.retain(|channel| !gone.contains(channel));
            pending.keys = self.keys_of(&pending.channels, pending.addressed);
        }
        pending.retain(|pending| pending.addressed || !pending.channels.is_empty());
        if let Some(transient) = self.transient.get_mut() {
            transient.pending = pending;
            transient.by_server.retain(|channel| !gone.contains(channel));
        }
        self.rekey();
    }

    /// The channels that the stream carries or has asked for, each once.
    pub(crate) fn channels(&self) -> Vec<Pattern> {
        let mut channels = self.channels.clone();
        for channel in self.transient.pending.iter().flat_map(|pending| &pending.channels) {
            if !channels.contains(channel) {
                channels.push(channel.clone());
            }
        }
        channels
    }

    /// Works off the pending subscribe calls: the backfill of each, then its `subscribed`. It runs when `live` has
    /// reached the head, so that backfill and live records meet at one position, without a hole or an overlap.
    pub(super) fn confirm(&mut self, view: View<'_>, batch: &mut Batch) -> Flow {
        // A client that comes from a node further ahead may name a position that this node has not reached and whose
        // past it does not know. The call is looked at again when the node gets there.
        let is_ahead = |at: Cursor| at.seq > view.window.head().seq;
        if is_ahead(self.position) {
            return Flow::Done;
        }
        while let Some(mut pending) = self.transient.get_mut().and_then(|transient| transient.pending.pop_front()) {
            if matches!(pending.since, Since::After(since) if is_ahead(since)) {
                self.transient.get_or_insert().pending.push_front(pending);
                return Flow::Done;
            }
            let flow = self.backfill(view, &mut pending, batch);
            if !matches!(flow, Flow::Done) {
                self.transient.get_or_insert().pending.push_front(pending);
                return flow;
            }
            if let Since::Gap(reason) = pending.since {
                let request_id = pending.request.clone();
                let (channels, addressed) = (Some(pending.channels.clone()), pending.addressed);
                let gap = Gap { channels, addressed, cursor: None, reason, request_id };
                batch.push_gap(reason, json_frame(Some(Gap::NAME), None, &gap));
            }
            // The older of the two credentials decides about revocations.
            self.hold_by(pending.authority.issued);
            for channel in &pending.channels {
                self.activate(channel.clone());
            }
            let Pending { request: Some(request_id), channels, addressed, .. } = pending else { continue };
            let subscribed = Subscribed { request_id, channels, addressed, cursor: self.position };
            batch.push(json_frame(Some(Subscribed::NAME), None, &subscribed));
        }
        Flow::Done
    }

    /// The log has lost these cursors: the calls that ask for what followed get a gap.
    pub(crate) fn lose_pasts(&mut self, lost: &HashSet<Cursor>) {
        for pending in self.transient.get_mut().into_iter().flat_map(|transient| &mut transient.pending) {
            if matches!(pending.since, Since::After(since) if lost.contains(&since)) {
                pending.since = Since::Gap(GapReason::Diverged);
            }
        }
    }

    fn backfill(&mut self, view: View<'_>, pending: &mut Pending, batch: &mut Batch) -> Flow {
        let window = view.window;
        // A call that needs no confirmation cannot ask for the past, because backfill frames name the call.
        let (Since::After(since), Some(_)) = (pending.since, &pending.request) else { return Flow::Done };
        if window.tag(since.seq).is_some_and(|tag| tag != since.tag) {
            pending.since = Since::Gap(GapReason::Diverged);
            return Flow::Done;
        }
        // As in `live`, the page ends where the window begins.
        let end = window.base().seq.min(self.position.seq);
        while let Since::After(after) = pending.since
            && after.seq < end
        {
            let Some(page) = self.take_page(after) else { return Flow::Need(after) };
            let segment = match page {
                Ok(segment) => segment,
                Err(Hole::Gap(reason)) => {
                    pending.since = Since::Gap(reason);
                    return Flow::Done;
                }
                Err(Hole::Skip(skip)) => {
                    pending.skip(view, &skip, batch);
                    continue;
                }
            };
            if parts(window, &segment) {
                pending.since = Since::Gap(GapReason::Diverged);
                return Flow::Done;
            }
            if !pending.deliver(view, &segment, segment.last().seq.min(end), batch) {
                return Flow::Full;
            }
        }
        if pending.deliver(view, window.segment(), self.position.seq, batch) { Flow::Done } else { Flow::Full }
    }
}

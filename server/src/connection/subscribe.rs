//! Subscribe calls: admitted at once, and confirmed in the stream, each after what it asked of the past.

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
    /// Parts channels into those that a stream of `limit` channels has room for and those beyond it. What it holds takes no
    /// room, for a call whose answer was lost is made again. What is not confirmed yet is bounded too, so that calls repeated on
    /// a stream that nobody reads do not pile up.
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

    /// Whether a call about addressed events has room: on a stream of a user, and as many as `limit` may be unconfirmed.
    pub(crate) fn admits_addressed(&self, limit: usize) -> bool {
        let unconfirmed = self.transient.pending.iter().filter(|pending| pending.addressed).count();
        unconfirmed < limit && self.keys.iter().any(|(kind, _)| kind.is_identity())
    }

    /// Asks for channels, some of them only by the server's subscriptions, and for addressed events; they become active when the
    /// stream says `subscribed`.
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
        // What it holds by a grant it goes on to hold by that.
        let by_grant = |channel: &Pattern| held.contains(channel) && !self.is_by_server(channel);
        let (by_server, granted) =
            channels.iter().cloned().partition(|channel| by_server.contains(channel) && !by_grant(channel));
        self.set_basis(&Channels { granted, by_server });
        let keys = self.keys_of(&channels, addressed);
        let pending = Pending { request, channels, addressed, keys, since, authority };
        self.transient.get_or_insert().pending.push_back(pending);
    }

    /// What a call looks up of the past.
    fn keys_of(&self, channels: &[Pattern], addressed: bool) -> Vec<RouteKey> {
        let identity = self.keys.iter().filter(|(kind, _)| addressed && kind.is_identity()).cloned();
        unique(identity.chain(channels.iter().flat_map(routing::looked_up)))
    }

    /// Stops channels at once, active or asked for.
    pub(crate) fn unsubscribe(&mut self, channels: &[Pattern]) {
        // A call may name very many.
        let gone: HashSet<_> = channels.iter().collect();
        self.channels.retain(|channel| !gone.contains(channel));
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

    /// The channels that it holds or has asked for, each once.
    pub(crate) fn channels(&self) -> Vec<Pattern> {
        let mut channels = self.channels.clone();
        for channel in self.transient.pending.iter().flat_map(|pending| &pending.channels) {
            if !channels.contains(channel) {
                channels.push(channel.clone());
            }
        }
        channels
    }

    /// Works off the subscribe calls: for each what it asked of the past, then `subscribed`. It runs when `live` has reached the
    /// head, so the past ends and the live part begins at one position, without a hole or an overlap.
    pub(super) fn confirm(&mut self, view: View<'_>, batch: &mut Batch) -> Flow {
        // What comes from a node further ahead may name a place that this node has not reached yet, and whose past it does not
        // know. It looks again when the node gets there.
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
            // Held by the older of the two.
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

    fn backfill(&mut self, view: View<'_>, pending: &mut Pending, batch: &mut Batch) -> Flow {
        let window = view.window;
        // Who needs no confirmation cannot ask for the past, whose frames name the call.
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

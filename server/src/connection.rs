//! A connection: a position in the log plus a set of routing keys. It owns no queue.
//!
//! [`Connection::next`] is asked for the next bytes to write; it takes them from the window, asks for a page of the engine's
//! log when the window no longer reaches back far enough, and says `gap` when the log itself does not. It has no clock,
//! no socket and no runtime: a driver passes in what it needs and writes what comes out, all of it, in order.
//!
//! Live records, the past and the confirmations of a step share one position and one batch, and the order of the three is the
//! promise: it is read in [`Connection::next`].
//!
//! | module | |
//! |---|---|
//! | `names` | whom a stream belongs to |
//! | `step`, `batch` | what passes between a connection and its driver, and what leaves in one write |
//! | `live` | what is published while it is open, or was since its client left off |
//! | `page` | the engine's log, where the window does not reach back |
//! | `subscribe`, `pending` | subscribe calls, and what they ask of the past |
//! | `rights`, `authority` | what it may receive, as orders in the log change it, and by what right |
//! | `rekeyed` | how what it looks up has changed |
//! | `transient` | what few streams have, and most of those not for long |

mod authority;
mod batch;
mod live;
mod names;
mod page;
mod pending;
mod rekeyed;
mod rights;
mod step;
mod subscribe;
mod transient;

use bytes::Bytes;
use tidings_protocol::{
    Cursor, Pattern,
    frame::{CHALLENGE, Closing, Gap, GapReason, HEARTBEAT, RejectCode, Revoked},
    sse,
};

pub(crate) use self::{
    authority::Authority,
    names::Names,
    page::{Concern, Fetched, Hole, Skip},
    pending::Since,
    rekeyed::Rekeyed,
    step::{Ask, Step, View},
};
use self::{batch::Batch, page::Page, step::Flow, transient::TransientBox};
use crate::{
    access::{Decision, Issued},
    engine::RoutingKey,
    metrics::Written,
    record::json_frame,
    routing::{self, Kind, RouteKey, unique},
    window::Lineage,
};

#[derive(Debug)]
pub(crate) struct Connection {
    /// Orders may have been passed over, so that what it holds has to be judged anew before anything is sent.
    needs_reauthorize: bool,
    /// Why the client may have missed something on all of its stream, until it is told.
    gap: Option<GapReason>,
    lineage: Lineage,
    /// All records that match up to here were handed to the driver.
    position: Cursor,
    channels: Vec<Pattern>,
    /// Orders up to this number were looked at when it was set what the server subscribes it to.
    server_as_of: u64,
    /// By what right it receives its channels.
    authority: Authority,
    /// Something was revoked, which may be more than its channels.
    judged: bool,
    /// What to look up: the identity's keys, then the channels', each once.
    keys: Vec<RouteKey>,
    transient: TransientBox,
    /// The last batch was cut short, so there is more without being woken.
    behind: bool,
    ended: bool,
}

/// There is one for each stream, and most streams are idle: state that only some have, and briefly, belongs in [`transient`].
const _: () = assert!(size_of::<Connection>() <= 128);

impl Connection {
    /// A stream that starts after `position`, in what is now the log, with what it was allowed there by credentials of this time; what
    /// the server subscribes it to is looked up there. `gap` is told right after the greeting.
    pub(crate) fn new(
        View { window, names }: View<'_>,
        decision: &Decision,
        issued: Issued,
        position: Cursor,
        greeting: Bytes,
        gap: Option<GapReason>,
    ) -> Self {
        let authority = Authority { issued, as_of: window.head().seq };
        let channels = unique(decision.channels.all().cloned());
        let (user, device) = (names.user.as_ref(), names.device.as_ref());
        let subscribed = window.access().subscribed(user);
        let held = channels.iter().chain(subscribed).flat_map(routing::looked_up);
        let mut connection = Self {
            needs_reauthorize: position.seq > authority.as_of,
            gap,
            lineage: window.lineage(),
            position,
            keys: unique(routing::identity(user, device).into_iter().chain(held)),
            channels,
            server_as_of: authority.as_of,
            authority,
            judged: false,
            transient: TransientBox::default(),
            behind: false,
            ended: false,
        };
        connection.set_basis(&decision.channels);
        let transient = connection.transient.get_or_insert();
        transient.greeting = Some(greeting);
        transient.server_channels.extend_from_slice(subscribed);
        if decision.is_shut_out {
            connection.dismiss();
        }
        connection
    }

    /// What this stream looks up; a driver keeps its registry in step with it.
    pub(crate) fn keys(&self) -> &[RouteKey] {
        &self.keys
    }

    /// Replaces texts by equal ones that are held elsewhere, and the room for more of them by none.
    pub(crate) fn share(&mut self, known: impl Fn(&RouteKey) -> Option<RouteKey>) {
        self.keys = self.keys.iter().map(|key| known(key).unwrap_or_else(|| key.clone())).collect();
        // A channel's text is that of its key.
        let keys = &self.keys;
        let held =
            |channel: &Pattern| keys.iter().find(|(kind, text)| *kind == Kind::Exact && **text == *channel.as_str());
        let shared = |channel: &Pattern| held(channel)?.1.clone().try_into().ok();
        self.channels =
            self.channels.iter().map(|channel| shared(channel).unwrap_or_else(|| channel.clone())).collect();
    }

    /// The channels that it holds.
    pub(crate) fn active(&self) -> &[Pattern] {
        &self.channels
    }

    /// Whether its last frame was handed out.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether something was revoked since the last time; then when its credentials were issued, to judge the rest by.
    pub(crate) fn take_judged(&mut self) -> Option<Issued> {
        std::mem::take(&mut self.judged).then_some(self.authority.issued)
    }

    /// All records that match up to here were handed to the driver.
    pub(crate) fn position(&self) -> Cursor {
        self.position
    }

    /// Whether the last batch was cut short.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// How what it looks up has changed, to be told once.
    pub(crate) fn take_rekeyed(&mut self) -> Rekeyed {
        let rekeyed = self.transient.get_mut().map(|transient| std::mem::take(&mut transient.rekeyed));
        self.transient.shrink();
        rekeyed.unwrap_or_default()
    }

    /// Ends the stream after one last frame.
    pub(crate) fn close(&mut self, closing: Closing) {
        self.transient.get_or_insert().closing.get_or_insert(closing);
    }

    /// Asks whether somebody reads it.
    pub(crate) fn challenge(&mut self) {
        self.transient.get_or_insert().challenge = true;
    }

    /// The log turned out not to be the one the client had read.
    pub(crate) fn diverged(&mut self) {
        self.gap.get_or_insert(GapReason::Diverged);
    }

    /// What it may receive has changed in another way than by an order that it passes.
    pub(crate) fn reauthorize_later(&mut self) {
        self.needs_reauthorize = true;
    }

    /// Takes what [`Step::Read`] asked for.
    pub(crate) fn page(&mut self, after: Cursor, fetched: Fetched) {
        self.transient.get_or_insert().page = Some(Page { after, fetched });
    }

    /// The routing keys that it looks up, for what it asks of the past too.
    pub(crate) fn routing_keys(&self) -> Vec<RoutingKey> {
        let asked = self.transient.pending.iter().flat_map(|pending| &pending.keys);
        unique(self.keys.iter().chain(asked).map(|(kind, text)| RoutingKey::of(*kind, text)))
    }

    /// Nothing up to `flushed` has woken this connection since its last step: if nothing was pending either, it stands there,
    /// however old its last event is and whatever of the log is gone by now.
    pub(crate) fn advance_if_idle(&mut self, lineage: Lineage, flushed: Cursor) {
        if lineage == self.lineage && !self.behind && flushed.seq > self.position.seq {
            self.position = flushed;
        }
    }

    /// What to do next, and what that is if it is to be written.
    pub(crate) fn next(&mut self, view: View<'_>, ask: Ask) -> (Step, Written) {
        if self.ended {
            return (Step::End, Written::default());
        }
        let window = view.window;
        let mut batch = Batch::new(ask.max_bytes);
        let greeting = self.transient.get_mut().and_then(|transient| transient.greeting.take());
        let is_first = greeting.is_some();
        // A poll is greeted by nothing, or each one would say anew what the server subscribes it to.
        let is_greeted = greeting.as_ref().is_some_and(|greeting| !greeting.is_empty());
        if let Some(greeting) = greeting {
            batch.push(greeting);
        }
        if self.lineage != window.lineage() {
            if !self.lineage.is_same_log(window.lineage()) {
                self.gap = Some(window.reset_reason());
            }
            // It may stand before what was skipped, though nothing was pending.
            self.behind = true;
            self.lineage = window.lineage();
        }
        if let Some(reason) = self.gap.take() {
            self.tell_gap(view, reason, &mut batch);
        }
        if is_greeted {
            self.tell_server_channels(&mut batch);
        }
        let revoked = self.transient.get_mut().map(|transient| std::mem::take(&mut transient.revoked));
        if let Some(channels) = revoked.filter(|channels| !channels.is_empty()) {
            let revoked = Revoked { channels, addressed: false, code: RejectCode::Forbidden };
            batch.push(json_frame(Some(Revoked::NAME), None, &revoked));
        }
        // A position that this node has not reached has passed orders that it does not know of.
        if self.needs_reauthorize && self.position.seq <= window.head().seq {
            self.needs_reauthorize = false;
            self.reauthorize(view, &mut batch);
        }
        let is_closing = self.transient.closing.is_some();
        if !is_closing && !ask.woken {
            self.advance_if_idle(window.lineage(), window.flushed());
        }
        if !is_first && !self.behind {
            batch.live_from(self.position);
        }
        let flow = if is_closing { Flow::Done } else { self.live(view, &mut batch) };
        if let Some(closing) = self.transient.get_mut().and_then(|transient| transient.closing.take()) {
            batch.push(json_frame(Some(Closing::NAME), None, &closing));
            self.ended = true;
            return batch.into_step();
        }
        let flow = match flow {
            Flow::Done => self.confirm(view, &mut batch),
            flow => flow,
        };
        self.behind = !matches!(flow, Flow::Done);
        if self.transient.get_mut().is_some_and(|transient| std::mem::take(&mut transient.challenge)) {
            let mut challenge = String::new();
            sse::encode(&mut challenge, Some(CHALLENGE), None, "{}");
            batch.push(challenge.into());
        }
        // While it waits for the engine, too.
        if ask.heartbeat && batch.is_empty() {
            let mut heartbeat = String::with_capacity(96);
            sse::encode(&mut heartbeat, Some(HEARTBEAT), Some(&self.position), "{}");
            batch.push(heartbeat.into());
        }
        match flow {
            _ if !batch.is_empty() => batch.into_step(),
            Flow::Need(after) => (Step::Read { after }, Written::default()),
            Flow::Done | Flow::Full => (Step::Idle, Written::default()),
        }
    }

    /// Tells that anything may have been missed, on all of the stream, and goes on at the head.
    fn tell_gap(&mut self, view: View<'_>, reason: GapReason, batch: &mut Batch) {
        self.position = view.window.head();
        if let Some(transient) = self.transient.get_mut() {
            transient.page = None;
            // What they asked of the past is covered by this gap.
            transient.pending.iter_mut().for_each(|pending| pending.since = Since::Now);
        }
        let gap = Gap { channels: None, addressed: false, cursor: None, reason, request_id: None };
        batch.push_gap(reason, json_frame(Some(Gap::NAME), Some(&self.position), &gap));
        self.needs_reauthorize = false;
        self.reauthorize(view, batch);
    }

    /// Passes over a part of the log that cannot be had, and tells which of its channels may miss something by it, and whether
    /// addressed events may: all, where it is not known whom that part was for.
    fn skip(&mut self, view: View<'_>, skip: &Skip, batch: &mut Batch) {
        let Some(goes_on) = skip.goes_on(view.window) else {
            self.tell_gap(view, GapReason::Diverged, batch);
            return;
        };
        self.position = goes_on;
        let channels = unique(self.channels.iter().chain(self.server_channels()).cloned());
        if let Some(gap) = skip.gap(goes_on, &channels, &self.keys, None) {
            batch.push_gap(gap.reason, json_frame(Some(Gap::NAME), None, &gap));
        }
        // It has passed orders that it has not seen.
        self.reauthorize(view, batch);
    }

    fn activate(&mut self, channel: Pattern) {
        if self.channels.contains(&channel) {
            return;
        }
        self.look_up(&channel);
        self.channels.push(channel);
    }
}

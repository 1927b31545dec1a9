//! A connection: a position in the log and a set of routing keys. It owns no queue.
//!
//! [`Connection::next`] yields the next bytes to write. It takes them from the window, asks for a page of the engine's
//! log where the window does not reach back far enough, and reports a `gap` where the log does not either. It has no
//! clock, no socket and no runtime: a driver passes in what it needs and writes what comes out, all of it, in order.
//!
//! Live records, backfills and confirmations share one position and one batch. Their order is what clients rely on;
//! read it in [`Connection::next`].
//!
//! | module | |
//! |---|---|
//! | `names` | the user, device and tab of a stream |
//! | `step`, `batch` | what a connection and its driver exchange; the bytes of one write |
//! | `live` | records published while the stream is open, or since the client's cursor |
//! | `page` | pages of the engine's log, before the window |
//! | `subscribe`, `pending` | subscribe calls and their backfills |
//! | `rights`, `authority` | what the stream may receive, as orders in the log change it, and by which credentials |
//! | `rekeyed` | changes of the keys that the stream looks up |
//! | `transient` | state that few streams have, most of them briefly |

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
    /// Whether orders may have been skipped, so that the stream must be authorized anew before it sends anything.
    needs_reauthorize: bool,
    /// A gap on the whole stream that was not reported yet.
    gap: Option<GapReason>,
    lineage: Lineage,
    /// Every matching record up to here was handed to the driver.
    position: Cursor,
    channels: Vec<Pattern>,
    /// The number of the last order that is included in the channels to which the server has subscribed this stream.
    server_as_of: u64,
    /// The credentials by which the stream receives its channels.
    authority: Authority,
    /// Whether something was revoked since the last step; it may concern presence watches too.
    judged: bool,
    /// Whether `channels` have changed since the last call of [`Self::take_has_other_channels`].
    has_other_channels: bool,
    /// The keys to look up: the identity's, then the channels', each once.
    keys: Vec<RouteKey>,
    transient: TransientBox,
    /// Whether the last batch was cut short, so that there is more to send without a wake-up.
    behind: bool,
    ended: bool,
}

/// The hub holds one of these per stream, and most streams are idle: state that only some streams have, and briefly,
/// belongs in [`transient`].
const _: () = assert!(size_of::<Connection>() <= 128);

impl Connection {
    /// A stream that starts after `position`, with the channels that `decision` allows by credentials issued at this
    /// time, and the channels to which the server has subscribed its user. `gap` is reported right after the greeting.
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
            has_other_channels: false,
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

    /// The keys that this stream looks up. The core keeps the registry in step with them.
    pub(crate) fn keys(&self) -> &[RouteKey] {
        &self.keys
    }

    /// Replaces texts by equal ones that are shared with other streams, and drops unused capacity.
    pub(crate) fn share(&mut self, known: impl Fn(&RouteKey) -> Option<RouteKey>) {
        self.keys = self.keys.iter().map(|key| known(key).unwrap_or_else(|| key.clone())).collect();
        // A channel shares the text of its key.
        let keys = &self.keys;
        let held =
            |channel: &Pattern| keys.iter().find(|(kind, text)| *kind == Kind::Exact && **text == *channel.as_str());
        let shared = |channel: &Pattern| held(channel)?.1.clone().try_into().ok();
        self.channels =
            self.channels.iter().map(|channel| shared(channel).unwrap_or_else(|| channel.clone())).collect();
    }

    /// The channels that the stream carries.
    pub(crate) fn active(&self) -> &[Pattern] {
        &self.channels
    }

    /// Whether the last frame was handed to the driver.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Where something was revoked since the last call, the time at which the stream's credentials were issued, to
    /// authorize presence watches by it.
    pub(crate) fn take_judged(&mut self) -> Option<Issued> {
        std::mem::take(&mut self.judged).then_some(self.authority.issued)
    }

    /// Whether the channels that the stream carries have changed since the last call. Its keys may be the same all the
    /// while, because the server may have subscribed its user to the same channels.
    pub(crate) fn take_has_other_channels(&mut self) -> bool {
        std::mem::take(&mut self.has_other_channels)
    }

    /// The position: every matching record up to it was handed to the driver.
    pub(crate) fn position(&self) -> Cursor {
        self.position
    }

    /// Whether the last batch was cut short.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// The changes of the keys since the last call.
    pub(crate) fn take_rekeyed(&mut self) -> Rekeyed {
        let rekeyed = self.transient.get_mut().map(|transient| std::mem::take(&mut transient.rekeyed));
        self.transient.shrink();
        rekeyed.unwrap_or_default()
    }

    /// Ends the stream after one last frame.
    pub(crate) fn close(&mut self, closing: Closing) {
        self.transient.get_or_insert().closing.get_or_insert(closing);
    }

    /// Makes the next step send a challenge.
    pub(crate) fn challenge(&mut self) {
        self.transient.get_or_insert().challenge = true;
    }

    /// Reports a gap, because the log turned out to differ from the one that the client had read.
    pub(crate) fn diverged(&mut self) {
        self.gap.get_or_insert(GapReason::Diverged);
    }

    /// Has the stream authorized anew at its next step, because its rights changed other than by an order that it
    /// passes.
    pub(crate) fn reauthorize_later(&mut self) {
        self.needs_reauthorize = true;
    }

    /// Takes the page that [`Step::Read`] asked for.
    pub(crate) fn page(&mut self, after: Cursor, fetched: Fetched) {
        self.transient.get_or_insert().page = Some(Page { after, fetched });
    }

    /// The routing keys that the stream looks up, including those of its pending backfills.
    pub(crate) fn routing_keys(&self) -> Vec<RoutingKey> {
        let asked = self.transient.pending.iter().flat_map(|pending| &pending.keys);
        unique(self.keys.iter().chain(asked).map(|(kind, text)| RoutingKey::of(*kind, text)))
    }

    /// Moves an idle stream on to `flushed`. No record up to there has woken this connection since its last step, so if
    /// nothing was pending it stands there, however old its last event is and however much of the log was trimmed.
    pub(crate) fn advance_if_idle(&mut self, lineage: Lineage, flushed: Cursor) {
        if lineage == self.lineage && !self.behind && flushed.seq > self.position.seq {
            self.position = flushed;
        }
    }

    /// The next step, and the figures of what it writes.
    pub(crate) fn next(&mut self, view: View<'_>, ask: Ask) -> (Step, Written) {
        if self.ended {
            return (Step::End, Written::default());
        }
        let window = view.window;
        let mut batch = Batch::new(ask.max_bytes);
        let greeting = self.transient.get_mut().and_then(|transient| transient.greeting.take());
        let is_first = greeting.is_some();
        // A poll has an empty greeting. Otherwise each poll would confirm the server's subscriptions again.
        let is_greeted = greeting.as_ref().is_some_and(|greeting| !greeting.is_empty());
        if let Some(greeting) = greeting {
            batch.push(greeting);
        }
        if self.lineage != window.lineage() {
            if !self.lineage.is_same_log(window.lineage()) {
                self.gap = Some(window.reset_reason());
            }
            // The stream may stand before the skipped part although nothing was pending.
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
        // While the stream stands beyond this node's head, it has passed orders that this node does not know yet.
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
        // Heartbeats are sent while the stream waits for the engine, too.
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

    /// Reports a gap on the whole stream, and continues at the head.
    fn tell_gap(&mut self, view: View<'_>, reason: GapReason, batch: &mut Batch) {
        self.position = view.window.head();
        if let Some(transient) = self.transient.get_mut() {
            transient.page = None;
            // This gap covers the backfills that were asked for.
            transient.pending.iter_mut().for_each(|pending| pending.since = Since::Now);
        }
        let gap = Gap { channels: None, addressed: false, cursor: None, reason, request_id: None };
        batch.push_gap(reason, json_frame(Some(Gap::NAME), Some(&self.position), &gap));
        self.needs_reauthorize = false;
        self.reauthorize(view, batch);
    }

    /// Skips a part of the log that is missing or damaged. Reports which of the stream's channels may miss something,
    /// and whether addressed events may: all of them where it is unknown to whom the records were addressed.
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
        // The stream has passed orders that it has not seen.
        self.reauthorize(view, batch);
    }

    fn activate(&mut self, channel: Pattern) {
        if self.channels.contains(&channel) {
            return;
        }
        self.look_up(&channel);
        self.channels.push(channel);
        self.has_other_channels = true;
    }
}

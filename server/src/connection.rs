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
//! | `pending` | subscribe calls, and what they ask of the past |
//! | `control` | what it may hear, as commands in the log change it |

mod batch;
mod control;
mod live;
mod names;
mod page;
mod pending;
mod step;

use std::collections::VecDeque;

use bytes::Bytes;
use tidings_protocol::{
    Cursor, Pattern,
    frame::{Closing, Gap, GapReason, HEARTBEAT, RejectCode, Revoked},
    sse,
};

use self::{
    batch::Batch,
    control::Given,
    page::{PAGE, Page},
    pending::Pending,
    step::Flow,
};
pub(crate) use self::{
    control::{Authority, Rekeyed},
    names::Names,
    page::Fetched,
    pending::Since,
    step::{Ask, Step},
};
use crate::{
    meter::Written,
    record::json_frame,
    routing::{self, KeyRef, RouteKey},
    standing::{Asked, Issued},
    window::Window,
};

#[derive(Debug)]
pub(crate) struct Connection {
    names: Names,
    /// `retry:` and `connected`, until they are written.
    greeting: Option<Bytes>,
    /// Commands may have been passed over that have to be looked at before anything is sent.
    unaligned: bool,
    /// Channels that were taken away, until it is said.
    revoked: Vec<Pattern>,
    /// Why the client may have missed something on all of its stream, until it is told.
    gap: Option<GapReason>,
    lineage: u64,
    /// All records that match up to here were handed to the driver.
    position: Cursor,
    channels: Vec<Pattern>,
    /// What it hears by the server's will.
    given: Vec<Given>,
    /// Commands up to this number were looked at when that was set.
    given_as_of: u64,
    /// By what right it hears its channels.
    authority: Authority,
    /// Something was revoked, which may be more than its channels.
    judged: bool,
    /// What to look up: the identity's keys, then the channels', each once.
    keys: Vec<RouteKey>,
    /// How they have changed since the registry was told.
    rekeyed: Rekeyed,
    pending: VecDeque<Pending>,
    page: Option<Box<Page>>,
    /// What was handed to the driver since it was asked for.
    written: Written,
    /// The last batch was cut short, so there is more without being woken.
    behind: bool,
    closing: Option<Closing>,
    ended: bool,
}

impl Connection {
    /// A stream that starts after `position`, in what is now the log; what the server wishes it to hear is looked up there.
    /// `gap` is told right after the greeting.
    pub(crate) fn new(
        window: &Window,
        names: Names,
        channels: &Asked,
        issued: Issued,
        position: Cursor,
        greeting: Bytes,
        gap: Option<GapReason>,
    ) -> Self {
        let authority = Authority { issued, as_of: window.head().seq };
        let identity = routing::identity(names.user.as_ref(), names.device.as_ref());
        let mut connection = Self {
            keys: identity.clone(),
            rekeyed: Rekeyed { added: identity, dropped: Vec::new() },
            names,
            greeting: Some(greeting),
            unaligned: position.seq > authority.as_of,
            gap,
            lineage: window.lineage(),
            position,
            channels: Vec::with_capacity(channels.granted.len() + channels.given.len()),
            given: Vec::new(),
            given_as_of: authority.as_of,
            authority,
            judged: false,
            pending: VecDeque::new(),
            page: None,
            written: Written::default(),
            behind: false,
            revoked: Vec::new(),
            closing: None,
            ended: false,
        };
        for channel in channels.all() {
            connection.activate(channel.clone());
        }
        connection.rest_on(channels);
        let user = connection.names.user.as_ref();
        if window.standing().shuts_out(user, connection.names.device.as_ref(), issued) {
            connection.dismiss();
        }
        for channel in window.standing().subscribed(connection.names.user.as_ref()) {
            connection.look_up(channel);
            connection.given.push(Given { channel: channel.clone(), is_asked: false });
        }
        connection
    }

    /// What this stream looks up; a driver keeps its registry in step with it.
    pub(crate) fn keys(&self) -> &[RouteKey] {
        &self.keys
    }

    /// Replaces keys by equal ones that are held elsewhere, and the room for more of them by none.
    pub(crate) fn share_keys(&mut self, known: impl Fn(&RouteKey) -> Option<RouteKey>) {
        self.keys = self.keys.iter().map(|key| known(key).unwrap_or_else(|| key.clone())).collect();
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

    /// What was handed to the driver since the last time.
    pub(crate) fn take_written(&mut self) -> Written {
        std::mem::take(&mut self.written)
    }

    /// How what it looks up has changed, to be told once.
    pub(crate) fn take_rekeyed(&mut self) -> Rekeyed {
        std::mem::take(&mut self.rekeyed)
    }

    /// Ends the stream after one last frame.
    pub(crate) fn close(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
    }

    /// The log turned out not to be the one the client had read.
    pub(crate) fn diverged(&mut self) {
        self.gap.get_or_insert(GapReason::Diverged);
    }

    /// Takes what [`Step::Read`] asked for.
    pub(crate) fn page(&mut self, after: Cursor, fetched: Fetched) {
        self.page = Some(Box::new(Page { after, records: fetched.map(VecDeque::from) }));
    }

    /// Nothing up to `flushed` has woken this connection since its last step: if nothing was pending either, it stands there,
    /// however old its last event is and whatever of the log is gone by now.
    pub(crate) fn settle(&mut self, lineage: u64, flushed: Cursor) {
        if lineage == self.lineage && !self.behind && flushed.seq > self.position.seq {
            self.position = flushed;
        }
    }

    /// What to do next.
    pub(crate) fn next(&mut self, window: &Window, ask: Ask) -> Step {
        if self.ended {
            return Step::End;
        }
        let mut batch = Batch::new(ask.max_bytes);
        let greeting = self.greeting.take();
        let is_first = greeting.is_some();
        if let Some(greeting) = greeting {
            batch.push(greeting);
        }
        if self.lineage != window.lineage() {
            self.lineage = window.lineage();
            self.gap = Some(window.reset_reason());
        }
        if let Some(reason) = self.gap.take() {
            self.tell_gap(window, reason, &mut batch);
        }
        if is_first {
            self.tell_given(&mut batch);
        }
        if !self.revoked.is_empty() {
            let revoked = Revoked { channels: std::mem::take(&mut self.revoked), code: RejectCode::Forbidden };
            batch.push(json_frame(Some(Revoked::NAME), None, &revoked));
        }
        // A position that this node has not reached has passed commands that it does not know of.
        if self.unaligned && self.position.seq <= window.head().seq {
            self.unaligned = false;
            self.align(window, &mut batch);
        }
        if self.closing.is_none() && !ask.woken {
            self.settle(window.lineage(), window.flushed());
        }
        let was_live = !is_first && !self.behind;
        self.written.from = was_live.then_some(self.position.seq);
        let flow = match self.closing {
            Some(_) => Flow::Done,
            None => self.live(window, &mut batch),
        };
        if let Some(closing) = self.closing.take() {
            batch.push(json_frame(Some(Closing::NAME), None, &closing));
            self.ended = true;
            return self.write(batch);
        }
        let flow = match flow {
            Flow::Done => self.confirm(window, &mut batch),
            flow => flow,
        };
        self.behind = !matches!(flow, Flow::Done);
        match flow {
            Flow::Need(after) if batch.is_empty() => return Step::Read { after, limit: PAGE },
            _ if !batch.is_empty() => return self.write(batch),
            _ => {}
        }
        if ask.heartbeat {
            let mut heartbeat = String::with_capacity(96);
            sse::encode(&mut heartbeat, Some(HEARTBEAT), Some(&self.position), "{}");
            batch.push(heartbeat.into());
            return self.write(batch);
        }
        Step::Idle
    }

    /// Hands a batch to the driver, and counts it.
    fn write(&mut self, mut batch: Batch) -> Step {
        self.written.records += batch.records;
        self.written.bytes += batch.bytes as u64;
        self.written.gaps.append(&mut batch.gaps);
        Step::Write(batch.into_frames())
    }

    /// Tells that anything may have been missed, on all of the stream, and goes on at the head.
    fn tell_gap(&mut self, window: &Window, reason: GapReason, batch: &mut Batch) {
        self.position = window.head();
        self.page = None;
        batch.gaps.push(reason);
        // What they asked of the past is covered by this gap.
        for pending in &mut self.pending {
            pending.since = Since::Now;
        }
        batch.push(json_frame(
            Some(Gap::NAME),
            Some(&self.position),
            &Gap { channels: None, reason, request_id: None },
        ));
        self.unaligned = false;
        self.align(window, batch);
    }

    fn activate(&mut self, channel: Pattern) {
        if self.channels.contains(&channel) {
            return;
        }
        self.look_up(&channel);
        self.channels.push(channel);
    }
}

fn refs(keys: &[RouteKey]) -> impl Iterator<Item = KeyRef<'_>> + Clone {
    keys.iter().map(|(kind, text)| (*kind, &**text))
}

fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

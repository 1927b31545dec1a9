//! A connection: a position in the log plus a set of routing keys. It owns no queue.
//!
//! [`Connection::next`] is asked for the next bytes to write; it takes them from the window, asks for a page of the engine's
//! log when the window no longer reaches back far enough, and says `gap` when the log itself does not. It has no clock,
//! no socket and no runtime: a driver passes in what it needs and writes what comes out, all of it, in order.
//!
//! One room, because live records, the past and the confirmations of a step share one position and one batch, and the order of
//! the three is the promise.

mod control;

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
pub(crate) use control::{Authority, Rekeyed};
use tidings_protocol::{
    Cursor, DeviceId, Pattern, RequestId, SessionId, UserId,
    frame::{Closing, Gap, GapReason, HEARTBEAT, RejectCode, Revoked, Subscribed},
    sse,
};

use crate::{
    engine::Limit,
    frame::Frame,
    meter::Written,
    record::{Entry, Record, json_frame},
    routing::{self, KeyRef, RouteKey},
    standing::Issued,
    window::Window,
};

/// How much of the engine's log is read at once for a connection that lags behind the window.
const PAGE: Limit = Limit { records: 1_000, bytes: 1 << 20 };

/// Whom a stream belongs to and what it calls itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) user: Option<UserId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) session: Option<SessionId>,
}

impl Names {
    fn may_see(&self, entry: &Entry) -> bool {
        let hidden = |except: &tidings_protocol::Except| {
            except.hides(self.user.as_ref(), self.device.as_ref(), self.session.as_ref())
        };
        !entry.except.as_ref().is_some_and(hidden)
    }
}

/// From where a subscription asks for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nothing of the past.
    Now,
    /// All after this position; whether it is in the log is checked once more where the past is read.
    After(Cursor),
    /// A position that the log cannot serve.
    Gap(GapReason),
}

/// One subscribe call that the stream has not confirmed yet.
#[derive(Debug)]
struct Pending {
    request: RequestId,
    channels: Vec<Pattern>,
    keys: Vec<RouteKey>,
    since: Since,
    authority: Authority,
}

/// What the engine's log holds after a position: at least one record, or why there is none.
pub(crate) type Fetched = Result<Vec<Record>, GapReason>;

/// A page of the engine's log, being worked off.
#[derive(Debug)]
struct Page {
    after: Cursor,
    records: Result<VecDeque<Record>, GapReason>,
}

/// What a driver has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write these, in order; then ask again.
    Write(Vec<Bytes>),
    /// Read the engine's log after this position, hand over the [`page`](Connection::page), and ask again.
    Read { after: Cursor, limit: Limit },
    /// Nothing to do until woken.
    Idle,
    /// The stream is over.
    End,
}

/// What the outside tells a connection with each [`next`](Connection::next).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Write about this many bytes at most; one frame is never split.
    pub(crate) max_bytes: usize,
    /// Whether a matching record may have come since the last ask.
    pub(crate) woken: bool,
    /// Whether a heartbeat is due, to be sent if there is nothing else.
    pub(crate) heartbeat: bool,
}

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
    /// Channels that it hears by the server's will, whether it asked for them or not.
    given: Vec<Pattern>,
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

/// Bytes collected for one write.
struct Batch {
    frames: Vec<Bytes>,
    /// Frames of the window that stand side by side, behind the others.
    run: Option<Frame>,
    bytes: usize,
    max: usize,
    records: u64,
    gaps: Vec<GapReason>,
}

impl Batch {
    fn new(max: usize) -> Self {
        Self { frames: Vec::new(), run: None, bytes: 0, max, records: 0, gaps: Vec::new() }
    }

    fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        self.frames.push(frame);
    }

    fn push_shared(&mut self, frame: &Frame) {
        self.records += 1;
        self.bytes += frame.len();
        if !self.run.as_mut().is_some_and(|run| run.extend(frame)) {
            let before = self.run.replace(frame.clone());
            self.frames.extend(before.map(|run| run.bytes()));
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn into_frames(mut self) -> Vec<Bytes> {
        self.frames.extend(self.run.take().map(|run| run.bytes()));
        self.frames
    }

    fn push_record(&mut self, frame: Bytes) {
        self.records += 1;
        self.push(frame);
    }

    fn is_full(&self) -> bool {
        self.bytes >= self.max
    }
}

/// How a part of a step ended.
enum Flow {
    /// This part is done.
    Done,
    /// The batch is full.
    Full,
    /// A page after this position is needed first.
    Need(Cursor),
}

impl Connection {
    /// A stream that starts after `position`, in what is now the log; what the server wishes it to hear is looked up there.
    /// `gap` is told right after the greeting.
    pub(crate) fn new(
        window: &Window,
        names: Names,
        channels: Vec<Pattern>,
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
            channels: Vec::with_capacity(channels.len()),
            given: Vec::new(),
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
        for channel in channels {
            connection.activate(channel);
        }
        let user = connection.names.user.as_ref();
        if window.standing().shuts_out(user, connection.names.device.as_ref(), issued) {
            connection.dismiss();
        }
        for channel in window.standing().subscribed(connection.names.user.as_ref()) {
            connection.look_up(channel);
            connection.given.push(channel.clone());
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

    /// Parts channels into those that a stream of `limit` channels has room for and those beyond it. What it holds takes no
    /// room, for a call whose answer was lost is made again. What is not confirmed yet is bounded too, so that calls repeated on
    /// a stream that nobody reads do not pile up.
    pub(crate) fn admit(&self, channels: Vec<Pattern>, limit: usize) -> (Vec<Pattern>, Vec<Pattern>) {
        let pending = || self.pending.iter().flat_map(|pending| &pending.channels);
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

    /// The channels that it holds.
    pub(crate) fn active(&self) -> &[Pattern] {
        &self.channels
    }

    /// Whether its last frame was handed out.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Asks for channels; they become active when the stream says `subscribed`.
    pub(crate) fn subscribe(&mut self, request: RequestId, channels: Vec<Pattern>, since: Since, authority: Authority) {
        let keys = unique(channels.iter().flat_map(routing::looked_up));
        self.pending.push_back(Pending { request, channels, keys, since, authority });
    }

    /// Stops channels at once, active or asked for.
    pub(crate) fn unsubscribe(&mut self, channels: &[Pattern]) {
        // A call may name very many.
        let gone: HashSet<_> = channels.iter().collect();
        self.channels.retain(|channel| !gone.contains(channel));
        for pending in &mut self.pending {
            pending.channels.retain(|channel| !gone.contains(channel));
            pending.keys = unique(pending.channels.iter().flat_map(routing::looked_up));
        }
        self.pending.retain(|pending| !pending.channels.is_empty());
        self.rekey();
    }

    /// The channels that it holds or has asked for, each once.
    pub(crate) fn channels(&self) -> Vec<Pattern> {
        let mut channels = self.channels.clone();
        for channel in self.pending.iter().flat_map(|pending| &pending.channels) {
            if !channels.contains(channel) {
                channels.push(channel.clone());
            }
        }
        channels
    }

    /// Goes on by another right, without these channels, and says so.
    pub(crate) fn refresh(&mut self, authority: Authority, lost: Vec<Pattern>) {
        self.authority = authority;
        self.pending.iter_mut().for_each(|pending| pending.authority = authority);
        self.unsubscribe(&lost);
        self.revoked.extend(lost.into_iter().filter(|channel| !self.given.contains(channel)));
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

    /// Delivers what is live, up to the head.
    fn live(&mut self, window: &Window, batch: &mut Batch) -> Flow {
        while self.position.seq < window.base().seq {
            let Some(page) = self.page.take().filter(|page| page.after == self.position) else {
                return Flow::Need(self.position);
            };
            let mut records = match page.records {
                Ok(records) => records,
                Err(reason) => {
                    self.tell_gap(window, reason, batch);
                    break;
                }
            };
            // Where the window begins the page ends: past that, the engine may be ahead of this node, and only what the node
            // has applied is checked when the log changes under it. So it is cut before any of it is kept for later, when the
            // window begins elsewhere.
            records.truncate(records.partition_point(|record| record.seq <= window.base().seq));
            if records.back().is_some_and(|record| parts(window, record)) {
                self.tell_gap(window, GapReason::Diverged, batch);
                break;
            }
            while let Some(record) = records.pop_front() {
                self.position = Cursor { epoch: self.position.epoch, seq: record.seq, tag: record.tag };
                if record.entry.control().is_some() {
                    self.obey(&record.entry, batch);
                    if self.closing.is_some() {
                        return Flow::Done;
                    }
                } else if routing::is_filed(&refs(&self.keys), &record.entry) && self.names.may_see(&record.entry) {
                    batch.push_record(record.frame(self.position.epoch));
                }
                if batch.is_full() && !records.is_empty() {
                    self.page = Some(Box::new(Page { after: self.position, records: Ok(records) }));
                    return Flow::Full;
                }
            }
        }
        let head = window.head();
        // Once more after each command, for it may have changed what to look up.
        while self.position.seq < head.seq && self.closing.is_none() {
            let mut command = None;
            for (seq, sent) in window.gather(refs(&self.keys), self.position.seq, head.seq) {
                if batch.is_full() {
                    return Flow::Full;
                }
                self.position = Cursor { epoch: head.epoch, seq, tag: sent.tag };
                if sent.entry.control().is_some() {
                    command = Some(sent.entry.clone());
                    break;
                }
                if self.names.may_see(&sent.entry) {
                    batch.push_shared(&sent.frame);
                }
            }
            match command {
                Some(command) => self.obey(&command, batch),
                None => self.position = head,
            }
        }
        Flow::Done
    }

    /// Works off the subscribe calls: for each what it asked of the past, then `subscribed`. It runs when `live` has reached the
    /// head, so the past ends and the live part begins at one position, without a hole or an overlap.
    fn confirm(&mut self, window: &Window, batch: &mut Batch) -> Flow {
        // What comes from a node further ahead may name a place that this node has not reached yet, and whose past it does not
        // know. It looks again when the node gets there.
        let is_ahead = |at: Cursor| at.seq > window.head().seq;
        if is_ahead(self.position) {
            return Flow::Done;
        }
        while let Some(mut pending) = self.pending.pop_front() {
            if matches!(pending.since, Since::After(since) if is_ahead(since)) {
                self.pending.push_front(pending);
                return Flow::Done;
            }
            let flow = self.backfill(window, &mut pending, batch);
            if !matches!(flow, Flow::Done) {
                self.pending.push_front(pending);
                return flow;
            }
            if let Since::Gap(reason) = pending.since {
                let request_id = Some(pending.request.clone());
                let gap = Gap { channels: Some(pending.channels.clone()), reason, request_id };
                batch.gaps.push(reason);
                batch.push(json_frame(Some(Gap::NAME), None, &gap));
            }
            // Held by the older of the two.
            self.authority.issued = self.authority.issued.min(pending.authority.issued);
            for channel in &pending.channels {
                self.activate(channel.clone());
            }
            let subscribed =
                Subscribed { request_id: pending.request, channels: pending.channels, position: self.position };
            batch.push(json_frame(Some(Subscribed::NAME), None, &subscribed));
        }
        Flow::Done
    }

    fn backfill(&mut self, window: &Window, pending: &mut Pending, batch: &mut Batch) -> Flow {
        let Since::After(mut after) = pending.since else { return Flow::Done };
        let epoch = window.epoch();
        if window.tag(after.seq).is_some_and(|tag| tag != after.tag) {
            pending.since = Since::Gap(GapReason::Diverged);
            return Flow::Done;
        }
        // As in `live`, the page ends where the window begins.
        let end = window.base().seq.min(self.position.seq);
        while after.seq < end {
            let Some(page) = self.page.take().filter(|page| page.after == after) else { return Flow::Need(after) };
            let mut records = match page.records {
                Ok(records) => records,
                Err(reason) => {
                    pending.since = Since::Gap(reason);
                    return Flow::Done;
                }
            };
            while let Some(record) = records.pop_front().filter(|record| record.seq <= end) {
                if parts(window, &record) {
                    pending.since = Since::Gap(GapReason::Diverged);
                    return Flow::Done;
                }
                after = Cursor { epoch, seq: record.seq, tag: record.tag };
                pending.since = Since::After(after);
                if routing::is_filed(&refs(&pending.keys), &record.entry) && self.names.may_see(&record.entry) {
                    batch.push_record(record.backfill(epoch, &pending.request));
                }
                if batch.is_full() && !records.is_empty() {
                    self.page = Some(Box::new(Page { after, records: Ok(records) }));
                    return Flow::Full;
                }
            }
        }
        for (seq, sent) in window.gather(refs(&pending.keys), after.seq, self.position.seq) {
            if batch.is_full() {
                return Flow::Full;
            }
            if self.names.may_see(&sent.entry)
                && let Some(record) = window.record(seq)
            {
                batch.push_record(record.backfill(epoch, &pending.request));
            }
            pending.since = Since::After(Cursor { epoch, seq, tag: sent.tag });
        }
        Flow::Done
    }

    fn activate(&mut self, channel: Pattern) {
        if self.channels.contains(&channel) {
            return;
        }
        self.look_up(&channel);
        self.channels.push(channel);
    }
}

/// Whether the engine's log is not the window's any more: they differ in the record before the window's first.
fn parts(window: &Window, record: &Record) -> bool {
    record.seq == window.base().seq && record.tag != window.base().tag
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

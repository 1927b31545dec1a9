//! The hub core: the window, the connections, and the decision which connections must be woken when a record is filed.
//! It is synchronous and without I/O: records are applied, connections are stepped, and time is passed in.
//!
//! A record passes through three calls: [`Core::apply`] puts it into the window; [`Core::flush`] wakes the connections
//! that look up one of its keys; and each of them takes the record from the window in [`Core::step`].
//!
//! Several calls hold more than one lock; [`ranked`](crate::ranked) defines the order.
//!
//! | module | |
//! |---|---|
//! | `link`, `registry`, `streams`, `slots` | one open stream; the table of all streams, and queries on it; the streams that look up one key |
//! | `opening` | how a stream is registered and removed |
//! | `subscriptions`, `access` | the channels of open streams; authorization, as calls ask for it |
//! | `challenge` | which streams are unread, when there is no room for another |
//! | `round` | the streams that a flush woke, until they were polled |
//! | `verdict` | the judgement of a client's cursor |
//! | `presence` | who is online |

mod access;
mod challenge;
mod link;
mod opening;
mod presence;
mod registry;
mod round;
mod slots;
mod streams;
mod subscriptions;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use hashbrown::HashMap;
use tidings_protocol::{
    Cursor,
    frame::{Closing, ClosingReason, GapReason},
};

pub(crate) use self::{
    access::{NotRefreshed, Refresh},
    link::Link,
    opening::{Opening, Start},
    subscriptions::{Backfill, ShutOut, SubscribeCall},
    verdict::Verdict,
};
use self::{registry::Registry, round::Round};
use crate::{
    access::AccessState,
    connection::{Ask, Fetched, Step, View},
    engine::{Batch, RoutingKey},
    metrics::{Gauges, Metrics, Stats},
    presence::Presence,
    ranked::{self, RankedMutex, RankedRwLock},
    window::{Dirty, Lineage, Window, WindowBounds},
};

/// The clients' cursors that this node has not reached, by number.
type Late = HashMap<u64, Vec<LateCursor>>;

/// One of them.
#[derive(Debug)]
struct LateCursor {
    link: Arc<Link>,
    tag: u32,
    /// Whether the client has read the record, so that another one in its place is a gap on the whole stream. A call only
    /// asks for what follows it.
    is_read: bool,
}

/// The engine's tail does not continue where the window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the record after {expected}, found the record after {found}")]
pub(crate) struct Broken {
    expected: Cursor,
    found: Cursor,
}

#[derive(Debug)]
pub(crate) struct Core {
    window: RankedRwLock<Window, { ranked::WINDOW }>,
    registry: RankedMutex<Registry, { ranked::REGISTRY }>,
    late: RankedMutex<Late, { ranked::LATE }>,
    round: Round,
    presence: Option<Presence>,
    cluster_presence: Option<Presence>,
    pub(crate) metrics: Metrics,
}

impl Core {
    /// A core whose window begins at `base`, with the access state at that position.
    pub(crate) fn new(base: Cursor, bounds: WindowBounds, access: AccessState) -> Self {
        let mut window = Window::new(base, bounds);
        *window.access_mut() = access;
        let window = RankedRwLock::new(window);
        Self {
            window,
            registry: RankedMutex::default(),
            late: RankedMutex::default(),
            round: Round::default(),
            presence: None,
            cluster_presence: None,
            metrics: Metrics::new(),
        }
    }

    /// The last record applied on this node.
    pub(crate) fn head(&self) -> Cursor {
        self.window.read().head()
    }

    /// The lineage of the window, which changes with every reset and skip.
    pub(crate) fn lineage(&self) -> Lineage {
        self.window.read().lineage()
    }

    /// The last record applied on this node, and the lineage of the window.
    pub(crate) fn standpoint(&self) -> (Cursor, Lineage) {
        let window = self.window.read();
        (window.head(), window.lineage())
    }

    /// Applies records from the engine's tail.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the records do not continue where the window ends. Nothing was applied.
    pub(crate) fn apply(&self, batch: &Batch) -> Result<(), Broken> {
        let head = self.head();
        if batch.after != head {
            return Err(Broken { expected: head, found: batch.after });
        }
        for (expected, record) in (head.seq + 1..).zip(&batch.records) {
            if record.seq != expected || record.tag == 0 {
                let found = Cursor { seq: record.seq, tag: record.tag, ..head };
                return Err(Broken { expected: Cursor { seq: expected, tag: 0, ..head }, found });
            }
        }
        // The frames are encoded before the lock is taken, so that readers wait only for the filing.
        let frames: Vec<_> = batch.records.iter().map(|record| record.frame(head.epoch)).collect();
        let mut reached = Vec::new();
        let mut window = self.window.write();
        let mut late = self.late.lock();
        for (record, frame) in batch.records.iter().zip(frames) {
            window.apply(record, frame);
            // The tags are checked under the window's lock, before any connection can read past these records and
            // before a stream can open in between.
            for LateCursor { link, tag, is_read } in late.remove(&record.seq).unwrap_or_default() {
                if is_read && tag != record.tag {
                    link.diverged.store(true, Ordering::Release);
                }
                reached.push(link);
            }
        }
        drop((late, window));
        // Streams whose cursor proved right are woken too, because their pending subscribe calls waited for this
        // position.
        for link in reached {
            link.wake();
        }
        Ok(())
    }

    /// Starts over at `base`: the engine now holds another log, or lost records that this node had. `access` is the
    /// access state at `base`.
    pub(crate) fn reset(&self, base: Cursor, reason: GapReason, access: AccessState) {
        let mut window = self.window.write();
        window.reset(base, reason, access);
        self.metrics.forget_probe();
        self.late.lock().clear();
        drop(window);
        self.wake_all();
    }

    /// Continues at `base`, further along in the same log, because the records in between are missing or damaged. Each
    /// stream that stands before `base` reads the engine's log and learns there what it missed. `access` is the access
    /// state at `base` or later. `good` are the clients' cursors in the skipped part that the engine found to be of
    /// this log.
    pub(crate) fn skip_to(&self, base: Cursor, access: AccessState, good: &HashSet<Cursor>) {
        let mut window = self.window.write();
        window.skip_to(base, access);
        self.metrics.forget_probe();
        let mut late = self.late.lock();
        let passed: Vec<_> = late.keys().copied().filter(|seq| *seq <= base.seq).collect();
        for seq in passed {
            for LateCursor { link, tag, is_read } in late.remove(&seq).unwrap_or_default() {
                if is_read && !good.contains(&Cursor { seq, tag, ..base }) {
                    link.diverged.store(true, Ordering::Release);
                }
            }
        }
        drop((late, window));
        self.wake_all();
    }

    /// The clients' cursors up to `to` that this node has not reached.
    pub(crate) fn late_up_to(&self, to: Cursor) -> Vec<Cursor> {
        let late = self.late.lock();
        let passed = late.iter().filter(|(seq, _)| **seq <= to.seq);
        passed.flat_map(|(seq, late)| late.iter().map(|late| Cursor { seq: *seq, tag: late.tag, ..to })).collect()
    }

    /// The log has lost the records at these cursors, which this node has not reached: streams whose clients come from
    /// there get a gap, and so do calls that ask for what followed. Otherwise they would wait until the log has grown to
    /// there again.
    pub(crate) fn lose(&self, lost: &HashSet<Cursor>) {
        let epoch = self.window.read().epoch();
        let mut waiting = Vec::new();
        self.late.lock().retain(|seq, late| {
            let is_lost = |late: &mut LateCursor| lost.contains(&Cursor { epoch, seq: *seq, tag: late.tag });
            waiting.extend(late.extract_if(.., is_lost));
            !late.is_empty()
        });
        for LateCursor { link, is_read, .. } in waiting {
            if is_read {
                link.diverged.store(true, Ordering::Release);
            } else {
                link.state.lock().lose_pasts(lost);
            }
            link.wake();
        }
    }

    /// All streams.
    fn all_links(&self) -> Vec<Arc<Link>> {
        self.registry.lock().links.iter().map(|(_, link)| link.clone()).collect()
    }

    fn wake_all(&self) {
        for link in self.all_links() {
            link.woken.store(true, Ordering::Release);
            link.wake();
        }
    }

    /// Wakes the connections for which a record was filed since the last flush. Returns their number.
    pub(crate) fn flush(&self) -> usize {
        let Dirty { keys, lineage, from, up_to } = self.window.write().take_dirty();
        let mut woken = Vec::new();
        {
            let registry = self.registry.lock();
            for (kind, text) in &keys {
                let Some(slots) = registry.routes.get((*kind, text)) else { continue };
                slots.for_each(|slot| {
                    let link = &registry.links[slot];
                    if !link.woken.load(Ordering::Acquire) {
                        woken.push(link.clone());
                    }
                });
            }
        }
        woken.retain(|link| {
            let mut state = link.state.lock();
            let first = !link.woken.swap(true, Ordering::AcqRel);
            if first {
                state.advance_if_idle(lineage, from);
                link.shown_seq.store(state.position().seq, Ordering::Relaxed);
            }
            first
        });
        // Only after this point may a connection that was not woken count as up to date.
        self.window.write().flush(lineage, up_to);
        self.round.begin(woken.len());
        for link in &woken {
            link.wake();
        }
        woken.len()
    }

    /// Ready when all but a few of the streams that the last flush woke have been polled.
    pub(crate) fn poll_round(&self, cx: &Context<'_>) -> Poll<()> {
        self.round.poll_over(cx)
    }

    /// Makes a heartbeat due on streams that wrote nothing for `interval_ms`, and wakes streams whose credentials or
    /// connections have expired.
    pub(crate) fn tick(&self, now_ms: u64, interval_ms: u64) {
        let quiet: Vec<_> = {
            let registry = self.registry.lock();
            let is_quiet = |link: &Link| now_ms.saturating_sub(link.written_ms.load(Ordering::Relaxed)) >= interval_ms;
            let has_ended = |link: &Link| link.is_over(now_ms) || link.is_retired(now_ms);
            let is_due = |link: &&Arc<Link>| is_quiet(link) || has_ended(link);
            registry.links.iter().map(|(_, link)| link).filter(is_due).cloned().collect()
        };
        for link in quiet {
            link.heartbeat_due.store(true, Ordering::Release);
            link.wake();
        }
    }

    /// The next step for a connection's driver.
    pub(crate) fn step(&self, link: &Link, max_bytes: usize, now_ms: u64) -> Step {
        if !link.due.swap(false, Ordering::AcqRel) {
            return Step::Idle;
        }
        link.stalled_ms.store(0, Ordering::Relaxed);
        let mut state = link.state.lock();
        let woken;
        let (step, written) = {
            let window = self.window.read();
            // The flag is read before `flushed`: whatever `flushed` covers had set the flag earlier.
            woken = link.woken.swap(false, Ordering::AcqRel);
            if link.diverged.swap(false, Ordering::AcqRel) {
                state.diverged();
            }
            if link.is_over(now_ms) {
                state.close(Closing { reason: ClosingReason::Expired, retry_ms: 0 });
            }
            if link.is_retired(now_ms) {
                state.close(Closing { reason: ClosingReason::Drain, retry_ms: 0 });
            }
            let heartbeat = link.heartbeat_due.swap(false, Ordering::AcqRel);
            let next = state.next(View { window: &window, names: &link.names }, Ask { max_bytes, woken, heartbeat });
            if let Some(issued) = state.take_judged() {
                self.restrict_watches(link, link.names.credentials(issued), &window, |_| true);
            }
            next
        };
        let rekeyed = state.take_rekeyed();
        let holds_others = !rekeyed.is_empty();
        if holds_others {
            self.registry.lock().reroute(link, &rekeyed);
            // Records flushed before the new routes existed have woken nobody, so the stream looks again.
            link.woken.store(true, Ordering::Release);
        }
        let is_elsewhere = state.take_has_other_channels();
        if is_elsewhere {
            self.reseat(link, &state);
        }
        let step = self.with_news(link, &state, step, max_bytes);
        link.shown_seq.store(state.position().seq, Ordering::Relaxed);
        link.shown_behind.store(state.is_behind(), Ordering::Relaxed);
        if state.is_behind() || state.has_ended() || holds_others {
            link.due.store(true, Ordering::Release);
        }
        if matches!(step, Step::Write(_)) {
            self.metrics.wrote(&written, state.position().seq, now_ms);
        }
        drop(state);
        if woken {
            self.round.asked();
        }
        if is_elsewhere {
            self.reseated();
        }
        match &step {
            Step::Write(_) => {
                link.written_ms.fetch_max(now_ms, Ordering::Relaxed);
            }
            // A driver polls again after a write. Otherwise nobody polls it: a flush passes over streams that are woken.
            Step::Idle | Step::Read { .. } if holds_others => link.wake(),
            _ => {}
        }
        step
    }

    /// Passes a connection the page that it asked the engine for.
    pub(crate) fn page(&self, link: &Link, after: Cursor, fetched: Fetched) {
        link.state.lock().page(after, fetched);
        link.woken.store(true, Ordering::Release);
        link.due.store(true, Ordering::Release);
    }

    /// The routing keys that a connection looks up, including those of its pending backfills.
    pub(crate) fn routing_keys(&self, link: &Link) -> Vec<RoutingKey> {
        link.state.lock().routing_keys()
    }

    /// The figures of this node.
    pub(crate) fn stats(&self) -> Stats {
        let head = self.head();
        let registry = self.registry.lock();
        let mut gauges = Gauges { connections: registry.links.len(), behind: 0, lag: 0, users: registry.users, head };
        for (_, link) in &registry.links {
            // A stream that was woken and not stepped since, or whose batch was cut short, may be behind. No stream is
            // locked here, because the figures are read every second.
            if link.shown_behind.load(Ordering::Relaxed) || link.woken.load(Ordering::Acquire) {
                gauges.behind += 1;
                gauges.lag = gauges.lag.max(head.seq.saturating_sub(link.shown_seq.load(Ordering::Relaxed)));
            }
        }
        drop(registry);
        self.metrics.stats(gauges)
    }
}

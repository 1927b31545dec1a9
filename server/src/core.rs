//! The hub core: the window, the connections, and who must be woken when something is filed. Synchronous and without
//! I/O: records are applied, connections are asked for their next step, time is passed in.
//!
//! A record's way: [`Core::apply`] puts it into the window; [`Core::flush`] wakes the connections that look up one of its
//! keys; each of them takes it from the window by [`Core::step`].
//!
//! One room, because each of these calls holds several of its locks, and the order of the locks is read here.
//!
//! Locks are taken in the order connection → window → registry → presence, and never held while a waker runs.

mod presence;
mod slots;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures_util::task::AtomicWaker;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use slab::Slab;
use tidings_protocol::{
    ConnectionId, Cursor, DeviceId, Pattern, RequestId, UserId,
    frame::{Closing, ClosingReason, GapReason},
};

use self::slots::Slots;
use crate::{
    admission::Permit,
    connection::{Ask, Authority, Connection, Fetched, Names, Rekeyed, Since, Step},
    engine::Bounds,
    meter::{Gauges, Meter, Stats},
    presence::Presence,
    record::Record,
    routing::{self, KeyMap, RouteKey},
    standing::{Issued, Standing},
    window::{Dirty, Window, WindowBounds},
};

/// One connection and what others may do to it without its lock.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) names: Names,
    slot: usize,
    state: Mutex<Connection>,
    /// A matching record may have come since the last step.
    woken: AtomicBool,
    heartbeat_due: AtomicBool,
    /// The log turned out not to be the one that the client had read.
    diverged: AtomicBool,
    /// When the credentials that opened it, or refreshed it, are over, in the driver's milliseconds.
    expires_ms: AtomicU64,
    /// When bytes were last handed to the driver, in the driver's milliseconds.
    written_ms: AtomicU64,
    /// The driver's task.
    pub(crate) waker: AtomicWaker,
    /// Where presence is on.
    place: OnceLock<self::presence::Place>,
    /// Its place among the streams that there may be, given back with this.
    _permit: Option<Permit>,
}

/// A stream to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) id: ConnectionId,
    pub(crate) names: Names,
    pub(crate) channels: Vec<Pattern>,
    /// When the credentials were issued that it is opened with.
    pub(crate) issued: Issued,
    pub(crate) start: Start,
    pub(crate) permit: Option<Permit>,
}

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the node's head.
    Head,
    /// After the client's cursor, which was judged good. `late` are positions that this node has not reached yet; their tags
    /// are checked when it gets there.
    /// It was judged in this `lineage` of the window.
    Resume { cursor: Cursor, late: Vec<Cursor>, lineage: u64 },
    /// At the node's head, and the client is told that it may have missed something.
    Gap(GapReason),
}

/// What a subscribe call asks of the past, as it was judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    pub(crate) since: Since,
    /// The window's lineage in which it was judged.
    pub(crate) lineage: u64,
}

/// What a subscribe call asked for and does not get.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unheard {
    /// It was revoked.
    pub(crate) refused: Vec<Pattern>,
    /// There is no room for it.
    pub(crate) beyond: Vec<Pattern>,
}

/// What the first frame of a stream says of its place, and of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting<'c> {
    /// Where it starts. None when a `gap` follows, whose id is the first that the client may keep: cut off between the
    /// two, it must come back with its old one.
    pub(crate) id: Option<Cursor>,
    /// Whether it goes on at the client's cursor.
    pub(crate) resumed: bool,
    /// What it hears of what it asked for.
    pub(crate) channels: &'c [Pattern],
    /// What was revoked of that.
    pub(crate) refused: &'c [Pattern],
}

/// What can be said of a client's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log holds it, or ends or begins right there.
    Good,
    /// It lies beyond this node but within the log.
    Late,
    /// It cannot be served.
    Gap(GapReason),
    /// The window cannot tell: ask the engine for its bounds and the tag at that number.
    AskEngine,
}

#[derive(Debug, Default)]
struct Registry {
    links: Slab<Arc<Link>>,
    by_id: HashMap<ConnectionId, usize>,
    /// For each key, the slots that look it up.
    routes: KeyMap<Slots>,
    users: usize,
}

/// Who waits for the node to reach a number, and the tag that must be there, if the whole stream depends on it.
type Late = HashMap<u64, Vec<(Arc<Link>, Option<u32>)>>;

#[derive(Debug)]
pub(crate) struct Core {
    window: RwLock<Window>,
    registry: Mutex<Registry>,
    late: Mutex<Late>,
    presence: Option<Presence>,
    pub(crate) meter: Meter,
}

impl Core {
    /// A core whose window begins at `base`, where this stands.
    pub(crate) fn new(base: Cursor, bounds: WindowBounds, standing: Standing) -> Self {
        let mut window = Window::new(base, bounds);
        *window.standing_mut() = standing;
        let window = RwLock::new(window);
        Self { window, registry: Mutex::default(), late: Mutex::default(), presence: None, meter: Meter::new() }
    }

    /// The last record applied on this node.
    pub(crate) fn head(&self) -> Cursor {
        self.window.read().head()
    }

    /// Which log the window follows; another number after every reset.
    pub(crate) fn lineage(&self) -> u64 {
        self.window.read().lineage()
    }

    /// Takes records from the engine's tail, in order.
    pub(crate) fn apply(&self, records: &[Record]) {
        let epoch = self.window.read().epoch();
        // Encoded before the lock is taken, so that readers wait only for the filing.
        let frames: Vec<_> = records.iter().map(|record| record.frame(epoch)).collect();
        let mut reached = Vec::new();
        let mut window = self.window.write();
        let mut late = self.late.lock();
        for (record, frame) in records.iter().zip(frames) {
            window.apply(record, frame);
            // Before any connection can look at the records past it, and while no stream can open in between.
            for (link, tag) in late.remove(&record.seq).unwrap_or_default() {
                if tag.is_some_and(|tag| tag != record.tag) {
                    link.diverged.store(true, Ordering::Release);
                }
                reached.push(link);
            }
        }
        drop((late, window));
        // Those that did not stray have waited for this too, with what they had asked for meanwhile.
        for link in reached {
            link.wake();
        }
    }

    /// Starts over at `base`: the engine holds another log now, or lost records that this node had.
    /// `standing` is what stands there.
    pub(crate) fn reset(&self, base: Cursor, reason: GapReason, standing: Standing) {
        let mut window = self.window.write();
        window.reset(base, reason, standing);
        self.meter.forget_mark();
        self.late.lock().clear();
        drop(window);
        let links: Vec<_> = self.registry.lock().links.iter().map(|(_, link)| link.clone()).collect();
        for link in links {
            link.wake();
        }
    }

    /// Whether this node's head still is in the engine's log; if not, why, and the caller resets.
    pub(crate) fn reattach(&self, bounds: &Bounds, tag_at_head: Option<u32>) -> Result<(), GapReason> {
        judge_by(self.head(), bounds, tag_at_head)
    }

    /// Wakes the connections for which something was filed since the last flush; returns how many they were.
    pub(crate) fn flush(&self) -> usize {
        let Dirty { keys, lineage, from, up_to } = self.window.write().take_dirty();
        let mut woken = Vec::new();
        {
            let registry = self.registry.lock();
            for (kind, text) in &keys {
                let slots = registry.routes.get((*kind, text)).into_iter().flat_map(Slots::iter);
                let links = slots.map(|slot| &registry.links[slot]);
                woken.extend(links.filter(|link| !link.woken.load(Ordering::Acquire)).cloned());
            }
        }
        woken.retain(|link| {
            let mut state = link.state.lock();
            let first = !link.woken.swap(true, Ordering::AcqRel);
            if first {
                state.settle(lineage, from);
            }
            first
        });
        // Only now may a connection that was not woken take itself to be up to date.
        self.window.write().flush(lineage, up_to);
        for link in &woken {
            link.waker.wake();
        }
        woken.len()
    }

    /// Makes a heartbeat due where nothing was written for `interval_ms`, and wakes whose credentials are over.
    pub(crate) fn tick(&self, now_ms: u64, interval_ms: u64) {
        let quiet: Vec<_> = {
            let registry = self.registry.lock();
            let is_quiet = |link: &Link| now_ms.saturating_sub(link.written_ms.load(Ordering::Relaxed)) >= interval_ms;
            let is_due = |link: &&Arc<Link>| is_quiet(link) || link.is_over(now_ms);
            registry.links.iter().map(|(_, link)| link).filter(is_due).cloned().collect()
        };
        for link in quiet {
            link.heartbeat_due.store(true, Ordering::Release);
            link.waker.wake();
        }
    }

    /// What the window can say of a client's cursor.
    pub(crate) fn judge(&self, cursor: Cursor) -> Verdict {
        let window = self.window.read();
        if cursor.epoch != window.epoch() {
            return Verdict::Gap(GapReason::Epoch);
        }
        match window.tag(cursor.seq) {
            Some(tag) if tag == cursor.tag => Verdict::Good,
            Some(_) => Verdict::Gap(GapReason::Diverged),
            None => Verdict::AskEngine,
        }
    }

    /// What the engine's answer says of a client's cursor.
    pub(crate) fn judge_by_engine(&self, cursor: Cursor, bounds: &Bounds, tag: Option<u32>) -> Verdict {
        let beyond = cursor.epoch == bounds.epoch && cursor.seq > self.head().seq && cursor.seq <= bounds.last;
        match judge_by(cursor, bounds, tag) {
            // Not checked now but when this node has the record: what it will deliver counts.
            _ if beyond => Verdict::Late,
            Ok(()) => Verdict::Good,
            Err(reason) => Verdict::Gap(reason),
        }
    }

    /// Registers a stream. `greet` makes its first bytes.
    pub(crate) fn open(
        &self,
        opening: Opening,
        now_ms: u64,
        greet: impl FnOnce(Greeting<'_>) -> bytes::Bytes,
    ) -> Arc<Link> {
        let Opening { id, names, channels, issued, start, permit } = opening;
        // Held until the link is registered, so that no record slips between the position and the routes.
        let window = self.window.read();
        let resumes = matches!(start, Start::Resume { .. });
        let (position, gap, late) = match start {
            Start::Head => (window.head(), None, Vec::new()),
            Start::Resume { cursor, late, lineage } if lineage == window.lineage() => (cursor, None, late),
            // The log changed since the cursor was judged.
            Start::Resume { .. } => (window.head(), Some(window.reset_reason()), Vec::new()),
            Start::Gap(reason) => (window.head(), Some(reason), Vec::new()),
        };
        let (refused, channels) = part(&window, &names, channels, issued);
        let (id_told, resumed) = if gap.is_none() { (Some(position), resumes) } else { (None, false) };
        let greeting = greet(Greeting { id: id_told, resumed, channels: &channels, refused: &refused });
        let held = channels.clone();
        let mut connection = Connection::new(&window, names.clone(), channels, issued, position, greeting, gap);
        let rekeyed = connection.take_rekeyed();
        let mut registry = self.registry.lock();
        let slot = registry.links.vacant_key();
        // Most keys are looked up by many; each text is held once.
        connection.share_keys(|key| registry.routes.known(key));
        let link = Arc::new(Link {
            id: id.clone(),
            names,
            slot,
            state: Mutex::new(connection),
            woken: AtomicBool::new(true),
            heartbeat_due: AtomicBool::new(false),
            diverged: AtomicBool::new(false),
            expires_ms: AtomicU64::new(u64::MAX),
            written_ms: AtomicU64::new(now_ms),
            waker: AtomicWaker::new(),
            place: OnceLock::new(),
            _permit: permit,
        });
        registry.links.insert(link.clone());
        registry.by_id.insert(id, slot);
        registry.reroute(slot, &rekeyed);
        drop(registry);
        for cursor in late {
            self.check_late(&window, &link, cursor);
        }
        drop(window);
        self.seat(&link, &held, now_ms);
        link
    }

    /// Checks a position's tag now, or when the node gets there. The window is held, so that it cannot get there meanwhile.
    fn check_late(&self, window: &Window, link: &Arc<Link>, cursor: Cursor) {
        if cursor.seq > window.head().seq {
            self.late.lock().entry(cursor.seq).or_default().push((link.clone(), Some(cursor.tag)));
        } else if window.tag(cursor.seq) != Some(cursor.tag) {
            link.diverged.store(true, Ordering::Release);
        }
    }

    /// Forgets a stream.
    pub(crate) fn close(&self, link: &Arc<Link>) {
        let state = link.state.lock();
        let mut registry = self.registry.lock();
        registry.unroute(link.slot, state.keys());
        registry.by_id.remove(&link.id);
        registry.links.try_remove(link.slot);
        drop(registry);
        self.late.lock().retain(|_, links| {
            links.retain(|(other, _)| !Arc::ptr_eq(other, link));
            !links.is_empty()
        });
    }

    /// The stream of this name.
    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Link>> {
        let registry = self.registry.lock();
        registry.by_id.get(id).map(|slot| registry.links[*slot].clone())
    }

    /// Asks for channels on a live stream, with credentials issued at this time and as far as `limit` allows; returns those
    /// that were revoked, and those beyond the limit.
    pub(crate) fn subscribe(
        &self,
        link: &Arc<Link>,
        request: RequestId,
        channels: Vec<Pattern>,
        past: Past,
        issued: Issued,
        limit: usize,
    ) -> Unheard {
        let mut state = link.state.lock();
        let window = self.window.read();
        let since = match past.since {
            Since::After(_) if past.lineage != window.lineage() => Since::Gap(window.reset_reason()),
            since => since,
        };
        let (refused, channels) = part(&window, &link.names, channels, issued);
        let (channels, beyond) = state.admit(channels, limit);
        if !channels.is_empty() {
            match since {
                Since::After(at) if at.seq > window.head().seq => {
                    self.late.lock().entry(at.seq).or_default().push((link.clone(), None));
                }
                _ => {}
            }
            let authority = Authority { issued, as_of: window.head().seq };
            state.subscribe(request, channels, since, authority);
        }
        drop((window, state));
        link.wake();
        Unheard { refused, beyond }
    }

    /// Stops channels on a live stream.
    pub(crate) fn unsubscribe(&self, link: &Link, channels: &[Pattern]) {
        let mut state = link.state.lock();
        state.unsubscribe(channels);
        self.registry.lock().reroute(link.slot, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
    }

    /// The channels that a live stream holds or has asked for.
    pub(crate) fn channels(&self, link: &Link) -> Vec<Pattern> {
        link.state.lock().channels()
    }

    /// Goes on with credentials issued at this time, which do not cover the `lost` channels: they are taken away from the
    /// stream, and those that were revoked since, and it says so. Nothing filed from now on reaches it through them.
    pub(crate) fn refresh(&self, link: &Link, issued: Issued, mut lost: Vec<Pattern>) {
        let mut state = link.state.lock();
        let window = self.window.read();
        let (refused, _) = part(&window, &link.names, state.channels(), issued);
        lost.extend(refused.into_iter().filter(|channel| !lost.contains(channel)).collect::<Vec<_>>());
        state.refresh(Authority { issued, as_of: window.head().seq }, lost);
        drop(window);
        self.registry.lock().reroute(link.slot, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
        link.wake();
    }

    /// Whether a user's credentials that were issued at this time no longer let in, on this device.
    pub(crate) fn shuts_out(&self, user: Option<&UserId>, device: Option<&DeviceId>, issued: Issued) -> bool {
        self.window.read().standing().shuts_out(user, device, issued)
    }

    /// Whether a user's credentials that were issued at this time no longer open this channel or pattern.
    pub(crate) fn refuses(&self, user: Option<&UserId>, channel: &Pattern, issued: Issued) -> bool {
        self.window.read().standing().refuses(user, channel, issued)
    }

    /// What all streams of a user hear by the server's own will.
    pub(crate) fn subscribed(&self, user: &UserId) -> Vec<Pattern> {
        self.window.read().standing().subscribed(Some(user)).to_vec()
    }

    /// Forgets revocations that are over at this time, in milliseconds since 1970.
    pub(crate) fn sweep(&self, now: u64) {
        self.window.write().standing_mut().sweep(now);
    }

    /// What a connection's driver has to do next.
    pub(crate) fn step(&self, link: &Link, max_bytes: usize, now_ms: u64) -> Step {
        let mut state = link.state.lock();
        let step = {
            let window = self.window.read();
            // In this order: what `flushed` covers had set the flag before.
            let woken = link.woken.swap(false, Ordering::AcqRel);
            if link.diverged.swap(false, Ordering::AcqRel) {
                state.diverged();
            }
            if link.is_over(now_ms) {
                state.close(Closing { reason: ClosingReason::Expired, retry_ms: 0 });
            }
            let heartbeat = link.heartbeat_due.swap(false, Ordering::AcqRel);
            state.next(&window, Ask { max_bytes, woken, heartbeat })
        };
        if let Some(issued) = state.take_judged() {
            let user = link.names.user.as_ref();
            self.restrict_presence(link, |channel| !self.refuses(user, channel, issued));
        }
        let rekeyed = state.take_rekeyed();
        let holds_others = !rekeyed.is_empty();
        if holds_others {
            self.registry.lock().reroute(link.slot, &rekeyed);
            // What was flushed before the routes stood has woken nobody.
            link.woken.store(true, Ordering::Release);
            self.reseat(link, &state);
        }
        let step = self.with_news(link, &state, step);
        if matches!(step, Step::Write(_)) {
            self.meter.wrote(&state.take_written(), state.position().seq, now_ms);
        }
        drop(state);
        if holds_others {
            self.reseated();
        }
        if matches!(step, Step::Write(_)) {
            link.written_ms.store(now_ms, Ordering::Relaxed);
        }
        step
    }

    /// Hands a connection what it asked the engine for.
    pub(crate) fn page(&self, link: &Link, after: Cursor, fetched: Fetched) {
        link.state.lock().page(after, fetched);
        link.woken.store(true, Ordering::Release);
    }

    /// Ends streams after one last frame, which `closing` makes for each.
    pub(crate) fn close_all(&self, mut closing: impl FnMut(&Link) -> Closing) {
        let links: Vec<_> = self.registry.lock().links.iter().map(|(_, link)| link.clone()).collect();
        for link in links {
            link.state.lock().close(closing(&link));
            link.wake();
        }
    }

    /// How many streams are open.
    pub(crate) fn connections(&self) -> usize {
        self.registry.lock().links.len()
    }

    /// All figures.
    pub(crate) fn stats(&self) -> Stats {
        let (links, users) = {
            let registry = self.registry.lock();
            (registry.links.iter().map(|(_, link)| link.clone()).collect::<Vec<_>>(), registry.users)
        };
        let head = self.head();
        let mut gauges = Gauges { connections: links.len(), behind: 0, lag: 0, users, head };
        for link in links {
            let state = link.state.lock();
            // Woken and not asked since, or cut short: there is something for it, or may be.
            if state.is_behind() || link.woken.load(Ordering::Acquire) {
                gauges.behind += 1;
                gauges.lag = gauges.lag.max(head.seq.saturating_sub(state.position().seq));
            }
        }
        self.meter.stats(gauges)
    }

    /// Calls `each` with every stream of a user.
    pub(crate) fn of_user(&self, user: &str, mut each: impl FnMut(&Link)) {
        let registry = self.registry.lock();
        for slot in registry.routes.get((routing::Kind::User, user)).into_iter().flat_map(Slots::iter) {
            each(&registry.links[slot]);
        }
    }

    /// The devices with which a user is online, each once, sorted.
    pub(crate) fn devices(&self, user: &str) -> Vec<DeviceId> {
        let mut devices = BTreeSet::new();
        self.of_user(user, |link| devices.extend(link.names.device.clone()));
        devices.into_iter().collect()
    }
}

impl Link {
    /// Ends the stream at this time, unless another is set before.
    pub(crate) fn expire_at(&self, now_ms: Option<u64>) {
        self.expires_ms.store(now_ms.unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Ends the stream at this time, if it would not end before.
    pub(crate) fn expire_by(&self, now_ms: u64) {
        self.expires_ms.fetch_min(now_ms, Ordering::AcqRel);
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.expires_ms.load(Ordering::Acquire)
    }

    /// Makes the driver ask for the next step, for another reason than a record.
    fn wake(&self) {
        self.waker.wake();
    }
}

impl Registry {
    fn reroute(&mut self, slot: usize, rekeyed: &Rekeyed) {
        for key in &rekeyed.added {
            let slots = self.routes.or_default_at(key);
            self.users += usize::from(key.0 == routing::Kind::User && slots.is_empty());
            slots.insert(slot);
        }
        self.unroute(slot, &rekeyed.dropped);
    }

    fn unroute(&mut self, slot: usize, keys: &[RouteKey]) {
        for (kind, text) in keys {
            let Some(slots) = self.routes.get_mut((*kind, text)) else { continue };
            slots.remove(slot);
            if slots.is_empty() {
                self.routes.remove((*kind, text));
                self.users -= usize::from(*kind == routing::Kind::User);
            }
        }
    }
}

/// Parts channels into those that were revoked for these credentials and the others.
fn part(window: &Window, names: &Names, channels: Vec<Pattern>, issued: Issued) -> (Vec<Pattern>, Vec<Pattern>) {
    let user = names.user.as_ref();
    channels.into_iter().partition(|channel| window.standing().refuses(user, channel, issued))
}

/// Whether the log of these bounds holds the cursor, whose record there has this tag.
fn judge_by(cursor: Cursor, bounds: &Bounds, tag: Option<u32>) -> Result<(), GapReason> {
    if cursor.epoch != bounds.epoch {
        return Err(GapReason::Epoch);
    }
    if cursor.seq > bounds.last {
        return Err(GapReason::Diverged);
    }
    if cursor.seq + 1 < bounds.first {
        return Err(GapReason::Trimmed);
    }
    let tag = if cursor.seq + 1 == bounds.first { Some(bounds.base_tag) } else { tag };
    match tag {
        Some(tag) if tag == cursor.tag => Ok(()),
        Some(_) => Err(GapReason::Diverged),
        // It was trimmed between the two questions.
        None => Err(GapReason::Trimmed),
    }
}

#[cfg(test)]
mod tests;

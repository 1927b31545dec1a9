//! How a stream comes to be, and how it is forgotten.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::task::AtomicWaker;
use tidings_protocol::{ConnectionId, Cursor, Pattern, frame::GapReason};

use super::{Core, Link};
use crate::{
    access::{Channels, Decision, Issued, authorize},
    connection::{Connection, Names, View},
    connection_limits::Permit,
    ranked::RankedMutex,
    window::{Lineage, Window},
};

/// A stream to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) id: ConnectionId,
    pub(crate) names: Names,
    pub(crate) channels: Channels,
    /// How many of them it may hold.
    pub(crate) limit: usize,
    /// When the credentials were issued that it is opened with.
    pub(crate) issued: Issued,
    pub(crate) start: Start,
    pub(crate) permit: Option<Permit>,
    /// It is a poll, or a listener of this process: its greeting is empty, nobody is there by it, and no hook is called for it.
    pub(crate) is_bare: bool,
}

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the node's head.
    Head,
    /// After the client's cursor, which was judged good. `late` are positions that this node has not reached yet; their tags
    /// are checked when it gets there.
    /// It was judged in this `lineage` of the window.
    Resume { cursor: Cursor, late: Vec<Cursor>, lineage: Lineage },
    /// At the node's head, and the client is told that it may have missed something.
    Gap(GapReason),
}

/// What the first frame of a stream says of its place, and of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting<'c> {
    /// Where it starts. None when a `gap` follows, whose id is the first that the client may keep: cut off between the
    /// two, it must come back with its old one.
    pub(crate) id: Option<Cursor>,
    /// Whether it goes on at the client's cursor.
    pub(crate) resumed: bool,
    /// What it receives of what it asked for.
    pub(crate) channels: &'c [Pattern],
    /// What it has no right to of that.
    pub(crate) refused: &'c [Pattern],
    /// What it has no room for.
    pub(crate) beyond: &'c [Pattern],
}

impl Core {
    /// Registers a stream. `greet` makes its first bytes.
    pub(crate) fn open(
        &self,
        opening: Opening,
        now_ms: u64,
        greet: impl FnOnce(Greeting<'_>) -> bytes::Bytes,
    ) -> Arc<Link> {
        let Opening { id, names, channels, limit, issued, start, permit, is_bare } = opening;
        // Held until the link is registered, so that no record slips between the position and the routes.
        let window = self.window.read();
        let resumes = matches!(start, Start::Resume { .. });
        let (position, gap, late) = match start {
            Start::Head => (window.head(), None, Vec::new()),
            Start::Resume { cursor, late, lineage } if lineage.is_same_log(window.lineage()) => (cursor, None, late),
            // The log changed since the cursor was judged.
            Start::Resume { .. } => (window.head(), Some(window.reset_reason()), Vec::new()),
            Start::Gap(reason) => (window.head(), Some(reason), Vec::new()),
        };
        let orders = window.access().orders(names.user.as_ref());
        let mut decision = authorize(&orders, names.credentials(issued), channels);
        let (allowed, beyond) = std::mem::take(&mut decision.channels).split(limit);
        let held: Vec<_> = allowed.all().cloned().collect();
        let decision = Decision { channels: allowed, ..decision };
        let (id_told, resumed) = if gap.is_none() { (Some(position), resumes) } else { (None, false) };
        let refused = &decision.refused;
        let greeting = greet(Greeting { id: id_told, resumed, channels: &held, refused, beyond: &beyond });
        let view = View { window: &window, names: &names };
        let mut connection = Connection::new(view, &decision, issued, position, greeting, gap);
        let mut registry = self.registry.lock();
        let slot = registry.links.vacant_key();
        // Most keys are looked up by many; each text is held once.
        connection.share(|key| registry.routes.known(key));
        registry.route(slot, connection.keys());
        let link = Arc::new(Link {
            id,
            names,
            slot,
            state: RankedMutex::new(connection),
            woken: AtomicBool::new(true),
            heartbeat_due: AtomicBool::new(false),
            diverged: AtomicBool::new(false),
            expires_ms: AtomicU64::new(u64::MAX),
            retires_ms: AtomicU64::new(u64::MAX),
            // Nobody waits for a sign of life: a heartbeat would end the wait of a poll, and a backend that listens is in this process.
            written_ms: AtomicU64::new(if is_bare { u64::MAX } else { now_ms }),
            reading: AtomicBool::new(false),
            due: AtomicBool::new(true),
            waker: AtomicWaker::new(),
            place: OnceLock::new(),
            has_hooks: !is_bare,
            permit,
            heard_ms: AtomicU64::new(now_ms),
            challenged: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            stalled_ms: AtomicU64::new(0),
            has_own_clock: AtomicBool::new(false),
            cut: OnceLock::new(),
            shown_seq: AtomicU64::new(position.seq),
            shown_behind: AtomicBool::new(false),
            is_bare,
        });
        registry.insert(link.clone());
        drop(registry);
        for cursor in late {
            self.check_late(&window, &link, cursor);
        }
        drop(window);
        if !is_bare {
            self.seat(&link, &held, now_ms);
        }
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
        // It may have been forgotten already, and its slot be another's.
        if !registry.holds(link) {
            return;
        }
        registry.unroute(link.slot, state.keys());
        registry.remove(link);
        drop(registry);
        self.late.lock().retain(|_, links| {
            links.retain(|(other, _)| !Arc::ptr_eq(other, link));
            !links.is_empty()
        });
    }
}

//! Registering and removing a stream.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::task::AtomicWaker;
use tidings_protocol::{ConnectionId, Cursor, Pattern, frame::GapReason};

use super::{Core, LateCursor, Link};
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
    /// The most channels that the stream may carry.
    pub(crate) limit: usize,
    /// When the credentials were issued with which the stream is opened.
    pub(crate) issued: Issued,
    pub(crate) start: Start,
    pub(crate) permit: Option<Permit>,
    /// Whether it is a poll or a listener of this process: it gets no `connected` frame, does not count for presence,
    /// and no callback is called for it.
    pub(crate) is_bare: bool,
}

/// Where a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the node's head.
    Head,
    /// After the client's cursor, which was judged good in this `lineage` of the window. `late` are cursors that this
    /// node has not reached yet; their tags are checked when it gets there.
    Resume { cursor: Cursor, late: Vec<Cursor>, lineage: Lineage },
    /// At the node's head, and the client is sent a gap.
    Gap(GapReason),
}

/// What the first frame of a stream says about its position and its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting<'c> {
    /// The start position; `None` when a `gap` follows. The gap's id is then the first that the client may store: a
    /// client that is cut off between the two must come back with its old cursor.
    pub(crate) id: Option<Cursor>,
    /// Whether the stream resumes at the client's cursor.
    pub(crate) resumed: bool,
    /// The requested channels that the stream carries.
    pub(crate) channels: &'c [Pattern],
    /// The requested channels that it has no right to.
    pub(crate) refused: &'c [Pattern],
    /// The requested channels beyond the limit.
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
        // The lock is held until the link is registered, so that no record is applied between choosing the position and
        // setting the routes.
        let window = self.window.read();
        let resumes = matches!(start, Start::Resume { .. });
        let (position, gap, late) = match start {
            Start::Head => (window.head(), None, Vec::new()),
            Start::Resume { cursor, late, lineage } if lineage.is_same_log(window.lineage()) => (cursor, None, late),
            // The log has changed since the cursor was judged.
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
        // Most keys are looked up by many streams, so each text is stored once.
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
            // A bare stream gets no heartbeats: a heartbeat would end the wait of a poll, and a listener of the backend
            // is in this process.
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

    /// Checks a cursor's tag now, or when the node gets there. The caller holds the window, so the node cannot get
    /// there meanwhile.
    fn check_late(&self, window: &Window, link: &Arc<Link>, cursor: Cursor) {
        if cursor.seq > window.head().seq {
            self.late.lock().entry(cursor.seq).or_default().push(LateCursor {
                link: link.clone(),
                tag: cursor.tag,
                is_read: true,
            });
        } else if window.tag(cursor.seq) != Some(cursor.tag) {
            link.diverged.store(true, Ordering::Release);
        }
    }

    /// Removes a stream.
    pub(crate) fn close(&self, link: &Arc<Link>) {
        let state = link.state.lock();
        let mut registry = self.registry.lock();
        // The stream may have been removed already, and its slot be reused.
        if !registry.holds(link) {
            return;
        }
        registry.unroute(link.slot, state.keys());
        registry.remove(link);
        drop(registry);
        self.late.lock().retain(|_, links| {
            links.retain(|late| !Arc::ptr_eq(&late.link, link));
            !links.is_empty()
        });
    }
}

//! The subscriptions of open streams.

use std::sync::Arc;

use tidings_protocol::{Cursor, Pattern, RequestId};

use super::{Core, LateCursor, Link};
use crate::{
    access::{Channels, Decision, Issued, authorize},
    connection::{Authority, Since},
    window::Lineage,
};

/// The past that a subscribe call asks for, as it was judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backfill {
    pub(crate) since: Since,
    /// The window's lineage in which the cursor was judged.
    pub(crate) lineage: Lineage,
}

/// A subscribe call.
#[derive(Debug)]
pub(crate) struct SubscribeCall {
    /// The id that the stream confirms; `None` where the stream confirms nothing.
    pub(crate) request: Option<RequestId>,
    pub(crate) channels: Channels,
    /// Whether the call also asks for events addressed to the stream's user or device.
    pub(crate) addressed: bool,
    pub(crate) backfill: Backfill,
}

/// The part of a subscribe call that was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NotSubscribed {
    /// The channels that the caller has no right to.
    pub(crate) refused: Vec<Pattern>,
    /// The channels beyond the limit.
    pub(crate) beyond: Vec<Pattern>,
    /// Whether addressed events were refused: the stream is anonymous, or has too many unconfirmed calls.
    pub(crate) addressed: bool,
}

/// The credentials were revoked altogether, because their user or device was disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShutOut;

impl Core {
    /// Subscribes channels and addressed events on a live stream, with credentials issued at this time and within
    /// `limit`.
    ///
    /// # Errors
    ///
    /// [`ShutOut`] when the credentials were revoked altogether. Nothing has changed then.
    pub(crate) fn subscribe(
        &self,
        link: &Arc<Link>,
        call: SubscribeCall,
        issued: Issued,
        limit: usize,
    ) -> Result<NotSubscribed, ShutOut> {
        let SubscribeCall { request, channels, addressed, backfill } = call;
        let mut state = link.state.lock();
        let window = self.window.read();
        let since = match backfill.since {
            Since::After(_) if !backfill.lineage.is_same_log(window.lineage()) => Since::Gap(window.reset_reason()),
            since => since,
        };
        let orders = window.access().orders(link.names.user.as_ref());
        let Decision { is_shut_out, channels: allowed, refused } =
            authorize(&orders, link.names.credentials(issued), channels);
        if is_shut_out {
            return Err(ShutOut);
        }
        let (channels, beyond) = state.admit(allowed.all().cloned().collect(), limit);
        let takes_addressed = addressed && state.admits_addressed(limit);
        if takes_addressed || !channels.is_empty() {
            match since {
                // A stream that was closed meanwhile waits for nothing, and one that asks again does not wait twice.
                Since::After(at) if at.seq > window.head().seq && self.registry.lock().holds(link) => {
                    let mut late = self.late.lock();
                    let waiting = late.entry(at.seq).or_default();
                    if !waiting.iter().any(|late| Arc::ptr_eq(&late.link, link) && late.tag == at.tag) {
                        waiting.push(LateCursor { link: link.clone(), tag: at.tag, is_read: false });
                    }
                }
                _ => {}
            }
            let authority = Authority { issued, as_of: window.head().seq };
            state.subscribe(request, channels, takes_addressed, &allowed.by_server, since, authority);
        }
        drop((window, state));
        link.wake();
        Ok(NotSubscribed { refused, beyond, addressed: addressed && !takes_addressed })
    }

    /// Unsubscribes channels on a live stream.
    pub(crate) fn unsubscribe(&self, link: &Link, channels: &[Pattern]) {
        let mut state = link.state.lock();
        state.unsubscribe(channels);
        self.registry.lock().reroute(link, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
    }

    /// The position of a stream: every matching record up to it was handed to the driver.
    pub(crate) fn position(&self, link: &Link) -> Cursor {
        link.state.lock().position()
    }

    /// The channels that a live stream carries or has asked for.
    pub(crate) fn channels(&self, link: &Link) -> Vec<Pattern> {
        link.state.lock().channels()
    }
}

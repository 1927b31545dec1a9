//! What open streams subscribe to.

use std::sync::Arc;

use tidings_protocol::{Cursor, Pattern, RequestId};

use super::{Core, Link};
use crate::{
    access::{Channels, Decision, Issued, authorize},
    connection::{Authority, Since},
    window::Lineage,
};

/// What a subscribe call asks of the past, as it was judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backfill {
    pub(crate) since: Since,
    /// The window's lineage in which it was judged.
    pub(crate) lineage: Lineage,
}

/// What a subscribe call asks for.
#[derive(Debug)]
pub(crate) struct SubscribeCall {
    /// `None`: the stream confirms nothing.
    pub(crate) request: Option<RequestId>,
    pub(crate) channels: Channels,
    /// What is addressed to the stream's user or device as well.
    pub(crate) addressed: bool,
    pub(crate) backfill: Backfill,
}

/// What a subscribe call asked for and does not get.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NotSubscribed {
    /// There is no right to it.
    pub(crate) refused: Vec<Pattern>,
    /// There is no room for it.
    pub(crate) beyond: Vec<Pattern>,
    /// What is addressed to a user: the stream has none, or no room for another such call.
    pub(crate) addressed: bool,
}

/// The credentials of a call open nothing any more: their user or device was disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShutOut;

impl Core {
    /// Asks for channels and addressed events on a live stream, with credentials issued at this time and as far as `limit` allows.
    ///
    /// # Errors
    ///
    /// The credentials open nothing any more. Nothing has changed then.
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
                Since::After(at) if at.seq > window.head().seq => {
                    self.late.lock().entry(at.seq).or_default().push((link.clone(), None));
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

    /// Stops channels on a live stream.
    pub(crate) fn unsubscribe(&self, link: &Link, channels: &[Pattern]) {
        let mut state = link.state.lock();
        state.unsubscribe(channels);
        self.registry.lock().reroute(link, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
    }

    /// Where a stream stands: it has handed out all that matches up to here.
    pub(crate) fn position(&self, link: &Link) -> Cursor {
        link.state.lock().position()
    }

    /// The channels that a live stream holds or has asked for.
    pub(crate) fn channels(&self, link: &Link) -> Vec<Pattern> {
        link.state.lock().channels()
    }
}

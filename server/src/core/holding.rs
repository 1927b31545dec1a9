//! What open streams hold, and who may hold what.

use std::sync::Arc;

use tidings_protocol::{Cursor, DeviceId, Pattern, RequestId, UserId};

use super::{Core, Link};
use crate::{
    connection::{Authority, Since},
    standing::{Asked, Issued},
    window::Lineage,
};

/// What a subscribe call asks of the past, as it was judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    pub(crate) since: Since,
    /// The window's lineage in which it was judged.
    pub(crate) lineage: Lineage,
}

/// What a subscribe call asks for.
#[derive(Debug)]
pub(crate) struct SubscribeCall {
    /// `None`: the stream confirms nothing.
    pub(crate) request: Option<RequestId>,
    pub(crate) channels: Asked,
    /// What is addressed to the stream's user or device as well.
    pub(crate) addressed: bool,
    pub(crate) past: Past,
}

/// What a subscribe call asked for and does not get.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unheard {
    /// There is no right to it: it was revoked.
    pub(crate) refused: Vec<Pattern>,
    /// There is no room for it.
    pub(crate) beyond: Vec<Pattern>,
    /// What is addressed to a user: the stream has none, or no room for another such call.
    pub(crate) addressed: bool,
}

impl Core {
    /// Asks for channels and addressed events on a live stream, with credentials issued at this time and as far as `limit` allows;
    /// returns those that were revoked, and those beyond the limit.
    pub(crate) fn subscribe(&self, link: &Arc<Link>, call: SubscribeCall, issued: Issued, limit: usize) -> Unheard {
        let SubscribeCall { request, channels, addressed, past } = call;
        let mut state = link.state.lock();
        let window = self.window.read();
        let since = match past.since {
            Since::After(_) if !past.lineage.is_same_log(window.lineage()) => Since::Gap(window.reset_reason()),
            since => since,
        };
        let (asked, refused) = window.standing().judge(link.names.user.as_ref(), channels, issued);
        let (channels, beyond) = state.admit(asked.all().cloned().collect(), limit);
        let takes_addressed = addressed && state.admits_addressed(limit);
        if takes_addressed || !channels.is_empty() {
            match since {
                Since::After(at) if at.seq > window.head().seq => {
                    self.late.lock().entry(at.seq).or_default().push((link.clone(), None));
                }
                _ => {}
            }
            let authority = Authority { issued, as_of: window.head().seq };
            state.subscribe(request, channels, takes_addressed, &asked.given, since, authority);
        }
        drop((window, state));
        link.wake();
        Unheard { refused, beyond, addressed: addressed && !takes_addressed }
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

    /// Goes on until `expires_ms` with credentials issued at this time, which were asked about the stream's channels. Those that
    /// they do not grant are taken away where the server has not given them either, and those that were revoked since, and the
    /// stream says so. Nothing filed from now on reaches it through them.
    ///
    /// # Errors
    ///
    /// What the stream has asked for since, by older credentials perhaps. Nothing has changed then.
    pub(crate) fn refresh(
        &self,
        link: &Link,
        issued: Issued,
        expires_ms: Option<u64>,
        asked: &Asked,
    ) -> Result<(), Vec<Pattern>> {
        let mut state = link.state.lock();
        let held = state.channels();
        let unjudged: Vec<_> =
            held.iter().filter(|channel| asked.all().all(|asked| asked != *channel)).cloned().collect();
        if !unjudged.is_empty() {
            return Err(unjudged);
        }
        // With the state held: what somebody asks for after this, by credentials that end sooner, ends the stream then.
        link.expire_at(expires_ms);
        let window = self.window.read();
        let (granted, given) = held.into_iter().partition(|channel| asked.granted.contains(channel));
        let (asked, refused) = window.standing().judge(link.names.user.as_ref(), Asked { granted, given }, issued);
        state.refresh(Authority { issued, as_of: window.head().seq }, &asked, refused);
        drop(window);
        self.registry.lock().reroute(link, &state.take_rekeyed());
        self.reseat(link, &state);
        drop(state);
        self.reseated();
        link.wake();
        Ok(())
    }

    /// Whether a user's credentials that were issued at this time no longer let in, on this device.
    pub(crate) fn shuts_out(&self, user: Option<&UserId>, device: Option<&DeviceId>, issued: Issued) -> bool {
        self.window.read().standing().shuts_out(user, device, issued)
    }

    /// Whether a user's credentials that were issued at this time no longer open this channel or pattern.
    pub(crate) fn refuses(&self, user: Option<&UserId>, channel: &Pattern, issued: Issued) -> bool {
        self.window.read().standing().refuses(user, channel, issued)
    }

    /// Whether the server has given a user all of this channel or pattern.
    pub(crate) fn gives(&self, user: Option<&UserId>, channel: &Pattern) -> bool {
        self.window.read().standing().gives(user, channel)
    }

    /// What all streams of a user hear by the server's own will.
    pub(crate) fn subscribed(&self, user: &UserId) -> Vec<Pattern> {
        self.window.read().standing().subscribed(Some(user)).to_vec()
    }

    /// Forgets revocations that are over at this time, in milliseconds since 1970.
    pub(crate) fn sweep(&self, now: u64) {
        self.window.write().standing_mut().sweep(now);
    }
}

//! What a stream may hear, as commands in the log change it.
//!
//! Channels are judged once when they are asked for, by what stood at the node's head then. From there on each command takes
//! effect where the stream's position passes it: what was published before it has been sent, nothing after it is.

use tidings_protocol::{
    Pattern,
    frame::{Closing, ClosingReason, RejectCode, Revoked, Subscribed},
};

use super::{Batch, Connection};
use crate::{
    record::{Entry, Order, json_frame},
    routing::{self, RouteKey},
    standing::{Issued, is_older},
    window::Window,
};

/// The request of a `subscribed` that answers no call: the server wished it.
const SERVER: &str = "server";

/// By what right a stream hears its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority {
    /// When its credentials were issued.
    pub(crate) issued: Issued,
    /// Commands up to this number were looked at when its channels were judged, and do not count when it passes them.
    pub(crate) as_of: u64,
}

impl Authority {
    /// Whether a command changes what this right was granted by.
    fn is_before(self, seq: u64) -> bool {
        self.as_of < seq
    }

    /// Whether a revocation takes it away.
    fn yields_to(self, seq: u64, at: u64) -> bool {
        self.is_before(seq) && is_older(self.issued, at)
    }
}

/// How the keys have changed that a stream looks up. No key is in both.
#[derive(Debug, Default)]
pub(crate) struct Rekeyed {
    pub(crate) added: Vec<RouteKey>,
    pub(crate) dropped: Vec<RouteKey>,
}

impl Rekeyed {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    pub(super) fn add(&mut self, key: RouteKey) {
        match self.dropped.iter().position(|dropped| *dropped == key) {
            Some(index) => drop(self.dropped.swap_remove(index)),
            None => self.added.push(key),
        }
    }

    pub(super) fn drop(&mut self, key: RouteKey) {
        match self.added.iter().position(|added| *added == key) {
            Some(index) => drop(self.added.swap_remove(index)),
            None => self.dropped.push(key),
        }
    }
}

impl Connection {
    /// Goes on by another right, without these channels, and says so.
    pub(crate) fn refresh(&mut self, authority: Authority, lost: Vec<Pattern>) {
        self.authority = authority;
        self.pending.iter_mut().for_each(|pending| pending.authority = authority);
        self.unsubscribe(&lost);
        self.revoked.extend(lost.into_iter().filter(|channel| !self.given.contains(channel)));
    }

    /// Obeys a command, if it is about this stream's user. The stream's position has just passed it.
    pub(super) fn obey(&mut self, entry: &Entry, batch: &mut Batch) {
        let user = self.names.user.as_ref();
        let Some(control) = entry.control().filter(|control| Some(&control.user) == user) else { return };
        let (seq, at) = (self.position.seq, entry.timestamp.0);
        match &control.order {
            Order::Revoke { channels, .. } => {
                self.judged = true;
                let authority = self.authority;
                let held = |channel: &Pattern| channel.overlaps(channels) && authority.yields_to(seq, at);
                let mut gone: Vec<_> = self.channels.iter().filter(|channel| held(channel)).cloned().collect();
                let given = |channel: &&Pattern| channel.overlaps(channels) && authority.is_before(seq);
                let ungiven: Vec<_> = self.given.iter().filter(given).cloned().collect();
                for pending in self.pending.iter().filter(|pending| pending.authority.yields_to(seq, at)) {
                    gone.extend(pending.channels.iter().filter(|channel| channel.overlaps(channels)).cloned());
                }
                self.take_away(gone, ungiven, batch);
            }
            Order::Disconnect { device, .. } => {
                let is_meant = device.is_none() || *device == self.names.device;
                if is_meant && self.authority.yields_to(seq, at) {
                    self.dismiss();
                }
            }
            // Who was refused may ask again.
            Order::Restore { .. } => {}
            Order::Subscribe { channels } if self.authority.is_before(seq) => self.give(channels.clone(), batch),
            Order::Unsubscribe { channels } if self.authority.is_before(seq) => {
                let ungiven = self.given.iter().filter(|given| *given == channels).cloned().collect();
                self.take_away(Vec::new(), ungiven, batch);
            }
            Order::Subscribe { .. } | Order::Unsubscribe { .. } => {}
        }
    }

    /// Judges everything anew by what stands at the node's head: commands may have been passed over.
    pub(super) fn align(&mut self, window: &Window, batch: &mut Batch) {
        self.judged = true;
        let standing = window.standing();
        if standing.shuts_out(self.names.user.as_ref(), self.names.device.as_ref(), self.authority.issued) {
            self.dismiss();
        }
        let user = self.names.user.as_ref();
        let refused = |issued| move |channel: &&Pattern| standing.refuses(user, channel, issued);
        let mut gone: Vec<_> = self.channels.iter().filter(refused(self.authority.issued)).cloned().collect();
        for pending in &self.pending {
            gone.extend(pending.channels.iter().filter(refused(pending.authority.issued)).cloned());
        }
        let given = standing.subscribed(user);
        let ungiven = self.given.iter().filter(|channel| !given.contains(channel)).cloned().collect();
        self.take_away(gone, ungiven, batch);
        for channel in given {
            self.give(channel.clone(), batch);
        }
        let as_of = window.head().seq;
        self.authority.as_of = as_of;
        self.pending.iter_mut().for_each(|pending| pending.authority.as_of = as_of);
    }

    /// Ends the stream after one last frame.
    pub(super) fn dismiss(&mut self) {
        self.close(Closing { reason: ClosingReason::Revoked, retry_ms: 0 });
    }

    /// Stops what it asked for, and what the server had wished, and tells of what it no longer hears by either.
    fn take_away(&mut self, gone: Vec<Pattern>, ungiven: Vec<Pattern>, batch: &mut Batch) {
        if gone.is_empty() && ungiven.is_empty() {
            return;
        }
        self.given.retain(|channel| !ungiven.contains(channel));
        self.unsubscribe(&gone);
        let mut channels = gone;
        channels.extend(ungiven.into_iter().filter(|channel| !self.channels.contains(channel)));
        channels = super::unique(channels.into_iter());
        channels.retain(|channel| !self.given.contains(channel));
        if !channels.is_empty() {
            let revoked = Revoked { channels, code: RejectCode::Forbidden };
            batch.push(json_frame(Some(Revoked::NAME), None, &revoked));
        }
    }

    /// Hears a channel from here on by the server's will, and says so.
    fn give(&mut self, channel: Pattern, batch: &mut Batch) {
        if self.given.contains(&channel) {
            return;
        }
        self.look_up(&channel);
        self.given.push(channel.clone());
        self.confirm_given(vec![channel], batch);
    }

    /// Says what it hears by the server's will from its first position on.
    pub(super) fn tell_given(&self, batch: &mut Batch) {
        if !self.given.is_empty() {
            self.confirm_given(self.given.clone(), batch);
        }
    }

    fn confirm_given(&self, channels: Vec<Pattern>, batch: &mut Batch) {
        let request_id = SERVER.parse().expect("visible ASCII");
        let subscribed = Subscribed { request_id, channels, position: self.position };
        batch.push(json_frame(Some(Subscribed::NAME), None, &subscribed));
    }

    /// Looks up what it hears, and nothing else.
    pub(super) fn rekey(&mut self) {
        let identity = routing::identity(self.names.user.as_ref(), self.names.device.as_ref());
        let heard = self.channels.iter().chain(&self.given).flat_map(routing::looked_up);
        let keys = super::unique(identity.into_iter().chain(heard));
        for key in std::mem::replace(&mut self.keys, keys) {
            if !self.keys.contains(&key) {
                self.rekeyed.drop(key);
            }
        }
    }

    /// Looks up a channel too.
    pub(super) fn look_up(&mut self, channel: &Pattern) {
        for key in routing::looked_up(channel) {
            if !self.keys.contains(&key) {
                self.keys.push(key.clone());
                self.rekeyed.add(key);
            }
        }
    }
}

//! What a stream may receive, as orders in the log change it.
//!
//! Channels are judged when they are asked for, by what stood at the node's head then. From there on each order takes effect where the
//! stream's position passes it: what was published before it has been sent, nothing after it is.

use tidings_protocol::{
    Pattern,
    frame::{Closing, ClosingReason, RejectCode, Revoked, SERVER_REQUEST, Subscribed},
};

use super::{Authority, Batch, Connection, Names, View};
use crate::{
    access::{Channels, Issued, Orders, Revocation, authorize, subscribed_after},
    record::{Entry, Order, json_frame},
    routing::{self, unique},
};

impl Connection {
    /// Goes on by other rights, which it has to the channels allowed and not to those lost, and says so.
    pub(crate) fn refresh(&mut self, authority: Authority, allowed: &Channels, mut lost: Vec<Pattern>) {
        self.authority = authority;
        if let Some(transient) = self.transient.get_mut() {
            transient.pending.iter_mut().for_each(|pending| pending.authority = authority);
        }
        self.set_basis(allowed);
        self.unsubscribe(&lost);
        lost.retain(|channel| !self.server_channels().contains(channel));
        self.transient.get_or_insert().revoked.append(&mut lost);
    }

    /// It holds something by credentials of this time too: what is revoked from those is revoked from the stream.
    pub(crate) fn hold_by(&mut self, issued: Issued) {
        self.authority.issued = self.authority.issued.min(issued);
    }

    /// Obeys an order, if it is about this stream's user. The stream's position has just passed it.
    pub(super) fn apply_order(&mut self, names: &Names, entry: &Entry, batch: &mut Batch) {
        let user = names.user.as_ref();
        let Some(control) = entry.control().filter(|control| Some(&control.user) == user) else { return };
        let seq = self.position.seq;
        let revocation = Revocation::of(&control.order, entry.timestamp.0);
        let before = self.server_channels().to_vec();
        let is_news = self.server_as_of < seq;
        let after = if is_news { subscribed_after(before.clone(), &control.order) } else { before.clone() };
        if revocation.is_none() && after == before {
            return;
        }
        self.judged |= matches!(control.order, Order::Revoke { .. });
        let orders = |authority: Authority| {
            let revoked = revocation.iter().filter(|_| authority.as_of < seq).collect();
            Orders { revoked, subscribed: &after }
        };
        // What it holds by an order further on, by which it was judged when it asked, does not depend on this one.
        let depends = |channel: &Pattern| before.iter().any(|subscribed| subscribed.covers(channel));
        self.reauthorize_by(names, orders, depends, &after, batch);
    }

    /// Judges everything anew by what stands at the node's head: orders may have been passed over.
    pub(super) fn reauthorize(&mut self, View { window, names }: View<'_>, batch: &mut Batch) {
        self.judged = true;
        let (access, user) = (window.access(), names.user.as_ref());
        self.reauthorize_by(names, |_| access.orders(user), |_| true, access.subscribed(user), batch);
        let as_of = window.head().seq;
        self.authority.as_of = as_of;
        self.server_as_of = as_of;
        if let Some(transient) = self.transient.get_mut() {
            transient.pending.iter_mut().for_each(|pending| pending.authority.as_of = as_of);
        }
    }

    /// Judges what it holds and has asked for, by the orders that count for the authority of each, and of what it has by the server's
    /// subscriptions that which `depends` on the orders; goes on with what is allowed, and tells what it gets and what it loses.
    /// `subscribed` is what the server subscribes it to from here on.
    fn reauthorize_by<'o>(
        &mut self,
        names: &Names,
        orders: impl Fn(Authority) -> Orders<'o>,
        depends: impl Fn(&Pattern) -> bool,
        subscribed: &[Pattern],
        batch: &mut Batch,
    ) {
        let (mut by_server, mut gone, mut is_shut_out) = (Vec::new(), Vec::new(), false);
        let pending = self.transient.pending.iter().map(|pending| (&pending.channels, pending.authority));
        for (channels, authority) in std::iter::once((&self.channels, self.authority)).chain(pending) {
            let mut requested = Channels::default();
            for channel in channels {
                if !self.is_by_server(channel) {
                    requested.granted.push(channel.clone());
                } else if depends(channel) {
                    requested.by_server.push(channel.clone());
                }
            }
            let decision = authorize(&orders(authority), names.credentials(authority.issued), requested);
            by_server.extend(decision.channels.by_server);
            gone.extend(decision.refused);
            // By the oldest of what it has shown: a client that has newer credentials comes back with them.
            is_shut_out |= decision.is_shut_out;
        }
        if is_shut_out {
            self.dismiss();
        }
        self.set_basis(&Channels { granted: Vec::new(), by_server });
        // First what comes, then what goes.
        for channel in subscribed {
            self.add_server_channel(channel, batch);
        }
        self.remove_channels(gone, subscribed, batch);
    }

    /// Ends the stream after one last frame.
    pub(crate) fn dismiss(&mut self) {
        self.close(Closing { reason: ClosingReason::Revoked, retry_ms: 0 });
    }

    /// Stops what it asked for, and what the server no longer subscribes it to, and tells what it does not receive any more.
    fn remove_channels(&mut self, gone: Vec<Pattern>, subscribed: &[Pattern], batch: &mut Batch) {
        let is_over = |channel: &&Pattern| !subscribed.contains(channel);
        let over: Vec<_> = self.server_channels().iter().filter(is_over).cloned().collect();
        if gone.is_empty() && over.is_empty() {
            return;
        }
        if let Some(transient) = self.transient.get_mut() {
            transient.server_channels.retain(|channel| subscribed.contains(channel));
        }
        self.unsubscribe(&gone);
        let held = self.channels();
        let over = over.into_iter().filter(|channel| !held.contains(channel));
        let mut channels = unique(gone.into_iter().chain(over));
        channels.retain(|channel| !self.server_channels().contains(channel));
        if !channels.is_empty() {
            let revoked = Revoked { channels, addressed: false, code: RejectCode::Forbidden };
            batch.push(json_frame(Some(Revoked::NAME), None, &revoked));
        }
    }

    /// Receives a channel from here on by the server's subscription, and says so.
    fn add_server_channel(&mut self, channel: &Pattern, batch: &mut Batch) {
        if self.server_channels().contains(channel) {
            return;
        }
        self.look_up(channel);
        self.transient.get_or_insert().server_channels.push(channel.clone());
        self.confirm_server_channels(vec![channel.clone()], batch);
    }

    /// Says what the server subscribes it to from its first position on.
    pub(super) fn tell_server_channels(&self, batch: &mut Batch) {
        if !self.server_channels().is_empty() {
            self.confirm_server_channels(self.server_channels().to_vec(), batch);
        }
    }

    /// What the server subscribes it to, as of its position.
    pub(super) fn server_channels(&self) -> &[Pattern] {
        &self.transient.server_channels
    }

    /// Whether it has asked for a channel, and has it only by a subscription of the server's.
    pub(super) fn is_by_server(&self, channel: &Pattern) -> bool {
        self.transient.by_server.contains(channel)
    }

    /// Has what it has asked for by these rights from here on.
    pub(super) fn set_basis(&mut self, allowed: &Channels) {
        if let Some(transient) = self.transient.get_mut() {
            transient.by_server.retain(|channel| !allowed.granted.contains(channel));
        }
        for channel in &allowed.by_server {
            if !self.is_by_server(channel) {
                self.transient.get_or_insert().by_server.push(channel.clone());
            }
        }
    }

    fn confirm_server_channels(&self, channels: Vec<Pattern>, batch: &mut Batch) {
        let request_id = SERVER_REQUEST.parse().expect("visible ASCII");
        let subscribed = Subscribed { request_id, channels, addressed: false, cursor: self.position };
        batch.push(json_frame(Some(Subscribed::NAME), None, &subscribed));
    }

    /// Looks up what it holds, and nothing else.
    pub(super) fn rekey(&mut self) {
        let identity = self.keys.iter().filter(|(kind, _)| kind.is_identity()).cloned();
        let heard = self.channels.iter().chain(self.server_channels()).flat_map(routing::looked_up);
        let keys = unique(identity.chain(heard));
        for key in std::mem::replace(&mut self.keys, keys) {
            if !self.keys.contains(&key) {
                self.transient.get_or_insert().rekeyed.drop(key);
            }
        }
    }

    /// Looks up a channel too.
    pub(super) fn look_up(&mut self, channel: &Pattern) {
        for key in routing::looked_up(channel) {
            if !self.keys.contains(&key) {
                self.keys.push(key.clone());
                self.transient.get_or_insert().rekeyed.add(key);
            }
        }
    }
}

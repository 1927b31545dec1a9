//! What a stream may receive, as orders in the log change it.
//!
//! Channels are authorized when they are asked for, by the access state at the node's head. From then on each order
//! takes effect where the stream's position passes it: records published before it have been sent, and none after it
//! are.

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
    /// Continues with other credentials, which open the channels in `allowed` and not those in `lost`. The stream
    /// reports the lost ones.
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

    /// Adds credentials issued at this time to those that the stream depends on: a revocation from them also affects
    /// the stream.
    pub(crate) fn hold_by(&mut self, issued: Issued) {
        self.authority.issued = self.authority.issued.min(issued);
    }

    /// Applies an order that the stream's position has just passed, if it concerns the stream's user.
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
        // A channel that a later order opened, by which the call was authorized, does not depend on this order.
        let depends = |channel: &Pattern| before.iter().any(|subscribed| subscribed.covers(channel));
        self.reauthorize_by(names, orders, depends, &after, batch);
    }

    /// Authorizes the whole stream anew by the access state at the node's head, because orders may have been skipped.
    pub(super) fn reauthorize(&mut self, View { window, names }: View<'_>, batch: &mut Batch) {
        self.judged = true;
        let (access, user) = (window.access(), names.user.as_ref());
        let before = self.server_channels().to_vec();
        self.reauthorize_by(names, |_| access.orders(user), |_| true, access.subscribed(user), batch);
        // The skipped orders may have ended these subscriptions and begun them again. A client whose call was refused in
        // between asks again when they are confirmed.
        let mut kept = self.server_channels().to_vec();
        kept.retain(|channel| before.contains(channel));
        if !kept.is_empty() {
            self.confirm_server_channels(kept, batch);
        }
        let as_of = window.head().seq;
        self.authority.as_of = as_of;
        self.server_as_of = as_of;
        if let Some(transient) = self.transient.get_mut() {
            transient.pending.iter_mut().for_each(|pending| pending.authority.as_of = as_of);
        }
    }

    /// Authorizes every channel that the stream carries or has asked for, by the orders that count for the credentials
    /// of each. Of the channels that the stream has only through the server's subscriptions, it looks at those that
    /// `depends` selects. The stream keeps the allowed channels, and reports which it gains and which it loses.
    /// `subscribed` are the server's subscriptions from here on.
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
            // The oldest credentials decide. A client with newer ones comes back with them.
            is_shut_out |= decision.is_shut_out;
        }
        if is_shut_out {
            self.dismiss();
        }
        self.set_basis(&Channels { granted: Vec::new(), by_server });
        // Gained channels are confirmed before lost ones are reported.
        for channel in subscribed {
            self.add_server_channel(channel, batch);
        }
        self.remove_channels(gone, subscribed, batch);
    }

    /// Ends the stream with `closing {reason: revoked}`.
    pub(crate) fn dismiss(&mut self) {
        self.close(Closing { reason: ClosingReason::Revoked, retry_ms: 0 });
    }

    /// Removes channels that were revoked, and channels to which the server no longer subscribes the stream, and
    /// reports those that the stream no longer receives.
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

    /// Adds a channel to which the server subscribes the stream, and confirms it.
    fn add_server_channel(&mut self, channel: &Pattern, batch: &mut Batch) {
        if self.server_channels().contains(channel) {
            return;
        }
        self.look_up(channel);
        self.transient.get_or_insert().server_channels.push(channel.clone());
        self.confirm_server_channels(vec![channel.clone()], batch);
    }

    /// Confirms the channels to which the server has subscribed the stream at its start.
    pub(super) fn tell_server_channels(&self, batch: &mut Batch) {
        if !self.server_channels().is_empty() {
            self.confirm_server_channels(self.server_channels().to_vec(), batch);
        }
    }

    /// The channels to which the server has subscribed the stream, as of its position.
    pub(super) fn server_channels(&self) -> &[Pattern] {
        &self.transient.server_channels
    }

    /// Whether the stream asked for a channel and receives it only through a subscription by the server.
    pub(super) fn is_by_server(&self, channel: &Pattern) -> bool {
        self.transient.by_server.contains(channel)
    }

    /// Records which of the requested channels the stream receives only through the server's subscriptions; a grant
    /// replaces that.
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

    /// Reduces the keys to those of the channels that the stream still carries.
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

    /// Adds the keys of a channel.
    pub(super) fn look_up(&mut self, channel: &Pattern) {
        for key in routing::looked_up(channel) {
            if !self.keys.contains(&key) {
                self.keys.push(key.clone());
                self.transient.get_or_insert().rekeyed.add(key);
            }
        }
    }
}

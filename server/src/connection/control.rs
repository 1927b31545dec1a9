//! What a stream may hear, as commands in the log change it.
//!
//! Channels are judged once when they are asked for, by what stood at the node's head then. From there on each command takes
//! effect where the stream's position passes it: what was published before it has been sent, nothing after it is.

use tidings_protocol::{
    Pattern,
    frame::{Closing, ClosingReason, RejectCode, Revoked, SERVER_REQUEST, Subscribed},
};

use super::{Batch, Connection, Names, View};
use crate::{
    record::{Entry, Order, json_frame},
    routing::{self, RouteKey},
    standing::{Asked, Issued, is_older},
};

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

/// What a stream hears because the server gave it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) channel: Pattern,
    /// The client has asked for this, and no grant covers it, but what was given does; else this is what was given.
    pub(super) is_asked: bool,
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
    /// Goes on by other rights, which it has to the channels asked about and not to those lost, and says so.
    pub(crate) fn refresh(&mut self, authority: Authority, asked: &Asked, mut lost: Vec<Pattern>) {
        self.authority = authority;
        if let Some(rare) = self.aside.take_from() {
            rare.pending.iter_mut().for_each(|pending| pending.authority = authority);
        }
        self.rest_on(asked);
        self.unsubscribe(&lost);
        lost.retain(|channel| !self.wishes().any(|wish| wish == channel));
        self.aside.add_to().revoked.append(&mut lost);
    }

    /// Obeys a command, if it is about this stream's user. The stream's position has just passed it.
    pub(super) fn obey(&mut self, names: &Names, entry: &Entry, batch: &mut Batch) {
        let user = names.user.as_ref();
        let Some(control) = entry.control().filter(|control| Some(&control.user) == user) else { return };
        let (seq, at) = (self.position.seq, entry.timestamp.0);
        let is_news = self.given_as_of < seq;
        match &control.order {
            Order::Revoke { channels, .. } => {
                self.judged = true;
                let authority = self.authority;
                // What stands by what was given falls with that.
                let held = |channel: &&Pattern| channel.overlaps(channels) && !self.leans_on_given(channel);
                let mut gone = Vec::new();
                if authority.yields_to(seq, at) {
                    gone.extend(self.channels.iter().filter(held).cloned());
                }
                for pending in self.aside.pending.iter().filter(|pending| pending.authority.yields_to(seq, at)) {
                    gone.extend(pending.channels.iter().filter(held).cloned());
                }
                let ungiven = self.wishes().filter(|wish| is_news && wish.overlaps(channels)).cloned().collect();
                self.take_away(gone, ungiven, batch);
            }
            Order::Disconnect { device, .. } => {
                let is_meant = device.is_none() || *device == names.device;
                if is_meant && self.authority.yields_to(seq, at) {
                    self.dismiss();
                }
            }
            // Who was refused may ask again.
            Order::Restore { .. } => {}
            Order::Subscribe { channels } if is_news => self.give(channels.clone(), batch),
            Order::Unsubscribe { channels } if is_news => {
                let ungiven = self.wishes().filter(|wish| *wish == channels).cloned().collect();
                self.take_away(Vec::new(), ungiven, batch);
            }
            Order::Subscribe { .. } | Order::Unsubscribe { .. } => {}
        }
    }

    /// Judges everything anew by what stands at the node's head: commands may have been passed over.
    pub(super) fn align(&mut self, View { window, names }: View<'_>, batch: &mut Batch) {
        self.judged = true;
        let standing = window.standing();
        if standing.shuts_out(names.user.as_ref(), names.device.as_ref(), self.authority.issued) {
            self.dismiss();
        }
        let user = names.user.as_ref();
        let (mut asked, mut gone) = (Asked::default(), Vec::new());
        let held = [(&self.channels, self.authority)].into_iter();
        for (channels, authority) in
            held.chain(self.aside.pending.iter().map(|pending| (&pending.channels, pending.authority)))
        {
            let (given, granted) = channels.iter().cloned().partition(|channel| self.leans_on_given(channel));
            let (judged, refused) = standing.judge(user, Asked { granted, given }, authority.issued);
            asked.given.extend(judged.given);
            gone.extend(refused);
        }
        let given = standing.subscribed(user);
        self.rest_on(&asked);
        let ungiven = self.wishes().filter(|wish| !given.contains(wish)).cloned().collect();
        // First what comes, for what leaned on that which goes may lean on this.
        for channel in given {
            self.give(channel.clone(), batch);
        }
        self.take_away(gone, ungiven, batch);
        let as_of = window.head().seq;
        self.authority.as_of = as_of;
        self.given_as_of = as_of;
        if let Some(rare) = self.aside.take_from() {
            rare.pending.iter_mut().for_each(|pending| pending.authority.as_of = as_of);
        }
    }

    /// Ends the stream after one last frame.
    pub(super) fn dismiss(&mut self) {
        self.close(Closing { reason: ClosingReason::Revoked, retry_ms: 0 });
    }

    /// Stops what it asked for, and what the server had wished with all that leaned on it, and tells of what it no longer hears.
    fn take_away(&mut self, mut gone: Vec<Pattern>, ungiven: Vec<Pattern>, batch: &mut Batch) {
        if gone.is_empty() && ungiven.is_empty() {
            return;
        }
        if let Some(rare) = self.aside.take_from() {
            rare.given.retain(|given| given.is_asked || !ungiven.contains(&given.channel));
        }
        let covers = |wish: &Pattern, given: &Given| wish.covers(&given.channel);
        let falls = |given: &&Given| {
            given.is_asked
                && ungiven.iter().any(|wish| covers(wish, given))
                && !self.wishes().any(|wish| covers(wish, given))
        };
        gone.extend(self.aside.given.iter().filter(falls).map(|given| given.channel.clone()));
        self.unsubscribe(&gone);
        let mut channels = gone;
        let held = self.channels();
        channels.extend(ungiven.into_iter().filter(|channel| !held.contains(channel)));
        channels = super::unique(channels.into_iter());
        channels.retain(|channel| !self.wishes().any(|wish| wish == channel));
        if !channels.is_empty() {
            let revoked = Revoked { channels, addressed: false, code: RejectCode::Forbidden };
            batch.push(json_frame(Some(Revoked::NAME), None, &revoked));
        }
    }

    /// Hears a channel from here on by the server's will, and says so.
    fn give(&mut self, channel: Pattern, batch: &mut Batch) {
        if self.wishes().any(|wish| *wish == channel) {
            return;
        }
        self.look_up(&channel);
        self.aside.add_to().given.push(Given { channel: channel.clone(), is_asked: false });
        self.confirm_given(vec![channel], batch);
    }

    /// Says what it hears by the server's will from its first position on.
    pub(super) fn tell_given(&self, batch: &mut Batch) {
        let wishes: Vec<_> = self.wishes().cloned().collect();
        if !wishes.is_empty() {
            self.confirm_given(wishes, batch);
        }
    }

    /// What the server wishes it to hear.
    pub(super) fn wishes(&self) -> impl Iterator<Item = &Pattern> {
        self.aside.given.iter().filter(|given| !given.is_asked).map(|given| &given.channel)
    }

    /// Whether it has asked for a channel, and has it only by what was given.
    pub(super) fn leans_on_given(&self, channel: &Pattern) -> bool {
        self.aside.given.iter().any(|given| given.is_asked && given.channel == *channel)
    }

    /// Has what it has asked for by these rights from here on.
    pub(super) fn rest_on(&mut self, asked: &Asked) {
        if let Some(rare) = self.aside.take_from() {
            rare.given.retain(|given| !given.is_asked || !asked.granted.contains(&given.channel));
        }
        for channel in &asked.given {
            if !self.leans_on_given(channel) {
                self.aside.add_to().given.push(Given { channel: channel.clone(), is_asked: true });
            }
        }
    }

    fn confirm_given(&self, channels: Vec<Pattern>, batch: &mut Batch) {
        let request_id = SERVER_REQUEST.parse().expect("visible ASCII");
        let subscribed = Subscribed { request_id, channels, addressed: false, cursor: self.position };
        batch.push(json_frame(Some(Subscribed::NAME), None, &subscribed));
    }

    /// Looks up what it hears, and nothing else.
    pub(super) fn rekey(&mut self) {
        let identity = self.keys.iter().filter(|(kind, _)| kind.is_identity()).cloned();
        let heard = self.channels.iter().chain(self.wishes()).flat_map(routing::looked_up);
        let keys = super::unique(identity.chain(heard));
        for key in std::mem::replace(&mut self.keys, keys) {
            if !self.keys.contains(&key) {
                self.aside.add_to().rekeyed.drop(key);
            }
        }
    }

    /// Looks up a channel too.
    pub(super) fn look_up(&mut self, channel: &Pattern) {
        for key in routing::looked_up(channel) {
            if !self.keys.contains(&key) {
                self.keys.push(key.clone());
                self.aside.add_to().rekeyed.add(key);
            }
        }
    }
}

//! The beginning of a stream: the channels and cursors of its URL, and those that it carries. The rules are DESIGN's
//! "Rules for resume".

use tidings_protocol::Pattern;

use super::{
    super::{Connected, address::list},
    Calls, Cursors, Ledger, Presence, Standing, Subscription,
};
use crate::routes::{HandlerId, Hears};

/// A stream that has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// The channels in its URL.
    pub(super) asked: Vec<Pattern>,
    /// The cursor in its URL.
    pub(super) cursor: Option<Cursors>,
    /// Whether the cursor is the page's own.
    pub(super) is_initial: bool,
}

impl Ledger {
    /// A stream is about to be opened: returns the list of channels for its URL, and the other tabs' handlers without
    /// which it continues. The URL has the channels that continue at the stream's cursor; all others are requested by
    /// calls, once the stream is there.
    pub(in crate::client) fn open_stream(&mut self) -> (String, Vec<HandlerId>) {
        let cursor = self.cursor;
        let resumes = cursor.is_some() && !self.is_initial;
        // A tab that followed may know where a handler began, but not yet the stream's position.
        if cursor.is_none() {
            self.subscriptions.iter_mut().for_each(Subscription::begin_from_heard);
        }
        let mut channels = String::new();
        let mut asked: Vec<Pattern> = Vec::new();
        // With a cursor, confirmed channels continue there. Without one, all channels begin with the stream; with the
        // page's own cursor, the channels that were there from the start begin at it. But on a resumed stream a new
        // channel would receive the past.
        let due = |subscription: &Subscription| match subscription.standing {
            Standing::Active => subscription.hears == Hears::Channels,
            Standing::Pending { since: None, .. } => {
                let is_new = !resumes && (subscription.is_own() || cursor.is_none());
                let was_called_in_vain = subscription.in_url_at.is_some() && subscription.in_url_at == cursor;
                subscription.hears == Hears::Channels && (is_new || was_called_in_vain)
            }
            _ => false,
        };
        let mut expelled = Vec::new();
        for subscription in &mut self.subscriptions {
            if !due(subscription) || asked.contains(&subscription.pattern) {
                continue;
            }
            if list(&mut channels, &subscription.pattern) {
                asked.push(subscription.pattern.clone());
            }
        }
        // A channel that does not fit into the URL is requested by a call, from the cursor on; another tab does so
        // itself.
        for subscription in self.subscriptions.iter_mut().filter(|_| cursor.is_some()) {
            if due(subscription) && !asked.contains(&subscription.pattern) {
                subscription.await_from(&cursor);
                subscription.hear(&cursor);
                if !subscription.is_own() {
                    expelled.push(subscription.id);
                }
            }
        }
        self.attempt = Attempt { asked, cursor, is_initial: self.is_initial };
        (channels, expelled)
    }

    /// The cursors in the stream's URL: where it continues, and the highest other one that was seen.
    pub(in crate::client) fn cursors(&self) -> (&Option<Cursors>, &Option<Cursors>) {
        (&self.cursor, &self.seen)
    }

    /// The stream is gone. Channels that were requested on it and not confirmed are requested again on the next one.
    pub(in crate::client) fn leave_stream(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::forget_call);
    }

    /// A call did not find the stream. Channels that are requested on it from now on go into the next stream's URL,
    /// because a call may not find that stream either: behind a balancer that distributes calls to several servers that
    /// do not reach each other, only the URL arrives at the stream's server. A request for the past has its own
    /// `since`, which only a call can carry.
    pub(in crate::client) fn ask_in_url(&mut self) {
        for subscription in &mut self.subscriptions {
            if matches!(subscription.standing, Standing::Pending { since: None, call: Some(_) }) {
                subscription.in_url_at = self.cursor;
            }
        }
    }

    /// The server's stream is there.
    pub(in crate::client) fn begin_stream(&mut self, now: u64, connected: &Connected) {
        self.awaits_gap = self.attempt.cursor.is_some() && !connected.resumed;
        self.begin(now, connected);
    }

    /// A stream has begun whose other end is a tab. It begins at the leader's position, and the events that this tab
    /// has yet to receive are requested by calls.
    pub(in crate::client) fn begin_led_stream(&mut self, now: u64, connected: &Connected) {
        self.awaits_gap = false;
        self.attempt = Attempt::default();
        self.begin(now, connected);
    }

    fn begin(&mut self, now: u64, connected: &Connected) {
        self.calls = Calls::begin_with(&connected.channels);
        self.presence = Presence::new(now, connected.alive_ms);
        self.is_initial = false;
    }

    /// Whether a gap has to come before the stream continues.
    pub(in crate::client) fn awaits_gap(&self) -> bool {
        self.awaits_gap
    }

    /// Whether the page's own cursor could not be read, and that has not been reported yet.
    pub(in crate::client) fn take_owed_gap(&mut self) -> bool {
        std::mem::take(&mut self.owes_gap)
    }

    /// The leader's stream continues from another server, with or without presence.
    pub(in crate::client) fn set_alive(&mut self, now: u64, alive_ms: u64) {
        self.presence.set_alive(now, alive_ms);
    }

    pub(in crate::client) fn alive_ms(&self) -> u64 {
        self.presence.alive_ms()
    }

    /// The leader is asked for a stream: all channels are requested from the positions of their handlers. Returns the
    /// channels that the leader has to keep.
    pub(in crate::client) fn begin_anew(&mut self) -> Vec<Pattern> {
        if std::mem::take(&mut self.is_initial) {
            self.begin_from_page();
        }
        // Each confirmed handler has received every event up to the tab's position: from here on its own cursor says
        // so, because another leader's stream has another position.
        let cursor = self.cursor;
        for subscription in &mut self.subscriptions {
            if subscription.standing.is_active() {
                subscription.hear(&cursor);
            }
            subscription.begin_anew();
        }
        self.patterns(Hears::Channels)
    }

    /// Handlers that were there when the page loaded begin where the page was rendered. The first stream of a single
    /// tab does so, too; a shared stream has another position.
    fn begin_from_page(&mut self) {
        let cursor = self.cursor.take();
        for subscription in self.subscriptions.iter_mut().filter(|one| one.hears != Hears::Presence) {
            if let Standing::Pending { since: None, .. } = subscription.standing {
                subscription.await_from(&cursor);
                subscription.hear(&cursor);
            }
        }
    }
}

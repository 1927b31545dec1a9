//! With what a stream begins: what its URL asks for, and what of that it carries. The rules are DESIGN's "Rules for resume".

use tidings_protocol::Pattern;

use super::{
    super::{Connected, address::list},
    Calls, Cursors, Ledger, Presence, Standing, Subscription,
};
use crate::routes::{HandlerId, Hears};

/// A stream that has not answered.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// The channels in its URL.
    pub(super) asked: Vec<Pattern>,
    /// The cursor in its URL.
    pub(super) cursor: Option<Cursors>,
    /// The cursor is the page's own.
    pub(super) is_initial: bool,
}

impl Ledger {
    /// A stream is about to be opened: its URL's list of channels, and of other tabs' handlers those that it goes on without. The URL
    /// holds what is to go on from where the stream's cursor stands; all else is asked for by calls, once the stream is there.
    pub(in crate::session) fn open_stream(&mut self) -> (String, Vec<HandlerId>) {
        let cursor = self.cursor;
        let resumes = cursor.is_some() && !self.is_initial;
        // A tab that followed may have been told where a handler began, and not yet where the stream was.
        if cursor.is_none() {
            self.subscriptions.iter_mut().for_each(Subscription::begin_from_heard);
        }
        let mut channels = String::new();
        let mut asked: Vec<Pattern> = Vec::new();
        // With a cursor, what was confirmed goes on from there. Without one all begins with the stream, and with the page's
        // own all that was there from the start begins with that. But on a resumed stream what is new would hear the past.
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
        // What found no room is asked for by a call, from the cursor on; another tab does so itself.
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

    /// What the stream's URL says of cursors: where it goes on, and what else was seen.
    pub(in crate::session) fn cursors(&self) -> (&Option<Cursors>, &Option<Cursors>) {
        (&self.cursor, &self.seen)
    }

    /// The stream is gone. What was asked for on it and not confirmed is asked for again on the next.
    pub(in crate::session) fn leave_stream(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::forget_call);
    }

    /// The stream was not found where a call arrived. What was asked for on it from now on goes into the next one's URL, because a call may
    /// not find that one either: behind a balancer that sends calls to any of several servers, which do not reach each other, only what
    /// is in the URL arrives where the stream is. What was asked for from the past has a `since` of its own, which only a call can say.
    pub(in crate::session) fn ask_in_url(&mut self) {
        for subscription in &mut self.subscriptions {
            if matches!(subscription.standing, Standing::Pending { since: None, call: Some(_) }) {
                subscription.in_url_at = self.cursor;
            }
        }
    }

    /// The server's stream is there.
    pub(in crate::session) fn begin_stream(&mut self, now: u64, connected: &Connected) {
        self.awaits_gap = self.attempt.cursor.is_some() && !connected.resumed;
        self.begin(now, connected);
    }

    /// A stream is there whose other end is a tab. It begins where the leader's is, and what this tab has yet to hear is asked for by
    /// calls.
    pub(in crate::session) fn begin_led_stream(&mut self, now: u64, connected: &Connected) {
        self.awaits_gap = false;
        self.attempt = Attempt::default();
        self.begin(now, connected);
    }

    fn begin(&mut self, now: u64, connected: &Connected) {
        self.calls = Calls::begin_with(&connected.channels);
        self.presence = Presence::new(now, connected.alive_ms);
        self.is_initial = false;
    }

    /// Whether a gap has to come before the stream goes on.
    pub(in crate::session) fn awaits_gap(&self) -> bool {
        self.awaits_gap
    }

    /// Whether the page's own cursor could not be read, and nobody has been told of it.
    pub(in crate::session) fn take_owed_gap(&mut self) -> bool {
        std::mem::take(&mut self.owes_gap)
    }

    /// The leader's stream goes on from another server, which has presence or not.
    pub(in crate::session) fn set_alive(&mut self, now: u64, alive_ms: u64) {
        self.presence.set_alive(now, alive_ms);
    }

    pub(in crate::session) fn alive_ms(&self) -> u64 {
        self.presence.alive_ms()
    }

    /// The leader is asked for a stream: all that this tab hears is asked for from where each of its handlers is. What of it the
    /// leader is to go on with.
    pub(in crate::session) fn begin_anew(&mut self) -> Vec<Pattern> {
        if std::mem::take(&mut self.is_initial) {
            self.begin_from_page();
        }
        // Each handler that hears has heard all up to where the tab is: from here on its own cursor says so, because another leader's
        // stream is somewhere else.
        let cursor = self.cursor;
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Active {
                subscription.hear(&cursor);
            }
            subscription.begin_anew();
        }
        self.patterns(Hears::Channels)
    }

    /// What was there when the page came begins where the page was rendered. A lone tab's first stream does; one that
    /// others use is somewhere else.
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

//! The handlers of other tabs: their requests are kept beside the leading tab's own, and the results are sent to them
//! at the end of the input, call by call.

use tidings_protocol::Pattern;

use super::{super::Rejected, Cursors, Ledger, Standing, Subscription, raise};
use crate::routes::{HandlerId, Hears};

/// The number for no call: channels that a stream carries without a request.
const UNASKED: u32 = 0;
/// The call number of a handler that only names a label of a tab, and receives nothing.
const LABEL: u32 = u32::MAX;

/// The result of a request of another tab.
#[derive(Debug)]
pub(in crate::client) enum Outcome {
    /// A channel, or without one the addressed events, is carried from this cursor on.
    Confirmed { tab: u32, call: u32, channel: Option<Pattern>, cursor: Option<Cursors> },
    /// The server refused a channel, or presence on it.
    Refused { tab: u32, is_presence: bool, rejected: Rejected },
    /// The server grants these channels to all tabs, by itself.
    Given { channels: Vec<Pattern>, cursor: Option<Cursors> },
}

/// Whether a handler of another tab receives nothing itself: it only names what its tab receives.
pub(super) fn is_label(one: &Subscription) -> bool {
    !one.is_own() && one.remote_id == LABEL
}

/// Whether the handler exists without a request: a tab receives the events addressed to its user, whether or not it has
/// handlers for them.
pub(super) fn is_unasked(one: &Subscription) -> bool {
    !one.is_own() && one.remote_id == UNASKED
}

impl Ledger {
    /// A tab uses this tab's stream, which carries the events addressed to its user without a request.
    pub(in crate::client) fn admit(&mut self, tab: u32) {
        let all = (Hears::Addressed, Pattern::all());
        self.add_other((tab, UNASKED), all, Standing::Active, None);
    }

    /// A tab replaces its earlier stream. A channel that the tab will request again at once is not unsubscribed,
    /// because that would cost this tab its stream: the channels of `channels` that the stream carries are kept and
    /// returned.
    pub(in crate::client) fn carry_on(&mut self, before: u32, tab: u32, channels: &[Pattern]) -> Vec<Pattern> {
        let mut carried = Vec::new();
        for one in self.subscriptions.iter_mut().filter(|one| one.tab == before) {
            if one.hears == Hears::Channels && one.standing.is_active() && channels.contains(&one.pattern) {
                one.tab = tab;
                carried.push(one.pattern.clone());
            }
        }
        self.forget_tab(before);
        carried
    }

    /// A tab names the labels for which it has handlers.
    pub(in crate::client) fn set_labels(&mut self, tab: u32, labels: Vec<Pattern>) {
        self.drop_others(&|one| one.tab == tab && one.remote_id == LABEL);
        for label in labels {
            self.add_other((tab, LABEL), (Hears::Addressed, label), Standing::Refused, None);
        }
    }

    /// A tab no longer asks for these channels.
    pub(in crate::client) fn unsubscribe_other(&mut self, tab: u32, channels: &[Pattern]) {
        self.drop_others(&|one| one.tab == tab && one.hears == Hears::Channels && channels.contains(&one.pattern));
    }

    /// A tab asks, with a call of its own, for presence on exactly these channels. Of earlier presence frames, it knows
    /// those that its last leader passed on.
    pub(in crate::client) fn watch_other(&mut self, (tab, call): (u32, u32), channels: Vec<Pattern>) {
        self.drop_others(&|one| one.tab == tab && one.hears == Hears::Presence);
        for channel in channels {
            let pending = Standing::Pending { since: None, call: None };
            self.add_other((tab, call), (Hears::Presence, channel), pending, None);
        }
        self.presence.change();
    }

    pub(super) fn add_other(
        &mut self,
        (tab, remote_id): (u32, u32),
        (hears, pattern): (Hears, Pattern),
        standing: Standing,
        heard_up_to: Option<Cursors>,
    ) -> HandlerId {
        let id = HandlerId(self.next_handler);
        self.insert(Subscription { tab, remote_id, standing, heard_up_to, ..Subscription::new(id, hears, pattern) });
        id
    }

    /// A channel that another tab requested is carried from here on.
    pub(super) fn confirm_for_other(&mut self, id: HandlerId) {
        let stream = self.cursor;
        let Some(one) = self.subscription(id) else { return };
        let (tab, call, hears) = (one.tab, one.remote_id, one.hears);
        if hears == Hears::Presence || call == UNASKED {
            return;
        }
        let mut cursor = one.heard_up_to.or(stream);
        if stream.zip(cursor).is_some_and(|(stream, cursor)| stream.is_of_same(&cursor)) {
            raise(&mut cursor, &stream);
        }
        let pattern = one.pattern.clone();
        // An earlier request of the same tab covers it as well.
        let is_double = self.subscriptions.iter().any(|one| {
            one.id != id && (one.tab, one.hears) == (tab, hears) && one.standing.is_active() && one.pattern == pattern
        });
        let channel = (hears == Hears::Channels).then_some(pattern);
        if is_double {
            self.doubles.push(id);
        }
        self.outcomes.push(Outcome::Confirmed { tab, call, channel, cursor });
    }

    /// The end of an input: takes the results of the other tabs' requests.
    pub(in crate::client) fn take_outcomes(&mut self) -> Vec<Outcome> {
        let doubles = std::mem::take(&mut self.doubles);
        if !doubles.is_empty() {
            self.remove_others(&|one| doubles.contains(&one.id));
        }
        std::mem::take(&mut self.outcomes)
    }

    /// The stream continues without a channel that was confirmed to a tab: returns that tab.
    pub(in crate::client) fn expel(&mut self, id: HandlerId) -> Option<u32> {
        let tab = self.subscription(id)?.tab;
        self.drop_others(&|one| one.id == id);
        Some(tab)
    }

    /// A tab, or its stream, is gone.
    pub(in crate::client) fn forget_tab(&mut self, tab: u32) {
        self.drop_others(&|one| one.tab == tab);
    }

    /// This tab no longer leads, or leads other tabs.
    pub(in crate::client) fn forget_tabs(&mut self) {
        self.drop_others(&|_| true);
        self.outcomes.clear();
        self.doubles.clear();
    }

    /// Drops requests of other tabs.
    #[inline(never)]
    fn drop_others(&mut self, which: &dyn Fn(&Subscription) -> bool) {
        if self.remove_others(which) {
            self.presence.change();
        }
    }

    /// Drops requests of other tabs that the server has already dropped. Says whether one of them concerned presence.
    #[inline(never)]
    pub(super) fn remove_others(&mut self, which: &dyn Fn(&Subscription) -> bool) -> bool {
        let Self { subscriptions, routes, is_changed, .. } = self;
        let mut watched = false;
        subscriptions.retain(|one| {
            let stays = one.is_own() || !which(one);
            if !stays {
                routes.remove(one.id);
                *is_changed = true;
                watched |= one.hears == Hears::Presence;
            }
            stays
        });
        watched
    }
}

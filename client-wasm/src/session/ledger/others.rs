//! The handlers of other tabs: what they ask of the tab that leads stands beside its own, and what becomes of it is told them at the end
//! of the input, call by call.

use tidings_protocol::Pattern;

use super::{super::Rejected, Cursors, Ledger, Standing, Subscription, raise};
use crate::routes::{HandlerId, Hears};

/// The number of no call: what a stream carries without being asked.
const UNASKED: u32 = 0;
/// Of what says by which labels a tab hears, and brings it nothing.
const LABEL: u32 = u32::MAX;

/// What became of something that another tab asked for.
#[derive(Debug)]
pub(in crate::session) enum Outcome {
    /// It is carried from this cursor on: a channel, or without one the addressed events.
    Confirmed { tab: u32, call: u32, channel: Option<Pattern>, cursor: Option<Cursors> },
    /// The server will not have it: a channel, or the sight of who is online on it.
    Refused { tab: u32, is_presence: bool, rejected: Rejected },
    /// The server gives these to everybody, of its own will.
    Given { channels: Vec<Pattern>, cursor: Option<Cursors> },
}

/// Whether a handler of another tab hears nothing by itself: it only says what its tab hears.
pub(super) fn is_label(one: &Subscription) -> bool {
    !one.is_own() && one.remote_id == LABEL
}

/// Whether it is nobody's handler: a tab is given what is addressed to its user, whether or not it hears any of it.
pub(super) fn is_unasked(one: &Subscription) -> bool {
    !one.is_own() && one.remote_id == UNASKED
}

impl Ledger {
    /// A tab has a stream of this one, which carries what is addressed to its user without being asked.
    pub(in crate::session) fn admit(&mut self, tab: u32) {
        let all = (Hears::Addressed, Pattern::all());
        self.add_other((tab, UNASKED), all, Standing::Active, None);
    }

    /// A tab has another stream instead of one of before. To leave a channel that it asks for again in a moment would cost this tab's
    /// stream, so that is carried on: what of `channels` is.
    pub(in crate::session) fn carry_on(&mut self, before: u32, tab: u32, channels: &[Pattern]) -> Vec<Pattern> {
        let mut carried = Vec::new();
        for one in self.subscriptions.iter_mut().filter(|one| one.tab == before) {
            if one.hears == Hears::Channels && one.standing == Standing::Active && channels.contains(&one.pattern) {
                one.tab = tab;
                carried.push(one.pattern.clone());
            }
        }
        self.forget_tab(before);
        carried
    }

    /// A tab says by which labels it hears addressed events.
    pub(in crate::session) fn set_labels(&mut self, tab: u32, labels: Vec<Pattern>) {
        self.drop_others(&|one| one.tab == tab && one.remote_id == LABEL);
        for label in labels {
            self.add_other((tab, LABEL), (Hears::Addressed, label), Standing::Refused, None);
        }
    }

    /// A tab no longer asks for these channels.
    pub(in crate::session) fn unsubscribe_other(&mut self, tab: u32, channels: &[Pattern]) {
        self.drop_others(&|one| one.tab == tab && one.hears == Hears::Channels && channels.contains(&one.pattern));
    }

    /// A tab asks, by a call of its own, to be told who is online on these channels and on no others. Of what was told before, it knows
    /// what its last leader knew.
    pub(in crate::session) fn watch_other(&mut self, (tab, call): (u32, u32), channels: Vec<Pattern>) {
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

    /// What another tab asked for is carried from here on.
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
        // One that stood before carries it as well.
        let is_double = self.subscriptions.iter().any(|one| {
            one.id != id
                && (one.tab, one.hears, one.standing) == (tab, hears, Standing::Active)
                && one.pattern == pattern
        });
        let channel = (hears == Hears::Channels).then_some(pattern);
        if is_double {
            self.doubles.push(id);
        }
        self.outcomes.push(Outcome::Confirmed { tab, call, channel, cursor });
    }

    /// The end of an input: what became of that which other tabs asked for.
    pub(in crate::session) fn take_outcomes(&mut self) -> Vec<Outcome> {
        let doubles = std::mem::take(&mut self.doubles);
        if !doubles.is_empty() {
            self.remove_others(&|one| doubles.contains(&one.id));
        }
        std::mem::take(&mut self.outcomes)
    }

    /// The stream goes on without this, which a tab was told it carries: which tab.
    pub(in crate::session) fn expel(&mut self, id: HandlerId) -> Option<u32> {
        let tab = self.subscription(id)?.tab;
        self.drop_others(&|one| one.id == id);
        Some(tab)
    }

    /// A tab is gone, or its stream is.
    pub(in crate::session) fn forget_tab(&mut self, tab: u32) {
        self.drop_others(&|one| one.tab == tab);
    }

    /// This tab leads no longer, or leads others.
    pub(in crate::session) fn forget_tabs(&mut self) {
        self.drop_others(&|_| true);
        self.outcomes.clear();
        self.doubles.clear();
    }

    /// Drops what other tabs asked for.
    #[inline(never)]
    fn drop_others(&mut self, which: &dyn Fn(&Subscription) -> bool) {
        if self.remove_others(which) {
            self.presence.change();
        }
    }

    /// The same where the server knows it. Whether one of them was about who is online.
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

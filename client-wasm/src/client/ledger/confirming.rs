//! The confirmation of the channels that the stream carries to those that requested them.

use tidings_protocol::Pattern;

use super::{
    super::{Connected, Rejected, out::Out},
    Attempt, Cursors, Known, Ledger, Standing, Subscription,
    others::is_label,
    raise,
};
use crate::{
    routes::{HandlerId, Hears},
    text::small,
};

impl Ledger {
    /// A subscription receives every event from here on, having received every event up to the cursor.
    pub(in crate::client) fn activate(&mut self, id: HandlerId, cursor: &Option<Cursors>, out: &mut Out) {
        let Some(subscription) = self.subscription(id) else { return };
        let before = std::mem::replace(&mut subscription.standing, Standing::Active);
        // A handler that returns from a refusal is told a gap, so it begins where the stream is. Its old cursor may name an
        // event that the log has lost, and would hide what was written in the place of that event.
        match subscription.known == Known::Refused && subscription.is_own() {
            true => subscription.restart(cursor),
            false => subscription.hear(cursor),
        }
        if !subscription.is_own() {
            if !before.is_active() {
                self.confirm_for_other(id);
            }
            return;
        }
        let known = std::mem::replace(&mut subscription.known, Known::Hears);
        let hears = subscription.hears;
        let reason = if std::mem::take(&mut subscription.owes_gap) {
            "malformed"
        } else if known == Known::Refused && hears != Hears::Presence {
            // Events that were published while the channel was refused are not delivered later.
            "refused"
        } else {
            ""
        };
        let channel = subscription.pattern.clone();
        if known != Known::Hears {
            out.settled(id, None);
        }
        if !reason.is_empty() {
            let addressed = hears == Hears::Addressed;
            let channels = if addressed { Vec::new() } else { vec![channel] };
            out.gap(Some(channels), addressed, None, reason.into(), vec![id]);
        }
    }

    /// Confirms the channels that the stream carries from its start, which are those of its URL. Returns the other
    /// tabs' handlers without which the stream continues.
    pub(in crate::client) fn confirm_first(
        &mut self,
        connected: &Connected,
        has_user: bool,
        out: &mut Out,
    ) -> Vec<HandlerId> {
        let Attempt { asked, cursor, is_initial } = std::mem::take(&mut self.attempt);
        // All channels of the URL begin at the cursor of the URL, or else with the stream.
        let start = cursor.or(connected.id);
        // Channels of other tabs do not begin where this page was rendered.
        let begins = |one: &Subscription| one.is_own() || !is_initial;
        let mut expelled = Vec::new();
        let mut index = 0;
        while let Some(subscription) = self.subscriptions.get_mut(index) {
            index += 1;
            let id = subscription.id;
            match subscription.hears {
                Hears::Channels => {}
                Hears::Presence => continue,
                Hears::Addressed => {
                    // The stream may have begun after the handler's `since`: a call delivers the events between them.
                    let is_before = matches!(subscription.standing, Standing::Pending { since: since @ Some(_), .. } if has_user && cursor != since);
                    if !is_label(subscription) && !is_before {
                        self.activate(id, &None, out);
                    }
                    continue;
                }
            }
            let confirmed = connected.channels.contains(&subscription.pattern);
            match subscription.standing {
                Standing::Active if confirmed => self.activate(id, &start, out),
                Standing::Pending { since: None, .. } if confirmed && begins(subscription) => {
                    self.activate(id, &start, out);
                }
                // The server neither confirmed nor refused it.
                Standing::Active => {
                    subscription.await_from(&cursor);
                    subscription.hear(&cursor);
                    if !subscription.is_own() {
                        expelled.push(id);
                    }
                }
                Standing::Pending { since: None, .. }
                    if begins(subscription) && asked.contains(&subscription.pattern) =>
                {
                    subscription.await_from(&cursor);
                }
                _ => {}
            }
        }
        expelled
    }

    /// The stream carries these channels from this cursor on: because of a call, or because the server grants them by
    /// itself. Returns the channels of the call that are not confirmed.
    pub(in crate::client) fn subscribed(
        &mut self,
        request_id: &str,
        channels: &[Pattern],
        addressed: bool,
        cursor: Option<Cursors>,
        out: &mut Out,
    ) -> Vec<Rejected> {
        self.calls.set_confirmed_at(cursor);
        // The cursor names an event of the log like any other cursor. If the log loses that event and writes another
        // one in its place, the old position would hide the new event. So the server has to verify the cursor when the
        // client reconnects.
        raise(&mut self.seen, &cursor);
        let Some(call) = small(request_id) else {
            // The server grants them by itself.
            self.calls.give(channels);
            return Vec::new();
        };
        self.calls.confirm(call, channels);
        let mut index = 0;
        while let Some(one) = self.subscriptions.get(index) {
            index += 1;
            let is_confirmed = match one.hears {
                Hears::Addressed => addressed,
                _ => channels.contains(&one.pattern),
            };
            if is_confirmed && one.awaits(call) {
                self.activate(one.id, &cursor, out);
            }
        }
        // A channel of the call that is not confirmed was refused; the answer with the reason may be lost. It may have
        // received some of the past that came for other channels, and it is unknown how much it missed.
        let mut refused = Vec::new();
        for one in &self.subscriptions {
            if one.hears == Hears::Channels && one.awaits(call) && one.has_begun() {
                refused.push(Rejected { channel: one.pattern.clone(), code: "forbidden".into() });
            }
        }
        refused
    }

    /// A tab asks, with a call of its own, for one channel, or for the events addressed to its user since a cursor.
    pub(in crate::client) fn subscribe_other(
        &mut self,
        (tab, call): (u32, u32),
        (hears, pattern): (Hears, Pattern),
        since: Option<Cursors>,
        is_open: bool,
        out: &mut Out,
    ) {
        // The tab repeats the call, because the answer was lost.
        let is_same =
            |one: &Subscription| (one.tab, one.remote_id, one.hears) == (tab, call, hears) && one.pattern == pattern;
        if self.subscriptions.iter().any(is_same) {
            return;
        }
        // The tab's position is that of the stream, which carries the channel from there on.
        let goes_on = is_open
            && since.is_some()
            && since == self.settled_cursor()
            && (hears == Hears::Addressed || self.calls.carries_from(&pattern, &since));
        let standing = Standing::Pending { since, call: None };
        let id = self.add_other((tab, call), (hears, pattern), standing, since);
        if goes_on {
            self.activate(id, &since, out);
        }
    }
}

//! What the stream carries is told to those who asked for it.

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
    /// A subscription hears all from here on, having heard all up to the cursor.
    pub(in crate::session) fn activate(&mut self, id: HandlerId, cursor: &Option<Cursors>, out: &mut Out) {
        let Some(subscription) = self.subscription(id) else { return };
        let before = std::mem::replace(&mut subscription.standing, Standing::Active);
        subscription.hear(cursor);
        if !subscription.is_own() {
            if before != Standing::Active {
                self.confirm_for_other(id);
            }
            return;
        }
        let known = std::mem::replace(&mut subscription.known, Known::Hears);
        let hears = subscription.hears;
        let reason = if std::mem::take(&mut subscription.owes_gap) {
            "malformed"
        } else if known == Known::Refused && hears != Hears::Presence {
            // What was published while it was refused is not brought.
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

    /// Confirms what the stream carries from its start, which is what it says of that in its URL. Of other tabs' handlers, those that it
    /// goes on without.
    pub(in crate::session) fn confirm_first(
        &mut self,
        connected: &Connected,
        has_user: bool,
        out: &mut Out,
    ) -> Vec<HandlerId> {
        let Attempt { asked, cursor, is_initial } = std::mem::take(&mut self.attempt);
        // All that was in the URL begins with the cursor that was in the URL, or else with the stream.
        let start = cursor.or(connected.id);
        // What other tabs want does not begin where this page was rendered.
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
                    // The stream may have begun after its `since`: a call brings what lies between.
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
                // The server neither took nor refused it.
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

    /// The stream carries these from this cursor on: because of a call, or of the server's own will. Of what the call asked for, what is
    /// not confirmed.
    pub(in crate::session) fn subscribed(
        &mut self,
        request_id: &str,
        channels: &[Pattern],
        addressed: bool,
        cursor: Option<Cursors>,
        out: &mut Out,
    ) -> Vec<Rejected> {
        self.calls.set_confirmed_at(cursor);
        // It names an event of the log like any other cursor: if the log should lose that event, and write another in
        // its place, what was heard up to there would hide the new one. So the server is to check it when we come back.
        raise(&mut self.seen, &cursor);
        let Some(call) = small(request_id) else {
            // The server's own will.
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
        // What the call asked for and is not confirmed was refused; the answer that says so may be lost. Of the past that came for
        // others it may have been given some, and nobody knows what else there was.
        let mut refused = Vec::new();
        for one in &self.subscriptions {
            if one.hears == Hears::Channels && one.awaits(call) && one.has_begun() {
                refused.push(Rejected { channel: one.pattern.clone(), code: "forbidden".into() });
            }
        }
        refused
    }

    /// A tab asks, by a call of its own, for one channel, or for what was addressed to its user since.
    pub(in crate::session) fn subscribe_other(
        &mut self,
        (tab, call): (u32, u32),
        (hears, pattern): (Hears, Pattern),
        since: Option<Cursors>,
        is_open: bool,
        out: &mut Out,
    ) {
        // Said again, because the answer was lost.
        let is_same =
            |one: &Subscription| (one.tab, one.remote_id, one.hears) == (tab, call, hears) && one.pattern == pattern;
        if self.subscriptions.iter().any(is_same) {
            return;
        }
        // It is where the stream is, which carries it from there on.
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

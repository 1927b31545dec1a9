//! The judge of one handler, who knows only what an application can know: when the handler was confirmed, what it
//! received, and which gaps were reported. Places are in the order in which records were stored. A handler need not
//! receive a record that the log lost again; a handler that did receive it must be told of a gap before it receives
//! anything that was stored afterwards.

use std::collections::BTreeSet;

use tidings::record::{Audience, Entry};
use tidings_client::routes::Hears;
use tidings_protocol::Pattern;

use crate::sim::{
    ear::Violation,
    person::is_granted,
    truth::{Place, Truth},
};

/// The owner of a handler.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub(super) user: &'static str,
    /// The name of the page's device, if events are sent to it.
    pub(super) device: Option<&'static str>,
    pub(super) session: String,
}

impl Listener {
    /// Whether a handler of this kind and pattern must receive the record.
    fn hears(&self, hears: Hears, pattern: &Pattern, entry: &Entry) -> bool {
        let is_device = |device: &str| self.device == Some(device);
        let kind = match &entry.audience {
            Audience::Channel => Hears::Channels,
            Audience::Users(users) if users.iter().any(|user| user.as_str() == self.user) => Hears::Addressed,
            Audience::Device(user, device) if user.as_str() == self.user && is_device(device.as_str()) => {
                Hears::Addressed
            }
            _ => return false,
        };
        let hidden = entry.except.as_ref().is_some_and(|except| {
            let session = except.session_id.as_ref().is_some_and(|session| session.as_str() == self.session);
            let device = except.device_id.as_ref().is_some_and(|device| is_device(device.as_str()));
            except.user_id.as_str() == self.user && (session || device)
        });
        kind == hears && pattern.overlaps(&entry.channel) && !hidden
    }
}

#[derive(Debug)]
pub(super) struct Handler {
    pub(super) listener: Listener,
    pub(super) hears: Hears,
    pub(super) pattern: Pattern,
    /// The handler was made with a text that is not a cursor, which must be reported by a gap.
    pub(super) is_owed_gap: bool,
    pub(super) is_ready: bool,
    pub(super) is_refused: bool,
    /// Something in between refused the handler, for now.
    pub(super) is_put_off: bool,
    /// The handler was stopped.
    pub(super) is_gone: bool,
    /// The handler's channel was revoked, and no gap was reported since.
    pub(super) is_revoked: bool,
    /// The handler must receive all records after this place.
    from: Option<Place>,
    /// The place that the next record follows: what the handler began with or received last, unless a gap was reported
    /// since.
    follows: Option<Place>,
    /// Records up to here are excused by a gap.
    excused: Option<Place>,
    last: Option<Place>,
    heard: BTreeSet<Place>,
}

impl Handler {
    pub(super) fn new(listener: Listener, hears: Hears, pattern: Pattern, since: Option<Place>) -> Self {
        Self {
            listener,
            hears,
            pattern,
            is_owed_gap: false,
            is_ready: false,
            is_refused: false,
            is_put_off: false,
            is_revoked: false,
            is_gone: false,
            from: since,
            follows: since,
            excused: None,
            last: None,
            heard: BTreeSet::new(),
        }
    }

    /// The handler was confirmed: no event is missed from here on.
    pub(super) fn ready(&mut self, tip: Place) {
        self.is_ready = true;
        (self.is_put_off, self.is_revoked) = (false, false);
        self.from = self.from.or(Some(tip));
    }

    pub(super) fn hear(&mut self, truth: &Truth, place: Place) -> Result<(), Violation> {
        let stored = truth.get(place);
        let Self { pattern, listener, .. } = &*self;
        let is_meant = stored.entry.as_deref().is_some_and(|entry| listener.hears(self.hears, pattern, entry));
        // Until its refusal has arrived, its call may still bring what it asked for together with others.
        if !self.is_gone && is_meant && self.hears == Hears::Channels && !is_granted(pattern) {
            return Ok(());
        }
        if self.is_gone || self.is_refused || self.is_revoked || !is_meant {
            return Err(Violation::new("hears only what is for it", format!("{pattern} got {}", stored.at)));
        }
        if self.last.is_some_and(|last| last >= place) || self.excused.is_none() && self.heard.contains(&place) {
            return Err(Violation::new("once and in order", format!("{pattern} got {}", stored.at)));
        }
        if !stored.lost
            && let Some(lost) = self.follows.map(|follows| truth.get(follows)).filter(|follows| follows.lost)
        {
            let detail = format!("{pattern} was at {}, then {}", lost.at, stored.at);
            return Err(Violation::new("told when the log lost records", detail));
        }
        // Wherever the handler begins, there is no hole after it.
        self.from = self.from.or(Some(place));
        (self.last, self.follows) = (Some(place), Some(place));
        self.heard.insert(place);
        Ok(())
    }

    /// A gap up to now was reported. Returns whether the handler had missed anything.
    pub(super) fn gap(&mut self, truth: &Truth, tip: Place) -> bool {
        let had_missed = !self.is_ready || self.is_owed_gap || self.missing(truth, tip).is_some();
        self.excused = Some(tip);
        (self.last, self.follows) = (None, None);
        self.is_revoked = false;
        had_missed
    }

    /// A record that the handler should have received up to here, and did not.
    pub(super) fn missing(&self, truth: &Truth, tip: Place) -> Option<Place> {
        if self.is_gone || self.is_refused {
            return None;
        }
        let from = self.from?.max(self.excused.unwrap_or(self.from?));
        truth.places(from, tip).find(|place| {
            let is_meant = |entry: &Entry| self.listener.hears(self.hears, &self.pattern, entry);
            let stored = truth.get(*place);
            !stored.lost && !self.heard.contains(place) && stored.entry.as_deref().is_some_and(is_meant)
        })
    }

    /// Whether the handler knows its state, and has everything that it must have.
    pub(super) fn is_well(&self, truth: &Truth, tip: Place) -> bool {
        self.is_gone
            || self.is_refused
            || self.is_put_off
            || self.is_ready && !self.is_owed_gap && self.missing(truth, tip).is_none()
    }

    pub(super) fn finish(&self, truth: &Truth, tip: Place) -> Result<(), Violation> {
        let Self { pattern, listener: Listener { user, session, .. }, .. } = self;
        let of = format!("{pattern} of {user} ({session})");
        if self.is_well(truth, tip) {
            return Ok(());
        }
        Err(match self.missing(truth, tip) {
            _ if !self.is_ready => Violation::new("confirmed in the end", of),
            Some(place) => Violation::new("nothing is lost", format!("{of} did not get {}", truth.get(place).at)),
            None => Violation::new("told that its cursor is none", of),
        })
    }
}

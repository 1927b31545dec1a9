//! One handler, and the judge of what it received: every record that it must receive, once, in order, and without a
//! hole, from where it began or from its last gap.

use tidings_client::routes::Hears;
use tidings_protocol::{Cursor, Pattern};

use super::{
    person::Person,
    truth::{Place, Truth},
};

/// The rule by which a handler gets every record.
const LOST: &str = "nothing is lost";

/// A broken promise.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) rule: &'static str,
    pub(super) detail: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

/// Up to where a handler has received everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    /// The handler has not begun.
    Unknown,
    /// A gap was reported before it began, so it may begin anywhere.
    Anywhere,
    /// Exactly up to here.
    UpTo(Place),
    /// From here on it must receive everything; it may receive earlier records first.
    AtLeastFrom(Place),
    /// A gap was reported after which the stream continues at `gap`, and the handler had a later position `since`. It is like `AtLeastFrom(since)`. If the log loses `since`, the following records follow `gap`, for
    /// which the handler has refetched; or they were in flight then and still follow the lost position.
    GapBefore { gap: Place, since: Place, excused: Excused },
    /// A gap on its channels was reported: of the records after this place, it need not receive the excused ones. If the
    /// place is not `exact`, it may receive earlier records first, as with `AtLeastFrom`.
    Missing { after: Place, excused: Excused, exact: bool },
}

/// The records that a handler need not receive, because a gap covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excused {
    Nothing,
    /// Records up to the place that the gap named, and records that were trimmed or damaged.
    UpTo(Place),
}

impl Excused {
    fn covers(self, truth: &Truth, place: Place) -> bool {
        match self {
            Self::Nothing => false,
            Self::UpTo(until) => truth.get(place).missing || truth.between(place, until).is_some(),
        }
    }
}

impl Served {
    /// A later place counts as long as the log has it.
    fn now(self, truth: &Truth) -> Self {
        match self {
            Self::GapBefore { since, excused: Excused::Nothing, .. } if !truth.get(since).lost => {
                Self::AtLeastFrom(since)
            }
            other => other,
        }
    }

    fn excused(self) -> Excused {
        match self {
            Self::GapBefore { excused, .. } | Self::Missing { excused, .. } => excused,
            _ => Excused::Nothing,
        }
    }
}

#[derive(Debug)]
pub(super) struct Ear {
    pub(super) pattern: Pattern,
    pub(super) hears: Hears,
    /// The cursor with which the handler was made.
    pub(super) since: Option<Cursor>,
    /// The handler was made with a text that is not a cursor, which must be reported once.
    pub(super) owed_gap: bool,
    /// The cursor that its page was rendered with, from which it begins. Records after it may arrive before the handler
    /// is confirmed, even if the shared stream is not there yet.
    pub(super) page: Option<Place>,
    /// Where the stream continued after the last gap; earlier records were refetched.
    refetched: Option<Place>,
    pub(super) settled: bool,
    pub(super) refused: bool,
    /// The handler was refused once and is accepted again, which must be reported by a gap.
    pub(super) returned: bool,
    /// The handler was unsubscribed, or its page is gone.
    pub(super) gone: bool,
    served: Served,
    /// A hole in the received records while its call, which also asked for other channels, was still being refused.
    hole: Option<Violation>,
}

impl Ear {
    pub(super) fn new(truth: &Truth, hears: Hears, pattern: Pattern, since: Option<Cursor>) -> Self {
        let served = since.and_then(|at| truth.find(at)).map_or(Served::Unknown, Served::UpTo);
        let (settled, refused, returned) = (false, false, false);
        Self {
            pattern,
            hears,
            since,
            owed_gap: false,
            page: None,
            refetched: None,
            settled,
            refused,
            returned,
            gone: false,
            served,
            hole: None,
        }
    }

    /// Up to where the handler has received everything, if that is known.
    pub(super) fn place(&self) -> Option<Place> {
        match self.served {
            Served::Unknown | Served::Anywhere => None,
            Served::UpTo(place)
            | Served::AtLeastFrom(place)
            | Served::GapBefore { since: place, .. }
            | Served::Missing { after: place, .. } => Some(place),
        }
    }

    /// A gap on the whole stream was reported; the stream continues at this position.
    pub(super) fn gap(&mut self, truth: &Truth, goes_on: Option<Place>) {
        self.refetched = goes_on;
        self.hole = None;
        let since = self.since.and_then(|at| truth.find(at)).filter(|_| !self.settled);
        // The stream of another tab may be behind the handler.
        let is_ahead = |own: &Place| self.settled && !truth.get(*own).lost && goes_on != Some(*own);
        let since = since.or(self.place().filter(is_ahead));
        self.served = match goes_on {
            // The handler has, or was made with, a later place of the same log, which the gap does not affect.
            Some(gap) if since.is_some_and(|since| truth.between(gap, since).is_some()) => {
                since.map_or(Served::Unknown, |since| Served::GapBefore { gap, since, excused: Excused::Nothing })
            }
            Some(place) if self.settled || self.since.is_some() => Served::UpTo(place),
            _ => Served::Unknown,
        };
    }

    /// A gap on its channels was reported, which ends where the log continues or at an unknown place; the stream is at
    /// this position.
    pub(super) fn gap_on_channel(&mut self, truth: &Truth, latest: Option<Place>, ends: Option<Place>) {
        self.hole = None;
        // The handler may be ahead of the stream, which another tab has reset.
        let own = self.place().filter(|own| !truth.get(*own).lost);
        let own = own.filter(|own| latest.is_some_and(|latest| truth.between(latest, *own).is_some()));
        let after = self.place().filter(|place| self.settled && !truth.get(*place).lost);
        self.served = match (self.served, after.zip(ends), own.or(latest)) {
            // As before, it may begin anywhere, apart from what is excused now.
            (Served::GapBefore { gap, since, .. }, Some((_, until)), _) => {
                Served::GapBefore { gap, since, excused: Excused::UpTo(until) }
            }
            (served, Some((after, until)), _) => {
                let exact = !matches!(served, Served::AtLeastFrom(_) | Served::Missing { exact: false, .. });
                Served::Missing { after, excused: Excused::UpTo(until), exact }
            }
            (_, None, Some(place)) if self.settled => Served::AtLeastFrom(place),
            _ => Served::Anywhere,
        };
    }

    /// The handler was confirmed; the stream is at this position.
    pub(super) fn settle(&mut self, truth: &Truth, latest: Option<Place>) {
        self.settled = true;
        if std::mem::take(&mut self.refused) {
            // It is owed a gap, after which it begins where the stream is, whatever it had received before.
            (self.returned, self.served) = (true, Served::Anywhere);
        }
        // The position of a stream is unknown before its first frame. Until then only the handler's refetch counts.
        let is_later = |place: &Place| {
            !truth.get(*place).lost && latest.is_none_or(|latest| truth.between(latest, *place).is_some())
        };
        // The handler has refetched since, whatever its page began with.
        let start = self.refetched.filter(is_later).or(self.page.filter(is_later)).or(latest);
        match (self.served, latest, start) {
            (Served::Unknown, _, Some(place)) | (Served::Anywhere, Some(_), Some(place)) => {
                self.served = Served::AtLeastFrom(place);
            }
            _ => {}
        }
    }

    /// If the handler was already confirmed, its records continue from here.
    pub(super) fn confirm(&mut self, truth: &Truth, place: Option<Place>) {
        if let (true, Served::Anywhere) = (self.settled, self.served) {
            self.settle(truth, place);
        }
    }

    /// The next stream begins here. The handler was confirmed on the last stream, which broke before it named its
    /// position.
    pub(super) fn goes_on(&mut self, place: Option<Place>) {
        if let (true, Served::Unknown, Some(place)) = (self.settled, self.served, place) {
            self.served = Served::AtLeastFrom(place);
        }
    }

    /// The handler was refused, or revoked.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
        self.settled = false;
        self.hole = None;
    }

    /// Checks a record handed to a handler whose pattern no grant covers, or which was to be revoked, at least partly.
    pub(super) fn hear(
        &mut self,
        truth: &Truth,
        person: &Person,
        place: Place,
        may_be_refused: bool,
    ) -> Result<(), Violation> {
        let stored = truth.get(place);
        let is_for_me = |entry: &tidings::record::Entry| person.hears(self.hears, &self.pattern, entry);
        if self.gone || self.refused || !stored.entry.as_deref().is_some_and(is_for_me) {
            return Err(Violation::new("hears only what is for it", format!("{} got {}", self.pattern, stored.at)));
        }
        let from = match self.served.now(truth) {
            // Until the refusal has come, its call may bring what it asked for together with others.
            _ if may_be_refused && !self.settled => None,
            Served::Unknown if self.page.is_some() => None,
            Served::Unknown => {
                return Err(Violation::new(
                    "nothing before it is confirmed",
                    format!("{} got {}", self.pattern, stored.at),
                ));
            }
            Served::Anywhere => None,
            Served::UpTo(from) => Some(from),
            Served::GapBefore { gap, since, excused } => {
                let follows = since != place && self.whole(truth, person, since, place, excused).is_ok();
                Some(if follows { since } else { gap })
            }
            Served::AtLeastFrom(from) => truth.between(place, from).is_none().then_some(from),
            Served::Missing { after, exact, .. } => (exact || truth.between(place, after).is_none()).then_some(after),
        };
        let excused = self.served.now(truth).excused();
        if let Some(from) = from {
            if from == place {
                return Err(Violation::new("once and in order", format!("{} got {} twice", self.pattern, stored.at)));
            }
            match self.whole(truth, person, from, place, excused) {
                Err(violation) if may_be_refused && violation.rule == LOST => self.hole = Some(violation),
                result => result?,
            }
        }
        self.served = Served::UpTo(place);
        Ok(())
    }

    /// All has come up to here, at the end.
    pub(super) fn finish(&self, truth: &Truth, person: &Person, tip: Place) -> Result<(), Violation> {
        if self.gone || self.refused {
            return Ok(());
        }
        if let Some(hole) = &self.hole {
            return Err(hole.clone());
        }
        match self.served.now(truth) {
            _ if self.returned => {
                Err(Violation::new("told of what came while it was refused", self.pattern.to_string()))
            }
            _ if !self.settled => Err(Violation::new("confirmed in the end", self.pattern.to_string())),
            Served::Unknown | Served::Anywhere => Err(Violation::new("began in the end", self.pattern.to_string())),
            Served::UpTo(from) | Served::AtLeastFrom(from) | Served::GapBefore { gap: from, .. } if from == tip => {
                Ok(())
            }
            Served::Missing { after, excused, .. } if after == tip || excused.covers(truth, tip) => Ok(()),
            served @ (Served::UpTo(from)
            | Served::AtLeastFrom(from)
            | Served::GapBefore { gap: from, .. }
            | Served::Missing { after: from, .. }) => {
                // The tip itself may be a record for the handler.
                self.whole(truth, person, from, tip, served.excused())?;
                self.missed(truth, person, tip)
            }
        }
    }

    /// Whether every record that the handler must receive up to the end of the log has arrived, or can still arrive.
    pub(super) fn has_all(&self, truth: &Truth, person: &Person, tip: Place) -> bool {
        let Some(from) = self.place() else { return false };
        let mut rest = truth.between(from, tip);
        rest.as_mut().is_some_and(|rest| rest.all(|place| self.missed(truth, person, place).is_ok()))
    }

    /// Checks that `to` was written after `from`, with no record for this handler in between, apart from what is
    /// `excused`.
    fn whole(&self, truth: &Truth, person: &Person, from: Place, to: Place, excused: Excused) -> Result<(), Violation> {
        let at = |place| truth.get(place).at;
        let Some(between) = truth.between(from, to) else {
            let rule =
                if truth.between(to, from).is_some() { "once and in order" } else { "told when the log lost records" };
            return Err(Violation::new(rule, format!("{} was at {}, then {}", self.pattern, at(from), at(to))));
        };
        for place in between.skip(1).filter(|place| !excused.covers(truth, *place)) {
            self.missed(truth, person, place)?;
        }
        Ok(())
    }

    fn missed(&self, truth: &Truth, person: &Person, place: Place) -> Result<(), Violation> {
        let stored = truth.get(place);
        match &stored.entry {
            Some(entry) if person.hears(self.hears, &self.pattern, entry) => {
                let Person { user, session, .. } = person;
                let detail = format!("{} of {user} ({session}) did not get {}", self.pattern, stored.at);
                Err(Violation::new(LOST, detail))
            }
            _ => Ok(()),
        }
    }
}

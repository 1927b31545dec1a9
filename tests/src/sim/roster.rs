//! The list of one presence handler, and the judge of what it was told: the list begins with everybody, whoever joins was
//! not there, whoever leaves was, and in the end the list names exactly those who are there.

use std::collections::BTreeSet;

use tidings_protocol::{
    Pattern,
    frame::{Member, Presence},
};

use super::ear::Violation;

/// The rule for a member who is missing from a list, and the one for a member who should not be there.
const MISSING: &str = "who is there is on the list";
const GHOST: &str = "who is gone is not on the list";

/// The handler's list, as an application keeps it.
pub(super) struct Roster {
    pub(super) pattern: Pattern,
    /// `None` until the first list.
    shown: Option<BTreeSet<Member>>,
    /// How many nodes were asked, and how many have answered.
    counts: (usize, usize),
    /// The stream is new, and has to begin with a list.
    awaits_list: bool,
    /// The server reports nothing on this channel.
    pub(super) is_refused: bool,
}

impl Roster {
    pub(super) fn new(pattern: Pattern) -> Self {
        Self { pattern, shown: None, counts: (1, 1), awaits_list: false, is_refused: false }
    }

    /// The tab has a new stream of its own.
    pub(super) fn begins_anew(&mut self) {
        self.awaits_list = true;
    }

    /// A frame about the channel has arrived, on a stream of the tab's own or `relayed` by another tab.
    pub(super) fn told(&mut self, frame: &Presence, may_see: bool, relayed: bool) -> Result<(), Violation> {
        let broken = |rule, detail| Err(Violation::new(rule, format!("{}: {detail}", self.pattern)));
        if !may_see {
            return broken("presence is shown only where it is granted", format!("{frame:?}"));
        }
        if let Some(here) = &frame.here {
            self.shown = Some(here.iter().cloned().collect());
            self.counts = (frame.asked.unwrap_or(1), frame.answered.unwrap_or(1));
            self.awaits_list = false;
            if self.counts.1 > self.counts.0 {
                return broken("figures are of those who answered", format!("{:?}", self.counts));
            }
        }
        // The other tab's stream carried the channel before; this tab's own list follows.
        if self.awaits_list && relayed {
            return Ok(());
        }
        if self.awaits_list {
            return broken("a list begins with everybody", format!("{frame:?}"));
        }
        // The channel may have been watched before the handler was made. Its own list follows.
        let Some(shown) = &mut self.shown else { return Ok(()) };
        let twice = frame.join.iter().find(|member| !shown.insert((*member).clone()));
        let absent = frame.leave.iter().find(|member| !shown.remove(member));
        match twice.or(absent) {
            Some(member) => broken("who joins was not there, and who leaves was", format!("{member:?}")),
            None => Ok(()),
        }
    }

    /// The time that the specification allows has passed since anything has changed.
    pub(super) fn finish(&self, present: &BTreeSet<Member>, counts: (usize, usize)) -> Result<(), Violation> {
        let broken = |rule, detail| Err(Violation::new(rule, format!("{}: {detail}", self.pattern)));
        let Some(shown) = &self.shown else { return broken(MISSING, "no list".to_owned()) };
        if let Some(missing) = present.difference(shown).next() {
            return broken(MISSING, format!("{missing:?}"));
        }
        if let Some(ghost) = shown.difference(present).next() {
            return broken(GHOST, format!("{ghost:?}"));
        }
        if self.counts != counts {
            return broken("a list says whether somebody may be missing", format!("{:?}, not {counts:?}", self.counts));
        }
        Ok(())
    }
}

/// Whether somebody with a stream on `held` is present on `watched`. This is said here anew, and not by the product's own
/// types.
pub(super) fn is_in(held: &Pattern, watched: &Pattern) -> bool {
    let above = watched.as_str().strip_suffix('*');
    held == watched || above.is_some_and(|above| held.as_str().starts_with(above))
}

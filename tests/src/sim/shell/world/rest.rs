//! The end of a schedule: the faults end, and within a bound all running pages must be well.

use super::World;
use crate::sim::{
    ear::Violation,
    person::TOPIC_COUNT,
    shell::{page::Page, schedule::Nudge},
};

/// The time within which a client has everything after something made it check.
const PROMPT_MS: u64 = 10_000;
/// The time within which it has everything otherwise: a wait that a proxy asked for is at most five minutes long.
const PATIENT_MS: u64 = 400_000;
/// The time within which a leader that stands still loses the lead to a tab whose user looks.
const LED_MS: u64 = 4_000;
/// The time between two events that make clients check.
const NUDGE_MS: u64 = 2_000;
/// The step of time, so that heartbeats arrive before the watchdogs fire.
const STEP_MS: u64 = 4_500;
/// What does not come to rest in this many rounds never will.
const ROUNDS: usize = 400;

impl World<'_> {
    pub(super) fn come_to_rest(&mut self) -> Result<(), Violation> {
        for node in 0..2 {
            self.boot(node);
        }
        if self.has_revoked {
            for tab in 0..self.pages.len() {
                self.restore(self.pages[tab].listener.user, tab % 2);
            }
        }
        for tab in 0..self.pages.len() {
            let page = &mut self.pages[tab];
            page.is_frozen &= self.schedule.stays_frozen;
            if page.is_cached && !page.is_frozen {
                page.is_cached = false;
                self.befalls(tab, "pageshow", None)?;
            }
            let page = &mut self.pages[tab];
            if page.runs() {
                page.holds_timers = false;
                if page.state == "closed" && !page.is_off && page.final_error.is_none() {
                    return Err(Violation::new("who gives up says so", format!("tab {tab}")));
                }
            }
        }
        self.go_on_until_well()?;
        // One more event for every handler, without a timer in between, reveals handlers that were forgotten.
        for topic in 0..TOPIC_COUNT {
            self.publish(topic % 2, topic, None);
        }
        self.work()?;
        if !self.is_well() {
            self.go_on_until_well()?;
        }
        self.judge()
    }

    fn go_on_until_well(&mut self) -> Result<(), Violation> {
        let begun = self.now;
        let bound = begun + if self.schedule.nudge == Nudge::None { PATIENT_MS } else { PROMPT_MS };
        let mut nudged = None;
        let is_led: Vec<_> = (0..self.pages.len()).filter(|tab| self.is_led_by_frozen(*tab)).collect();
        while self.now <= bound {
            if self.schedule.nudge != Nudge::None
                && self.now > begun + LED_MS
                && let Some(tab) = is_led.iter().find(|tab| self.is_led_by_frozen(**tab))
            {
                return Err(Violation::new("a leader that stands still loses the lead", format!("tab {tab}")));
            }
            if self.schedule.nudge != Nudge::None && nudged.is_none_or(|at| self.now >= at + NUDGE_MS) {
                self.nudge()?;
                nudged = Some(self.now);
            }
            // A user asks a client to continue that has given up and reported it.
            for tab in 0..self.pages.len() {
                let page = &self.pages[tab];
                if page.runs() && page.state == "closed" && page.has_handlers() && !page.kind.misled {
                    self.connect(tab)?;
                }
            }
            self.work()?;
            if self.is_well() {
                return Ok(());
            }
            let next = self.next_timer().map_or(STEP_MS, |(at, ..)| at.saturating_sub(self.now));
            self.pass(next.clamp(1, STEP_MS.min(NUDGE_MS)))?;
        }
        Ok(())
    }

    /// Whether a tab runs and has only the stream of a tab that stands still.
    fn is_led_by_frozen(&self, tab: usize) -> bool {
        let page = &self.pages[tab];
        let shares = |other: &&Page| other.browser == page.browser && other.listener.user == page.listener.user;
        let mut others = self.pages.iter().filter(shares).filter(|other| !other.streams.is_empty());
        let is_behind = page.runs() && page.kind.shares && page.state == "open" && page.has_handlers();
        is_behind && page.streams.is_empty() && others.all(|other| other.is_frozen && other.kind.shares)
    }

    /// Makes the clients check their connection.
    fn nudge(&mut self) -> Result<(), Violation> {
        for tab in 0..self.pages.len() {
            if !self.pages[tab].runs() {
                continue;
            }
            match self.schedule.nudge {
                Nudge::None => {}
                Nudge::Shown => self.show(tab)?,
                Nudge::Online => self.befalls(tab, "online", None)?,
                Nudge::Connect if self.pages[tab].has_handlers() && !self.pages[tab].kind.misled => {
                    self.connect(tab)?;
                }
                Nudge::Connect => {}
            }
        }
        Ok(())
    }

    /// Lets everything happen that needs no time.
    fn work(&mut self) -> Result<(), Violation> {
        for round in 0..ROUNDS {
            let mut moved = false;
            for node in 0..2 {
                self.follow(node);
            }
            for tab in 0..self.pages.len() {
                moved |= self.exchange(tab, (tab + round) % 2)?;
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Violation::new("comes to rest", "something happens over and over again"))
    }

    fn is_well(&self) -> bool {
        let mut misled = self.pages.iter().filter(|page| page.kind.misled && page.runs() && page.has_handlers());
        if misled.any(Self::knows_nothing_of_its_url) {
            return false;
        }
        let log = self.log.lock();
        self.running().all(|page| {
            let all = page.handlers.values().all(|handler| handler.is_well(&log.truth, log.tip()));
            all && (page.state == "open" || !page.has_handlers())
        })
    }

    /// Whether a page with an invalid URL has not reported it yet.
    fn knows_nothing_of_its_url(page: &Page) -> bool {
        let told = page.final_error.as_deref() == Some("malformedUrl") || page.was_broken;
        page.is_used && !page.is_off && !told
    }

    /// The pages that must be well.
    fn running(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(|page| page.runs() && !page.kind.misled)
    }

    fn judge(&self) -> Result<(), Violation> {
        for page in self.pages.iter().filter(|page| page.kind.misled && page.runs() && page.has_handlers()) {
            if Self::knows_nothing_of_its_url(page) {
                let detail = format!("{:?}, {}", page.final_error, page.state);
                return Err(Violation::new("a URL that is none is told", detail));
            }
        }
        let log = self.log.lock();
        for page in self.running().filter(|page| page.has_handlers()) {
            for handler in page.handlers.values() {
                handler.finish(&log.truth, log.tip())?;
            }
            if page.state != "open" {
                return Err(Violation::new("open in the end", format!("{:?} is {}", page.listener, page.state)));
            }
        }
        Ok(())
    }
}

//! The world around the pages: the nodes, the network, the browsers and the clock. The pages themselves are in Node.

mod network;
mod rest;
mod tabs;
mod told;

pub(super) use tabs::GLOBALS;

use std::{collections::BTreeMap, sync::Arc};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tidings::Event;
use tidings_protocol::Cursor;

use super::{
    alias::Aliases,
    browser::Browser,
    host::Host,
    op::Op,
    page::Page,
    protocol::{Addressed, Command},
    sabotage::ShellSabotage,
    schedule::Schedule,
    tally::ShellTally,
};
use crate::sim::{
    ear::Violation,
    engine::{Log, Mode},
    journal::Journal,
    person::{Hide, PATTERNS, Person, Publication},
    station::Station,
};

/// The texts of events, with characters of one to four bytes, so that chunks are also cut within a character.
const TEXTS: [&str; 3] = ["plain", "\u{e9}\u{20ac}\u{1f600}", "\u{65e5}\u{672c}\u{8a9e}"];
/// More channels than a client remembers at once.
const FLOOD: usize = 4_200;

pub(super) struct World<'h> {
    host: &'h mut Host,
    schedule: Schedule,
    sabotage: Option<ShellSabotage>,
    now: u64,
    log: Arc<Mutex<Log>>,
    stations: [Station; 2],
    /// The browsers, by device.
    browsers: BTreeMap<&'static str, Browser>,
    /// Whether nothing is stored in a browser.
    is_new: BTreeMap<&'static str, bool>,
    /// The pages, by tab.
    pages: Vec<Page>,
    opened: u32,
    handlers: u32,
    aliases: Aliases,
    /// Cursors that pages were rendered with.
    kept: Vec<Cursor>,
    published: usize,
    has_trimmed: bool,
    /// The log has lost records that it had acknowledged.
    has_lost: bool,
    has_revoked: bool,
    /// A proxy refused something that is granted, possibly for another tab.
    was_refused: bool,
    tally: ShellTally,
    journal: Journal,
}

impl<'h> World<'h> {
    pub(super) fn run(
        host: &'h mut Host,
        schedule: &Schedule,
        sabotage: Option<ShellSabotage>,
        journal: Journal,
    ) -> (ShellTally, Result<(), Violation>) {
        let flaws = crate::sim::Sabotage::flaws(None);
        let log = Arc::new(Mutex::new(Log::new(flaws, schedule.hub.page, (10_000, 10_000))));
        let stations = [0, 1].map(|node| Station::new(&log, node, &schedule.hub, None, None));
        let mut world = Self {
            host,
            schedule: schedule.clone(),
            sabotage,
            now: 1_000,
            log,
            stations,
            browsers: BTreeMap::new(),
            is_new: BTreeMap::new(),
            pages: Vec::new(),
            opened: 0,
            handlers: 0,
            aliases: Aliases::default(),
            kept: Vec::new(),
            published: 0,
            has_trimmed: false,
            has_lost: false,
            has_revoked: false,
            was_refused: false,
            tally: ShellTally { schedules: 1, ..ShellTally::default() },
            journal,
        };
        let result = world.play();
        (world.tally, result)
    }

    fn play(&mut self) -> Result<(), Violation> {
        self.host.trace = 0;
        self.send(0, 0, &Command::Begin { sabotage: self.sabotage.map_or("", ShellSabotage::name) })?;
        for (tab, kind) in self.schedule.pages.clone().into_iter().enumerate() {
            let page = self.opening(tab, kind);
            self.pages.push(page);
            self.open(tab)?;
        }
        for op in std::mem::take(&mut self.schedule.ops) {
            self.journal.note(|| format!("{op:?}"));
            self.step(op)?;
        }
        self.journal.note(|| "all is well from here on".to_owned());
        self.come_to_rest()
    }

    /// Sends a command to a page, and judges its effects.
    fn tell(&mut self, tab: usize, command: &Command) -> Result<(), Violation> {
        let (id, now) = (self.pages[tab].id, self.now + self.pages[tab].ahead_ms);
        self.journal.note(|| format!("tab {tab} at {now}: {command:?}"));
        self.send(id, now, command)
    }

    fn send(&mut self, id: u32, now: u64, command: &Command) -> Result<(), Violation> {
        let wall = self.log.lock().now_ms;
        let effects = self.host.carry_out(&Addressed { tab: id, now, wall, command });
        self.tally.commands += 1;
        for effect in effects {
            // The effects of a page that was just closed do not matter.
            let Some(tab) = self.pages.iter().position(|page| page.id == effect.tab) else { continue };
            self.journal.note(|| format!("tab {tab} does {:?}", effect.does));
            self.take(tab, effect.does)?;
        }
        Ok(())
    }

    fn step(&mut self, op: Op) -> Result<(), Violation> {
        let tabs = self.pages.len();
        match op {
            Op::Publish { node, topic, hidden } => self.publish(node, topic, hidden),
            Op::Flood { tab, node } => return self.flood(tab % tabs, node),
            Op::Follow { node } => self.follow(node),
            Op::Keep { node } => self.kept.extend(self.stations[node].hub().map(tidings::Hub::cursor)),
            Op::Trim { records } => {
                self.tally.fault("trim");
                self.has_trimmed = true;
                self.log.lock().trim(records);
            }
            Op::RollBack { records } => {
                self.tally.fault("tail rollback");
                self.has_lost = true;
                self.log.lock().roll_back(records, crate::sim::op::Live::Breaks);
            }
            Op::Wipe => {
                self.tally.fault("wipe");
                self.has_lost = true;
                self.log.lock().wipe(crate::sim::op::Live::Breaks);
            }
            Op::Revoke { tab, pattern, node } => self.revoke(tab % tabs, PATTERNS[pattern], node),
            Op::Restore { tab, node } => self.restore(self.pages[tab % tabs].listener.user, node),
            Op::Crash { node } => self.crash(node),
            Op::Boot { node } => self.boot(node),
            Op::Drain { node } => {
                if self.stations[node].drain() {
                    self.tally.fault("drain");
                }
            }
            Op::Pass { ms } => return self.pass(ms),
            op => return self.step_of_tab(op),
        }
        Ok(())
    }

    fn publish(&mut self, node: usize, topic: usize, hidden: Option<usize>) {
        let hide = hidden.map_or(Hide::Nobody, |tab| {
            let page = &self.pages[tab % self.pages.len()];
            let (user, session) = (page.listener.user, page.listener.session.clone());
            Hide::Tab(Person { user, device: page.browser, session })
        });
        self.published += 1;
        let text = TEXTS[self.published % TEXTS.len()];
        let publication = Publication::new(self.published, topic, hide, 0).saying(text);
        let Some(hub) = self.stations[node].hub().cloned() else { return };
        self.tally.published += 1;
        self.log.lock().mode = Mode::Prompt;
        let _ = publication.publish(hub).now_or_never();
    }

    /// Publishes on more channels than a client remembers, and delivers everything in one chunk. Between them are
    /// hidden events, which the client reads in another way.
    fn flood(&mut self, tab: usize, node: usize) -> Result<(), Violation> {
        let Some(hub) = self.stations[node].hub().cloned() else { return Ok(()) };
        self.tally.fault("more channels in a chunk than are remembered");
        let stranger = tidings::Origin::new(None, "stranger".parse().ok());
        let stranger = stranger.of(&tidings::UserId::new("ana").expect("a user id"));
        for number in 0..FLOOD {
            self.published += 1;
            let is_hidden = number % 100 == 99;
            let channel = if is_hidden { "a:y".to_owned() } else { format!("a:f{number}") };
            let event = Event::new(channel.as_str(), "t", &(self.published, TEXTS[0]));
            let event = event.and_then(|event| event.key(format!("k{}", self.published))).expect("a good event");
            let event = if is_hidden { event.except(&stranger) } else { event };
            self.log.lock().mode = Mode::Prompt;
            let _ = hub.publish(event).now_or_never();
        }
        self.tally.published += FLOOD as u64;
        self.follow(node);
        self.read(tab, usize::MAX).map(drop)
    }

    /// Revokes channels from the tab's user.
    fn revoke(&mut self, tab: usize, channels: &str, node: usize) {
        let Some(hub) = self.stations[node].hub().cloned() else { return };
        self.tally.fault("revocation");
        self.has_revoked = true;
        let user = self.pages[tab].listener.user;
        let mut log = self.log.lock();
        log.revoked.push((user, super::parsed(channels)));
        log.mode = Mode::Prompt;
        drop(log);
        let _ = hub.revoke(user, channels).now_or_never();
    }

    /// Undoes everything that was revoked from a user.
    fn restore(&mut self, user: &str, node: usize) {
        let Some(hub) = self.stations[node].hub().cloned() else { return };
        self.log.lock().mode = Mode::Prompt;
        let _ = hub.restore(user).now_or_never();
    }

    fn follow(&mut self, node: usize) {
        while self.stations[node].pull(10_000) {}
        self.stations[node].flush();
    }

    fn crash(&mut self, node: usize) {
        if !self.stations[node].crash() {
            return;
        }
        self.tally.fault("node crash");
        for stream in self.pages.iter_mut().flat_map(|page| &mut page.streams) {
            if stream.node == node {
                stream.cut();
            }
        }
    }

    fn boot(&mut self, node: usize) {
        if self.stations[node].is_draining() {
            self.crash(node);
        }
        self.stations[node].boot(self.now);
    }

    /// Lets time pass; timers fire when they are due.
    fn pass(&mut self, ms: u64) -> Result<(), Violation> {
        let end = self.now + ms;
        while let Some((at, tab, id)) = self.next_timer().filter(|(at, ..)| *at <= end) {
            self.advance(at);
            self.pages[tab].timers.remove(&id);
            self.tell(tab, &Command::Timer { id })?;
        }
        self.advance(end);
        Ok(())
    }

    /// The timer that is due next: its time, tab and number.
    fn next_timer(&self) -> Option<(u64, usize, u32)> {
        let running = self.pages.iter().enumerate().filter(|(_, page)| page.runs() && !page.holds_timers);
        running
            .flat_map(|(tab, page)| page.timers.iter().map(move |(id, at)| (at - page.ahead_ms.min(*at), tab, *id)))
            .min()
    }

    fn advance(&mut self, to: u64) {
        let ms = to.saturating_sub(self.now);
        self.now += ms;
        self.log.lock().now_ms += ms;
        if ms > 0 {
            self.stations.iter_mut().for_each(|station| station.tick(self.now));
        }
    }
}

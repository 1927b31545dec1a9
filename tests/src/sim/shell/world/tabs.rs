//! What tabs do, and what happens to them. What a page then says that it did is in `told`.

use tidings_client::routes::Hears;
use tidings_protocol::Cursor;

use super::World;
use crate::sim::{
    ear::Violation,
    person::{LABELS, PATTERNS, PEOPLE, is_granted},
    shell::{
        browser::Word,
        handler::{Handler, Listener},
        op::{Fate, Kind, Op, Since},
        page::Page,
        protocol::{Call, Command, Opening, Options, Reconnect, Seed},
        sabotage::ShellSabotage,
    },
};

/// The globals that an application's page may find broken.
pub(in crate::sim::shell) const GLOBALS: [&str; 9] = [
    "fetch",
    "EventSource",
    "locks",
    "BroadcastChannel",
    "postMessage",
    "setTimeout",
    "performance.now",
    "TextDecoder",
    "addEventListener",
];

impl World<'_> {
    /// The page that a tab is about to open.
    pub(super) fn opening(&mut self, tab: usize, kind: Kind) -> Page {
        let (user, browser) = PEOPLE[tab];
        self.opened += 1;
        // All pages of a browser find the same storage as the first one.
        let is_new = *self.is_new.entry(browser).or_insert(kind.is_new);
        let device = (!kind.refuses_storage && !is_new).then_some(browser);
        let listener = Listener { user, device, session: String::new() };
        Page::new(self.opened, kind, browser, listener, 1_000_000 * tab as u64)
    }

    /// Opens the page.
    pub(super) fn open(&mut self, tab: usize) -> Result<(), Violation> {
        let page = &self.pages[tab];
        let kind = page.kind;
        let lacks = [(kind.lacks_locks, "locks"), (kind.lacks_channels, "BroadcastChannel")];
        let opening = Opening {
            seed: Seed { at: (u64::from(page.id) << 16 | self.schedule.seed & 0xffff).to_string() },
            device: page.browser,
            stored_device: (!self.is_new[page.browser]).then_some(page.browser),
            refuses_storage: kind.refuses_storage,
            lacks: lacks.into_iter().filter_map(|(lacks, what)| lacks.then_some(what)).collect(),
            srcdoc: kind.srcdoc,
            options: Options {
                as_app: kind.as_app,
                token: kind.by_token.then_some(page.listener.user),
                url: if kind.misled { "http://app.test:undefined/e" } else { "/e" },
                transport: if kind.by_source { "eventsource" } else { "auto" },
                share_connection: kind.shares,
                reconnect: Reconnect { base_ms: 50, cap_ms: 1_000 },
            },
        };
        self.tally.pages += 1;
        self.tally.sharing += u64::from(kind.shares);
        self.tell(tab, &Command::Open(Box::new(opening)))
    }

    fn reload(&mut self, tab: usize, kind: Kind) -> Result<(), Violation> {
        self.tell(tab, &Command::Close)?;
        let page = self.opening(tab, kind);
        let old = std::mem::replace(&mut self.pages[tab], page);
        self.browser(tab).leave(old.id);
        self.open(tab)
    }

    pub(super) fn browser(&mut self, tab: usize) -> &mut crate::sim::shell::browser::Browser {
        self.browsers.entry(self.pages[tab].browser).or_default()
    }

    pub(super) fn step_of_tab(&mut self, op: Op) -> Result<(), Violation> {
        let tabs = self.pages.len();
        match op {
            Op::Reload { tab, kind } => self.reload(tab % tabs, kind),
            Op::Exchange { tab, node } => self.exchange(tab % tabs, node).map(drop),
            Op::Script { tab, comes } => self.script(tab % tabs, comes).map(drop),
            Op::Task { tab } => self.task(tab % tabs).map(drop),
            Op::Request { tab, which, node, fate } => {
                let count = self.pages[tab % tabs].requests.len();
                self.request(tab % tabs, which % count.max(1), node, fate).map(drop)
            }
            Op::RefuseUnsubscribe { tab } => {
                let requests = &self.pages[tab % tabs].requests;
                let refused = requests.iter().position(|one| one.url.contains("/unsubscribe") && one.answer.is_none());
                refused.map_or(Ok(()), |which| self.request(tab % tabs, which, 0, Fate::Forbidden).map(drop))
            }
            Op::Read { tab, bytes } => self.read(tab % tabs, bytes).map(drop),
            Op::Cut { tab, cut } => self.cut(tab % tabs, cut),
            Op::Hear { tab, words } => self.hear(tab % tabs, words).map(drop),
            Op::Miss { tab } => {
                let id = self.pages[tab % tabs].id;
                if self.browser(tab % tabs).lose(id) {
                    self.tally.fault("message between tabs lost");
                }
                Ok(())
            }
            Op::Deny { tab } => {
                let id = self.pages[tab % tabs].id;
                if self.browser(tab % tabs).deny(id) {
                    self.tally.fault("lock never granted");
                    self.pages[tab % tabs].was_denied = true;
                }
                Ok(())
            }
            Op::Throws { tab, what, times } => {
                let what = GLOBALS[what % GLOBALS.len()];
                self.tell(tab % tabs, &Command::Throws { what, times })
            }
            Op::Freeze { tab } => {
                self.tally.fault("page stands still");
                self.pages[tab % tabs].is_frozen = true;
                Ok(())
            }
            Op::Thaw { tab } => {
                self.pages[tab % tabs].is_frozen = false;
                Ok(())
            }
            Op::HoldTimers { tab } => {
                self.tally.fault("timers held back");
                self.pages[tab % tabs].holds_timers = true;
                Ok(())
            }
            op if self.pages[tab_of(&op) % tabs].runs() || matches!(op, Op::PageShow { .. }) => {
                self.step_of_running(op)
            }
            _ => Ok(()),
        }
    }

    /// Carries out a step in a running page.
    fn step_of_running(&mut self, op: Op) -> Result<(), Violation> {
        let tab = tab_of(&op) % self.pages.len();
        match op {
            Op::PageHide { .. } => {
                self.tally.fault("page in the back/forward cache");
                self.befalls(tab, "pagehide", None)?;
                self.pages[tab].is_cached = true;
                Ok(())
            }
            Op::PageShow { .. } if self.pages[tab].is_cached => {
                self.pages[tab].is_cached = false;
                self.befalls(tab, "pageshow", None)
            }
            Op::Hide { .. } => {
                self.pages[tab].is_hidden = true;
                self.befalls(tab, "visibilitychange", Some(true))
            }
            Op::Show { .. } => self.show(tab),
            Op::Online { .. } => self.befalls(tab, "online", None),
            op => self.step_of_application(tab, op),
        }
    }

    pub(super) fn show(&mut self, tab: usize) -> Result<(), Violation> {
        let page = &mut self.pages[tab];
        (page.is_hidden, page.holds_timers) = (false, false);
        self.befalls(tab, "visibilitychange", Some(false))
    }

    pub(super) fn befalls(&mut self, tab: usize, r#type: &'static str, hidden: Option<bool>) -> Result<(), Violation> {
        if matches!(r#type, "online" | "visibilitychange") && self.is_deaf(tab) {
            return Ok(());
        }
        self.tell(tab, &Command::Event { r#type, hidden, persisted: true })
    }

    /// Whether a sabotaged page ignores an event while it waits for something.
    fn is_deaf(&self, tab: usize) -> bool {
        let page = &self.pages[tab];
        match self.sabotage {
            Some(ShellSabotage::HangingAttempt) => page.state == "connecting",
            Some(ShellSabotage::LongWait) => page.state == "waiting" && page.was_put_off,
            Some(ShellSabotage::PatientForLock) => page.was_denied,
            // The tab uses another tab's stream.
            Some(ShellSabotage::DeafFollower) => page.state == "open" && page.streams.is_empty(),
            _ => false,
        }
    }

    fn step_of_application(&mut self, tab: usize, op: Op) -> Result<(), Violation> {
        let call = match op {
            Op::Subscribe { pattern, since, acts, .. } => {
                let (since, is_cursor) = self.since(since);
                let channel = PATTERNS[pattern];
                let handler = self.listen(tab, Hears::Channels, channel, since.filter(|_| is_cursor));
                let text = since.map(|at| at.to_string()).or((!is_cursor).then(|| "gone".to_owned()));
                if !is_cursor && let Some(handler) = self.pages[tab].handlers.get_mut(&handler) {
                    handler.is_owed_gap = is_granted(&handler.pattern);
                }
                Call::Subscribe { handler, channel, since: text, acts }
            }
            Op::On { label, acts, .. } => {
                let channel = LABELS[label];
                Call::On { handler: self.listen(tab, Hears::Addressed, channel, None), channel, acts }
            }
            Op::Stop { which, .. } => {
                let Some(handler) = self.pages[tab].handler(which) else { return Ok(()) };
                Call::Stop { handler }
            }
            Op::Swap { which, pattern, .. } => {
                let Some(stops) = self.pages[tab].handler(which) else { return Ok(()) };
                let channel = PATTERNS[pattern];
                Call::Swap { stops, handler: self.listen(tab, Hears::Channels, channel, None), channel }
            }
            Op::Connect { .. } => return self.connect(tab),
            Op::Disconnect { .. } => Call::Disconnect,
            Op::Reset { .. } => Call::Reset,
            Op::Headers { .. } => Call::Headers,
            Op::Preload { .. } => {
                self.pages[tab].is_used = true;
                Call::Preload
            }
            Op::Fetch { .. } => Call::Fetch,
            Op::Configure { .. } if self.pages[tab].kind.as_app => Call::Configure,
            _ => return Ok(()),
        };
        let is_disconnect = matches!(call, Call::Disconnect);
        if is_disconnect {
            self.pages[tab].is_off = true;
        }
        let ends = is_disconnect || matches!(call, Call::Reset);
        self.tell(tab, &Command::Call(call))?;
        if ends { self.lets_go(tab) } else { Ok(()) }
    }

    /// A client that has ended holds nothing.
    fn lets_go(&self, tab: usize) -> Result<(), Violation> {
        match self.pages[tab].holds() {
            Some(held) => Err(Violation::new("who has ended lets go of all", held)),
            None => Ok(()),
        }
    }

    pub(super) fn connect(&mut self, tab: usize) -> Result<(), Violation> {
        if self.is_deaf(tab) {
            return Ok(());
        }
        self.connects(tab);
        self.tell(tab, &Command::Call(Call::Connect))
    }

    fn connects(&mut self, tab: usize) {
        let page = &mut self.pages[tab];
        (page.is_used, page.is_off, page.final_error) = (true, false, None);
    }

    fn listen(&mut self, tab: usize, hears: Hears, channel: &str, since: Option<Cursor>) -> u32 {
        self.handlers += 1;
        let since = since.and_then(|at| self.log.lock().truth.find(at));
        let page = &mut self.pages[tab];
        page.is_used |= !page.is_off;
        let handler = Handler::new(page.listener.clone(), hears, super::super::parsed(channel), since);
        page.handlers.insert(self.handlers, handler);
        self.handlers
    }

    /// A cursor, and whether the requested text is one.
    fn since(&self, since: Since) -> (Option<Cursor>, bool) {
        match since {
            Since::Now => (None, true),
            Since::Kept(which) => {
                (which.checked_rem(self.kept.len()).and_then(|which| self.kept.get(which).copied()), true)
            }
            Since::Garbage => (None, false),
        }
    }

    pub(super) fn script(&mut self, tab: usize, comes: bool) -> Result<bool, Violation> {
        let page = &mut self.pages[tab];
        if !page.runs() {
            return Ok(false);
        }
        let Some(id) = page.scripts.pop_front() else { return Ok(false) };
        if !comes {
            self.tally.fault("the engine's script does not come");
        }
        self.tell(tab, &Command::Script { id, comes }).map(|()| true)
    }

    pub(super) fn task(&mut self, tab: usize) -> Result<bool, Violation> {
        let page = &mut self.pages[tab];
        if !page.runs() {
            return Ok(false);
        }
        let Some(id) = page.tasks.pop_front() else { return Ok(false) };
        self.tell(tab, &Command::Task { id }).map(|()| true)
    }

    /// The browser delivers its messages to a page.
    pub(super) fn hear(&mut self, tab: usize, words: usize) -> Result<bool, Violation> {
        let mut heard = false;
        for _ in 0..words.min(1_000) {
            let page = &self.pages[tab];
            if !page.runs() {
                break;
            }
            let id = page.id;
            let Some(word) = self.browser(tab).next(id) else { break };
            let command = match word {
                Word::Lock { id, granted } => {
                    let page = &mut self.pages[tab];
                    if !granted {
                        page.locks.remove(&id);
                    } else if let Some(lock) = page.locks.get_mut(&id) {
                        lock.is_its_own = true;
                    }
                    Command::Lock { id, granted }
                }
                Word::Stolen { id } => {
                    self.pages[tab].locks.remove(&id);
                    Command::Unlocked { id, name: "AbortError" }
                }
                Word::Message { id, data } => Command::Message { id, data },
                Word::Held { id, names } => Command::Held { id, names },
            };
            self.tell(tab, &command)?;
            heard = true;
        }
        Ok(heard)
    }

    /// Everything in flight for a page arrives.
    pub(super) fn exchange(&mut self, tab: usize, node: usize) -> Result<bool, Violation> {
        let mut moved = self.script(tab, true)?;
        while self.task(tab)? {
            moved = true;
        }
        moved |= self.hear(tab, usize::MAX)?;
        for _ in 0..self.pages[tab].requests.len() {
            moved |= self.request(tab, 0, node, Fate::Arrives)?;
        }
        moved |= self.read(tab, usize::MAX)?;
        Ok(moved)
    }
}

/// The tab of a step.
fn tab_of(op: &Op) -> usize {
    match op {
        Op::Subscribe { tab, .. }
        | Op::On { tab, .. }
        | Op::Stop { tab, .. }
        | Op::Swap { tab, .. }
        | Op::Connect { tab }
        | Op::Disconnect { tab }
        | Op::Reset { tab }
        | Op::Headers { tab }
        | Op::Preload { tab }
        | Op::Fetch { tab }
        | Op::Configure { tab }
        | Op::PageHide { tab }
        | Op::PageShow { tab }
        | Op::Hide { tab }
        | Op::Show { tab }
        | Op::Online { tab } => *tab,
        _ => 0,
    }
}

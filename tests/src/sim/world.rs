//! Everything together: the nodes, an engine, the clients, the network between them, and the clock.
//!
//! It is not split further because `step` is one match over all steps, which shows what each of them does.

mod cluster;
mod network;
mod polling;
mod publishing;
mod rest;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tidings::{PublishError, Receipt};
use tidings_protocol::{Cursor, Pattern};

use super::{
    bus::{self, Bus},
    client::Client,
    ear::Violation,
    engine::{Gate, Log},
    journal::Journal,
    op::{Append, Hidden, Live, Op, Since},
    person::{GIFTS, LABELS, PATTERNS, Publication},
    poller::Poller,
    profile::{Profile, Speaker},
    sabotage::Sabotage,
    schedule::Schedule,
    station::Station,
    tally::Tally,
};

type Publishing = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>>>>;

/// A publish that has not returned.
struct Pending {
    publication: Publication,
    gate: Gate,
    node: usize,
    future: Publishing,
}

pub(super) struct World {
    schedule: Schedule,
    sabotage: Option<Sabotage>,
    now: u64,
    log: Arc<Mutex<Log>>,
    bus: Arc<Mutex<Bus>>,
    stations: Vec<Station>,
    clients: Vec<Client>,
    pollers: Vec<Poller>,
    /// The quiet nodes of each poller.
    quiet: Vec<polling::Quiet>,
    /// The browsers, by device.
    profiles: BTreeMap<&'static str, Profile>,
    pages: u32,
    /// Users who were disconnected once, so that a node may refuse their credentials.
    expelled: Vec<&'static str>,
    /// Cursors that pages were rendered with.
    kept: Vec<Cursor>,
    published: usize,
    pending: Vec<Pending>,
    /// Publishes that failed, or whose outcome is unknown; they are retried with the same key.
    failed: Vec<Publication>,
    acknowledged: Vec<(Publication, Receipt)>,
    tally: Tally,
    journal: Journal,
}

impl World {
    pub(super) fn run(
        schedule: Schedule,
        sabotage: Option<Sabotage>,
        journal: Journal,
    ) -> (Tally, Result<(), Violation>) {
        let log = Arc::new(Mutex::new(Log::new(
            Sabotage::flaws(sabotage),
            schedule.setup.page,
            (schedule.setup.summary_keys, schedule.setup.summary_tags),
        )));
        let bus = Arc::new(Mutex::new(Bus::new(sabotage)));
        let between = schedule.setup.peers.then_some(&bus);
        let stations = (0..schedule.setup.nodes).map(|node| Station::new(&log, node, &schedule.setup, between));
        let stations = stations.collect();
        let clients = (0..schedule.setup.clients)
            .map(|index| Client::new(index, 0, None, schedule.setup.share, sabotage, journal.clone()));
        let clients = clients.collect();
        let pollers: Vec<_> = (0..schedule.setup.pollers).map(|index| Poller::new(index, journal.clone())).collect();
        let mut world = Self {
            schedule,
            sabotage,
            now: 1_000,
            log,
            bus,
            stations,
            clients,
            quiet: pollers.iter().map(|_| polling::Quiet::default()).collect(),
            pollers,
            profiles: BTreeMap::new(),
            pages: 0,
            expelled: Vec::new(),
            kept: Vec::new(),
            published: 0,
            pending: Vec::new(),
            failed: Vec::new(),
            acknowledged: Vec::new(),
            tally: Tally::default(),
            journal,
        };
        world.tally.schedules = 1;
        world.tally.nodes[world.schedule.setup.nodes - 1] = 1;
        world.tally.reaching = u64::from(world.schedule.setup.peers);
        world.tally.shared = u64::from(world.schedule.setup.share);
        let result = world.play();
        for met in std::mem::take(&mut world.bus.lock().met) {
            world.tally.fault(met);
        }
        for client in &world.clients {
            world.tally.client(client);
        }
        for poller in &world.pollers {
            world.tally.polls += poller.polls;
            world.tally.polled += poller.heard;
        }
        (world.tally, result)
    }

    fn play(&mut self) -> Result<(), Violation> {
        for op in std::mem::take(&mut self.schedule.ops) {
            self.journal.note(|| format!("{op:?}"));
            self.step(op)?;
            self.ask_browsers();
        }
        self.journal.note(|| "all is well from here on".to_owned());
        self.come_to_rest()?;
        self.judge()
    }

    fn step(&mut self, op: Op) -> Result<(), Violation> {
        let clients = self.clients.len();
        match op {
            Op::Publish { node, topic, hidden, append } => self.publish(node, topic, hidden, append),
            Op::Acknowledge { which } => self.acknowledge(which),
            Op::GiveUp { which } => self.give_up(which),
            Op::Retry { which, node } => {
                if !self.failed.is_empty() {
                    let publication = self.failed.swap_remove(which % self.failed.len());
                    self.send(publication, node, Append::Prompt);
                }
            }
            Op::Repeat { which, node } => {
                let count = self.acknowledged.len();
                if let Some((publication, _)) = self.acknowledged.get(which % count.max(1)).cloned() {
                    self.tally.fault("key used again");
                    self.send(publication, node, Append::Prompt);
                }
            }
            Op::Revoke { client, pattern, node, append } => {
                self.tally.fault("revocation");
                self.revoke(self.clients[client % clients].person.user, PATTERNS[pattern], node, append);
            }
            Op::Expel { client, node, append } => {
                self.tally.fault("disconnection");
                self.expelled.push(self.clients[client % clients].person.user);
                self.expel(self.clients[client % clients].person.user, node, append);
            }
            Op::Restore { client, node } => self.restore(self.clients[client % clients].person.user, node),
            Op::Give { client, gift, node } => {
                self.tally.fault("gift");
                self.give(self.clients[client % clients].person.user, GIFTS[gift], node);
            }
            Op::Take { client, gift, node } => {
                self.tally.fault("gift taken back");
                self.take(self.clients[client % clients].person.user, GIFTS[gift], node);
            }
            Op::Follow { node, records } => {
                self.stations[node].pull(records);
                self.stations[node].flush();
            }
            Op::Attach { node } => {
                self.stations[node].attach();
            }
            Op::Pull { node, records } => {
                self.stations[node].pull(records);
            }
            Op::Flush { node } => self.stations[node].flush(),
            Op::Connect { client, node, fate } => {
                self.connect(client % clients, node, fate)?;
            }
            Op::Pump { client } => {
                self.pump(client % clients);
            }
            Op::Read { client, bytes } => {
                self.read(client % clients, bytes)?;
            }
            Op::Exchange { client, node } => {
                self.exchange(client % clients, node)?;
            }
            Op::Call { which, fate } => self.call(which, fate)?,
            Op::Poll { poller, node, waits, fate } => {
                if let Some(poller) = poller.checked_rem(self.pollers.len()) {
                    self.poll_once(poller, node, waits, fate)?;
                }
            }
            Op::PollAlso { poller, pattern, since } => {
                let since = self.since(since);
                if let Some(poller) = poller.checked_rem(self.pollers.len()) {
                    self.pollers[poller].listen(&self.log.lock(), pattern, since.as_deref());
                }
            }
            Op::Subscribe { client, pattern, since } => {
                let since = self.since(since);
                let log = self.log.lock();
                self.clients[client % clients].subscribe(&log, parsed(PATTERNS[pattern]), since.as_deref());
                drop(log);
                self.settle(client % clients)?;
            }
            Op::Unsubscribe { client, which } => {
                let client = client % clients;
                let now = self.now + self.clients[client].ahead_ms;
                self.clients[client].unsubscribe(now, which);
                self.settle(client)?;
            }
            Op::On { client, label } => {
                self.clients[client % clients].on(&self.log.lock(), parsed(LABELS[label]));
                self.settle(client % clients)?;
            }
            Op::Keep { node } => self.kept.extend(self.stations[node].hub().map(tidings::Hub::cursor)),
            Op::Reload { client, since } => self.reload(client % clients, since)?,
            Op::ConnectNow { client } => {
                self.clients[client % clients].core.connect();
                self.settle(client % clients)?;
            }
            Op::Disconnect { client } => {
                self.clients[client % clients].core.disconnect();
                self.settle(client % clients)?;
            }
            Op::Suspend { client } => {
                self.clients[client % clients].core.suspend();
                self.settle(client % clients)?;
            }
            Op::Resume { client } => {
                let now = self.now + self.clients[client % clients].ahead_ms;
                self.clients[client % clients].core.resume(now);
                self.settle(client % clients)?;
            }
            Op::Online { client } => {
                let now = self.now + self.clients[client % clients].ahead_ms;
                self.clients[client % clients].core.online(now);
                self.settle(client % clients)?;
            }
            Op::Pass { ms } => self.pass(ms)?,
            Op::Jump { client, ms } => {
                self.tally.fault("clock jump");
                self.clients[client % clients].ahead_ms += ms;
                self.wake(client % clients)?;
            }
            Op::WallJump { ms } => {
                self.tally.fault("clock jump");
                let mut log = self.log.lock();
                log.now_ms = log.now_ms.saturating_add_signed(ms);
            }
            Op::Hear { client, words } => {
                self.hear(client % clients, words)?;
            }
            Op::Freeze { client } => {
                self.tally.fault("frozen tab");
                self.clients[client % clients].frozen = true;
            }
            Op::Thaw { client } => {
                self.clients[client % clients].frozen = false;
                self.wake(client % clients)?;
            }
            Op::Miss { client } => {
                let client = &self.clients[client % clients];
                let profile = self.profiles.entry(client.person.device).or_default();
                match profile.lose(client.tab) {
                    Some(Speaker::Leader) => self.tally.fault("word of a leading tab lost"),
                    Some(Speaker::Follower) => self.tally.fault("word to a leading tab lost"),
                    None => {}
                }
            }
            Op::Deny { client } => {
                let client = &self.clients[client % clients];
                if self.profiles.entry(client.person.device).or_default().deny(client.tab) {
                    self.tally.fault("lock never granted");
                }
            }
            Op::Cut { client, cut } => self.cut(client % clients, cut)?,
            Op::Forget => self.clients.iter_mut().for_each(|client| client.orphans.clear()),
            Op::Stall { client } => {
                if let Some(wire) = &mut self.clients[client % clients].wire {
                    wire.stalled = true;
                    self.tally.fault("slow reader");
                }
            }
            Op::Unstall { client } => {
                if let Some(wire) = &mut self.clients[client % clients].wire {
                    wire.stalled = false;
                }
            }
            Op::Crash { node } => self.crash(node)?,
            Op::Boot { node } => {
                // A node that is draining ends before another one takes its place.
                if self.stations[node].is_draining() {
                    self.crash(node)?;
                }
                self.stations[node].boot(self.now);
            }
            Op::Drain { node } => {
                if self.stations[node].drain() {
                    self.tally.fault("drain");
                }
            }
            Op::Outage { node } => {
                self.tally.fault("engine outage");
                self.log.lock().out[node] = true;
                self.note_silence(node);
            }
            Op::Recover { node } => {
                self.log.lock().out[node] = false;
                self.note_silence(node);
            }
            Op::Lag { node } => {
                self.tally.fault("lagging node");
                self.log.lock().lags[node] = true;
            }
            Op::CatchUp { node } => self.log.lock().lags[node] = false,
            Op::Trim { records } => {
                self.tally.fault("trim");
                self.log.lock().trim(records);
            }
            Op::Damage { which, known } => {
                if self.log.lock().damage(which, known) {
                    self.tally.fault("damage");
                }
            }
            Op::RollBack { records, more, live } => {
                self.tally.fault(if live == Live::Breaks { "tail rollback" } else { "rollback under a live tail" });
                self.log.lock().roll_back(records, live);
                (0..more).for_each(|topic| self.publish(0, topic * 3 + records, Hidden::No, Append::Prompt));
            }
            Op::Wipe { more, live } => {
                self.tally.fault(if live == Live::Breaks { "wipe" } else { "wipe under a live tail" });
                self.log.lock().wipe(live);
                let node = 1 % self.stations.len();
                (0..more).for_each(|topic| self.publish(node, topic * 5, Hidden::No, Append::Prompt));
            }
            Op::Land { which } => self.log.lock().land(which),
            Op::ForgetKeys => {
                self.tally.fault("keys forgotten");
                self.log.lock().forget_keys();
            }
            Op::Stale { node } => {
                self.tally.fault("stale reads");
                self.log.lock().stale[node] = true;
            }
            Op::Fresh { node } => self.log.lock().stale[node] = false,
            Op::Rewind { node } => {
                self.tally.fault("tail begun again");
                self.log.lock().rewinds[node] += 1;
            }
            Op::Hush { node } => {
                self.tally.fault("tail that stands still");
                self.log.lock().hushed[node] = true;
                self.note_silence(node);
            }
            Op::Speak { node } => {
                self.log.lock().hushed[node] = false;
                self.note_silence(node);
            }
            Op::LoseSwap => {
                self.tally.fault("change of metadata unanswered");
                self.log.lock().loses_swap = true;
            }
            Op::Meet { mishap } => self.bus.lock().next = mishap,
            Op::Arrive { which } => bus::arrive(&self.bus, which),
            Op::Part { node } => {
                self.tally.fault("node that nobody reaches");
                self.bus.lock().parted[node] = true;
            }
            Op::Rejoin { node } => self.bus.lock().parted[node] = false,
            Op::Count { client, node } => self.count(client % clients, node)?,
            Op::Ticket { client, mint, first, second } => self.ticket(client % clients, mint, [first, second])?,
        }
        Ok(())
    }

    fn since(&self, since: Since) -> Option<String> {
        let kept = |which: usize| self.kept.get(which % self.kept.len().max(1)).copied();
        match since {
            Since::Now => None,
            Since::Kept(which) => kept(which).map(|at| at.to_string()),
            Since::Node(node) => self.stations[node].hub().map(|hub| hub.cursor().to_string()),
            Since::Forged(which) => kept(which).map(|at| Cursor { tag: at.tag ^ 0x10, ..at }.to_string()),
            Since::Garbage => Some("gone".to_owned()),
        }
    }

    fn reload(&mut self, client: usize, since: Since) -> Result<(), Violation> {
        let since = self.since(since);
        self.pages += 1;
        let share = self.schedule.setup.share;
        let fresh = Client::new(client, self.pages, since.as_deref(), share, self.sabotage, self.journal.clone());
        let old = std::mem::replace(&mut self.clients[client], fresh);
        self.tally.client(&old);
        self.profiles.entry(old.person.device).or_default().exit(old.tab);
        let new = &mut self.clients[client];
        new.ahead_ms = old.ahead_ms;
        new.orphans = old.orphans;
        new.orphans.extend(old.wire.and_then(|mut wire| wire.cut()));
        self.settle(client)
    }

    /// Carries out the session's actions after a call of the application.
    fn settle(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].act(now, &self.log.lock(), None)
    }

    fn wake(&mut self, client: usize) -> Result<bool, Violation> {
        if self.clients[client].frozen {
            return Ok(false);
        }
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].wake(now, &self.log.lock())
    }

    fn pass(&mut self, ms: u64) -> Result<(), Violation> {
        self.let_pass(ms)?;
        for client in 0..self.clients.len() {
            self.wake(client)?;
        }
        Ok(())
    }

    fn failed(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].core.failed(now);
        self.settle(client)
    }

    /// A node's process ends, with all its streams.
    fn crash(&mut self, node: usize) -> Result<(), Violation> {
        if !self.stations[node].crash() {
            return Ok(());
        }
        self.tally.fault("node crash");
        for pending in self.pending.extract_if(.., |pending| pending.node == node) {
            self.failed.push(pending.publication);
        }
        for poller in &mut self.pollers {
            poller.asking.take_if(|asking| asking.wire.node == node);
        }
        for client in &mut self.clients {
            if let Some(wire) = client.wire.as_mut().filter(|wire| wire.node == node) {
                wire.cut();
            }
        }
        Ok(())
    }
}

fn parsed(text: &str) -> Pattern {
    text.parse().expect("a channel or pattern")
}

//! Everything together: the nodes, an engine, the clients, the network between them, and the clock.
//!
//! It is not split further because `step` is one match over all steps, which shows what each of them does.

mod cluster;
mod network;
mod polling;
mod presence;
mod publishing;
mod rest;
mod steps;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tidings::{PublishError, Receipt};
use tidings_protocol::{Cursor, Pattern};

use super::{
    bus::Bus,
    client::Client,
    ear::Violation,
    engine::{Gate, Log},
    journal::Journal,
    op::Since,
    person::Publication,
    poller::Poller,
    profile::Profile,
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
    /// The channels to which the server has ever subscribed a user.
    given: Vec<(&'static str, Pattern)>,
    /// Calls come to the node that has the stream.
    stays_at_nodes: bool,
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
        let station = |node| Station::new(&log, node, &schedule.setup, sabotage, between);
        let stations = (0..schedule.setup.nodes).map(station);
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
            given: Vec::new(),
            stays_at_nodes: false,
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
        world.tally.with_presence = u64::from(world.schedule.setup.presence);
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
        self.judge_presence()?;
        self.judge()
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

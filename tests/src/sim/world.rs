//! Everything together: two nodes, an engine, the clients, the network between them, and the clock.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::body::Body;
use futures_util::FutureExt;
use http_body::Body as _;
use parking_lot::Mutex;
use tidings::{PublishError, Receipt};
use tidings_client::session::Answer;
use tidings_protocol::{Cursor, Pattern};

use super::{
    client::{self, Client, Teller},
    ear::Violation,
    engine::{Gate, Log, Mode},
    journal::Journal,
    op::{Append, Cut, Fate, Hidden, Op, Schedule, Since},
    person::{Hide, LABELS, PATTERNS, Publication, TOPIC_COUNT},
    sabotage::{Line, Sabotage},
    station::Station,
    tally::Tally,
    wire::Wire,
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
    stations: [Station; 2],
    clients: Vec<Client>,
    pages: u32,
    /// Cursors that pages were rendered with.
    kept: Vec<Cursor>,
    published: usize,
    pending: Vec<Pending>,
    /// Publishes that failed, or whose publisher does not know; to be tried again under the same key.
    failed: Vec<Publication>,
    acknowledged: Vec<(Publication, Receipt)>,
    tally: Tally,
    journal: Journal,
}

/// A call that changes nothing is met again and again; what does not come to rest in so many rounds never will.
const ROUNDS: usize = 400;

impl World {
    pub(super) fn run(
        schedule: Schedule,
        sabotage: Option<Sabotage>,
        journal: Journal,
    ) -> (Tally, Result<(), Violation>) {
        let log = Arc::new(Mutex::new(Log::new(Sabotage::flaws(sabotage), schedule.setup.page)));
        let stations = [0, 1].map(|node| Station::new(&log, node, &schedule.setup));
        let clients =
            (0..schedule.setup.clients).map(|index| Client::new(index, 0, None, sabotage, journal.clone())).collect();
        let mut world = Self {
            schedule,
            sabotage,
            now: 1_000,
            log,
            stations,
            clients,
            pages: 0,
            kept: Vec::new(),
            published: 0,
            pending: Vec::new(),
            failed: Vec::new(),
            acknowledged: Vec::new(),
            tally: Tally::default(),
            journal,
        };
        let result = world.play();
        for client in &world.clients {
            world.tally.client(client);
        }
        (world.tally, result)
    }

    fn play(&mut self) -> Result<(), Violation> {
        for op in std::mem::take(&mut self.schedule.ops) {
            self.journal.note(|| format!("{op:?}"));
            self.step(op)?;
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
                self.clients[client % clients].session.connect();
                self.settle(client % clients)?;
            }
            Op::Disconnect { client } => {
                self.clients[client % clients].session.disconnect();
                self.settle(client % clients)?;
            }
            Op::Suspend { client } => {
                self.clients[client % clients].session.suspend();
                self.settle(client % clients)?;
            }
            Op::Resume { client } => {
                let now = self.now + self.clients[client % clients].ahead_ms;
                self.clients[client % clients].session.resume(now);
                self.settle(client % clients)?;
            }
            Op::Online { client } => {
                let now = self.now + self.clients[client % clients].ahead_ms;
                self.clients[client % clients].session.online(now);
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
                // A node that was told to stop is gone before another takes its place.
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
            }
            Op::Recover { node } => self.log.lock().out[node] = false,
            Op::Lag { node } => {
                self.tally.fault("lagging node");
                self.log.lock().lags[node] = true;
            }
            Op::CatchUp { node } => self.log.lock().lags[node] = false,
            Op::Trim { records } => {
                self.tally.fault("trim");
                self.log.lock().trim(records);
            }
            Op::RollBack { records, more } => {
                self.tally.fault("tail rollback");
                self.log.lock().roll_back(records);
                (0..more).for_each(|topic| self.publish(0, topic * 3 + records, Hidden::No, Append::Prompt));
            }
            Op::Wipe { more } => {
                self.tally.fault("wipe");
                self.log.lock().wipe();
                (0..more).for_each(|topic| self.publish(1, topic * 5, Hidden::No, Append::Prompt));
            }
        }
        Ok(())
    }

    fn publish(&mut self, node: usize, topic: usize, hidden: Hidden, append: Append) {
        let person = |client: usize| self.clients[client % self.clients.len()].person.clone();
        let hide = match hidden {
            Hidden::No => Hide::Nobody,
            Hidden::FromTab(client) => Hide::Tab(person(client)),
            Hidden::FromDevice(client) => Hide::Device(person(client)),
        };
        self.published += 1;
        self.tally.published += 1;
        let publication = Publication::new(self.published, topic, hide, self.schedule.setup.payload);
        self.send(publication, node, append);
    }

    fn send(&mut self, publication: Publication, node: usize, append: Append) {
        let Some(hub) = self.stations[node].hub().cloned() else { return self.failed.push(publication) };
        let gate = Gate::default();
        let (mode, fault) = match append {
            Append::Prompt => (Mode::Prompt, None),
            Append::Refused => (Mode::Refused, Some("append refused")),
            Append::Vanished => (Mode::Vanished, Some("append lost")),
            Append::AckLost => (Mode::AckLost, Some("acknowledgement lost")),
            Append::AckLate => (Mode::AckLate(gate.clone()), Some("acknowledgement late")),
            Append::Late => (Mode::Late(gate.clone()), Some("append late")),
        };
        if let Some(fault) = fault {
            self.tally.fault(fault);
        }
        self.log.lock().mode = mode;
        let future: Publishing = Box::pin(publication.clone().publish(hub));
        self.poll(Pending { publication, gate, node, future });
    }

    fn poll(&mut self, mut pending: Pending) {
        match (&mut pending.future).now_or_never() {
            None => self.pending.push(pending),
            Some(Ok(receipt)) => {
                self.journal.note(|| format!("stored {receipt:?}: {:?}", pending.publication));
                self.acknowledged.push((pending.publication, receipt));
            }
            Some(Err(PublishError::Invalid(error))) => panic!("the simulation published an invalid event: {error}"),
            Some(Err(_)) => self.failed.push(pending.publication),
        }
    }

    fn acknowledge(&mut self, which: usize) {
        if !self.pending.is_empty() {
            let pending = self.pending.swap_remove(which % self.pending.len());
            pending.gate.open();
            self.poll(pending);
        }
    }

    /// The publisher is cancelled; some come back and try again.
    fn give_up(&mut self, which: usize) {
        if !self.pending.is_empty() {
            self.tally.fault("publisher cancelled");
            let pending = self.pending.swap_remove(which % self.pending.len());
            if which.is_multiple_of(2) {
                self.failed.push(pending.publication);
            }
        }
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
        let fresh = Client::new(client, self.pages, since.as_deref(), self.sabotage, self.journal.clone());
        let old = std::mem::replace(&mut self.clients[client], fresh);
        self.tally.client(&old);
        let new = &mut self.clients[client];
        new.ahead_ms = old.ahead_ms;
        new.orphans = old.orphans;
        new.orphans.extend(old.wire.and_then(|mut wire| wire.cut()));
        self.settle(client)
    }

    /// Does what the session wants done after the application called it.
    fn settle(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].act(now, &self.log.lock(), None)
    }

    fn wake(&mut self, client: usize) -> Result<bool, Violation> {
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].wake(now, &self.log.lock())
    }

    fn pass(&mut self, ms: u64) -> Result<(), Violation> {
        self.now += ms;
        self.log.lock().now_ms += ms;
        self.stations.iter().for_each(|station| station.tick(self.now));
        for client in 0..self.clients.len() {
            self.wake(client)?;
        }
        Ok(())
    }

    fn failed(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now + self.clients[client].ahead_ms;
        self.clients[client].session.failed(now);
        self.settle(client)
    }

    /// The request for a stream reaches a node, or not.
    fn connect(&mut self, index: usize, node: usize, fate: Fate) -> Result<bool, Violation> {
        let client = &mut self.clients[index];
        let Some(url) = client.opening.take() else { return Ok(false) };
        match fate {
            Fate::Lost => {
                self.tally.fault("connect failed");
                return self.failed(index).map(|()| true);
            }
            Fate::Vanishes => {
                self.tally.fault("connect unanswered");
                return Ok(true);
            }
            Fate::Arrives | Fate::Misled => {}
        }
        let station = &self.stations[node];
        let asked = match (self.sabotage, station.hub()) {
            (Some(sabotage), Some(hub)) => sabotage.url(&url, hub.cursor()),
            _ => url.clone(),
        };
        let astray = station.is_astray();
        let Some((status, body)) = station.answer(client.request(&asked, None)) else {
            return self.failed(index).map(|()| true);
        };
        if !status.is_success() {
            return self.failed(index).map(|()| true);
        }
        let mut wire = Wire::new(body, node, station.resets);
        let parameter = |name: &str| {
            let pairs = url.split(['?', '&']).filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
        };
        let cursors = ["lastEventId", "seen"].iter().filter_map(|name| parameter(name)?.parse().ok());
        wire.cursors = cursors.collect();
        let log = self.log.lock();
        wire.astray = astray;
        wire.misplaced = wire.cursors.iter().any(|at| log.fails(*at));
        drop(log);
        let channels = parameter("channels").unwrap_or_default().split(',').filter(|text| !text.is_empty());
        wire.asks(channels.map(parsed).collect(), None);
        self.clients[index].opened(wire);
        self.tally.streams += 1;
        Ok(true)
    }

    fn pump(&mut self, index: usize) -> bool {
        let buffers = self.schedule.setup.buffers;
        let line = self.line(index);
        let Some(wire) = &mut self.clients[index].wire else { return false };
        wire.astray |= self.stations[wire.node].is_astray();
        wire.pump(buffers, |bytes, out| match &line {
            Some(line) => line.pass(bytes, out),
            None => out.extend_from_slice(bytes),
        })
    }

    /// What a sabotaged line between this client and its node knows.
    fn line(&self, index: usize) -> Option<Line> {
        let (sabotage, client) = (self.sabotage?, &self.clients[index]);
        let wire = client.wire.as_ref()?;
        let station = &self.stations[wire.node];
        let head = station.hub()?.cursor();
        let astray = wire.astray || station.resets > wire.resets || station.is_astray();
        let log = self.log.lock();
        let tip = log.truth.get(log.tip()).at;
        Some(Line { sabotage, head, tip, cursor: wire.cursors.first().copied(), exact: client.exact(), astray })
    }

    fn read(&mut self, index: usize, bytes: usize) -> Result<bool, Violation> {
        let client = &mut self.clients[index];
        let Some(wire) = &client.wire else { return Ok(false) };
        let station = &self.stations[wire.node];
        let teller = Teller { resets: station.resets, astray: station.is_astray() };
        client.read(self.now + client.ahead_ms, &self.log.lock(), teller, bytes)
    }

    /// The network does for a client what it is there for.
    fn exchange(&mut self, index: usize, node: usize) -> Result<bool, Violation> {
        let mut moved = self.connect(index, node, Fate::Arrives)?;
        moved |= self.pump(index);
        moved |= self.read(index, usize::MAX)?;
        for _ in 0..self.clients[index].calls.len() {
            moved |= self.carry(index, 0, Fate::Arrives)?;
        }
        Ok(moved)
    }

    fn call(&mut self, which: usize, fate: Fate) -> Result<(), Violation> {
        let calls: Vec<_> = (0..self.clients.len())
            .flat_map(|client| (0..self.clients[client].calls.len()).map(move |call| (client, call)))
            .collect();
        if let Some((client, call)) = calls.get(which % calls.len().max(1)) {
            self.carry(*client, *call, fate)?;
        }
        Ok(())
    }

    /// Carries a request to its node, or the answer back.
    fn carry(&mut self, index: usize, call: usize, fate: Fate) -> Result<bool, Violation> {
        if call >= self.clients[index].calls.len() {
            return Ok(false);
        }
        let now = self.now + self.clients[index].ahead_ms;
        let client = &mut self.clients[index];
        let mut call = client.calls.remove(call);
        let number = call.request.number;
        match (fate, call.answer.take()) {
            (Fate::Vanishes, _) => self.tally.fault("call unanswered"),
            (Fate::Lost, answer) => {
                self.tally.fault(if answer.is_some() { "answer lost" } else { "call lost" });
                client.answered(now, &self.log.lock(), number, &Answer::default())?;
            }
            (_, Some(answer)) => client.answered(now, &self.log.lock(), number, &answer)?,
            (_, None) => {
                let node = if fate == Fate::Misled { 1 - call.node } else { call.node };
                if fate == Fate::Misled {
                    self.tally.fault("call misled");
                }
                let body = call.request.body.as_deref();
                if body.is_some() && call.request.url.starts_with("/subscribe") {
                    client.asks(body.unwrap_or_default());
                }
                let answer = self.stations[node].answer(client.request(&call.request.url, body));
                call.answer = Some(match answer {
                    Some((status, body)) => client::answer(status, &read_all(body)),
                    None => Answer::default(),
                });
                client.calls.push(call);
            }
        }
        Ok(true)
    }

    fn cut(&mut self, index: usize, cut: Cut) -> Result<(), Violation> {
        let Some(wire) = &mut self.clients[index].wire else { return Ok(()) };
        match cut {
            Cut::Clean(bytes) | Cut::HubUnaware(bytes) => {
                self.tally.fault("cut");
                let body = wire.cut();
                self.read(index, bytes)?;
                let client = &mut self.clients[index];
                if matches!(cut, Cut::HubUnaware(_)) {
                    client.orphans.extend(body);
                }
                // What is read in between may have made the client close it.
                if client.wire.as_mut().is_some_and(|wire| wire.cut().is_none()) {
                    self.failed(index)?;
                }
            }
            Cut::ClientUnaware => {
                self.tally.fault("half-open");
                wire.cut();
                wire.silent = true;
            }
            Cut::Silent => {
                self.tally.fault("half-open");
                wire.discard();
                wire.silent = true;
            }
        }
        Ok(())
    }

    /// A node's process ends, and all its streams with it.
    fn crash(&mut self, node: usize) -> Result<(), Violation> {
        if !self.stations[node].crash() {
            return Ok(());
        }
        self.tally.fault("node crash");
        for pending in self.pending.extract_if(.., |pending| pending.node == node) {
            self.failed.push(pending.publication);
        }
        for client in &mut self.clients {
            if let Some(wire) = client.wire.as_mut().filter(|wire| wire.node == node) {
                wire.cut();
            }
        }
        Ok(())
    }

    /// Everything becomes well, and goes on until nothing happens any more.
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        {
            let mut log = self.log.lock();
            log.out = [false; 2];
            log.lags = [false; 2];
        }
        for node in 0..2 {
            if self.stations[node].is_draining() {
                self.crash(node)?;
            }
            self.stations[node].boot(self.now);
        }
        while !self.pending.is_empty() {
            self.acknowledge(0);
        }
        for publication in std::mem::take(&mut self.failed) {
            self.send(publication, 0, Append::Prompt);
        }
        for index in 0..self.clients.len() {
            let now = self.now + self.clients[index].ahead_ms;
            let client = &mut self.clients[index];
            client.orphans.clear();
            if let Some(wire) = &mut client.wire {
                wire.stalled = false;
            }
            client.session.resume(now);
            client.session.connect();
            self.settle(index)?;
        }
        for round in 0..ROUNDS {
            self.work(round)?;
            if self.is_well() {
                break;
            }
            // Heartbeats arrive before the watchdogs look.
            let due = |client: &Client| Some(client.session.deadline()?.saturating_sub(client.ahead_ms));
            let next = self.clients.iter().filter_map(due).min().unwrap_or(0);
            let ms = next.saturating_sub(self.now).clamp(1, 4_500);
            self.now += ms;
            self.log.lock().now_ms += ms;
            self.stations.iter().for_each(|station| station.tick(self.now));
            self.work(round)?;
            for client in 0..self.clients.len() {
                self.wake(client)?;
            }
        }
        for client in &self.clients {
            if !client.is_open() {
                return Err(Violation::new(
                    "open in the end",
                    format!("{:?} {:?}", client.person, client.session.state()),
                ));
            }
        }
        // One more on everything, without a timer in between: who was forgotten is found out.
        for topic in 0..TOPIC_COUNT {
            self.publish(topic % 2, topic, Hidden::No, Append::Prompt);
        }
        self.work(0)
    }

    /// Lets everything happen that can without time passing.
    fn work(&mut self, round: usize) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for station in &mut self.stations {
                while station.pull(1_000) {
                    moved = true;
                }
                station.flush();
            }
            for client in 0..self.clients.len() {
                moved |= self.exchange(client, (client + round) % 2)?;
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Violation::new("comes to rest", "something happens over and over again"))
    }

    fn is_well(&self) -> bool {
        self.clients.iter().all(|client| {
            let told = client.ears.iter().all(|ear| ear.gone || ear.refused || ear.settled);
            let live = client.wire.as_ref().is_some_and(|wire| !wire.silent);
            client.is_open() && live && client.calls.is_empty() && told
        })
    }

    fn judge(&self) -> Result<(), Violation> {
        let log = self.log.lock();
        let mut numbers = Vec::new();
        for place in log.held() {
            let entry = log.truth.get(place).entry.as_deref();
            let number = entry.map(|entry| entry.payload.get().split(',').next().unwrap_or_default());
            if numbers.contains(&number) {
                return Err(Violation::new("one key is stored once", format!("{number:?}")));
            }
            numbers.push(number);
        }
        for client in &self.clients {
            for ear in &client.ears {
                ear.finish(&log.truth, &client.person, log.tip())?;
            }
        }
        Ok(())
    }
}

fn parsed(text: &str) -> Pattern {
    text.parse().expect("a channel or pattern")
}

/// A body that is there at once.
fn read_all(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes
}

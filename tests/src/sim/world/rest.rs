//! The end of a schedule: the faults end, everything comes to rest, and the judges look.

use std::collections::HashMap;

use tidings_client::routes::Hears;

use super::{World, cluster::SILENCE_MS};
use crate::sim::{
    bus,
    client::Client,
    ear::Violation,
    engine::{NODES, REMEMBERS_MS},
    op::{Append, Hidden, Mishap},
    person::{GIFTS, TOPIC_COUNT},
    poller::Poller,
    station::Station,
};

/// A repeated call without effect goes on for ever; what does not come to rest in this many rounds never will.
const ROUNDS: usize = 400;
/// The subscription by the server at the end, and its user.
const GIVEN: (&str, &str) = ("ana", "secret");

impl World {
    /// Ends the faults, and continues until nothing happens any more.
    pub(super) fn come_to_rest(&mut self) -> Result<(), Violation> {
        {
            let mut log = self.log.lock();
            log.out = [false; NODES];
            log.lags = [false; NODES];
            log.hushed = [false; NODES];
            log.stale = [false; NODES];
            log.loses_swap = false;
            log.land_all();
        }
        {
            let mut bus = self.bus.lock();
            (bus.parted, bus.next) = ([false; NODES], Mishap::None);
        }
        bus::arrive_all(&self.bus);
        for node in 0..self.stations.len() {
            self.note_silence(node);
            if self.stations[node].is_draining() {
                self.crash(node)?;
            }
            self.stations[node].boot(self.now);
        }
        if self.log.lock().by_number {
            // One that waits for a number which the log does not have any more is given up only when it has been silent for long enough.
            self.let_pass(SILENCE_MS + 1)?;
        }
        while !self.pending.is_empty() {
            self.acknowledge(0);
        }
        // A disconnected user could not come back otherwise.
        for user in ["ana", "bob"] {
            self.restore(user, 0);
        }
        for publication in std::mem::take(&mut self.failed) {
            self.send(publication, 0, Append::Prompt);
        }
        for index in 0..self.clients.len() {
            let now = self.now + self.clients[index].ahead_ms;
            let client = &mut self.clients[index];
            client.orphans.clear();
            client.frozen = false;
            if let Some(wire) = &mut client.wire {
                wire.stalled = false;
            }
            client.core.resume(now);
            client.core.connect();
            self.settle(index)?;
        }
        self.go_on_until(Self::is_well)?;
        for client in &self.clients {
            if !client.is_open() {
                return Err(Violation::new(
                    "open in the end",
                    format!("{:?} {:?}", client.person, client.core.state()),
                ));
            }
        }
        // Without another stream: a refused handler asks again, and a subscription that is ended stops.
        self.give(GIVEN.0, GIVEN.1, 0);
        for gift in GIFTS {
            self.take("bob", gift, 1 % self.stations.len());
        }
        self.go_on_until(|world| world.is_well() && !world.refuses_given())?;
        // One more event for every handler, without a timer in between, reveals handlers that were forgotten.
        let nodes = self.stations.len();
        for topic in 0..TOPIC_COUNT {
            self.publish(topic % nodes, topic, Hidden::No, Append::Prompt);
        }
        self.work(0)?;
        // A tab that notices by this that it missed a message is not forgotten: it asks for what it missed.
        if self.is_well() { Ok(()) } else { self.go_on_until(Self::is_well) }
    }

    /// Lets time pass until all is well, or never will be.
    pub(super) fn go_on_until(&mut self, well: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        for round in 0..ROUNDS {
            self.work(round)?;
            if well(self) {
                break;
            }
            // The step is short, so that heartbeats arrive before the watchdogs fire.
            let due = |client: &Client| Some(client.core.deadline()?.saturating_sub(client.ahead_ms));
            let next = self.clients.iter().filter_map(due).min().unwrap_or(0);
            let ms = next.saturating_sub(self.now).clamp(1, 4_500);
            self.let_pass(ms)?;
            self.work(round)?;
            for client in 0..self.clients.len() {
                self.wake(client)?;
            }
        }
        Ok(())
    }

    /// Lets everything happen that needs no time.
    pub(super) fn work(&mut self, round: usize) -> Result<(), Violation> {
        let nodes = self.stations.len();
        for _ in 0..ROUNDS {
            let mut moved = false;
            for station in &mut self.stations {
                while station.pull(1_000) {
                    moved = true;
                }
                moved |= station.flush();
            }
            for client in 0..self.clients.len() {
                moved |= self.exchange(client, (client + round) % nodes)?;
            }
            // Each poll is a request, so pollers ask when everything else is done.
            for poller in if moved { 0..0 } else { 0..self.pollers.len() } {
                moved |= self.poll_again(poller, (poller + round) % nodes)?;
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Violation::new("comes to rest", "something happens over and over again"))
    }

    pub(super) fn is_well(&self) -> bool {
        // A stream that waits for an engine that was unreachable asks again after a while.
        let waits = |station: &Station| station.hub().is_some_and(|hub| hub.stats().connections_behind > 0);
        let follows = |station: &Station| !self.schedule.setup.listens || station.is_following();
        self.stations.iter().all(|station| follows(station) && !station.refuses_streams())
            && !self.stations.iter().any(waits)
            && self.pollers.iter().all(Poller::is_well)
            && self.clients.iter().all(|client| {
                let told = client.ears.iter().all(|ear| ear.gone || ear.refused || ear.settled);
                let live = client.wire.as_ref().map_or(client.core.follows(), |wire| !wire.is_silent());
                // A confirmed handler may wait for its past again, behind a call that has no answer yet.
                client.is_open() && live && client.calls.is_empty() && told && !client.core.has_pending()
            })
    }

    /// Whether a handler is still refused what the server subscribed it to at the end.
    fn refuses_given(&self) -> bool {
        let ears = self.clients.iter().flat_map(|client| client.ears.iter().map(move |ear| (client, ear)));
        ears.filter(|(_, ear)| ear.hears == Hears::Channels && ear.refused && !ear.gone)
            .any(|(client, ear)| (client.person.user, ear.pattern.as_str()) == GIVEN)
    }

    pub(super) fn judge(&self) -> Result<(), Violation> {
        let log = self.log.lock();
        // By its number, when one was last stored.
        let mut stored: HashMap<&str, u64> = HashMap::new();
        for place in log.held() {
            let entry = log.truth.get(place).entry.as_deref().filter(|entry| entry.control().is_none());
            let Some(entry) = entry else { continue };
            let number = entry.payload.get().split(',').next().unwrap_or_default();
            let record = log.truth.get(place);
            // Who tries again after the engine may have forgotten the key stores it again.
            let before = stored.insert(number, record.stored_ms);
            if before.is_some_and(|before| record.begun_ms < before + REMEMBERS_MS) {
                return Err(Violation::new("one key is stored once", number));
            }
        }
        if self.refuses_given() {
            return Err(Violation::new("what is given is heard", GIVEN.1));
        }
        for client in &self.clients {
            for ear in &client.ears {
                ear.finish(&log.truth, &client.person, log.tip())?;
            }
        }
        for poller in &self.pollers {
            for one in &poller.ears {
                one.ear.finish(&log.truth, &poller.person, log.tip())?;
            }
        }
        Ok(())
    }
}

//! What nodes do together: beats, tickets, and figures of all of them; and the judges of that.

use axum::body::Body;
use futures_util::FutureExt;
use http::{Method, Request, StatusCode};
use serde::Deserialize;

use super::World;
use crate::sim::{bus::Beat, ear::Violation};

/// A tail that has said nothing for so long is dead.
pub(super) const SILENCE_MS: u64 = 5_000;

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

impl World {
    /// Time passes on all nodes: their tails beat, and so do they.
    pub(super) fn let_pass(&mut self, ms: u64) -> Result<(), Violation> {
        self.now += ms;
        let mut log = self.log.lock();
        log.now_ms += ms;
        log.elapsed_ms += ms;
        drop(log);
        self.bus.lock().set_now(self.now);
        for node in 0..self.stations.len() {
            self.stations[node].tick(self.now);
        }
        for node in 0..self.stations.len() {
            self.judge_health(node)?;
            self.beat(node)?;
        }
        for station in &mut self.stations {
            station.look();
        }
        Ok(())
    }

    /// The tail of a node stands still from now on, or does not any more.
    pub(super) fn note_silence(&mut self, node: usize) {
        let log = self.log.lock();
        let is_silent = log.out[node] || log.hushed[node];
        drop(log);
        let silent_since = &mut self.stations[node].silent_since;
        *silent_since = if is_silent { silent_since.or(Some(self.now)) } else { None };
    }

    fn judge_health(&self, node: usize) -> Result<(), Violation> {
        let station = &self.stations[node];
        let (Some(hub), true) = (station.hub(), self.schedule.setup.listens) else { return Ok(()) };
        match station.silent_since {
            Some(since) if self.now - since > SILENCE_MS && hub.is_healthy() => {
                Err(Violation::new("a node whose tail stands still says so", format!("node {node} since {since}")))
            }
            _ => Ok(()),
        }
    }

    /// A node tells the others that it is there.
    fn beat(&mut self, node: usize) -> Result<(), Violation> {
        let station = &self.stations[node];
        let (Some(hub), Some(id), true) = (station.hub(), station.id(), self.schedule.setup.peers) else {
            return Ok(());
        };
        let stands_still = !station.is_following();
        let goes_on_elsewhere = self.bus.lock().was_shown(id, hub.cursor());
        let serves = !stands_still && !station.is_draining();
        self.bus.lock().beats(Beat { node: id, head: hub.cursor(), serves });
        station.beat();
        let is_refusing = station.refuses_streams();
        self.journal.note(|| format!("node {node} beats: stands still {stands_still}, shown {goes_on_elsewhere}"));
        if station.is_draining() {
            return Ok(());
        }
        if stands_still && goes_on_elsewhere && !is_refusing {
            return Err(Violation::new(
                "a node that stands still sends its clients where the log goes on",
                format!("node {node}"),
            ));
        }
        let stood_aside = std::mem::replace(&mut self.stations[node].stands_aside, is_refusing);
        if is_refusing && !stood_aside && !(stands_still && goes_on_elsewhere) {
            return Err(Violation::new("a node drains only where another goes on", format!("node {node}")));
        }
        if is_refusing && !stands_still {
            return Err(Violation::new("a node whose tail is back takes streams", format!("node {node}")));
        }
        if is_refusing && !stood_aside {
            self.tally.fault("node that sends its clients elsewhere");
        }
        Ok(())
    }

    /// A node is asked how many streams a user has anywhere.
    pub(super) fn count(&mut self, client: usize, node: usize) -> Result<(), Violation> {
        let user = self.clients[client].person.user;
        let Some(hub) = self.stations[node].hub().filter(|_| self.schedule.setup.peers) else { return Ok(()) };
        self.bus.lock().answered = 0;
        let gathered = hub.cluster().connection_count(user).now_or_never().expect("the bus waits for nobody");
        let gathered = gathered.expect("a user id");
        let answered = 1 + self.bus.lock().answered;
        let hubs = self.stations.iter().filter_map(|station| station.hub());
        let counts: Vec<_> = hubs.map(|hub| hub.connection_count(user).unwrap_or_default()).collect();
        let total: usize = counts.iter().sum();
        let is_whole = gathered.answered == counts.len();
        if gathered.value > total
            || gathered.answered > gathered.asked
            || gathered.answered != answered
            || gathered.answered > counts.len()
            || is_whole && gathered.value != total
        {
            return Err(Violation::new("figures are of those who answered", format!("{gathered:?} of {counts:?}")));
        }
        self.tally.counted += 1;
        Ok(())
    }

    /// A user gets a ticket from one node, and shows it to two others.
    pub(super) fn ticket(&mut self, client: usize, mint: usize, shown: [usize; 2]) -> Result<(), Violation> {
        let user = self.clients[client].person.user;
        let request = |method, uri: &str, body| {
            let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
            request.header("authorization", format!("Bearer {user}")).body(body).expect("a good request")
        };
        let minted = self.stations[mint].answer(request(Method::POST, "/ticket", Body::from("{}")));
        let Some((StatusCode::OK, body)) = minted else { return Ok(()) };
        let ticket: Ticket = serde_json::from_slice(&super::network::read_all(body)).expect("a ticket");
        let mut opened = 0;
        for (time, node) in shown.into_iter().enumerate() {
            let met = self.bus.lock().met.len();
            let uri = format!("/?ticket={}", ticket.ticket);
            let Some((status, _)) = self.stations[node].answer(request(Method::GET, &uri, Body::empty())) else {
                continue;
            };
            opened += usize::from(status.is_success());
            let bus = self.bus.lock();
            let all_well = bus.met.len() == met && !bus.parted[node] && !bus.parted[mint];
            let takes_streams = !self.stations[node].refuses_streams() && !self.expelled.contains(&user);
            if opened > 1 || time == 0 && all_well && takes_streams && !status.is_success() {
                let detail = format!("minted at {mint}, shown to {shown:?}: {status} at {node}");
                return Err(Violation::new("a ticket lets in once, anywhere", detail));
            }
        }
        self.tally.tickets += 1;
        Ok(())
    }
}

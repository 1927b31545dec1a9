//! Who is present, by the clients' own streams; and the judges of what nodes and clients are told of that.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use tidings_client::routes::Hears;
use tidings_protocol::{Pattern, command::PresenceAnswer, frame::Member};

use super::{World, network::read_all, parsed};
use crate::sim::{
    bus::LEASE_MS,
    ear::Violation,
    person::{ROOMS, SEES_ALL, sees},
    roster::is_in,
    station::{ALIVE_MS, GRACE_MS},
};

/// A stream whose client has been silent for so long does not count.
const SILENCE_MS: u64 = ALIVE_MS * 5 / 2;
/// A call without an answer is made again after this time.
const CALL_MS: u64 = 30_000;
/// Nodes ask each other again within this time, or notice that one does not answer.
const ASKED_MS: u64 = 4_500;
/// The longest step that lets heartbeats and signs of life arrive in time.
const STEP_MS: u64 = 4_500;

impl World {
    /// A node is asked over HTTP who is present on a channel.
    pub(super) fn who(&mut self, client: usize, node: usize, room: usize) -> Result<(), Violation> {
        if !self.schedule.setup.presence {
            return Ok(());
        }
        let (user, room) = (self.clients[client].person.user, parsed(ROOMS[room]));
        self.bus.lock().answered = 0;
        let Some((status, body)) = self.here(node, user, &room) else { return Ok(()) };
        let may_see = sees(user, &room);
        let granted = may_see && !self.log.lock().was_revoked(user, &room);
        if status == StatusCode::OK && !may_see {
            return Err(Violation::new("presence is shown only where it is granted", room.to_string()));
        }
        if status == StatusCode::FORBIDDEN && granted && !self.expelled.contains(&user) {
            return Err(Violation::new("what is granted is not refused", format!("presence on {room}")));
        }
        let Some(answer) = body.filter(|_| status == StatusCode::OK) else { return Ok(()) };
        let answered = 1 + self.bus.lock().answered;
        let hubs: Vec<_> = self.stations.iter().filter_map(|station| station.hub()).collect();
        let own = self.stations[node].hub().and_then(|hub| hub.presence(room.clone()).ok()).unwrap_or_default();
        let mut all: Vec<Member> = hubs.iter().filter_map(|hub| hub.presence(room.clone()).ok()).flatten().collect();
        all.sort();
        all.dedup();
        let (asked, told) = (answer.asked.unwrap_or(1), answer.answered.unwrap_or(1));
        if told > asked
            || told != answered
            || own.iter().any(|member| !answer.here.contains(member))
            || answer.here.iter().any(|member| !all.contains(member))
            || told == hubs.len() && self.schedule.setup.peers && answer.here != all
        {
            return Err(Violation::new("figures are of those who answered", format!("{answer:?} of {all:?}")));
        }
        self.tally.asked_who += 1;
        Ok(())
    }

    fn here(&self, node: usize, user: &str, room: &Pattern) -> Option<(StatusCode, Option<PresenceAnswer>)> {
        let request = Request::builder().method(Method::GET).uri(format!("/presence?channel={room}"));
        let request = request.header("authorization", format!("Bearer {user}")).body(Body::empty());
        let (status, body) = self.stations[node].answer(request.expect("a good request"))?;
        Some((status, serde_json::from_slice(&read_all(body)).ok()))
    }

    /// Lets the time pass after which lists are right, and judges them: with all nodes, with one that nobody reaches, with
    /// one that is gone, and with all nodes again.
    pub(super) fn judge_presence(&mut self) -> Result<(), Violation> {
        if self.clients.iter().all(|client| client.rosters.is_empty()) {
            return Ok(());
        }
        let repeated = if self.tally.faults.contains_key("call unanswered") { CALL_MS } else { 0 };
        self.wait_out(SILENCE_MS.max(repeated) + GRACE_MS + ASKED_MS, STEP_MS)?;
        self.go_on_until(Self::is_well)?;
        let all: Vec<_> = (0..self.stations.len()).collect();
        self.judge_lists(None, None)?;
        for room in ROOMS {
            self.judge_nodes(&parsed(room), &all)?;
        }
        let Some(parted) = self.schedule.setup.parts.filter(|_| self.schedule.setup.peers) else { return Ok(()) };
        // From here on calls come to the node of their stream, because the others cannot pass them on.
        self.stays_at_nodes = true;
        self.bus.lock().parted[parted] = true;
        self.wait_out(ASKED_MS, STEP_MS / 3)?;
        self.judge_lists(None, Some(parted))?;
        self.wait_out(LEASE_MS + GRACE_MS, STEP_MS)?;
        self.judge_lists(Some(parted), None)?;
        self.bus.lock().parted[parted] = false;
        self.wait_out(ASKED_MS + STEP_MS, STEP_MS)?;
        self.judge_lists(None, None)
    }

    /// Lets time pass in which nothing happens but what clients and nodes do by themselves.
    fn wait_out(&mut self, ms: u64, step: u64) -> Result<(), Violation> {
        for _ in 0..ms.div_ceil(step) {
            self.let_pass(step)?;
            for client in 0..self.clients.len() {
                self.wake(client)?;
            }
            self.work(0)?;
        }
        Ok(())
    }

    /// Judges the lists of all handlers. The nodes do not know of one that is `gone`, nor it of them; one that is `silent`
    /// does not answer them, nor they it.
    fn judge_lists(&mut self, gone: Option<usize>, silent: Option<usize>) -> Result<(), Violation> {
        let nodes = self.stations.len();
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            let Some(home) = self.home(index) else {
                let detail = format!("{}: {:?}", client.person.session, client.connection_id);
                return Err(Violation::new("a tab knows the name of its stream", detail));
            };
            let knows = |node: &usize| {
                *node == home || self.schedule.setup.peers && gone.is_none_or(|gone| (gone == *node) == (gone == home))
            };
            let visible: Vec<_> = (0..nodes).filter(knows).collect();
            let answers = |node: &usize| *node == home || silent.is_none_or(|silent| silent != *node && silent != home);
            let counts = (visible.len(), visible.iter().filter(|node| answers(node)).count());
            for roster in client.rosters.values() {
                let (user, room) = (client.person.user, &roster.pattern);
                let may_see = sees(user, room);
                if roster.is_refused {
                    if may_see && !self.log.lock().was_revoked(user, room) {
                        return Err(Violation::new("what is granted is not refused", format!("presence on {room}")));
                    }
                    continue;
                }
                if !may_see {
                    return Err(Violation::new("who may not see who is present is told so", room.to_string()));
                }
                let present = self.present(room, &visible);
                self.journal.note(|| format!("{} at node {home}, {room}: {present:?}", client.person.session));
                roster.finish(&present, counts)?;
                self.tally.lists += 1;
            }
        }
        Ok(())
    }

    /// Judges what each node says of its own streams, and of all.
    fn judge_nodes(&self, room: &Pattern, all: &[usize]) -> Result<(), Violation> {
        for (node, station) in self.stations.iter().enumerate() {
            let Some(hub) = station.hub() else { continue };
            let own = hub.presence(room.clone()).unwrap_or_default();
            let present = self.present(room, &[node]);
            let is_right =
                |list: &[Member], present: &BTreeSet<Member>| list.iter().cloned().collect::<BTreeSet<_>>() == *present;
            if !is_right(&own, &present) {
                let detail = format!("node {node}, {room}: {own:?}, not {present:?}");
                return Err(Violation::new("a node knows who is at its streams", detail));
            }
            if !self.schedule.setup.peers {
                continue;
            }
            if let Some((StatusCode::OK, Some(answer))) = self.here(node, SEES_ALL, room) {
                let present = self.present(room, all);
                let counts = (answer.asked.unwrap_or(1), answer.answered.unwrap_or(1));
                if !is_right(&answer.here, &present) || counts != (all.len(), all.len()) {
                    let detail = format!("node {node}: {answer:?}, not {present:?}");
                    return Err(Violation::new("a node knows who is at all streams", detail));
                }
            }
        }
        Ok(())
    }

    /// The node of a tab's stream, its own or that of the tab that it follows.
    fn home(&self, index: usize) -> Option<usize> {
        let stream = self.clients[index].connection_id.as_ref()?;
        let name = stream.split('.').next()?;
        self.stations.iter().position(|station| station.id().is_some_and(|id| id.to_string() == name))
    }

    /// Who is present on a channel or pattern, at the streams of these nodes.
    fn present(&self, room: &Pattern, nodes: &[usize]) -> BTreeSet<Member> {
        let mut present = BTreeSet::new();
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            if !self.home(index).is_some_and(|home| nodes.contains(&home)) {
                continue;
            }
            // A channel that only the server has given makes nobody present.
            let mut ears = client.ears.iter().filter(|ear| ear.hears == Hears::Channels && !ear.gone && !ear.refused);
            if room.as_str() == "*" || ears.any(|ear| is_in(&ear.pattern, room)) {
                present.insert(Member {
                    user_id: client.person.user.parse().expect("a user id"),
                    device_id: Some(client.person.device.parse().expect("a device id")),
                });
            }
        }
        present
    }
}

//! The network between clients and nodes: requests, streams, and how they break.

use std::pin::Pin;

use axum::body::Body;
use http::StatusCode;
use http_body::Body as _;
use tidings_client::client::Answer;

use super::{World, parsed};
use crate::sim::{
    client::{self, Teller},
    ear::Violation,
    op::{Cut, Fate},
    sabotage::{Line, Sabotage},
    wire::{Asked, Wire},
};

impl World {
    /// The request for a stream reaches a node, or not.
    pub(super) fn connect(&mut self, index: usize, node: usize, fate: Fate) -> Result<bool, Violation> {
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
        let cursors = ["lastEventId", "seen"].iter().filter_map(|name| parameter(name));
        wire.cursors = cursors.flat_map(|list| list.split(',')).filter_map(|at| at.parse().ok()).collect();
        let log = self.log.lock();
        wire.astray = astray;
        wire.losses = log.losses;
        wire.misplaced = wire.cursors.iter().any(|at| log.fails(*at));
        drop(log);
        let channels = parameter("channels").unwrap_or_default().split(',').filter(|text| !text.is_empty());
        wire.asks(Asked { patterns: channels.map(parsed).collect(), addressed: false, since: None });
        self.clients[index].opened(wire);
        self.tally.streams += 1;
        Ok(true)
    }

    pub(super) fn pump(&mut self, index: usize) -> bool {
        let buffers = self.schedule.setup.buffers;
        let line = self.line(index);
        let Some(wire) = &mut self.clients[index].wire else { return false };
        wire.astray |= self.stations[wire.node].is_astray();
        let tip = self.log.lock().tip();
        let wrote = wire.pump(buffers, |bytes, out| match &line {
            Some(line) => line.pass(bytes, out),
            None => out.extend_from_slice(bytes),
        });
        // A place that was lost stays the limit: the node notices with its next read.
        if wrote && !wire.read_up_to.is_some_and(|place| self.log.lock().truth.get(place).lost) {
            wire.read_up_to = Some(tip);
        }
        wrote
    }

    /// The facts for a sabotaged line between this client and its node.
    pub(super) fn line(&self, index: usize) -> Option<Line> {
        let (sabotage, client) = (self.sabotage?, &self.clients[index]);
        let wire = client.wire.as_ref()?;
        let station = &self.stations[wire.node];
        let head = station.hub()?.cursor();
        let astray = wire.astray || station.resets > wire.resets || station.is_astray();
        let log = self.log.lock();
        let tip = log.truth.get(log.tip()).at;
        let has_lost = log.losses != wire.losses;
        let (cursor, exact) = (wire.cursors.first().copied(), client.exact());
        Some(Line { sabotage, head, tip, cursor, exact, astray, has_lost })
    }

    pub(super) fn read(&mut self, index: usize, bytes: usize) -> Result<bool, Violation> {
        let client = &mut self.clients[index];
        if client.frozen {
            return Ok(false);
        }
        let Some(wire) = &client.wire else { return Ok(false) };
        let station = &self.stations[wire.node];
        let teller = Teller { resets: station.resets, astray: station.is_astray() };
        client.read(self.now + client.ahead_ms, &self.log.lock(), teller, bytes)
    }

    /// Carries everything between a client and a node.
    pub(super) fn exchange(&mut self, index: usize, node: usize) -> Result<bool, Violation> {
        let mut moved = self.hear(index, usize::MAX)?;
        moved |= self.connect(index, node, Fate::Arrives)?;
        moved |= self.pump(index);
        moved |= self.read(index, usize::MAX)?;
        for _ in 0..self.clients[index].calls.len() {
            moved |= self.carry(index, 0, Fate::Arrives)?;
        }
        Ok(moved)
    }

    /// The browser delivers the other tabs' messages and its locks to a tab.
    pub(super) fn hear(&mut self, index: usize, words: usize) -> Result<bool, Violation> {
        let mut heard = false;
        for _ in 0..words.min(1_000) {
            self.ask_browsers();
            let client = &mut self.clients[index];
            if client.frozen {
                break;
            }
            let now = self.now + client.ahead_ms;
            let profile = self.profiles.entry(client.person.device).or_default();
            let Some(word) = profile.next(client.tab) else { break };
            client.told(now, &self.log.lock(), word)?;
            heard = true;
        }
        Ok(heard)
    }

    /// Carries out the tabs' requests to their browsers.
    pub(super) fn ask_browsers(&mut self) {
        for client in self.clients.iter_mut().filter(|client| !client.requests.is_empty()) {
            let profile = self.profiles.entry(client.person.device).or_default();
            for request in client.requests.drain(..) {
                profile.carry_out(client.tab, request);
            }
        }
    }

    pub(super) fn call(&mut self, which: usize, fate: Fate) -> Result<(), Violation> {
        let calls: Vec<_> = (0..self.clients.len())
            .flat_map(|client| (0..self.clients[client].calls.len()).map(move |call| (client, call)))
            .collect();
        if let Some((client, call)) = calls.get(which % calls.len().max(1)) {
            self.carry(*client, *call, fate)?;
        }
        Ok(())
    }

    /// Carries a request to its node, or the answer back.
    pub(super) fn carry(&mut self, index: usize, call: usize, fate: Fate) -> Result<bool, Violation> {
        if call >= self.clients[index].calls.len() || self.clients[index].frozen {
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
                client.answered(now, &self.log.lock(), number, Answer::default())?;
            }
            (_, Some(answer)) => client.answered(now, &self.log.lock(), number, answer)?,
            (_, None) => {
                // Where nodes reach each other, nobody takes care that a call comes to the node that has the stream.
                let number = usize::try_from(number).unwrap_or_default();
                let spread =
                    if self.schedule.setup.peers && !self.stays_at_nodes { call.node + number } else { call.node };
                let node = (spread + usize::from(fate == Fate::Misled)) % self.stations.len();
                if fate == Fate::Misled {
                    self.tally.fault("call misled");
                }
                let body = call.request.body.as_deref();
                if body.is_some() && call.request.url.starts_with("/subscribe") {
                    client.asks(body.unwrap_or_default());
                }
                let is_unheard =
                    self.sabotage == Some(Sabotage::AliveUnheard) && call.request.url.starts_with("/alive");
                let answer = match is_unheard {
                    true => Some((StatusCode::NO_CONTENT, axum::body::Body::empty())),
                    false => self.stations[node].answer(client.request(&call.request.url, body)),
                };
                let believes = self.sabotage == Some(Sabotage::UnansweredTakenForDone)
                    && call.request.url.starts_with("/unsubscribe");
                call.answer = Some(match answer {
                    Some((StatusCode::SERVICE_UNAVAILABLE, _)) if believes => client::answer(StatusCode::OK, b"{}"),
                    Some((status, body)) => client::answer(status, &read_all(body)),
                    None => Answer::default(),
                });
                client.calls.push(call);
            }
        }
        Ok(true)
    }

    pub(super) fn cut(&mut self, index: usize, cut: Cut) -> Result<(), Violation> {
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
                // The client may have closed the stream because of what it read.
                if client.wire.as_mut().is_some_and(|wire| wire.cut().is_none()) {
                    self.failed(index)?;
                }
            }
            Cut::ClientUnaware => {
                self.tally.fault("half-open");
                wire.cut();
                wire.silence();
            }
            Cut::Silent => {
                self.tally.fault("half-open");
                wire.discard();
                wire.silence();
            }
        }
        Ok(())
    }
}

/// Reads a body that is available at once.
pub(super) fn read_all(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes
}

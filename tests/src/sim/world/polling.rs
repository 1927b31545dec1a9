//! Clients that poll: their requests, and the fate of the answers.

use axum::body::Body;
use futures_util::FutureExt;
use http::StatusCode;
use tidings::Hub;
use tidings_protocol::Cursor;

use super::World;
use crate::sim::{client::Teller, ear::Violation, op::Fate, sabotage::Sabotage, wire::Wire};

/// Longer than any server waits.
const WAIT_MS: u64 = 60_000;

/// The state on which a poll's result depends: each node's cursor, how often it started over and whether it is astray;
/// the log's generation; and what is polled for. A poll that returned nothing can return something only after a change.
#[derive(Debug, PartialEq)]
struct Scene(Vec<(Option<Cursor>, u32, bool)>, u64, usize);

/// The nodes that had nothing for a client in a scene.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    scene: Option<Scene>,
    nodes: Vec<usize>,
}

impl World {
    /// Polls, unless nothing can have changed since this node's last poll returned nothing; otherwise most of a
    /// schedule would be polls.
    pub(super) fn poll_again(&mut self, index: usize, node: usize) -> Result<bool, Violation> {
        let nodes = self.stations.iter();
        let nodes = nodes.map(|station| (station.hub().map(Hub::cursor), station.resets, station.is_astray()));
        let scene = Scene(nodes.collect(), self.log.lock().losses, self.pollers[index].ears.len());
        let quiet = &mut self.quiet[index];
        if quiet.scene.as_ref() != Some(&scene) {
            *quiet = Quiet { scene: Some(scene), nodes: Vec::new() };
        }
        if self.pollers[index].is_well() && quiet.nodes.contains(&node) {
            return Ok(false);
        }
        let came = self.poll_once(index, node, false, Fate::Arrives)?;
        if self.pollers[index].is_well() {
            self.quiet[index].nodes.push(node);
        }
        Ok(came)
    }

    /// A client polls, or continues to wait for an answer. Returns whether anything arrived.
    pub(super) fn poll_once(&mut self, index: usize, node: usize, waits: bool, fate: Fate) -> Result<bool, Violation> {
        if self.pollers[index].asking.is_none() && !self.ask(index, node, waits) {
            return Ok(false);
        }
        let poller = &mut self.pollers[index];
        let Some(mut asking) = poller.asking.take() else { return Ok(false) };
        let station = &self.stations[asking.wire.node];
        asking.wire.astray |= station.is_astray();
        let answer = (&mut asking.answer).now_or_never();
        match (answer, fate) {
            (None, Fate::Lost) => {
                self.tally.fault("poll given up");
                Ok(false)
            }
            (None, _) => {
                poller.asking = Some(asking);
                Ok(false)
            }
            (Some((status, _)), _) if status != StatusCode::OK => Ok(false),
            (Some((_, body)), Fate::Lost) => {
                self.tally.fault("poll's answer lost");
                if self.sabotage == Some(Sabotage::LostPollTakenForHeard) {
                    poller.takes_for_heard(asking, body);
                }
                Ok(false)
            }
            (Some((_, body)), _) => {
                let teller = Teller { resets: station.resets, astray: station.is_astray() };
                let log = self.log.lock();
                let tip = log.tip();
                if !log.truth.get(tip).lost {
                    asking.wire.read_up_to = Some(tip);
                }
                poller.takes(&log, teller, asking, body)?;
                Ok(!poller.is_quiet)
            }
        }
    }

    /// Sends a poll. Returns whether the node runs.
    fn ask(&mut self, index: usize, node: usize, waits: bool) -> bool {
        let station = &self.stations[node];
        let mut wire = Wire::new(Body::empty(), node, station.resets);
        let poller = &mut self.pollers[index];
        let request = poller.request(if waits { WAIT_MS } else { 0 }, &mut wire);
        wire.begins(wire.cursors.first().copied().or(station.hub().map(tidings::Hub::cursor)));
        let log = self.log.lock();
        wire.losses = log.losses;
        wire.misplaced = wire.cursors.iter().any(|at| log.fails(*at));
        drop(log);
        wire.astray = station.is_astray();
        let Some(answer) = station.ask(request) else { return false };
        poller.asks(answer, wire);
        true
    }
}

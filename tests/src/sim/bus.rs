//! The way between the nodes: messages that are lost, late, or arrive twice, and nodes that nobody reaches.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tidings::peers::{CallError, NodeId, Peers, PeersError, Responder};
use tidings_protocol::Cursor;
use tokio::sync::Notify;

use super::{Sabotage, engine::NODES, op::Mishap};

/// A node that was silent for so long counts as gone.
pub(super) const LEASE_MS: u64 = 8_000;
/// For so long a beat shows that the log goes on at whoever sent it.
const SHOWS_MS: u64 = 4_000;

/// What a node says of itself with a beat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    pub(super) node: NodeId,
    pub(super) head: Cursor,
    /// It follows the log, and does not drain.
    pub(super) serves: bool,
}

#[derive(Default)]
pub(super) struct Bus {
    members: BTreeMap<NodeId, (usize, Weak<dyn Responder>)>,
    now_ms: u64,
    /// Signals that time has passed.
    moved: Arc<Notify>,
    /// These nodes reach nobody, and nobody reaches them.
    pub(super) parted: [bool; NODES],
    /// What becomes of the next message.
    pub(super) next: Mishap,
    /// What has become of messages so far.
    pub(super) met: Vec<&'static str>,
    late: Vec<Late>,
    /// The beat that is being sent, and how many were before it.
    beat: Option<Beat>,
    beats: u64,
    /// What each process was told by beats: when, and of which number the beat was.
    told: HashMap<(NodeId, NodeId), (u64, u64, Beat)>,
    /// How many calls were answered.
    pub(super) answered: usize,
    sabotage: Option<Sabotage>,
    /// The last answer to each question, for whoever believes that an answer stays good.
    answers: HashMap<(NodeId, Bytes), Bytes>,
}

/// A message that nobody waits for any more.
enum Late {
    Call(NodeId, Bytes),
    Told(NodeId, Bytes, u64, Beat),
}

impl Bus {
    pub(super) fn new(sabotage: Option<Sabotage>) -> Self {
        Self { sabotage, ..Self::default() }
    }

    pub(super) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.moved.notify_waiters();
    }

    /// The next that is told is this beat.
    pub(super) fn beats(&mut self, beat: Beat) {
        self.beats += 1;
        self.beat = Some(beat);
    }

    /// Whether a node was shown by another, lately, that the log goes on beyond this place.
    pub(super) fn was_shown(&self, node: NodeId, head: Cursor) -> bool {
        self.told.iter().any(|((to, _), (at, _, beat))| {
            let is_beyond = beat.head.epoch == head.epoch && beat.head.seq > head.seq;
            *to == node && beat.serves && is_beyond && self.now_ms.saturating_sub(*at) <= SHOWS_MS
        })
    }

    /// A process has ended.
    pub(super) fn leaves(&mut self, node: NodeId) {
        self.members.remove(&node);
    }

    fn met(&mut self) -> Mishap {
        let mishap = std::mem::take(&mut self.next);
        self.met.extend(match mishap {
            Mishap::None => None,
            Mishap::Lost => Some("message lost"),
            Mishap::AnswerLost => Some("message answered in vain"),
            Mishap::Late => Some("message late"),
            Mishap::Twice => Some("message twice"),
            Mishap::Gone => Some("node taken for gone"),
        });
        mishap
    }

    fn responder(&self, node: NodeId) -> Option<(usize, Arc<dyn Responder>)> {
        let (index, responder) = self.members.get(&node)?;
        Some((*index, responder.upgrade()?))
    }

    /// A node hears a beat; an older one than it has heard tells it nothing.
    fn note(&mut self, to: NodeId, number: u64, beat: Beat) {
        let told = self.told.entry((to, beat.node)).or_insert((self.now_ms, number, beat));
        if told.1 <= number {
            *told = (self.now_ms, number, beat);
        }
    }
}

/// A message arrives that was late.
pub(super) fn arrive(bus: &Mutex<Bus>, which: usize) {
    let mut state = bus.lock();
    let Some(index) = which.checked_rem(state.late.len()) else { return };
    let late = state.late.swap_remove(index);
    let (Late::Call(to, _) | Late::Told(to, ..)) = &late;
    let Some((_, responder)) = state.responder(*to) else { return };
    if let Late::Told(to, _, number, beat) = &late {
        state.note(*to, *number, *beat);
    }
    drop(state);
    match late {
        Late::Call(_, message) => drop(responder.respond(message).now_or_never()),
        Late::Told(_, message, ..) => responder.told(message),
    }
}

/// All messages that were late arrive.
pub(super) fn arrive_all(bus: &Mutex<Bus>) {
    while !bus.lock().late.is_empty() {
        arrive(bus, 0);
    }
}

/// The bus as one node has it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) bus: Arc<Mutex<Bus>>,
    pub(super) node: usize,
}

#[async_trait]
impl Peers for Line {
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError> {
        self.bus.lock().members.insert(node, (self.node, responder));
        Ok(())
    }

    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        // The next question for news has another answer.
        let is_lasting = !message.starts_with(NEWS);
        let (mishap, index, responder) = {
            let mut bus = self.bus.lock();
            if bus.parted[self.node] {
                return Err(CallError::Down("told to".into()));
            }
            let kept = bus.answers.get(&(node, message.clone())).cloned();
            if let (Some(Sabotage::TicketTakenTwice), Some(answer)) = (bus.sabotage, &kept) {
                return Ok(answer.clone());
            }
            let Some((index, responder)) = bus.responder(node) else {
                let kept = kept.filter(|_| bus.sabotage == Some(Sabotage::AnswersForTheGone));
                bus.answered += usize::from(kept.is_some());
                return kept.ok_or(CallError::Gone);
            };
            if bus.parted[index] {
                return Err(CallError::Unanswered);
            }
            let mishap = bus.met();
            if mishap == Mishap::Late {
                bus.late.push(Late::Call(node, message.clone()));
            }
            (mishap, index, responder)
        };
        match mishap {
            Mishap::Lost | Mishap::Late => return Err(CallError::Unanswered),
            Mishap::Gone => return Err(CallError::Gone),
            // Nobody waits for the first answer.
            Mishap::Twice => drop(responder.respond(message.clone()).now_or_never()),
            Mishap::None | Mishap::AnswerLost => {}
        }
        if self.bus.lock().sabotage == Some(Sabotage::AnsweredWhereItArrived)
            && let Some(answer) = accepted(&message)
        {
            return Ok(answer);
        }
        // An answer may take its time, in which the other node may end or be cut off.
        let answer = tokio::select! {
            biased;
            answer = responder.respond(message.clone()) => answer,
            () = overdue(&self.bus, deadline) => return Err(CallError::Unanswered),
        };
        let mut bus = self.bus.lock();
        if bus.parted[self.node] || bus.parted[index] || !bus.members.contains_key(&node) {
            return Err(CallError::Unanswered);
        }
        if bus.sabotage.is_some() && is_lasting {
            bus.answers.insert((node, message), answer.clone());
        }
        if mishap == Mishap::AnswerLost {
            return Err(CallError::Unanswered);
        }
        bus.answered += 1;
        Ok(answer)
    }

    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError> {
        let mut bus = self.bus.lock();
        let beat = bus.beat.take();
        if bus.parted[self.node] {
            return Err(PeersError("told to".into()));
        }
        let mishap = bus.met();
        if mishap == Mishap::Lost {
            return Ok(());
        }
        let members: Vec<_> = bus.members.keys().copied().filter(|node| *node != from).collect();
        let mut heard = Vec::new();
        for node in members {
            let Some((index, responder)) = bus.responder(node) else { continue };
            let (false, Some(beat), number) = (bus.parted[index], beat, bus.beats) else { continue };
            if mishap == Mishap::Late {
                bus.late.push(Late::Told(node, message.clone(), number, beat));
            } else {
                bus.note(node, number, beat);
                heard.push(responder);
            }
        }
        let sabotage = bus.sabotage;
        drop(bus);
        for responder in heard {
            if sabotage == Some(Sabotage::StaysWhereNothingArrives) {
                continue;
            }
            let times = if mishap == Mishap::Twice { 2 } else { 1 };
            let message =
                if sabotage == Some(Sabotage::DrainsToNowhere) { boasting(&message) } else { message.clone() };
            (0..times).for_each(|_| responder.told(message.clone()));
        }
        Ok(())
    }
}

/// The beginning of a question who came and who left, which is answered when somebody has.
const NEWS: &[u8] = b"{\"v\":1,\"presenceFeed\"";

/// Returns when this time has passed.
async fn overdue(bus: &Mutex<Bus>, time: Duration) {
    let (until, moved) = {
        let bus = bus.lock();
        (bus.now_ms + u64::try_from(time.as_millis()).unwrap_or(u64::MAX), bus.moved.clone())
    };
    while bus.lock().now_ms < until {
        moved.notified().await;
    }
}

/// The answer to a call that subscribes, from somebody who does not have the stream.
fn accepted(message: &[u8]) -> Option<Bytes> {
    let call: serde_json::Value = serde_json::from_slice(message).ok()?;
    let asked: serde_json::Value = serde_json::from_str(call.get("body")?.as_str()?).ok()?;
    if call.get("target")?.as_str()? != "/subscribe" {
        return None;
    }
    let body = serde_json::json!({ "accepted": asked.get("channels")?, "rejected": [] }).to_string();
    let answer = serde_json::json!({ "v": call.get("v")?, "status": 200, "headers": [], "body": body });
    Some(answer.to_string().into())
}

/// A beat whose sender is always further than everybody else.
fn boasting(message: &Bytes) -> Bytes {
    let Ok(mut beat) = serde_json::from_slice::<serde_json::Value>(message) else { return message.clone() };
    let Some(head) = beat.pointer_mut("/beat/head") else { return message.clone() };
    let Some(mut at) = head.as_str().and_then(|at| at.parse::<Cursor>().ok()) else { return message.clone() };
    at.seq += 1_000_000;
    *head = at.to_string().into();
    beat.to_string().into()
}

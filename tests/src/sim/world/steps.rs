//! What each step of a schedule does to the world.

use super::{World, parsed};
use crate::sim::{
    bus::{self},
    ear::Violation,
    op::{Append, Hidden, Live, Op},
    person::{GIFTS, LABELS, PATTERNS, ROOMS},
    profile::Speaker,
};

impl World {
    pub(super) fn step(&mut self, op: Op) -> Result<(), Violation> {
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
            Op::Flush { node } => _ = self.stations[node].flush(),
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
            Op::Watch { client, room } => {
                self.clients[client % clients].watch(parsed(ROOMS[room]));
                self.settle(client % clients)?;
            }
            Op::Unwatch { client, which } => {
                let client = client % clients;
                let now = self.now + self.clients[client].ahead_ms;
                self.clients[client].unwatch(now, which);
                self.settle(client)?;
            }
            Op::Who { client, node, room } => self.who(client % clients, node, room)?,
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
}

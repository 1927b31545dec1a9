//! Scenes: a few steps that together reach a corner of the design. Independent random steps reach it in one schedule of
//! thousands, because each step is rare and their order matters.

use fastrand::Rng;

use super::{
    op::{Append, Cut, Fate, Hidden, Live, Mishap, Op, Since},
    schedule::Setup,
};

/// A pattern to subscribe to, and a topic that it receives, by their indexes in the lists of [`person`](super::person).
const HEARD: [(usize, usize); 8] = [(0, 0), (1, 2), (2, 3), (3, 4), (4, 5), (5, 7), (6, 8), (7, 6)];

/// Of up to six handlers the one that was made last.
const LATEST: usize = 59;

/// More records than a log holds.
const ALL: usize = 1_000;

/// A random scene, with random parties.
pub(super) fn draw(rng: &mut Rng, setup: &Setup) -> Vec<Op> {
    let (pattern, topic) = *rng.choice(&HEARD).expect("there are some");
    let node = rng.usize(..setup.nodes);
    let behind = (node + 1) % setup.nodes;
    let cast =
        Cast { client: rng.usize(..60), node, other: if rng.bool() { node } else { behind }, behind, pattern, topic };
    match rng.u8(..if setup.peers { 7 } else { 5 }) {
        4 => cast.stored_late(rng),
        5 => cast.stands_still(rng),
        6 => cast.left_late(rng),
        3 => cast.leader_hangs(rng),
        0 => cast.numbers_used_again(rng),
        1 => cast.ahead_of_its_node(rng),
        _ => cast.revoked_before_the_log_began(rng),
    }
}

/// The parties of a scene.
struct Cast {
    client: usize,
    /// The client's node at first.
    node: usize,
    /// The node that the client moves to.
    other: usize,
    /// Another one, where there is one.
    behind: usize,
    pattern: usize,
    topic: usize,
}

impl Cast {
    /// A client receives a few records, the log loses them, and others reuse their numbers while the client listens.
    fn numbers_used_again(&self, rng: &mut Rng) -> Vec<Op> {
        let mut ops = self.listening();
        let heard = rng.usize(2..=8);
        ops.extend(self.heard(heard));
        ops.push(Op::RollBack { records: rng.usize(heard / 2..=heard + 1), more: rng.usize(..2), live: Live::Breaks });
        // The node first finds its tail broken, and then the log changed.
        ops.extend([self.follow(self.node), self.follow(self.node), self.exchange(self.node)]);
        ops.extend(self.heard(rng.usize(1..=heard)));
        ops
    }

    /// A client resumes on a node that lags behind; before the node catches up, the log loses the client's records and
    /// stores others there.
    fn ahead_of_its_node(&self, rng: &mut Rng) -> Vec<Op> {
        let behind = self.behind;
        let mut ops = self.listening();
        ops.extend([self.follow(behind), Op::Lag { node: behind }]);
        let heard = rng.usize(1..=4);
        ops.extend(self.heard(heard));
        ops.extend(self.goes_to(behind));
        ops.extend([
            Op::RollBack { records: rng.usize(1..=heard), more: rng.usize(..=heard + 2), live: Live::Breaks },
            self.publish(),
        ]);
        ops.extend([Op::CatchUp { node: behind }, self.follow(behind), self.follow(behind), self.exchange(behind)]);
        ops
    }

    /// A channel is revoked from a client, that part of the log is trimmed, and the client moves to a node that did not
    /// run when it happened.
    fn revoked_before_the_log_began(&self, rng: &mut Rng) -> Vec<Op> {
        let (client, pattern, node) = (self.client, self.pattern, self.node);
        let mut ops = self.listening();
        ops.push(Op::Revoke { client, pattern, node, append: Append::Prompt });
        (0..rng.usize(..3)).for_each(|_| ops.push(self.publish()));
        ops.push(Op::Trim { records: if rng.bool() { ALL } else { rng.usize(1..20) } });
        ops.extend([Op::Crash { node: self.other }, Op::Boot { node: self.other }, self.follow(self.other)]);
        ops.extend(self.goes_to(self.other));
        ops.extend([self.exchange(self.other), self.exchange(self.other)]);
        ops.extend([self.publish(), self.follow(self.other), self.exchange(self.other)]);
        ops
    }

    /// A tab that may lead stops running, like one that iOS has suspended; its user looks at the next tab, which takes
    /// the lead, and the first one wakes up.
    fn leader_hangs(&self, rng: &mut Rng) -> Vec<Op> {
        let (client, next) = (self.client, self.client + 1);
        let mut ops = self.listening();
        let look = Self { client: next, ..*self };
        ops.extend(look.listening());
        ops.push(Op::Freeze { client });
        (0..rng.usize(..3)).for_each(|_| ops.push(self.publish()));
        ops.extend([Op::Online { client: next }, Op::Pass { ms: rng.u64(1_500..4_500) }]);
        ops.extend([look.exchange(self.other), Op::Pass { ms: rng.u64(50..500) }, look.exchange(self.other)]);
        (0..rng.usize(..3)).for_each(|_| ops.push(self.publish()));
        ops.extend([
            look.exchange(self.other),
            Op::Thaw { client },
            self.exchange(self.node),
            self.exchange(self.other),
        ]);
        ops
    }

    /// Nobody waits for an append any more; its publisher tries again, that is stored, and much later the first comes to the engine.
    fn stored_late(&self, rng: &mut Rng) -> Vec<Op> {
        let mut ops = self.listening();
        let Op::Publish { node, topic, hidden, .. } = self.publish() else { return ops };
        ops.push(Op::Publish { node, topic, hidden, append: Append::Orphan });
        ops.extend([
            Op::Retry { which: 0, node: self.other },
            Op::Pass { ms: rng.u64(10_000..25_000) },
            Op::ForgetKeys,
        ]);
        ops.extend([Op::Land { which: 0 }, self.follow(self.node), self.exchange(self.node)]);
        ops
    }

    /// The tail of the client's node stands still, and the log goes on at another.
    fn stands_still(&self, rng: &mut Rng) -> Vec<Op> {
        let mut ops = self.listening();
        ops.push(Op::Hush { node: self.node });
        let elsewhere = Self { node: self.behind, ..*self };
        ops.extend([elsewhere.publish(), self.follow(self.behind)]);
        (0..rng.usize(3..6)).for_each(|_| ops.push(Op::Pass { ms: rng.u64(1_500..2_500) }));
        ops.extend([self.exchange(self.behind), elsewhere.publish(), self.follow(self.behind)]);
        ops.extend([self.exchange(self.behind), Op::Speak { node: self.node }, Op::Pass { ms: 2_000 }]);
        ops
    }

    /// A call that takes channels off a stream is late, and comes after it was made again, and after what was asked for since.
    fn left_late(&self, rng: &mut Rng) -> Vec<Op> {
        let client = self.client;
        let mut ops = self.listening();
        let carry = || Op::Exchange { client, node: self.node };
        ops.push(Op::Unsubscribe { client, which: LATEST });
        ops.extend([Op::Meet { mishap: Mishap::Late }, carry(), carry(), Op::Pass { ms: rng.u64(1_000..3_000) }]);
        ops.extend([carry(), carry(), Op::Subscribe { client, pattern: self.pattern, since: Since::Now }]);
        ops.extend([carry(), carry(), carry(), Op::Arrive { which: 0 }, self.publish()]);
        ops.extend([self.follow(self.node), carry()]);
        ops
    }

    /// The client subscribes, and receives the confirmation.
    fn listening(&self) -> Vec<Op> {
        let (client, pattern) = (self.client, self.pattern);
        let mut ops = vec![Op::Subscribe { client, pattern, since: Since::Now }, Op::ConnectNow { client }];
        // Its stream, its call, and the answer.
        ops.extend([
            self.follow(self.node),
            self.exchange(self.node),
            self.exchange(self.node),
            self.exchange(self.node),
        ]);
        ops
    }

    /// This many records are published, and the client receives them.
    fn heard(&self, records: usize) -> Vec<Op> {
        let mut ops = vec![self.publish(); records];
        ops.extend([self.follow(self.node), self.exchange(self.node)]);
        ops
    }

    /// The client's stream breaks, and it opens another one on this node.
    fn goes_to(&self, node: usize) -> [Op; 4] {
        let client = self.client;
        let cut = Op::Cut { client, cut: Cut::Clean(ALL) };
        [cut, Op::ConnectNow { client }, Op::Connect { client, node, fate: Fate::Arrives }, self.exchange(node)]
    }

    fn publish(&self) -> Op {
        Op::Publish { node: self.node, topic: self.topic, hidden: Hidden::No, append: Append::Prompt }
    }

    fn follow(&self, node: usize) -> Op {
        Op::Follow { node, records: ALL }
    }

    fn exchange(&self, node: usize) -> Op {
        Op::Exchange { client: self.client, node }
    }
}

//! Schedules: the steps of a run, drawn from a seed before anything runs.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    op::{Append, Cut, Fate, Hidden, Live, Mishap, Op, Since},
    person::{GIFTS, LABELS, PATTERNS, ROOMS, TOPIC_COUNT},
    scene,
};

/// The settings of a whole schedule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) clients: usize,
    /// The number of clients that poll.
    #[serde(default)]
    pub(super) pollers: usize,
    /// How many hubs the log has.
    #[serde(default = "two")]
    pub(super) nodes: usize,
    /// They reach each other.
    #[serde(default)]
    pub(super) peers: bool,
    /// They know who is present.
    #[serde(default)]
    pub(super) presence: bool,
    /// The node that the others do not reach for a while in the end, when lists are judged.
    #[serde(default)]
    pub(super) parts: Option<usize>,
    /// Their tails beat as time passes, and are given up when they do not.
    #[serde(default)]
    pub(super) listens: bool,
    /// Whether the tabs of one browser share a stream.
    pub(super) share: bool,
    pub(super) window_records: usize,
    pub(super) window_bytes: usize,
    pub(super) window_secs: u64,
    /// The records in one page of the engine.
    pub(super) page: usize,
    /// The bytes in one payload. Large payloads fill a write, so that a connection has to stop half-way.
    pub(super) payload: usize,
    /// The bytes that fit between hub and client.
    pub(super) buffers: usize,
    /// For how many routing keys, and for how many tags, of trimmed records the engine has room.
    #[serde(default = "much")]
    pub(super) summary_keys: usize,
    #[serde(default = "much")]
    pub(super) summary_tags: usize,
}

fn two() -> usize {
    2
}

fn much() -> usize {
    10_000
}

/// One run, as data. Kept in a file, it outlives the generator that drew it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Schedule {
    /// The seed it was drawn from; the hub's own delays are drawn from it, too.
    pub(super) seed: u64,
    pub(super) setup: Setup,
    pub(super) ops: Vec<Op>,
}

/// The kinds of faults. Each schedule has about half of them, so that each kind also meets the absence of the others.
const FAULTS: u32 = 31;
/// Those of them that lie between nodes.
const BETWEEN: u32 = 0b11 << 23;
/// One schedule in this many has a [`scene`].
const SCENES: u8 = 8;
/// Seeds from here on are of schedules in which the nodes know who is present. They are a kind of their own, because they
/// still find faults more often than once in 1,000,000 schedules.
pub const PRESENCE_SEEDS: u64 = 1 << 60;
/// In those, one step in this many is about presence.
const ABOUT_PRESENCE: u8 = 12;

impl Schedule {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let few = |rng: &mut Rng| if rng.bool() { rng.usize(1..12) } else { 10_000 };
        let share = rng.bool();
        let nodes = *rng.choice(&[1, 2, 2, 3]).expect("there are some");
        let peers = nodes > 1 && rng.bool();
        let presence = seed >= PRESENCE_SEEDS;
        let setup = Setup {
            clients: if share { rng.usize(2..=5) } else { rng.usize(2..=3) },
            pollers: if rng.u8(..4) == 0 { rng.usize(1..=2) } else { 0 },
            nodes,
            peers,
            presence,
            parts: (peers && presence && rng.bool()).then(|| rng.usize(..nodes)),
            listens: true,
            share,
            window_records: if rng.u8(..3) == 0 { 10_000 } else { rng.usize(0..10) },
            window_bytes: if rng.u8(..6) == 0 { rng.usize(0..2_000) } else { 1 << 20 },
            window_secs: if rng.u8(..6) == 0 { rng.u64(1..30) } else { 600 },
            page: few(&mut rng),
            payload: if rng.u8(..24) == 0 { 33_000 } else { 0 },
            buffers: if rng.bool() { rng.usize(1..3_000) } else { 100_000 },
            summary_keys: few(&mut rng),
            summary_tags: few(&mut rng),
        };
        let faults = rng.u32(..1 << FAULTS) | rng.u32(..1 << FAULTS) & rng.u32(..1 << FAULTS);
        let faults = if setup.peers { faults } else { faults & !BETWEEN };
        let mut steps = rng.usize(40..=160);
        let mut scene = if rng.u8(..SCENES) == 0 { scene::draw(&mut rng, &setup) } else { Vec::new() }.into_iter();
        let begins = rng.usize(..steps);
        let mut ops = Vec::with_capacity(steps + 8);
        // Each client gets a handler and a stream.
        for client in 0..setup.clients {
            let since = if rng.u8(..4) == 0 { Since::Node(0) } else { Since::Now };
            ops.push(Op::Reload { client, since });
            for _ in 0..rng.usize(0..3) {
                ops.push(subscribe(&mut rng, &setup, client));
            }
            ops.push(Op::On { client, label: rng.usize(..LABELS.len()) });
            if setup.presence && rng.bool() {
                ops.push(Op::Watch { client, room: rng.usize(..ROOMS.len()) });
            }
        }
        for poller in 0..setup.pollers {
            for _ in 0..rng.usize(1..5) {
                ops.push(poll_also(&mut rng, &setup, poller));
            }
        }
        while ops.len() < steps {
            // Other steps continue in between, so that a scene does not displace them.
            let step = if ops.len() >= begins && rng.u8(..5) > 0 { scene.next() } else { None };
            steps += usize::from(step.is_some());
            ops.push(step.unwrap_or_else(|| Op::draw(&mut rng, &setup, faults)));
        }
        ops.extend(scene);
        Self { seed, setup, ops }
    }
}

fn subscribe(rng: &mut Rng, setup: &Setup, client: usize) -> Op {
    let since = since(rng, setup);
    Op::Subscribe { client, pattern: rng.usize(..PATTERNS.len()), since }
}

fn poll_also(rng: &mut Rng, setup: &Setup, poller: usize) -> Op {
    let since = since(rng, setup);
    Op::PollAlso { poller, pattern: rng.usize(..PATTERNS.len()), since }
}

fn since(rng: &mut Rng, setup: &Setup) -> Since {
    match rng.u8(..20) {
        0..=8 => Since::Now,
        9..=15 => Since::Kept(rng.usize(..8)),
        16..=17 => Since::Node(rng.usize(..setup.nodes)),
        18 => Since::Forged(rng.usize(..8)),
        _ => Since::Garbage,
    }
}

fn live(rng: &mut Rng) -> Live {
    *rng.choice(&[Live::Breaks, Live::Breaks, Live::Asks, Live::GoesOn]).expect("there are some")
}

const MISHAPS: [Mishap; 5] = [Mishap::Lost, Mishap::AnswerLost, Mishap::Late, Mishap::Twice, Mishap::Gone];

impl Op {
    fn draw(rng: &mut Rng, setup: &Setup, faults: u32) -> Self {
        if setup.presence && rng.u8(..ABOUT_PRESENCE) == 0 {
            return Self::about_presence(rng, setup);
        }
        loop {
            let (op, fault) = Self::any(rng, setup);
            if fault.is_none_or(|fault| faults & 1 << fault != 0) {
                return op;
            }
        }
    }

    fn about_presence(rng: &mut Rng, setup: &Setup) -> Self {
        let (client, room) = (rng.usize(..60), rng.usize(..ROOMS.len()));
        match rng.u8(..6) {
            0..3 => Self::Watch { client, room },
            3 => Self::Unwatch { client, which: rng.usize(..8) },
            _ => Self::Who { client, node: rng.usize(..setup.nodes), room },
        }
    }

    /// A random step, and the number of the fault that it is.
    fn any(rng: &mut Rng, setup: &Setup) -> (Self, Option<u32>) {
        let node = rng.usize(..setup.nodes);
        let client = rng.usize(..60);
        let which = rng.usize(..8);
        let records = rng.usize(1..5);
        match rng.u16(..if setup.peers { 1_281 } else { 1_215 }) {
            // Messages between the tabs of a browser.
            1_000..1_045 => (Op::Hear { client, words: if rng.bool() { rng.usize(1..4) } else { 1_000 } }, None),
            1_045..1_050 => (Op::Freeze { client }, Some(17)),
            1_050..1_062 => (Op::Thaw { client }, None),
            1_062..1_070 => (Op::Miss { client }, Some(18)),
            1_070..1_078 => (Op::Give { client, gift: rng.usize(..GIFTS.len()), node }, Some(19)),
            1_078..1_085 => (Op::Take { client, gift: rng.usize(..GIFTS.len()), node }, Some(19)),
            1_085..1_089 => (Op::Deny { client }, Some(20)),
            1_089..1_095 => (Op::Online { client }, None),
            1_095..1_105 => (Op::Damage { which: rng.usize(..40), known: rng.bool() }, Some(21)),
            1_105..1_145 => {
                let (fate, fault) = match rng.u8(..8) {
                    0 => (Fate::Lost, Some(22)),
                    _ => (Fate::Arrives, None),
                };
                (Op::Poll { poller: client, node, waits: rng.bool(), fate }, fault)
            }
            1_145..1_155 => (poll_also(rng, setup, client), None),
            // Of the engine, beside what any does.
            1_155..1_163 => (Op::Land { which }, Some(25)),
            1_163..1_169 => (Op::ForgetKeys, Some(26)),
            1_169..1_177 => (Op::Stale { node }, Some(27)),
            1_177..1_183 => (Op::Fresh { node }, Some(27)),
            1_183..1_191 => (Op::Rewind { node }, Some(28)),
            1_191..1_199 => (Op::Hush { node }, Some(29)),
            1_199..1_209 => (Op::Speak { node }, Some(29)),
            1_209..1_215 => (Op::LoseSwap, Some(30)),
            // What nodes do together.
            1_215..1_239 => (Op::Meet { mishap: *rng.choice(&MISHAPS).expect("there are some") }, Some(23)),
            1_239..1_249 => (Op::Arrive { which }, Some(23)),
            1_249..1_255 => (Op::Part { node }, Some(24)),
            1_255..1_263 => (Op::Rejoin { node }, Some(24)),
            1_263..1_271 => (Op::Count { client, node }, None),
            1_271..1_281 => {
                let mut any = || rng.usize(..setup.nodes);
                (Op::Ticket { client, mint: node, first: any(), second: any() }, None)
            }
            0..200 => {
                let hidden = match rng.u8(..8) {
                    0 => Hidden::FromTab(client),
                    1 => Hidden::FromDevice(client),
                    _ => Hidden::No,
                };
                let (append, fault) = match rng.u8(..21) {
                    20 => (Append::Orphan, Some(25)),
                    0 => (Append::Refused, Some(0)),
                    1 => (Append::Vanished, Some(0)),
                    2 | 3 => (Append::AckLost, Some(1)),
                    4 | 5 => (Append::AckLate, Some(2)),
                    6 => (Append::Late, Some(2)),
                    _ => (Append::Prompt, None),
                };
                (Op::Publish { node, topic: rng.usize(..TOPIC_COUNT), hidden, append }, fault)
            }
            200..212 => (Op::Acknowledge { which }, None),
            212..220 => (Op::GiveUp { which }, None),
            220..225 => {
                let append = match rng.u8(..8) {
                    0 => Append::Refused,
                    1 => Append::AckLost,
                    _ => Append::Prompt,
                };
                let op = match rng.u8(..8) {
                    0..5 => Op::Revoke { client, pattern: rng.usize(..PATTERNS.len()), node, append },
                    5 => Op::Expel { client, node, append },
                    _ => Op::Restore { client, node },
                };
                (op, Some(16))
            }
            225..240 => (Op::Retry { which, node }, None),
            240..250 => (Op::Repeat { which, node }, Some(3)),

            250..360 => (Op::Follow { node, records: if rng.bool() { records } else { 1_000 } }, None),
            360..370 => (Op::Attach { node }, None),
            370..400 => (Op::Pull { node, records }, None),
            400..420 => (Op::Flush { node }, None),

            420..450 => {
                let fate = match rng.u8(..8) {
                    0 => Fate::Lost,
                    1 => Fate::Vanishes,
                    _ => Fate::Arrives,
                };
                (Op::Connect { client, node, fate }, (fate != Fate::Arrives).then_some(4))
            }
            450..500 => (Op::Pump { client }, None),
            500..560 => {
                let bytes = if rng.bool() { rng.usize(1..600) } else { 1_000_000 };
                (Op::Read { client, bytes }, None)
            }
            560..660 => (Op::Exchange { client, node }, None),
            660..700 => {
                let (fate, fault) = match rng.u8(..10) {
                    0 => (Fate::Lost, Some(5)),
                    1 => (Fate::Vanishes, Some(5)),
                    2 => (Fate::Misled, Some(6)),
                    _ => (Fate::Arrives, None),
                };
                (Op::Call { which, fate }, fault)
            }

            700..740 => (subscribe(rng, setup, client), None),
            740..752 => (Op::Unsubscribe { client, which }, None),
            752..760 => (Op::On { client, label: rng.usize(..LABELS.len()) }, None),
            760..785 => (Op::Keep { node }, None),
            785..790 => {
                let since = if rng.bool() { Since::Kept(which) } else { Since::Now };
                (Op::Reload { client, since }, None)
            }
            790..800 => (Op::ConnectNow { client }, None),
            800..802 => (Op::Disconnect { client }, None),
            802..806 => (Op::Suspend { client }, None),
            806..812 => (Op::Resume { client }, None),
            812..816 => (Op::Online { client }, None),

            816..856 => {
                let ms = match rng.u8(..4) {
                    0 => rng.u64(1..100),
                    1 | 2 => rng.u64(100..3_000),
                    _ => rng.u64(3_000..15_000),
                };
                (Op::Pass { ms }, None)
            }
            856..860 => (Op::Jump { client, ms: rng.u64(1_000..100_000) }, Some(7)),
            860..864 => (Op::WallJump { ms: rng.i64(-60_000..60_000) }, Some(7)),

            864..894 => {
                let bytes = rng.usize(..800);
                let (cut, fault) = match rng.u8(..10) {
                    0..=5 => (Cut::Clean(bytes), 8),
                    6 | 7 => (Cut::HubUnaware(bytes), 8),
                    8 => (Cut::ClientUnaware, 9),
                    _ => (Cut::Silent, 9),
                };
                (Op::Cut { client, cut }, Some(fault))
            }
            894..898 => (Op::Forget, None),
            898..903 => (Op::Stall { client }, Some(10)),
            903..908 => (Op::Unstall { client }, None),
            908..916 => (Op::Crash { node }, Some(11)),
            916..926 => (Op::Boot { node }, None),
            926..929 => (Op::Drain { node }, Some(11)),
            929..934 => (Op::Outage { node }, Some(12)),
            934..944 => (Op::Recover { node }, None),
            944..954 => (Op::Lag { node }, Some(13)),
            954..960 => (Op::CatchUp { node }, None),
            960..978 => (Op::Trim { records }, Some(14)),
            978..993 => (Op::RollBack { records: rng.usize(..5), more: rng.usize(..6), live: live(rng) }, Some(15)),
            _ => (Op::Wipe { more: rng.usize(..4), live: live(rng) }, Some(15)),
        }
    }
}

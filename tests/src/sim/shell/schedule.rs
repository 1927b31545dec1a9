//! Schedules: the steps of a run, drawn from a seed before anything runs.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    op::{Cut, Fate, Kind, Op, Since},
    protocol::Act,
    scene,
    world::GLOBALS,
};
use crate::sim::{
    person::{LABELS, PATTERNS, PEOPLE, TOPIC_COUNT},
    schedule::Setup,
};

/// What makes clients check their connection at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Nudge {
    None,
    Shown,
    Online,
    Connect,
}

/// One run, as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) hub: Setup,
    /// The first page of each tab.
    pub(super) pages: Vec<Kind>,
    pub(super) nudge: Nudge,
    /// Whether a page that stands still at the end does so for ever.
    pub(super) stays_frozen: bool,
    pub(super) ops: Vec<Op>,
}

/// The kinds of faults. Each schedule has about half of them, so that each kind also meets the absence of the others.
const FAULTS: u32 = 15;
/// One schedule in this many has more channels in a chunk than a client remembers.
const FLOODS: u8 = 100;
/// One schedule in this many ends with a [`scene`].
const SCENES: u8 = 4;

impl Schedule {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let tabs = rng.usize(1..=PEOPLE.len());
        let shares = tabs > 1 && rng.u8(..4) > 0;
        let floods = rng.u8(..FLOODS) == 0;
        let few = |rng: &mut Rng| if !floods && rng.bool() { rng.usize(1..12) } else { 10_000 };
        let hub = Setup {
            nodes: 2,
            peers: false,
            presence: false,
            parts: None,
            listens: false,
            clients: tabs,
            pollers: 0,
            share: shares,
            window_records: few(&mut rng),
            window_bytes: 1 << 24,
            window_secs: 600,
            page: few(&mut rng),
            payload: 0,
            buffers: if !floods && rng.bool() { rng.usize(1..3_000) } else { 10_000_000 },
            summary_keys: 10_000,
            summary_tags: 10_000,
        };
        let faults = rng.u32(..1 << FAULTS) | rng.u32(..1 << FAULTS) & rng.u32(..1 << FAULTS);
        let pages: Vec<_> = (0..tabs).map(|_| kind(&mut rng, shares)).collect();
        let mut ops = Vec::new();
        for tab in 0..tabs {
            for _ in 0..rng.usize(0..3) {
                ops.push(subscribe(&mut rng, tab));
            }
            if rng.bool() {
                ops.push(on(&mut rng, tab));
            }
        }
        let steps = rng.usize(20..=100);
        let flood_at = if floods { rng.usize(steps / 2..steps) } else { usize::MAX };
        while ops.len() < steps {
            if ops.len() == flood_at {
                let tab = rng.usize(..tabs);
                ops.push(Op::Subscribe { tab, pattern: 4, since: Since::Now, acts: Vec::new() });
                ops.extend((0..8).map(|_| Op::Exchange { tab, node: 0 }));
                ops.push(Op::Flood { tab, node: 0 });
            }
            ops.push(Op::draw(&mut rng, faults, shares));
        }
        let mut stays_frozen = rng.bool();
        if rng.u8(..SCENES) == 0 {
            ops.extend(scene::draw(&mut rng, tabs));
            // Otherwise the scene would have no effect.
            stays_frozen |= rng.u8(..4) > 0;
        }
        let nudge = [Nudge::None, Nudge::Shown, Nudge::Online, Nudge::Connect][rng.usize(..4)];
        Self { seed, hub, pages, nudge, stays_frozen, ops }
    }
}

fn kind(rng: &mut Rng, shares: bool) -> Kind {
    let mut one_of = |count: u8| rng.u8(..count) == 0;
    let by_source = one_of(4);
    Kind {
        by_source,
        shares,
        refuses_storage: one_of(12),
        is_new: one_of(12),
        lacks_locks: one_of(20),
        lacks_channels: one_of(20),
        srcdoc: one_of(12),
        as_app: one_of(6),
        by_token: !by_source && one_of(4),
        misled: one_of(24),
    }
}

fn acts(rng: &mut Rng) -> Vec<(u32, Act)> {
    if rng.u8(..4) > 0 {
        return Vec::new();
    }
    let act = match rng.u8(..12) {
        0..6 => Act::Throw,
        6 | 7 => Act::Stop,
        8 | 9 => Act::Connect,
        10 => Act::Disconnect,
        _ => Act::Reset,
    };
    vec![(rng.u32(1..8), act)]
}

fn subscribe(rng: &mut Rng, tab: usize) -> Op {
    let since = match rng.u8(..20) {
        0..12 => Since::Now,
        12..19 => Since::Kept(rng.usize(..8)),
        _ => Since::Garbage,
    };
    Op::Subscribe { tab, pattern: rng.usize(..PATTERNS.len()), since, acts: acts(rng) }
}

fn on(rng: &mut Rng, tab: usize) -> Op {
    Op::On { tab, label: rng.usize(..LABELS.len()), acts: acts(rng) }
}

fn throws(rng: &mut Rng, tab: usize) -> Op {
    Op::Throws { tab, what: rng.usize(..GLOBALS.len()), times: rng.u32(1..3) }
}

impl Op {
    fn draw(rng: &mut Rng, faults: u32, shares: bool) -> Self {
        loop {
            let (op, fault) = Self::any(rng, shares);
            if fault.is_none_or(|fault| faults & 1 << fault != 0) {
                return op;
            }
        }
    }

    /// A random step, and the number of the fault that it is.
    fn any(rng: &mut Rng, shares: bool) -> (Self, Option<u32>) {
        let (tab, node, which) = (rng.usize(..60), rng.usize(..2), rng.usize(..8));
        match rng.u16(..1_130) {
            1_000..1_030 => (throws(rng, tab), Some(9)),
            1_030..1_050 => (Op::Miss { tab }, Some(7)),
            1_050..1_065 => (Op::Deny { tab }, Some(8)),
            1_065..1_070 => (Op::RefuseUnsubscribe { tab }, Some(4)),
            1_070..1_085 => (Op::Thaw { tab }, None),
            1_085..1_100 => (Op::Request { tab, which, node, fate: Fate::Vanishes }, Some(3)),
            1_100..1_108 => (Op::RollBack { records: rng.usize(..5) }, Some(13)),
            1_108..1_112 => (Op::Wipe, Some(13)),
            1_112..1_124 => (Op::Revoke { tab, pattern: rng.usize(..PATTERNS.len()), node }, Some(14)),
            1_124..1_130 => (Op::Restore { tab, node }, Some(14)),
            0..190 => {
                let hidden = (rng.u8(..8) == 0).then(|| rng.usize(..60));
                (Op::Publish { node, topic: rng.usize(..TOPIC_COUNT), hidden }, None)
            }
            190..290 => (Op::Follow { node }, None),
            290..310 => (Op::Keep { node }, None),
            310..315 => (Op::Trim { records: rng.usize(1..5) }, Some(0)),
            315..323 => (Op::Crash { node }, Some(1)),
            323..335 => (Op::Boot { node }, None),
            335..338 => (Op::Drain { node }, Some(1)),

            338..440 => (Op::Exchange { tab, node }, None),
            440..470 => {
                let lost = rng.u8(..4) == 0;
                (Op::Script { tab, comes: !lost }, lost.then_some(2))
            }
            470..500 => (Op::Task { tab }, None),
            500..600 => {
                let (fate, fault) = match rng.u8(..16) {
                    0 | 1 => (Fate::Lost, Some(3)),
                    2 | 3 => (Fate::Vanishes, Some(3)),
                    4 => (Fate::Broken, Some(3)),
                    5 => (Fate::Misled, Some(4)),
                    6 => {
                        let retry_after = rng.bool().then(|| rng.u32(0..4_000));
                        (Fate::Unavailable { retry_after, dated: rng.bool() }, Some(4))
                    }
                    7 => (Fate::Forbidden, Some(4)),
                    8 => (Fate::WebPage, Some(4)),
                    _ => (Fate::Arrives, None),
                };
                (Op::Request { tab, which, node, fate }, fault)
            }
            600..680 => (Op::Read { tab, bytes: rng.usize(1..400) }, None),
            680..700 => (Op::Cut { tab, cut: Cut::Both(rng.usize(..600)) }, Some(5)),
            700..706 => (Op::Cut { tab, cut: Cut::Silent }, Some(6)),
            706..770 if shares => (Op::Hear { tab, words: rng.usize(1..4) }, None),
            706..770 => (Op::Exchange { tab, node }, None),
            770..778 => (Op::Miss { tab }, Some(7)),
            778..784 => (Op::Deny { tab }, Some(8)),

            784..810 => (subscribe(rng, tab), None),
            810..820 => (on(rng, tab), None),
            820..827 => (Op::Stop { tab, which }, None),
            827..830 => (Op::Swap { tab, which, pattern: rng.usize(..PATTERNS.len()) }, None),
            830..838 => (Op::Connect { tab }, None),
            838..841 => (Op::Disconnect { tab }, None),
            841..846 => (Op::Reset { tab }, None),
            846..850 => (Op::Headers { tab }, None),
            850..853 => (Op::Preload { tab }, None),
            853..857 => (Op::Fetch { tab }, None),
            857..861 => (Op::Configure { tab }, None),
            861..869 => (Op::Reload { tab, kind: kind(rng, shares) }, None),

            869..881 => (throws(rng, tab), Some(9)),
            881..889 => (Op::Freeze { tab }, Some(10)),
            889..899 => (Op::Thaw { tab }, None),
            899..903 => (Op::PageHide { tab }, Some(11)),
            903..909 => (Op::PageShow { tab }, None),
            909..914 => (Op::Hide { tab }, None),
            914..924 => (Op::Show { tab }, None),
            924..932 => (Op::Online { tab }, None),
            932..938 => (Op::HoldTimers { tab }, Some(12)),
            _ => {
                let ms = match rng.u8(..4) {
                    0 => rng.u64(1..100),
                    1 | 2 => rng.u64(100..3_000),
                    _ => rng.u64(3_000..15_000),
                };
                (Op::Pass { ms }, None)
            }
        }
    }
}
